"""The import API in memory: who may, what an upload answers, and that only what was shown can be confirmed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.ingest.identifiers import Pepper
from services.ingest.imports.importer_process import do, next_job
from services.ingest.imports.jobs import Jobs
from services.ingest.imports.limits import Limits
from services.ingest.imports.work import Means
from services.ingest.people import Desk
from services.ingest.write_keys import Scope, add_key
from shared.log import Log
from shared.shop import Shop
from tests.shell.ingest.harness import Shopfront
from tests.support.import_files import write_xlsx

CSV = "订单号,会员号,下单时间,实付金额\n1,m1,2025-01-02,10\n2,m2,2025-01-03,much\n".encode("gb18030")
LIMITS = Limits(upload=16_000)


class Importing:
    """A shopfront with imports, and the importer's own steps taken by hand."""

    def __init__(self, folder: Path) -> None:
        self.shop = Shopfront(folder, imports=folder / "imports", limits=LIMITS)
        self.jobs = Jobs(folder / "imports")
        desk = Desk(Shop(), Pepper(bytes(range(32))))
        self.means = Means(desk=desk, keyring=self.shop.keyring, kafka="", scenario=False, forecaster="")

    async def call(self, method: str, path: str, body: bytes | None = None, key: str = "", **query: str) -> Any:
        headers = {"authorization": f"Bearer {key or self.shop.import_key}"}
        return await self.shop.client.request(method, f"/api/v1/{path}", content=body, headers=headers, params=query)

    async def work(self) -> None:
        """What the importer would do next."""
        job = next_job(self.jobs)
        assert job is not None
        assert await do(job, self.means, Log("test"))


@pytest.fixture
def importing(tmp_path: Path) -> Importing:
    return Importing(tmp_path)


async def test_an_upload_is_read_and_told_row_by_row(importing: Importing) -> None:
    made = await importing.call("POST", "imports", CSV, kind="orders", name="一月.csv")
    assert (made.status_code, made.json()["state"]) == (201, "waiting")
    await importing.work()
    found = (await importing.call("GET", f"imports/{made.json()['id']}")).json()
    assert (found["state"], found["rows_read"], found["report"]["orders"]) == ("ready", 2, 1)
    assert found["report"]["found"]["encoding"] == "gb18030"
    assert found["report"]["columns"] == {"order": "订单号", "at": "下单时间", "amount": "实付金额", "member": "会员号"}
    assert found["report"]["errors"] == [
        {"row": 3, "column": "实付金额", "reason": "must be a number such as 239.50", "value": "m***"}
    ]
    assert found["forecast_note"]
    assert next_job(importing.jobs) is None
    listed = (await importing.call("GET", "imports")).json()["imports"]
    assert [one["id"] for one in listed] == [made.json()["id"]]


async def test_a_workbook_is_known_by_its_content(importing: Importing, tmp_path: Path) -> None:
    file = write_xlsx(tmp_path / "x.xlsx", [["会员号", "标签"], [17, "vip"]])
    made = await importing.call("POST", "imports", file.read_bytes(), kind="tags")
    await importing.work()
    report = (await importing.call("GET", f"imports/{made.json()['id']}")).json()["report"]
    assert (report["found"]["format"], report["facts"]) == ("xlsx", {"tags.set": 1})


async def test_only_the_digest_that_was_shown_confirms(importing: Importing) -> None:
    job_id = (await importing.call("POST", "imports", CSV, kind="orders")).json()["id"]
    body = msgspec.json.encode({"digest": "0" * 16})
    assert (await importing.call("POST", f"imports/{job_id}/confirm", body)).status_code == 409
    await importing.work()
    assert (await importing.call("POST", f"imports/{job_id}/confirm", body)).status_code == 409
    shown = (await importing.call("GET", f"imports/{job_id}")).json()["digest"]
    refused = await importing.call("POST", f"imports/{job_id}/confirm", msgspec.json.encode({"digest": shown}))
    assert (refused.status_code, refused.json()["message"]) == (
        422,
        "1 rows are refused; say skip_refused, or mend the file",
    )
    again = msgspec.json.encode({"digest": shown, "skip_refused": True})
    assert (await importing.call("POST", f"imports/{job_id}/confirm", again)).status_code == 202
    asked = importing.jobs.open(job_id).request()
    assert (asked.wanted, asked.confirmed, asked.number) == ("run", True, 2)
    twice = await importing.call("POST", f"imports/{job_id}/confirm", again)
    assert (twice.status_code, twice.json()["message"]) == (422, "the import was confirmed already")


