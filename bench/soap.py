"""A page of 5,000 × 10 columns over SOAP beside the same page over OData, of the same server in turn."""

import sys
from collections.abc import Sequence
from typing import Final

from bench import operations, report, wrk
from bench.special import Bench, told

__all__ = ["soap"]

TURNS: Final = 3
PATH: Final = "/XRMServices/2011/Organization.svc/web"
XRM: Final = "http://schemas.microsoft.com/xrm/2011/Contracts"
ARRAYS: Final = "http://schemas.microsoft.com/2003/10/Serialization/Arrays"


def soap(benches: Sequence[Bench], run: report.Run) -> None:
    """RetrieveMultiple against the page of the Web API; formatted values, which SOAP always has, are not left out."""
    for each in benches:
        if each.name != "orgstead":
            continue
        odata, envelope = each.signed([*operations.paged(each.spelling, run.rows), _retrieve_multiple()])
        annotated = wrk.Request(
            path=odata.path,
            headers=(*odata.headers, ("Prefer", 'odata.include-annotations="*"')),
        )
        answer = wrk.once(each.process.url, envelope)
        if answer.status != 200 or answer.body.count(b"<a:Entity>") != operations.PAGE_SIZE:
            raise RuntimeError(f"{answer.status}: {answer.body[:500]!r}")
        best: dict[str, wrk.Rate] = {}
        for _ in range(TURNS):
            for name, request in (("odata", odata), ("annotated", annotated), ("soap", envelope)):
                rate = each.burst([request], 1)
                if name not in best or rate.median < best[name].median:
                    best[name] = rate
        for title, name in (
            ("page of 5,000 × 10 over OData", "odata"),
            ("the same with annotations", "annotated"),
            ("the same over SOAP", "soap"),
        ):
            line = report.Line(title=title, connections=1, rates={each.name: best[name]})
            run.lines.append(line)
            print(f"soap, {title}: {told(line.rates)}", file=sys.stderr)
        times = best["soap"].median / best["odata"].median
        run.notes.append(
            f"A page of 5,000 × 10 over SOAP takes {best['soap'].median:.1f} ms, {times:.2f} times as long as over "
            f"OData ({best['odata'].median:.1f} ms; with annotations {best['annotated'].median:.1f} ms); at most 2 "
            "times is aimed for."
        )


def _retrieve_multiple() -> wrk.Request:
    columns = "".join(f"<f:string>{name}</f:string>" for name in operations.PAGE_COLUMNS)
    body = (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:a="{XRM}" xmlns:f="{ARRAYS}"'
        ' xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><s:Body>'
        f'<RetrieveMultiple xmlns="{XRM}/Services"><query i:type="a:QueryExpression"><a:ColumnSet>'
        f"<a:AllColumns>false</a:AllColumns><a:Columns>{columns}</a:Columns></a:ColumnSet>"
        "<a:EntityName>account</a:EntityName></query></RetrieveMultiple></s:Body></s:Envelope>"
    )
    kind = ("Content-Type", "text/xml; charset=utf-8")
    return wrk.Request(path=PATH, method="POST", headers=(kind,), body=body.encode())
