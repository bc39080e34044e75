"""Files of data management that are damaged, or made to do harm: each ends in a fault that says what is wrong."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgstead.errors import Fault
from orgstead.wire.finops.files.formats import FORMATS, SourceFormat
from orgstead.wire.finops.files.manifest import (
    HEADER_FILE,
    MANIFEST_FILE,
    Manifest,
    PackageEntity,
    write_header,
    write_manifest,
)
from orgstead.wire.finops.files.opening import open_rows
from orgstead.wire.finops.files.package import Package
from orgstead.wire.finops.files.shapes import Limits

CSV, XML, EXCEL = FORMATS["CSV"], FORMATS["XML-Element"], FORMATS["EXCEL"]
SMALL = Limits(
    columns=20, cell=1000, line=5000, depth=5, elements=50, members=10, unpacked=100_000, ratio=20, ratio_from=10_000,
    manifest=20_000,
)  # fmt: skip


def name_of(data: bytes, form: SourceFormat, limits: Limits = SMALL) -> str:
    """The name of the fault that reading a file to its end raises."""
    with pytest.raises(Fault) as caught:
        list(open_rows(io.BytesIO(data), form, limits=limits))
    return caught.value.name


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "DataFileEmpty"),
        (b" \r\n", "DataFileEmpty"),
        (b"A,B\n\xe4,1\n", "DataFileEncoding"),
        (b"A,B\n1,\x00\n", "DataFileEncoding"),
        ("A,B\n1,2\n".encode("utf-16-le"), "DataFileEncoding"),
        ("A,B\n1,2\n".encode("utf-32"), "DataFileEncoding"),
        (b"\xff\xfeA\x00,\x00B\x00\n\x00\x00\xd8A\x00", "DataFileEncoding"),
        ("A,B\n1,2\n".encode("utf-16")[:-1], "DataFileEncoding"),
        (b'A,B\n1,"cut off', "DataFileMalformed"),
        (b'A,B\n1,"a" b\n', "DataFileMalformed"),
        (b"A,a\n1,2\n", "DataFileColumns"),
        (b"A,,B\n1,2,3\n", "DataFileColumns"),
        (b",".join(b"c%d" % place for place in range(30)), "DataFileTooLarge"),
        (b"A,B\n1," + b"x" * 6000, "DataFileTooLarge"),
        (b"PK\x03\x04\x00\x00", "DataFileEncoding"),
    ],
)
def test_a_delimited_file_that_is_none(data: bytes, name: str) -> None:
    assert name_of(data, CSV) == name


def test_a_cell_that_is_too_long_is_a_problem_of_its_row() -> None:
    first, second = open_rows(io.BytesIO(b"A,B\n1," + b"x" * 2000 + b"\n2,y\n"), CSV, limits=SMALL)
    assert first.problems == ("B: more than 1000 characters",)
    assert second.values == {"A": "2", "B": "y"}


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "DataFileEmpty"),
        (b"no xml", "DataFileMalformed"),
        (b"<D><C><A>1</A></C>", "DataFileMalformed"),
        (b"<D><C><A>\xe4</A></C></D>", "DataFileMalformed"),
        (b"<D><C><A>\x00</A></C></D>", "DataFileEncoding"),
        (b"<D><C><A>1</B></C></D>", "DataFileMalformed"),
        (b"<D/><D/>", "DataFileMalformed"),
        (b'<!DOCTYPE D [<!ENTITY a "b">]><D><C><A>&a;</A></C></D>', "DataFileMalformed"),
        (b'<!doctype D SYSTEM "file:///etc/passwd"><D/>', "DataFileMalformed"),
        ('<!DOCTYPE D SYSTEM "http://localhost/"><D/>'.encode("utf-16"), "DataFileMalformed"),
        (b"<!--" + b"-" * 70000 + b"--><!DOCTYPE D><D/>", "DataFileMalformed"),
        (b"<D><C><A>&a;</A></C></D>", "DataFileMalformed"),
        (b'<?xml version="1.0" encoding="utf-7"?><D/>', "DataFileEncoding"),
        (b"<D>" * 10 + b"</D>" * 10, "DataFileTooLarge"),
        (b"<D><C>" + b"<A/>" * 100 + b"</C></D>", "DataFileTooLarge"),
    ],
)
def test_an_xml_file_that_is_none(data: bytes, name: str) -> None:
    assert name_of(data, XML) == name


@pytest.mark.parametrize(
    "text", ["<D>x<C><A>1</A></C></D>", "<D><C><A>1</A></C>x<C><A>2</A></C></D>", "<D><C><A>1</A></C>x</D>"]
)
def test_text_between_the_records_of_an_xml_file_is_not_passed_over(text: str) -> None:
    assert name_of(text.encode(), XML) == "DataFileMalformed"
    spaced = "<D>\n <C><A>1</A></C>\n <C><A>2</A></C>\n</D>"
    assert len(list(open_rows(io.BytesIO(spaced.encode()), XML, limits=SMALL))) == 2


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ("<C><A>1</A><A>2</A></C>", "A is there twice"),
        ("<C>text<A>1</A></C>", "text beside the elements"),
        ("<C B='1'><A>1</A></C>", "B: an attribute, and the values of this format are elements"),
        ("<C><A b='1'>1</A></C>", "A: it has attributes"),
        ("<C><A>" + "x" * 1001 + "</A></C>", "A: more than 1000 characters"),
    ],
)
def test_what_is_wrong_with_one_record_of_an_xml_file_is_told_by_its_row(record: str, problem: str) -> None:
    first, second = open_rows(io.BytesIO(f"<D>{record}<C><A>1</A></C></D>".encode()), XML, limits=SMALL)
    assert first.problems == (problem,)
    assert (second.problems, second.values) == ((), {"A": "1"})


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
            # The library warns of names that are there twice.
            archive.NameToInfo.clear()
    return file.getvalue()


ENTITY = PackageEntity(name="Groups", file="Groups.csv", source_format="CSV")
WORDS = [
    (HEADER_FILE, write_header("Golden")),
    (MANIFEST_FILE, write_manifest(Manifest(project="Golden", entities=(ENTITY,)))),
]
DATA = ("Groups.csv", b"A,B\r\n1,2\r\n")


def opened(data: bytes) -> str:
    """The name of the fault of a package, or nothing."""
    try:
        with (
            Package(io.BytesIO(data), SMALL) as package,
            package.open(package.manifest.entities[0]) as member,
        ):
            list(open_rows(member, CSV, limits=SMALL))
    except Fault as error:
        return error.name
    return ""


def encrypted() -> bytes:
    data = bytearray(zipped(*WORDS, DATA))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            data[at + place] |= 1
    return bytes(data)


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("Groups.csv")
    info.external_attr = 0o120777 << 16
    return info


def damaged() -> bytes:
    data = bytearray(zipped(*WORDS, ("Groups.csv", b"A,B\r\n" + b"1,2\r\n" * 20)))
    data[data.find(b"Groups.csv") + 20] ^= 0xFF
    return bytes(data)


def crowded() -> bytes:
    return zipped(*WORDS, DATA, *((f"x{place}.csv", b"") for place in range(20)))


def claiming_members() -> bytes:
    """An end of archive that promises more than there is, and a directory of four gigabytes."""
    data = zipped(*WORDS, DATA)
    at = data.rfind(b"PK\x05\x06")
    return data[:at] + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, 2**32 - 1, 0, 0)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (zipped(*WORDS, DATA), ""),
        (b"", "DataFileEmpty"),
        (b"PK\x03\x04", "DataPackageInvalid"),
        (b"no zip at all", "DataPackageInvalid"),
        (zipped(*WORDS, DATA)[:-30], "DataPackageInvalid"),
        (zipped(*WORDS, DATA)[40:], "DataPackageInvalid"),
        (zipped(DATA), "DataPackageInvalid"),
        (zipped(WORDS[0], DATA), "DataPackageInvalid"),
        (zipped(*WORDS), "DataPackageInvalid"),
        (zipped(*WORDS, DATA, ("Other.csv", b"A\n")), "DataPackageInvalid"),
        (zipped(*WORDS, DATA, ("inner.zip", zipped(DATA))), "DataPackageInvalid"),
        (zipped(*WORDS, DATA, DATA), "DataPackageInvalid"),
        (zipped(*WORDS, DATA, ("GROUPS.CSV", b"")), "DataPackageInvalid"),
        (zipped(*WORDS, DATA, ("../Groups.csv", b"")), "DataPackageInvalid"),
        (zipped(*WORDS, DATA, ("/etc/passwd", b"")), "DataPackageInvalid"),
        (zipped(*WORDS, DATA, ("C:\\Windows\\x.csv", b"")), "DataPackageInvalid"),
        (zipped(*WORDS, DATA, ("a\\..\\..\\x.csv", b"")), "DataPackageInvalid"),
        (zipped(*WORDS, (link(), b"/etc/passwd")), "DataPackageInvalid"),
        (encrypted(), "DataPackageInvalid"),
        (damaged(), "DataPackageInvalid"),
        (crowded(), "DataFileTooLarge"),
        (claiming_members(), "DataFileTooLarge"),
        (zipped(*WORDS, ("Groups.csv", b"A\n" + b"0" * 90_000)), "DataFileTooLarge"),
        (zipped(*WORDS, ("Groups.csv", bytes(range(256)) * 500)), "DataFileTooLarge"),
        (zipped(("PackageHeader.xml", b"<a/>"), WORDS[1], DATA), "DataPackageInvalid"),
        (
            zipped(WORDS[0], ("Manifest.xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"), DATA),
            "DataFileMalformed",
        ),
        (zipped(WORDS[0], ("Manifest.xml", b"x" * 30_000), DATA), "DataFileTooLarge"),
    ],
)
def test_a_package_that_is_none(data: bytes, name: str) -> None:
    assert opened(data) == name


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
BOOK = f"""<workbook xmlns="{MAIN}" xmlns:r="{RELATION}"><sheets><sheet name="S" r:id="r1"/></sheets></workbook>"""
RELATIONS = """<Relationships><Relationship Id="r1" Target="worksheets/a.xml"/></Relationships>"""


def sheet(rows: str, shared: str = "", extra: str = "") -> bytes:
    data = f'{extra}<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    return zipped(
        ("xl/workbook.xml", BOOK.encode()),
        ("xl/_rels/workbook.xml.rels", RELATIONS.encode()),
        ("xl/worksheets/a.xml", data.encode()),
        ("xl/sharedStrings.xml", f'<sst xmlns="{MAIN}">{shared}</sst>'.encode()),
    )


HEAD = '<row><c t="str"><v>A</v></c><c t="str"><v>B</v></c></row>'


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "DataFileEmpty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "DataFileMalformed"),
        (b"A,B\n", "DataPackageInvalid"),
        (zipped(("content.xml", b"<office/>")), "DataFileMalformed"),
        (sheet(""), "DataFileEmpty"),
        (sheet(HEAD + '<row><c r="XFD1048576"><v>1</v></c></row>'), "DataFileTooLarge"),
        (sheet(HEAD + '<row><c r="1A"><v>1</v></c></row>'), "DataFileMalformed"),
        (sheet(HEAD + '<row><c r="B2"><v>1</v></c><c r="A2"><v>1</v></c></row>'), "DataFileMalformed"),
        (sheet(HEAD + '<row><c t="s"><v>7</v></c></row>'), "DataFileMalformed"),
        (sheet(HEAD + "<row><c><v>1e</v></c></row>"), "DataFileMalformed"),
        (sheet(HEAD + "<row><c>"), "DataFileMalformed"),
        (sheet(HEAD, extra="<!DOCTYPE a>"), "DataFileMalformed"),
        (sheet(HEAD, shared=f"<si><t>{'x' * 2000}</t></si>"), "DataFileTooLarge"),
    ],
)
def test_a_workbook_that_is_none(data: bytes, name: str) -> None:
    assert name_of(data, EXCEL) == name


def test_what_a_formula_could_not_compute_is_a_problem_of_its_row() -> None:
    first, second = open_rows(
        io.BytesIO(sheet(HEAD + '<row><c t="e"><v>#REF!</v></c></row><row><c><v>1</v></c></row>')), EXCEL
    )
    assert first.problems == ("A: the formula gave #REF!",)
    assert second.values == {"A": 1, "B": None}


def test_a_cell_in_the_last_corner_costs_no_memory() -> None:
    data = sheet(HEAD + '<row r="1048576"><c r="A1048576"><v>1</v></c></row>')
    tracemalloc.start()
    try:
        [row] = open_rows(io.BytesIO(data), EXCEL)
        assert row.values == {"A": 1, "B": None}
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def delimited(count: int) -> BinaryIO:
    return io.BytesIO(b"A,B\n" + b"12345,678.90\n" * count)


def elements(count: int) -> BinaryIO:
    return io.BytesIO(b"<D>" + b"<C><A>12345</A><B>678.90</B></C>" * count + b"</D>")


@pytest.mark.parametrize(("made", "form"), [(delimited, CSV), (elements, XML)])
def test_memory_does_not_grow_with_the_rows(made: Callable[[int], BinaryIO], form: SourceFormat) -> None:
    peaks = []
    for count in (10_000, 50_000):
        file = made(count)
        tracemalloc.start()
        try:
            assert sum(1 for _ in open_rows(file, form)) == count
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5 + 200_000


@given(
    st.binary(max_size=400), st.sampled_from(["CSV", "CSV-Unicode", "XML-Element", "XML-Attribute", "EXCEL"])
)
def test_whatever_comes_ends_in_rows_or_in_a_fault(data: bytes, name: str) -> None:
    try:
        for _ in open_rows(io.BytesIO(data), FORMATS[name], limits=SMALL):
            pass
    except Fault as error:
        assert error.status == 400  # noqa: PT017 - either end is fine


@given(st.integers(0, 2**32), st.integers(0, 255))
def test_a_package_with_one_changed_byte_ends_in_rows_or_in_a_fault(place: int, byte: int) -> None:
    data = bytearray(zipped(*WORDS, DATA))
    data[place % len(data)] = byte
    opened(bytes(data))