async def test_other_columns_make_another_dry_run_with_another_digest(importing: Importing) -> None:
    job_id = (await importing.call("POST", "imports", CSV, kind="orders")).json()["id"]
    await importing.work()
    first = (await importing.call("GET", f"imports/{job_id}")).json()["digest"]
    columns = {"order": "会员号", "at": "下单时间", "amount": "实付金额", "member": "订单号"}
    body = msgspec.json.encode({"columns": columns})
    assert (await importing.call("POST", f"imports/{job_id}/dry-run", body)).status_code == 202
    await importing.work()
    second = (await importing.call("GET", f"imports/{job_id}")).json()
    assert (second["state"], second["report"]["columns"]["member"]) == ("ready", "订单号")
    assert second["digest"] not in {"", first}
    wrong = msgspec.json.encode({"columns": {"order": "none"}})
    await importing.call("POST", f"imports/{job_id}/dry-run", wrong)
    await importing.work()
    failed = (await importing.call("GET", f"imports/{job_id}")).json()
    assert (failed["state"], failed["note"][:15]) == ("failed", "no column none;")


async def test_a_mapping_is_kept_by_name_and_used(importing: Importing) -> None:
    body = msgspec.json.encode({"kind": "tags", "columns": {"member": "会员号", "tags": "订单号"}})
    assert (await importing.call("PUT", "import-mappings/月报", body)).status_code == 204
    assert (await importing.call("PUT", "import-mappings/.hidden", body)).status_code == 422
    assert (await importing.call("PUT", "import-mappings/monthly", body)).status_code == 204
    assert (await importing.call("GET", "import-mappings")).json() == {"mappings": ["monthly", "月报"]}
    assert (await importing.call("GET", "import-mappings/monthly")).json()["kind"] == "tags"
    job_id = (await importing.call("POST", "imports", CSV, kind="tags", mapping="monthly")).json()["id"]
    await importing.work()
    assert (await importing.call("GET", f"imports/{job_id}")).json()["report"]["facts"] == {"tags.set": 2}
    for name, kind, status in (("monthly", "orders", 422), ("none", "tags", 422), ("../keys", "tags", 422)):
        assert (await importing.call("POST", "imports", CSV, kind=kind, mapping=name)).status_code == status


async def test_live_keys_strangers_and_large_files_stay_outside(importing: Importing, tmp_path: Path) -> None:
    assert (await importing.call("POST", "imports", CSV, key=importing.shop.key, kind="orders")).status_code == 403
    assert (await importing.call("POST", "imports", CSV, key="hk_no", kind="orders")).status_code == 401
    assert (await importing.call("POST", "imports", b"x" * 16_001, kind="orders")).status_code == 422
    assert (await importing.call("POST", "imports", b"", kind="orders")).status_code == 422
    assert (await importing.call("POST", "imports", CSV, kind="nonsense")).status_code == 422
    assert (await importing.call("POST", "imports", CSV, kind="orders", more="1")).status_code == 422
    assert importing.jobs.all() == []
    job_id = (await importing.call("POST", "imports", CSV, kind="orders")).json()["id"]
    stranger = add_key(importing.shop.keys_file, "stranger", [Scope.IMPORT])
    importing.shop.seconds += 2
    for method, path in (("GET", ""), ("POST", "/confirm"), ("POST", "/dry-run"), ("DELETE", "")):
        assert (await importing.call(method, f"imports/{job_id}{path}", b"{}", key=stranger)).status_code == 404
    assert (await importing.call("GET", "imports/../keys")).status_code == 404
    assert (await importing.call("DELETE", f"imports/{job_id}")).status_code == 204
    assert not (tmp_path / "imports" / job_id).exists()


async def test_what_is_kept_on_disk_is_for_its_owner_alone(importing: Importing, tmp_path: Path) -> None:
    await importing.call("POST", "imports", CSV, kind="orders")
    await importing.work()
    for path in (tmp_path / "imports").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


async def test_a_file_over_which_the_process_dies_is_given_up(importing: Importing) -> None:
    job_id = (await importing.call("POST", "imports", CSV, kind="orders")).json()["id"]
    job = importing.jobs.open(job_id)
    job.tell(msgspec.structs.replace(job.status(), state="reading", number=1, tries=3))
    await importing.work()
    assert job.status().state == "failed"
    assert next_job(importing.jobs) is None


async def test_uploads_that_nobody_confirms_do_not_stay(importing: Importing) -> None:
    job_id = (await importing.call("POST", "imports", CSV, kind="orders")).json()["id"]
    broken_off = importing.jobs.create("0" * 36)
    now = int(broken_off.folder.stat().st_mtime * 1_000)
    assert importing.jobs.tidy(now + 8 * 86_400_000) == 1, "one still waits for its dry run"
    assert not broken_off.folder.exists()
    await importing.work()
    assert (importing.jobs.tidy(now + 6 * 86_400_000), importing.jobs.tidy(now + 8 * 86_400_000)) == (0, 1)
    assert (await importing.call("GET", f"imports/{job_id}")).status_code == 404
