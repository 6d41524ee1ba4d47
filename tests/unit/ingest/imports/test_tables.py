"""Every format gives the same table, and what would hurt is refused soon and cheaply."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from services.ingest.imports.limits import Limits
from services.ingest.imports.refusals import ImportRefusedError
from services.ingest.imports.table import Found, Reading, opened
from tests.support.import_files import csv_bytes, write_xlsx

HEADER, ROWS = ["订单号", "note", "n"], [["T1", 'a,b;\tc "q"', "1"], ["T2", "多行\n文字", "2.5"]]


def table(file: Path, **reading: object) -> tuple[Found, list[str], list[tuple[int, list[str]]]]:
    with opened(file, Limits(), Reading(**reading)) as found:  # type: ignore[arg-type]
        return found.found, found.header, [(line.number, line.cells) for line in found.lines]


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("021-62345678", True),
        ("1.3712345671E+10", True),
        ("+852 9123 4567", True),
        ("138****5678", True),
        ("91234567", True),
        ("ann@example", True),
        ("2025-06-30", False),
        ("amount_2025", False),
        ("手机号", False),
    ],
)
def test_a_first_row_of_data_is_no_header(tmp_path: Path, name: str, *, refused: bool) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"{name}\n13912345678\n", encoding="utf-8")
    if refused:
        with pytest.raises(ImportRefusedError, match="column A of the first row"):
            table(file)
    else:
        assert table(file)[1] == [name]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("encoding", "found"), [("utf-8", "utf-8-sig"), ("utf-8-sig", "utf-8-sig"), ("gb18030", "gb18030")]
)
@pytest.mark.parametrize("packed", [False, True])
def test_csv_in_any_dress_is_the_same_table(
    tmp_path: Path,
    delimiter: str,
    encoding: str,
    found: str,
    packed: bool,  # noqa: FBT001
) -> None:
    raw = csv_bytes(HEADER, ROWS, delimiter=delimiter).decode().encode(encoding)
    file = tmp_path / "x.csv"
    file.write_bytes(gzip.compress(raw) if packed else raw)
    dress = Found(format="csv", packed=packed, encoding=found, delimiter=delimiter)
    assert table(file) == (dress, HEADER, [(2, ROWS[0]), (3, ROWS[1])])


def test_a_letter_in_the_last_row_decides_the_encoding(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"a,b\n" + b"1,2\n" * 600_000 + "1,中\n".encode("gb18030"))
    found, _, rows = table(file)
    assert (found.encoding, rows[-1][1]) == ("gb18030", ["1", "中"])


def test_a_workbook_gives_texts_numbers_as_written_and_dates(tmp_path: Path) -> None:
    import datetime as dt  # noqa: PLC0415

    moment = dt.datetime(2025, 1, 2, 10, 30)  # noqa: DTZ001
    cells: list[list[object]] = [
        ["a", "b", "c", "d", "e", "f"],
        ["0012", 15109.0, 0.1 + 0.2, moment, True, None],
        [None] * 6,
        ["=1+1", 1e15, 12],
    ]
    found, header, rows = table(write_xlsx(tmp_path / "x.xlsx", cells))
    assert (found, header) == (Found(format="xlsx", sheet="one"), ["a", "b", "c", "d", "e", "f"])
    assert rows == [(2, ["0012", "15109", "0.3", "2025-01-02 10:30:00", "true"]), (4, ["", "1000000000000000", "12"])]


def test_a_file_without_header_names_its_columns_by_letters(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"13812345678\n13912345678\n")
    assert table(file, header=False)[1:] == (["A"], [(1, ["13812345678"]), (2, ["13912345678"])])
    with pytest.raises(ImportRefusedError, match="column A of the first row looks like an address") as refused:
        table(file)
    assert "13812345678" not in str(refused.value)


# --- what is refused

BOMB_SHEET = b"<worksheet><sheetData>" + b"<row><c><v>1</v></c></row>" * 400_000 + b"</sheetData></worksheet>"
ENTITIES = b"""<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><workbook>&b;</workbook>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE w [<!ENTITY x SYSTEM "file:///etc/passwd">]><workbook>&x;</workbook>"""
WIDE = "<!DOCTYPE w [<!ENTITY a 'b'>]><workbook>&a;</workbook>".encode("utf-16")


def _zip(file: Path, **entries: bytes) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/"), content)
    return file


def _workbook_with(entry: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        good = write_xlsx(folder / "good.xlsx", [["a"], ["b"]])
        with zipfile.ZipFile(good) as source, zipfile.ZipFile(folder / "bad.xlsx", "w", zipfile.ZIP_DEFLATED) as target:
            for each in source.infolist():
                if each.filename != entry:
                    target.writestr(each, source.read(each))
            target.writestr(entry, content)
        return folder / "bad.xlsx"

    return make


def _csv(content: bytes, *, packed: bool = False) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "bad.csv").write_bytes(gzip.compress(content) if packed else content)
        return folder / "bad.csv"

    return make


def _many_entries(folder: Path) -> Path:
    return _zip(folder / "bad.xlsx", xl__workbook_xml=b"", **{f"e{number}": b"" for number in range(1_001)})


def _wide_sheet(folder: Path) -> Path:
    return write_xlsx(folder / "bad.xlsx", [["h"] * 16_384] * 3)


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "zip bomb": (_workbook_with("xl/worksheets/sheet1.xml", BOMB_SHEET * 4), "unpacks to far more"),
    "zip above the total": (_workbook_with("xl/media/a", b"\0" * (210 << 20)), "unpacks to far more"),
    "billion laughs": (_workbook_with("xl/workbook.xml", ENTITIES), "declares a document type"),
    "outside entity": (_workbook_with("xl/sharedStrings.xml", OUTSIDE), "declares a document type"),
    "entities in UTF-16": (_workbook_with("xl/styles.xml", WIDE), "declares a document type"),
    "macros": (_workbook_with("xl/vbaProject.bin", b"x"), "holds macros"),
    "no workbook": (lambda folder: _zip(folder / "bad.xlsx", a=b"x"), "no Excel workbook"),
    "many entries": (_many_entries, "more than 1000 entries"),
    "16,384 columns": (_wide_sheet, "more than 500 columns"),
    "broken sheet": (_workbook_with("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row>"), "can(not)? be read"),
    "old Excel": (_csv(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 100), "old or locked Excel"),
    "cut zip": (_csv(b"PK\x03\x04 and no more"), "no Excel file"),
    "gzip bomb": (_csv(b"a,b\n" + b"1,2\n" * 4_000_000, packed=True), "unpacks to far more"),
    "cut gzip": (_csv(gzip.compress(b"a,b\n" * 999)[:-9]), "cannot be unpacked"),
    "wide CSV": (_csv(b"h," * 16_384), "more than 500 columns"),
    "UTF-16": (_csv("a,b\n".encode("utf-16")), "UTF-16"),
    "no text": (_csv(b"\x00\x01\x02"), "zero bytes"),
    "no encoding": (_csv(b"a\n\xff\xff"), "neither UTF-8 nor GB18030"),
    "open quote": (_csv(b'a,b\n"' + b"x" * 200_000), "cannot be read"),
    "empty": (_csv(b""), "is empty"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_a_sentence(tmp_path: Path, name: str) -> None:
    make, sentence = HOSTILE[name]
    file = make(tmp_path)
    began = time.process_time()
    with pytest.raises(ImportRefusedError, match=sentence):
        table(file)
    assert time.process_time() - began < 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process its highest memory")
def test_all_hostile_files_together_stay_below_256_megabytes(tmp_path: Path) -> None:
    files = []
    for number, (make, _) in enumerate(HOSTILE.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        files.append(str(make(folder)))
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from services.ingest.imports.limits import Limits\n"
        "from services.ingest.imports.refusals import ImportRefusedError\n"
        "from services.ingest.imports.table import opened\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n"
        "        with opened(Path(name), Limits()) as table:\n"
        "            list(table.lines)\n"
        "    except ImportRefusedError:\n"
        "        continue\n"
        "    sys.exit(name + ' was taken')\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 256 << 10, "kilobytes"


def test_rows_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(b"a\n1\n2\n3\n")
    with pytest.raises(ImportRefusedError, match="more than 2 rows"), opened(file, Limits(rows=2)) as found:
        list(found.lines)
