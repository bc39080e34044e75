"""Style sheets over files of data management: they transform, and do nothing else."""

import io

import pytest

from orgstead.errors import Fault
from orgstead.server.transforms import transformed
from orgstead.wire.finops.files.formats import FORMATS
from orgstead.wire.finops.files.opening import open_rows

ROWS = "<in><r a='1'/><r a='2'/></in>"


def style(body: str, more: str = "") -> str:
    return f'<xsl:stylesheet version="1.0" {more} xmlns:xsl="http://www.w3.org/1999/XSL/Transform">{body}</xsl:stylesheet>'


def root(body: str) -> str:
    return f'<xsl:template match="/">{body}</xsl:template>'


def copied(path: str) -> str:
    return style(root(f"<D><xsl:copy-of select=\"document('{path}')\"/></D>"))


def called(depth: str) -> str:
    return f'<xsl:call-template name="t"><xsl:with-param name="n" select="{depth}"/></xsl:call-template>'


# Calls itself twice, sixty times deep.
ENDLESS = style(
    root(called("60"))
    + '<xsl:template name="t"><xsl:param name="n"/>'
    + f'<xsl:if test="$n &gt; 0">{called("$n - 1") * 2}</xsl:if></xsl:template>'
)


def outcome(sheet: str, source: str = ROWS, **limits: int) -> bytes:
    with transformed(io.BytesIO(source.encode()), sheet.encode(), **limits) as file:
        return file.read()


def test_a_style_sheet_makes_rows_of_a_foreign_file() -> None:
    each = '<xsl:for-each select="in/r"><C><A><xsl:value-of select="@a"/></A></C></xsl:for-each>'
    made = outcome(style(root(f"<Document>{each}</Document>")))
    assert [row.values for row in open_rows(io.BytesIO(made), FORMATS["XML-Element"])] == [
        {"A": "1"},
        {"A": "2"},
    ]


@pytest.mark.parametrize(
    ("sheet", "reason"),
    [
        ("no xml", "Start tag expected"),
        (style("").replace("1.0", "2.0", 1), "XSLT 1.0"),
        (style(root("text")), "no XML document"),
        (copied("/etc/passwd"), "denied"),
        (copied("http://127.0.0.1:9/"), "denied"),
        (style('<xsl:include href="/etc/passwd"/>'), "takes in another"),
        (style('<xsl:import href="http://127.0.0.1:9/"/>'), "takes in another"),
        (style('<m:script xmlns:m="urn:schemas-microsoft-com:xslt">x</m:script>'), "a script"),
        (
            style(
                root('<e:document href="x">1</e:document>'),
                'extension-element-prefixes="e" xmlns:e="http://exslt.org/common"',
            ),
            "beyond XSLT",
        ),
        (
            style('<xsl:template match="/" name="t"><xsl:call-template name="t"/></xsl:template>'),
            "recursion|depth",
        ),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]>" + style(""), "document type"),
    ],
)
def test_a_style_sheet_that_would_do_more_than_transform(sheet: str, reason: str) -> None:
    with pytest.raises(Fault, match=f"(?i)transformation failed: .*({reason})"):
        outcome(sheet)


def test_a_style_sheet_that_does_not_end_is_ended() -> None:
    with pytest.raises(Fault, match="more than 1 seconds"):
        outcome(ENDLESS, seconds=1)


def test_a_file_that_is_too_large_to_be_transformed() -> None:
    with pytest.raises(Fault, match="more than 1000 bytes"):
        outcome(style(""), f"<a>{'x' * 2000}</a>", most=1000)
