"""The benchmarks of what Orgstead alone has: sums by FetchXML, changes since a token, upserts, rights on rows."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote, urlsplit

from bench import operations, report, rows, wrk
from bench.special import Bench, told
from bench.spelling import ORGSTEAD

__all__ = ["aggregate", "delta", "restricted", "upsert"]

FETCH: Final = (
    '<fetch aggregate="true"><entity name="account">'
    '<attribute name="address1_country" groupby="true" alias="country"/>'
    '<attribute name="revenue" aggregate="sum" alias="total"/>'
    '<attribute name="accountid" aggregate="count" alias="accounts"/></entity></fetch>'
)
CHANGED: Final = 1000
UPSERT: Final = "/accounts/Microsoft.Dynamics.CRM.UpsertMultiple"
# A list of half of the rows has to look at twice as many.
AT_MOST: Final = 2


def aggregate(benches: Sequence[Bench], run: report.Run) -> None:
    """The sum of an amount and the count, by country, over all accounts."""
    request = ORGSTEAD.get(f"/accounts?fetchXml={quote(FETCH)}")
    line(benches, run, f"FetchXML: sum and count by country of {run.rows:,}", [request])


def upsert(benches: Sequence[Bench], run: report.Run) -> None:
    """A thousand rows in a call that are all there already."""
    requests = []
    for turn in range(10):
        numbers = range(turn * operations.BULKED, (turn + 1) * operations.BULKED)
        targets = [
            {
                "@odata.type": "Microsoft.Dynamics.CRM.account",
                "accountid": rows.account_id(number % run.rows),
                **operations.fresh(run.rows + number),
            }
            for number in numbers
        ]
        requests.append(ORGSTEAD.send("POST", UPSERT, operations.dump({"Targets": targets})))
    line(benches, run, "UpsertMultiple of 1,000 rows that are there", requests)


def delta(benches: Sequence[Bench], run: report.Run) -> None:
    """What has changed since a token: a thousand updated rows, five columns of each."""
    for each in orgstead(benches):
        path = f"/accounts?$select={','.join(operations.LIST_COLUMNS)}"
        request = first = ORGSTEAD.get(path, ("Prefer", "odata.track-changes"))
        while True:
            answer = json.loads(asked(each, request))
            link = urlsplit(answer.get("@odata.nextLink") or answer["@odata.deltaLink"])
            request = replace(first, path=f"{link.path}?{link.query}")
            if "@odata.deltaLink" in answer:
                break
        for change in operations.update(ORGSTEAD, run.rows)[:CHANGED]:
            asked(each, change)
        found = len(json.loads(asked(each, request))["value"])
        line(benches, run, f"delta: {found:,} changed rows, 5 columns", [request])


def restricted(benches: Sequence[Bench], run: report.Run) -> None:
    """The list of fifty for the administrator, and for a user who reads what is theirs: half of the accounts."""
    for each in orgstead(benches):
        found = ORGSTEAD.get(
            f"/systemusers?$select=systemuserid&$filter=domainname%20eq%20%27{rows.READER}%27"
        )
        users = json.loads(asked(each, found))["value"]
        if not users:
            raise RuntimeError(f"{rows.READER} is not there: remove {each.work} and its rows are made anew")
        path = f"/accounts?{operations.list_query(ORGSTEAD)}"
        caller = ("MSCRMCallerID", users[0]["systemuserid"])
        free = line(benches, run, "list of 50 for an administrator", [ORGSTEAD.get(path)], 16)
        bound = line(benches, run, "that list for a user who owns half", [ORGSTEAD.get(path, caller)], 16)
        if isinstance(free, wrk.Rate) and isinstance(bound, wrk.Rate):
            times = free.per_second / bound.per_second
            missed = " **missed**" if times > AT_MOST else ""
            run.notes.append(
                f"A list of one's own rows takes {times:.2f} times as long (aim at most {AT_MOST}){missed}."
            )


def orgstead(benches: Sequence[Bench]) -> list[Bench]:
    return [each for each in benches if each.name == "orgstead"]


def asked(each: Bench, request: wrk.Request) -> bytes:
    [signed] = each.signed([request])
    answer = wrk.once(each.process.url, signed)
    if answer.status // 100 != 2:
        raise RuntimeError(f"{request.path}: {answer.status} {answer.body[:500]!r}")
    return answer.body


def line(
    benches: Sequence[Bench],
    run: report.Run,
    title: str,
    requests: Sequence[wrk.Request],
    connections: int = 1,
) -> wrk.Rate | str | None:
    """Measure Orgstead, note the line; the rate."""
    rates: dict[str, wrk.Rate | str] = {}
    for each in orgstead(benches):
        asked(each, requests[0])
        bursts = [each.burst(each.signed(requests), connections) for _ in range(each.rounds)]
        rates[each.name] = max(bursts, key=lambda rate: rate.per_second)
    run.lines.append(report.Line(title=title, connections=connections, rates=rates))
    print(f"{title}: {told(rates)}", file=sys.stderr)
    return rates.get("orgstead")
