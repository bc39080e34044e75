"""Files of data management: what is written is read back, in every format, and what the formats say is kept."""

import io
import zipfile
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgstead.errors import Fault
from orgstead.wire.finops.files.delimited import DelimitedWriter, cell_text, read_delimited
from orgstead.wire.finops.files.formats import FORMATS, SourceFormat, source_format
from orgstead.wire.finops.files.guard import guarded, unguarded
from orgstead.wire.finops.files.manifest import (
    FieldMap,
    Manifest,
    PackageEntity,
    read_manifest,
    write_manifest,
)
from orgstead.wire.finops.files.opening import open_rows, open_writer
from orgstead.wire.finops.files.package import Package, write_package
from orgstead.wire.finops.files.shapes import Cell
from orgstead.wire.finops.files.xml_rows import read_xml

# What every format has a character for.
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("\n\t\"'=,;"),
    max_size=40,
)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)
CELLS = st.one_of(
    st.none(), TEXT, st.integers(-(10**12), 10**12), NUMBERS, st.dates(date(1900, 3, 1)),
    st.datetimes(datetime(1900, 3, 1), datetime(2999, 1, 1)).map(lambda at: at.replace(microsecond=0)),
)  # fmt: skip
COLUMNS = ("ITEMNUMBER", "Quantity", "Since")
ONE_ENTITY = [name for name, form in FORMATS.items() if form.kind != "package"]


def written(
    form: SourceFormat, rows: Sequence[Sequence[Cell]], columns: Sequence[str] = COLUMNS
) -> io.BytesIO:
    file = io.BytesIO()
    writer = open_writer(file, form, columns, "DEMANDFORECAST")
    for row in rows:
        writer.write(row)
    writer.close()
    file.seek(0)
    return file


def as_text(value: Cell) -> str:
    """A value without what a format does not keep: the type of a delimited or XML file, the exponent of a number."""
    if isinstance(value, float | int | Decimal) and not isinstance(value, bool):
        return format(Decimal(repr(value) if isinstance(value, float) else value).normalize(), "f")
    if isinstance(value, datetime) and not any((value.hour, value.minute, value.second)):
        value = value.date()
    return cell_text(value)


@pytest.mark.parametrize("name", ONE_ENTITY)
@given(rows=st.lists(st.tuples(TEXT, CELLS, CELLS), max_size=6))
def test_what_is_written_is_read_back(name: str, rows: list[tuple[Cell, ...]]) -> None:
    rows = [("x" + str(first), *rest) for first, *rest in rows]
    form = FORMATS[name]
    found = list(open_rows(written(form, rows), form))
    assert [row.problems for row in found] == [()] * len(rows)
    assert [row.number for row in found] == list(range(1, len(rows) + 1))
    for row, given_row in zip(found, rows, strict=True):
        for column, value in zip(COLUMNS, given_row, strict=True):
            got = row.values.get(column)
            if isinstance(value, int | Decimal | date):
                got = got if not isinstance(got, str) else _typed(got, value)
                assert as_text(got) == as_text(value)
            else:
                assert cell_text(got) == cell_text(value)


def _typed(text: str, like: Cell) -> Cell:
    if isinstance(like, int | Decimal):
        return Decimal(text)
    return datetime.fromisoformat(text)


@given(TEXT)
def test_the_guard_against_formulas_takes_back_what_it_added(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "@", "\t", "\r"))


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3+cmd|x", "'=1", "\t=1"])
def test_what_a_spreadsheet_would_run_is_text_in_a_delimited_file(text: str) -> None:
    line = written(FORMATS["CSV"], [(text, None, None)]).getvalue().decode("utf-8-sig").splitlines()[1]
    assert line.startswith("\"'")
    [row] = read_delimited(written(FORMATS["CSV"], [(text, None, None)]), FORMATS["CSV"])
    assert row.values["ITEMNUMBER"] == text


@pytest.mark.parametrize("text", ["+44 20 7946 0000", "-12.5", "O'Neil", "a=b", "+1 (425) 555-0100"])
def test_numbers_and_telephone_numbers_are_not_guarded(text: str) -> None:
    assert guarded(text) == text


def test_a_workbook_has_no_formulas_and_keeps_long_numbers_as_texts() -> None:
    file = written(FORMATS["EXCEL"], [("=HYPERLINK(1)", Decimal("12345678901234567.89"), "007")])
    with zipfile.ZipFile(file) as parts:
        assert b"<f>" not in parts.read("xl/worksheets/sheet1.xml")
    [row] = open_rows(file, FORMATS["EXCEL"])
    assert list(row.values.values()) == ["=HYPERLINK(1)", "12345678901234567.89", "007"]


