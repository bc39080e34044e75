"""The benchmark of segments: how long one of half of the contacts takes to go live, and what it costs its contacts."""

import json
import sys
import time
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from bench import operations, report, rows, wrk
from bench.own import asked, line, orgstead
from bench.special import Bench
from bench.spelling import ORGSTEAD

__all__ = ["segments"]

LIVE: Final = 192350001
TIMEOUT: Final = 1200
CHANGED: Final = 1000


def segments(benches: Sequence[Bench], run: report.Run) -> None:
    """A segment of half of the contacts goes live; then contacts change their place in it, one at a time."""
    for each in orgstead(benches):
        bare = line(benches, run, "update of a contact", changes("jobtitle", ("Clerk", "Head")))
        query = quote("msdyncrm_segmentname eq 'Half'")
        began, before = time.monotonic(), each.process.memory()
        body = {
            "msdyncrm_segmentname": "Half",
            "msdyncrm_segmenttype": 192350000,
            "msdyncrm_query": "PROFILE(contact).FILTER(gendercode == 1)",
            "statuscode": 192350006,
        }
        asked(each, ORGSTEAD.send("POST", "/msdyncrm_segments", operations.dump(body)))
        found = ORGSTEAD.get(f"/msdyncrm_segments?$select=statuscode,msdyncrm_segmentsize&$filter={query}")
        while (row := json.loads(asked(each, found))["value"][0])["statuscode"] != LIVE:
            if time.monotonic() - began > TIMEOUT:
                raise RuntimeError("the segment does not go live")
            time.sleep(0.1)
        seconds, size = time.monotonic() - began, row["msdyncrm_segmentsize"]
        grown = each.process.memory() - before
        run.notes.append(
            f"A segment of {size:,} of {run.rows:,} contacts is live after {seconds:.1f} s: "
            f"{run.rows / seconds:,.0f} contacts/s; the process has grown by {grown:.0f} MB."
        )
        print(run.notes[-1], file=sys.stderr)
        moving = line(
            benches, run, "update that moves a contact in or out of a segment", changes("gendercode", (2, 1))
        )
        if isinstance(bare, wrk.Rate) and isinstance(moving, wrk.Rate):
            run.notes.append(
                f"An update that moves a contact in or out of it takes {bare.per_second / moving.per_second:.2f} times "
                "as long as one without a segment."
            )
        asked(each, ORGSTEAD.send("DELETE", f"/msdyncrm_segments({row['msdyncrm_segmentid']})", b""))


def changes(column: str, values: tuple[object, object]) -> list[wrk.Request]:
    """Updates of a thousand contacts, each of another one than the last, to and fro."""
    return [
        ORGSTEAD.send(
            "PATCH",
            f"/contacts({rows.contact_id(number)})",
            operations.dump({column: value}),
            ("If-Match", "*"),
        )
        for value in values
        for number in range(CHANGED)
    ]
