"""A large file through the connector: acknowledged, staged and written, beside the bare driver's insertion of its rows.

It runs in a process of its own (``python -m bench.connector ROWS [URL]``) that opens an organisation without a server,
so that the figures are those of the work alone.
"""

import csv
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import apsw
import psycopg

from bench import report
from bench.special import Bench
from orgstead.app import Organisation, open_organisation
from orgstead.config import Config
from orgstead.engine.callers import load_caller
from orgstead.engine.context import SYSTEM, Caller
from orgstead.engine.ids import new_id
from orgstead.identity.development import CLIENT_ID
from orgstead.model.messages import Create, Execute
from orgstead.model.record import Record, Ref
from orgstead.server.run import collect_rarely
from scripts import private_postgres

__all__ = ["connector"]

SMALL: Final = 10_000
PIECE: Final = 4 * 1024 * 1024
TARGET: Final = "finops_demandforecastentry"
ENTITY: Final = "Demand forecast entries"
HEADER: Final = (
    "FORECASTENTRYNUMBER", "FORECASTMODELID", "ITEMNUMBER", "CUSTOMERACCOUNTNUMBER", "FORECASTSTARTDATE",
    "FORECASTEDQUANTITY", "FORECASTEDREVENUE", "DELIVERINGSITEID",
)  # fmt: skip
# Of the bare driver's time: on SQLite of an insertion, on PostgreSQL of COPY.
AIMS: Final = {"SQLite": 4, "PostgreSQL": 3}


def connector(benches: Sequence[Bench], run: report.Run) -> None:
    """The file of demand forecasts on both databases, and a small one for the memory that it takes."""
    for database in AIMS:
        small, large = measured(database, SMALL), measured(database, run.rows)
        run.notes.append(
            f"{run.rows:,} demand forecast entries through the connector on {database}: acknowledged after "
            f"{large['acknowledged']:.2f} s, processed in {large['processed']:.1f} s, "
            f"{run.rows / large['processed']:,.0f} rows/s; the bare driver takes {large['bare']:.2f} s, "
            f"{large['processed'] / large['bare']:.1f} times less (aim: at most {AIMS[database]}). "
            f"Own memory {large['memory']:.0f} MB, {small['memory']:.0f} MB after {SMALL:,} rows."
        )
        print(run.notes[-1], file=sys.stderr)


def measured(database: str, count: int) -> dict[str, float]:
    """The figures of a process of its own."""
    command = [sys.executable, "-m", "bench.connector", str(count)]
    with tempfile.TemporaryDirectory(prefix="orgstead-bench-") as directory:
        try:
            if database == "PostgreSQL":
                command.append(private_postgres.ensure(Path(directory), os.getpid()))
            done = subprocess.run(command, capture_output=True, check=True, text=True)
        except subprocess.CalledProcessError as error:
            raise RuntimeError(error.stderr.strip().rpartition("\n")[2]) from error
        finally:
            if database == "PostgreSQL":
                private_postgres.stop(Path(directory))
    figures: dict[str, float] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return figures


def main(count: int, url: str | None) -> None:
    with tempfile.TemporaryDirectory(prefix="orgstead-bench-") as directory:
        organisation = open_organisation(Config(data=directory, database_url=url))
        collect_rarely()
        figures = through(organisation, made(count))
        figures["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures["bare"] = bare_sqlite(Path(directory)) if url is None else bare_postgres(url)
        organisation.close()
    print(json.dumps(figures))


def made(count: int) -> bytes:
    """The file."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(HEADER)
    for n in range(count):
        day = f"2026-{n % 12 + 1:02}-01"
        writer.writerow((
            f"F-{n:08}", "Current", f"A{n * 7919 % 10_000:05}", f"US-{n * 31 % 1000:03}", day, f"{n % 1000}.50",
            f"{n * 37 % 100_000}.25", "1",
        ))  # fmt: skip
    return file.getvalue().encode()


def through(organisation: Organisation, data: bytes) -> dict[str, float]:
    """How many seconds a file takes to be acknowledged, and to be processed."""
    engine = organisation.engine
    with engine.store.read() as unit:
        caller = load_caller(unit, engine.schema, application_id=CLIENT_ID)
    if caller is None:
        raise RuntimeError("the organisation has no application")

    def ask(message: Any, caller: Caller = SYSTEM) -> Any:
        (result,) = engine.run([message], caller)
        return result

    def make(table: str, **values: Any) -> Ref:
        ref: Ref = ask(Create(record=Record(table=table, values=values)), caller).ref
        return ref

    make("finops_legalentity", legalentityid="usmf", name="Contoso")
    project = make("orgstead_dataproject", name="Forecasts", operation=1)
    make("orgstead_dataprojectentity", entityname=ENTITY, projectid=project, sourceformat=1)
    job = make("orgstead_datajob", name="In", operation=1, projectid=project, applicationid=CLIENT_ID)
    began = time.perf_counter()
    pieces = []
    for start in range(0, len(data), PIECE):
        key, piece = new_id(), data[start : start + PIECE]
        engine.blobs.put(key, piece)
        pieces.append((key, len(piece)))
    given = {"Job": job.id, "Application": CLIENT_ID, "Entity": ENTITY, "Company": "usmf", "Pieces": pieces}
    id = ask(Execute(name="EnqueueDataMessage", parameters=given), caller).value
    acknowledged = time.perf_counter() - began
    worker: Callable[..., Any] = lambda name, **values: ask(Execute(name=name, parameters=values)).value  # noqa: E731
    host = str(uuid4())
    (taken,) = worker("ClaimJobs", Host=host, Full=[], Limit=1, PerLane=1)
    began = time.perf_counter()
    while worker("WorkOnJob", Host=host, Id=taken["id"]):
        pass
    processed = time.perf_counter() - began
    with engine.store.read() as unit:
        row = unit.get(engine.schema.tables["orgstead_datamessage"], id) or {}
    if row["messagestatus"] != 5:
        raise RuntimeError(f"the file was not processed: {row['errormessage']}")
    return {"acknowledged": acknowledged, "processed": processed}


def bare_sqlite(directory: Path) -> float:
    """Seconds that apsw takes to insert the same rows into the same table of another file, as durably."""
    (source,) = directory.glob("*.sqlite")
    kept = apsw.Connection(str(source))
    made = [
        sql
        for (sql,) in kept.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL", (TARGET,)
        )
    ]
    lines = list(kept.execute(f"SELECT * FROM {TARGET}"))
    bare = apsw.Connection(str(directory / "bare"))
    bare.pragma("journal_mode", "wal")
    bare.pragma("synchronous", 2)
    for sql in made:
        bare.execute(sql)
    places = ", ".join("?" * len(lines[0]))
    began = time.perf_counter()
    with bare:
        bare.executemany(f"INSERT INTO {TARGET} VALUES ({places})", lines)
    return time.perf_counter() - began


def bare_postgres(url: str) -> float:
    """Seconds that COPY takes for the same rows into the same table under another name."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE bare (LIKE {TARGET} INCLUDING ALL)")
        lines = cursor.execute(f"SELECT * FROM {TARGET}").fetchall()
        began = time.perf_counter()
        with cursor.copy("COPY bare FROM STDIN") as copy:
            for line in lines:
                copy.write_row(line)
        connection.commit()
        return time.perf_counter() - began


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