def test_the_mark_at_the_beginning_says_the_encoding() -> None:
    text = "ITEMNUMBER;Quantity;Since\r\nÄ;1;2\r\n"
    form = source_format("csv-semicolon")
    for data in (text.encode(), b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16")):
        [row] = read_delimited(io.BytesIO(data), form)
        assert row.values == {"ITEMNUMBER": "Ä", "Quantity": "1", "Since": "2"}


def test_unicode_files_have_the_mark_of_utf_16() -> None:
    file = written(FORMATS["CSV-Unicode"], [("Ä", 1, None)])
    assert file.getvalue().startswith(b"\xff\xfe")
    with pytest.raises(Fault, match="byte order mark"):
        read_delimited(io.BytesIO(b"ITEMNUMBER\r\nA\r\n"), FORMATS["CSV-Unicode"])


def test_a_file_without_a_header_takes_its_columns_from_the_mapping() -> None:
    form = SourceFormat(
        name="mine", kind="delimited", delimiter="|", qualifier="", header=False, encoding="cp1252"
    )
    rows = read_delimited(io.BytesIO("Müller|2\nx|3".encode("cp1252")), form, ("Name", "Quantity"))
    assert [dict(row.values) for row in rows] == [
        {"Name": "Müller", "Quantity": "2"},
        {"Name": "x", "Quantity": "3"},
    ]


def test_cells_that_a_row_lacks_at_its_end_are_empty_and_cells_too_many_are_a_problem_of_the_row() -> None:
    rows = list(read_delimited(io.BytesIO(b"A,B\n1\n1,2,\n1,2,3\n4,5\n"), FORMATS["CSV"]))
    assert [dict(row.values) for row in rows[:2]] == [{"A": "1", "B": ""}, {"A": "1", "B": "2"}]
    assert rows[2].problems == ("3 cells for 2 columns",)
    assert rows[3].values == {"A": "4", "B": "5"}


COMPOSITE = {
    "XML-Attribute": """<?xml version="1.0" encoding="utf-8"?><Document>
        <SalesOrderHeader SalesID="SO1"><SalesOrderLine Line="1"><Charge Code="F"/></SalesOrderLine>
        <SalesOrderLine Line="2"/></SalesOrderHeader><SalesOrderHeader SalesID="SO2"/></Document>""",
    "XML-Element": """<Document><SalesOrderHeader>
        <SalesOrderLine><Line>1</Line><Charge><Code>F</Code></Charge></SalesOrderLine><SalesOrderLine><Line>2</Line>
        </SalesOrderLine><SalesID>SO1</SalesID></SalesOrderHeader>
        <SalesOrderHeader><SalesID>SO2</SalesID></SalesOrderHeader></Document>""",
}


@pytest.mark.parametrize("name", sorted(COMPOSITE))
def test_a_composite_file_gives_each_record_the_row_that_it_stands_in(name: str) -> None:
    rows = list(read_xml(io.BytesIO(COMPOSITE[name].encode()), FORMATS[name]))
    assert [(row.number, row.element, row.parent, dict(row.values)) for row in rows] == [
        (1, "SalesOrderHeader", 0, {"SalesID": "SO1"}),
        (2, "SalesOrderLine", 1, {"Line": "1"}),
        (3, "Charge", 2, {"Code": "F"}),
        (4, "SalesOrderLine", 1, {"Line": "2"}),
        (5, "SalesOrderHeader", 0, {"SalesID": "SO2"}),
    ]


def test_no_value_is_told_from_an_empty_one_where_the_format_can() -> None:
    text = (
        """<D><C><A xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/><B></B></C></D>"""
    )
    [row] = read_xml(io.BytesIO(text.encode("utf-16")), FORMATS["XML-Element"])
    assert row.values == {"A": None, "B": ""}


NAMES = (
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=30)
    .map(str.strip)
    .filter(bool)
)
ENTITIES = st.builds(
    PackageEntity, name=NAMES, file=NAMES, source_format=st.sampled_from(ONE_ENTITY), unit=st.integers(0, 9),
    level=st.integers(0, 9), sequence=st.integers(0, 9), skip_staging=st.booleans(), disabled=st.booleans(),
    refresh=st.just("FullPush"),
    fields=st.lists(st.builds(FieldMap, column=NAMES, field=NAMES, generated=st.booleans()), max_size=3).map(tuple),
)  # fmt: skip


@given(
    st.builds(Manifest, project=NAMES, description=NAMES, entities=st.lists(ENTITIES, min_size=1).map(tuple))
)
def test_a_manifest_is_read_as_it_was_written_in_the_order_in_which_its_entities_run(
    manifest: Manifest,
) -> None:
    found = read_manifest(write_manifest(manifest))
    assert found.project == manifest.project
    assert found.entities == tuple(
        sorted(manifest.entities, key=lambda each: (each.unit, each.level, each.sequence))
    )


