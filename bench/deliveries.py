"""How fast what has been committed is told: a backlog of webhooks, alone and beside endpoints that hang."""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench import operations, report, wrk
from bench.own import asked, orgstead
from bench.process import Process
from bench.special import Bench
from bench.spelling import ORGSTEAD

__all__ = ["deliveries"]

BACKLOG: Final = 100_000
BESIDE: Final = 10_000
HANGING: Final = 5
AT_MOST_SECONDS: Final = 900
CREATE: Final = "/accounts/Microsoft.Dynamics.CRM.CreateMultiple"


def deliveries(benches: Sequence[Bench], run: report.Run) -> None:
    """Make a backlog while the endpoint holds its answers, then let it answer and count."""
    for each in orgstead(benches):
        rate = drained(each, BACKLOG, hanging=0)
        run.notes.append(f"{BACKLOG:,} deliveries that wait for one endpoint are told at {rate:,.0f}/s.")
        beside = drained(each, BESIDE, hanging=HANGING)
        run.notes.append(
            f"{BESIDE:,} of them beside {HANGING} endpoints that hang, at {beside:,.0f}/s: {beside / rate:.2f} of that."
        )
        print(f"deliveries: {rate:,.0f}/s, beside hanging ones {beside:,.0f}/s", file=sys.stderr)


def drained(each: Bench, count: int, *, hanging: int) -> float:
    """Deliveries a second of a backlog of ``count``, beside endpoints that never answer."""
    command = [sys.executable, str(Path(__file__).with_name("receiver.py"))]
    receiver = Process(
        command,
        pattern=r"listens on (\S+)",
        log=each.work / "receiver.log",
        cwd=each.work,
        env=dict(os.environ),
    )
    with receiver:
        steps = [register(each, f"{receiver.url}/hook", "account")]
        steps += [register(each, f"{receiver.url}/hang{number}", "contact") for number in range(hanging)]
        if hanging:
            make(each, "contact", 100)
        make(each, "account", count)
        before = told(receiver)
        began = time.monotonic()
        wrk.once(receiver.url, wrk.Request(method="POST", path="/release", headers=(), body=b""))
        while (now := told(receiver)) < count:
            if time.monotonic() - began > AT_MOST_SECONDS:
                raise RuntimeError(f"only {now:,} of {count:,} deliveries in {AT_MOST_SECONDS} s")
            time.sleep(0.1)
        seconds = time.monotonic() - began
        for step in steps:
            asked(each, ORGSTEAD.send("DELETE", f"/sdkmessageprocessingsteps({step})", b""))
    return (count - before) / seconds


def told(receiver: Process) -> int:
    return int(wrk.once(receiver.url, wrk.Request(method="GET", path="/count", headers=(), body=b"")).body)


def make(each: Bench, table: str, count: int) -> None:
    """New rows, a thousand in a call."""
    name = "lastname" if table == "contact" else "name"
    path = CREATE.replace("accounts", f"{table}s")
    for start in range(0, count, operations.BULKED):
        targets = [
            {"@odata.type": f"Microsoft.Dynamics.CRM.{table}", name: f"Told {number}"}
            for number in range(start, min(count, start + operations.BULKED))
        ]
        asked(each, ORGSTEAD.send("POST", path, operations.dump({"Targets": targets})))


def register(each: Bench, url: str, table: str) -> str:
    """A step that tells an endpoint of new rows; its id."""
    to = made(each, "serviceendpoints", {
        "name": url, "contract": 8, "connectionmode": 1, "url": url, "authtype": 4, "authvalue": "key",
    })  # fmt: skip
    message = found(each, "sdkmessages?$select=sdkmessageid&$filter=name%20eq%20%27Create%27")["sdkmessageid"]
    filter = found(
        each,
        "sdkmessagefilters?$select=sdkmessagefilterid&$filter="
        f"primaryobjecttypecode%20eq%20%27{table}%27%20and%20_sdkmessageid_value%20eq%20{message}",
    )["sdkmessagefilterid"]
    return made(each, "sdkmessageprocessingsteps", {
        "name": url, "stage": 40, "mode": 1, "rank": 1, "supporteddeployment": 0, "asyncautodelete": True,
        "eventhandler_serviceendpoint@odata.bind": f"/serviceendpoints({to})",
        "sdkmessageid@odata.bind": f"/sdkmessages({message})",
        "sdkmessagefilterid@odata.bind": f"/sdkmessagefilters({filter})",
    })  # fmt: skip


def made(each: Bench, entity_set: str, values: dict[str, Any]) -> str:
    request = ORGSTEAD.send(
        "POST", f"/{entity_set}", operations.dump(values), ("Prefer", "return=representation")
    )
    row: dict[str, Any] = json.loads(asked(each, request))
    id: str = row["serviceendpointid" if entity_set == "serviceendpoints" else "sdkmessageprocessingstepid"]
    return id


def found(each: Bench, path: str) -> dict[str, Any]:
    (row,) = json.loads(asked(each, ORGSTEAD.get(f"/{path}")))["value"]
    return dict(row)
