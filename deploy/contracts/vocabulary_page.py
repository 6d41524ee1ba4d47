"""The vocabulary as a page for people, from the same table as the OpenAPI document; writes no file."""

from __future__ import annotations

import json
from typing import Any

from deploy.contracts.schemas import Document
from services.ingest.openapi_schemas import schemas
from services.ingest.vocabulary import LANGUAGES, Entry, entries, fields

_INTRO = """# Vocabulary 事件词汇

Every event in both forms: for `POST /api/v1/events` (typed, checked, a result per event) and in Segment's shape (for the SDKs).
[openapi.json](openapi.json) says the same for programs; a test sends every example on this page.

每个事件都有两种写法：自有接口（有类型、逐条结果）与 Segment 写法（用于 SDK）。
本页与 [openapi.json](openapi.json) 由同一张表生成，每个示例都在测试中真实发送。

- **Ids 编号**: yours, the same over retries; another content needs another id. 重试时编号不变，内容不同则编号不同。
- **Instants 时间**: RFC 3339 with an offset, years 2000 to 2100. More than 5 minutes ahead: taken, with a warning, as of its arrival.
  必须带时区；超前五分钟以上照收，按到达时间计。
- **Amounts 金额**: numbers or texts such as "239.50" in units of the shop's currency, exact, never below zero.
  More decimals than the currency has (CNY 2, JPY 0, KWD 3) are refused, never rounded. 金额精确到币种的小数位，不四舍五入。
- **Customer 客户**: at least one identifier; the strongest counts: member > unionid > phone > email > openid > external_userid > anonymous.
  Masked and virtual numbers identify nobody. 至少一个标识，取最强者；打码和虚拟号码不作标识。
- **Contact data 联系方式** goes into `customer` or `traits`, is sealed there, and is cut or masked wherever else it turns up.
  只应写在 customer 或 traits 中，封存后不以明文流转。
- **Place and people 门店与导购**: `shop_id`, `channel` (tmall, jd, douyin, wxmp, pos or your own), `guide_id` and `member_level`
  go with every purchase, look and service; `member_level` becomes the trait `level`. 可随各类事件附带。
- **What decides today 目前参与判断**: orders, refunds, cancellations, product views, traits, consents and message reports.
  Everything else is kept in the log and decides nothing yet. 其余事件完整保存，尚不参与判断。
"""
_KINDS = {"string": "text", "integer": "whole number", "array": "list", "boolean": "true or false"}


def vocabulary_page() -> str:
    """The page, in Markdown."""
    shapes = schemas()
    of_type = {
        each["properties"]["type"]["enum"][0]: name
        for name, each in shapes.items()
        if "type" in each.get("required", ())
    }
    lines = [_INTRO, "| type | 中文 | English | Segment |", "|---|---|---|---|"]
    lines += [
        f"| [{entry.type}](#{entry.type.replace('.', '')}) | {entry.title.zh} | {entry.title.en} | {_names(entry)} |"
        for entry in entries()
    ]
    for entry in entries():
        lines += ["", *_section(entry, of_type[entry.type], shapes)]
    return "\n".join(lines) + "\n"


def _names(entry: Entry) -> str:
    kinds = dict.fromkeys(example["type"] for example in entry.segment if "type" in example)
    return ", ".join([*entry.names, *(f"`{kind}`" for kind in kinds)]) or "–"


def _section(entry: Entry, shape: str, shapes: dict[str, Document]) -> list[str]:
    lines = [
        f"## {entry.type}",
        f"**{entry.title.zh}** {entry.about.zh}",
        "",
        f"**{entry.title.en}** {entry.about.en}",
        "",
    ]
    lines += ["| field | holds | 中文 | English |", "|---|---|---|---|", *_fields(shape, shapes)]
    if "LineGiven" in json.dumps(shapes[shape]):
        lines += [f"| lines[].{row.removeprefix('| ')}" for row in _fields("LineGiven", shapes)]
    for language in LANGUAGES:
        lines += ["", "```json", _json(entry.typed_example(language)), "```"]
    lines += ["", "Segment:"]
    for example in entry.segment_examples():
        lines += ["```json", _json(example), "```"]
    return lines


def _fields(shape: str, shapes: dict[str, Document]) -> list[str]:
    schema, known = shapes[shape], fields()
    common = ("type", "id", "at", "customer")
    rows = []
    for name, field in schema["properties"].items():
        if name in common:
            continue
        words = known.get(f"{shape}.{name}") or known[name]
        shown = name if name not in schema["required"] else f"**{name}**"
        rows.append(f"| {shown} | {_holds(field)} | {words.zh} | {words.en} |")
    return rows


def _holds(field: Document) -> str:
    """What a field may be, in short."""
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"] if value)
    if "anyOf" in field:
        return " or ".join(_holds(each) for each in field["anyOf"] if each.get("type") != "null")
    if "oneOf" in field:
        return "amount"
    if field.get("format") == "date":
        return "day"
    return _KINDS.get(field.get("type", ""), "") or str(field.get("type", ""))


def _json(example: dict[str, Any]) -> str:
    """One line per field."""
    inside = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in example.items())
    return f"{{\n{inside}\n}}"