def test_a_package_is_read_as_it_was_written() -> None:
    groups = PackageEntity(
        name="Customer groups", file="Customer groups.csv", source_format="CSV", refresh="FullPush"
    )
    lines = PackageEntity(
        name="Items", file="Items.xlsx", source_format="EXCEL", sequence=2, refresh="FullPush",
        fields=(FieldMap(column="ITEM", field="ITEMNUMBER"),),
    )  # fmt: skip
    manifest = Manifest(project="Golden", description="what it is", entities=(groups, lines))

    def filled(name: str) -> Any:
        return lambda member: member.write(written(FORMATS[name], [("x", 1, None)]).getvalue())

    file = io.BytesIO()
    write_package(file, manifest, [(groups.file, filled("CSV")), (lines.file, filled("EXCEL"))])
    with Package(file) as package:
        assert package.manifest == manifest
        for entity in package.manifest.entities:
            with package.open(entity) as member:
                assert [row.number for row in open_rows(member, source_format(entity.source_format))] == [1]


# The elements that Microsoft's sample package has, in their order:
# https://github.com/microsoft/Dynamics-AX-Integration/tree/master/FileBasedIntegrationSamples
THEIR_MANIFEST = """<DataManagementPackageManifest xmlns:i="http://www.w3.org/2001/XMLSchema-instance"
 xmlns="http://schemas.microsoft.com/dynamics/2015/01/DataManagement"><DefinitionGroupName>Types</DefinitionGroupName>
<Description>All types</Description><PackageEntityList><DataManagementPackageEntityData><EntityMapList><EntityMap>
<ArrayIndex>0</ArrayIndex><EntityField>MAJORTYPEID</EntityField><EntityFieldConversionList i:nil="true" />
<IsAutoDefault>false</IsAutoDefault><IsAutoGenerated>false</IsAutoGenerated>
<IsDefaultValueEqualNull>false</IsDefaultValueEqualNull><UseTextQualifier>false</UseTextQualifier>
<XMLField>TYPE</XMLField></EntityMap></EntityMapList><EntityName>Fixed asset major type</EntityName>
<EntityTransformList i:nil="true" /><ExcelSheetName /><ExecutionUnit>1</ExecutionUnit>
<FailExecutionUnitOnError>false</FailExecutionUnitOnError><FailLevelOnError>false</FailLevelOnError>
<InputFilePath>Fixed asset major type.xlsx</InputFilePath><LevelInExecutionUnit>1</LevelInExecutionUnit>
<RunBusinessLogic>true</RunBusinessLogic><RunBusinessValidation>true</RunBusinessValidation><SampleFilePath />
<SequenceInLevel>1</SequenceInLevel><SourceFormat>EXCEL</SourceFormat><ValidationStatus>Yes</ValidationStatus>
</DataManagementPackageEntityData></PackageEntityList></DataManagementPackageManifest>"""


def test_a_manifest_as_dynamics_writes_it_is_read() -> None:
    manifest = read_manifest(THEIR_MANIFEST.encode("utf-16"))
    assert (manifest.project, manifest.description) == ("Types", "All types")
    [entity] = manifest.entities
    assert entity == PackageEntity(
        name="Fixed asset major type",
        file="Fixed asset major type.xlsx",
        source_format="EXCEL",
        fields=(FieldMap(column="TYPE", field="MAJORTYPEID"),),
    )


def test_equal_rows_make_equal_files() -> None:
    for name in ONE_ENTITY:
        assert (
            written(FORMATS[name], [("a", 1, None)]).getvalue()
            == written(FORMATS[name], [("a", 1, None)]).getvalue()
        )


@pytest.mark.parametrize("name", ["Fixed", "CSV-Excel", ""])
def test_a_format_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(Fault, match="not supported"):
        source_format(name)


def test_a_writer_refuses_what_its_format_has_no_way_to_say() -> None:
    bare = SourceFormat(name="bare", kind="delimited", qualifier="", encoding="ascii")
    with pytest.raises(Fault, match="qualifier"):
        DelimitedWriter(io.BytesIO(), bare, ["A"]).write(["a,b"])
    with pytest.raises(Fault, match="no character"):
        DelimitedWriter(io.BytesIO(), bare, ["A"]).write(["ä"])
    with pytest.raises(Fault, match="no character"):
        written(FORMATS["XML-Element"], [("\x01", None, None)])
    with pytest.raises(Fault, match="cannot name"):
        written(FORMATS["XML-Element"], [], ["a b"])
