"""``orgstead finops push``, ``status``, ``pull`` and ``errors``."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import click

from orgstead.client import Client, unpack
from orgstead.client.finops.connector import ENDED, has_failed
from orgstead.client.finops.packages import EXECUTED
from orgstead.terminal.connect import connected
from orgstead.terminal.failures import Failure
from orgstead.terminal.groups import finops
from orgstead.terminal.output import forms, json_option, say, write_json, write_rows

__all__: list[str] = []

FAILED = frozenset({"PartiallySucceeded", "Failed", "Canceled"})
seconds_option = click.option("--timeout", type=float, metavar="SECONDS", help="Wait no longer than this.")


class _Shown:
    """A file that shows on the terminal how much of it has been read."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._size = path.stat().st_size
        self._hidden = not sys.stderr.isatty()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        part = self._file.read(size)
        if not self._hidden and self._size:
            done = self._file.tell() / self._size
            click.echo(f"\r[{'#' * int(done * 40):40}] {done:4.0%}", nl=False, err=True)
        return part

    def close(self) -> None:
        if not self._hidden and self._size:
            click.echo(err=True)
        self._file.close()


def _told(statuses: Iterator[str]) -> str:
    """Say each status as it comes; the last one."""
    last, begun = "", time.monotonic()
    for last in statuses:
        say(f"{time.monotonic() - begun:7.1f} s  {last}")
    return last


@finops.command("push")
@click.argument("job", metavar="JOB")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--entity", help="What data management calls the entity; not for a data package.")
@click.option("--company", help="The legal entity, such as usmf.")
@click.option("--external-id", help="What the message can be found by later.")
@click.option(
    "--project", is_flag=True, help="JOB is the name of a data project: import FILE, a package, into it."
)
@click.option("--wait/--no-wait", default=True, help="Wait until nothing more becomes of it (the default).")
@seconds_option
@json_option
@connected
def push(
    client: Client,
    job: str,
    file: Path,
    entity: str | None,
    company: str | None,
    external_id: str | None,
    project: bool,
    wait: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Push FILE to the recurring data job with the id JOB, and say what becomes of it.

    \b
    orgstead finops push 6D31E09F-0249-459F-94F0-AAD9C2C47B64 groups.csv --entity "Customer groups" --company usmf
    """
    if project:
        id = client.finops.packages.import_package(file, job, company=company or "")
        watch = client.finops.packages.watch(id, seconds=timeout)
    else:
        shown = _Shown(file)
        try:
            id = client.finops.connector.enqueue(
                job, cast(BinaryIO, shown), entity=entity, company=company, external_id=external_id
            )
        finally:
            shown.close()
        watch = client.finops.connector.watch(id, seconds=timeout)
    if not as_json:
        click.echo(id)
    status = _told(watch) if wait else ""
    if as_json:
        write_json({"execution" if project else "message": id, "status": status or None})
    _judge(id, status, execution=project, timeout=timeout)


def _judge(id: str, status: str, *, execution: bool, timeout: float | None) -> None:
    """Raises Failure for what did not end well, or not in time."""
    wrong = status in FAILED if execution else has_failed(status)
    more = " --execution" if execution else ""
    if wrong:
        raise Failure(
            f"It ended as {status}.", code=status, hint=f"What was wrong: orgstead finops errors {id}{more}"
        )
    if status and status not in (EXECUTED if execution else ENDED) and timeout is not None:
        raise Failure(
            f"It is still {status}.", code="timeout", hint=f"Ask again: orgstead finops status {id}{more}"
        )


@finops.command("status")
@click.argument("id")
@click.option("--execution", is_flag=True, help="ID is that of an execution, not of a message.")
@click.option("--wait", is_flag=True, help="Wait until nothing more becomes of it.")
@seconds_option
@json_option
@connected
def status(
    client: Client, id: str, execution: bool, wait: bool, timeout: float | None, as_json: bool
) -> None:
    """What became of a message or an execution."""
    source: Any = client.finops.packages if execution else client.finops.connector
    found = _told(source.watch(id, seconds=timeout)) if wait else str(source.status(id))
    if as_json:
        write_json({"id": id, "status": found})
    else:
        click.echo(found)
    if wait:
        _judge(id, found, execution=execution, timeout=timeout)


@finops.command("pull")
@click.argument("job", metavar="JOB")
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--company", help="With --project, the legal entity.")
@click.option(
    "--project", is_flag=True, help="JOB is the name of a data project: export it, and fetch the package."
)
@click.option(
    "--unpack", "unpacked", is_flag=True, help="Take packages apart, each into a folder of its own."
)
@click.option("--limit", type=click.IntRange(min=1), help="Receive no more than so many files.")
@click.option(
    "--every", type=click.FloatRange(min=1), metavar="SECONDS", help="Go on, and look again after so many."
)
@seconds_option
@json_option
@connected
def pull(
    client: Client,
    job: str,
    folder: Path,
    company: str | None,
    project: bool,
    unpacked: bool,
    limit: int | None,
    every: float | None,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Receive into FOLDER what waits at the recurring data job with the id JOB.

    Each file is on the disk before it is acknowledged, so an interruption loses none; and one that comes again is not
    received twice.
    """
    if project:
        files: Iterator[Path] = iter([_exported(client, job, folder, company, timeout)])
    else:
        files = _pulled(client, job, folder, limit, every)
    waited = False
    for path in files:
        waited = True
        made = unpack(path, path.with_suffix("")) if unpacked else ()
        if as_json:
            click.echo(
                json.dumps(
                    {
                        "file": str(path),
                        "size": path.stat().st_size,
                        "unpacked": [str(each) for each in made],
                    },
                    ensure_ascii=False,
                )
            )
        else:
            click.echo(path.with_suffix("") if unpacked else path)
    if not waited:
        say("Nothing waits.")


def _exported(client: Client, project: str, folder: Path, company: str | None, timeout: float | None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    packages = client.finops.packages
    id = packages.export(project, company=company or "")
    _judge(id, _told(packages.watch(id, seconds=timeout)), execution=True, timeout=timeout)
    target = (
        folder / f"{''.join(letter if letter.isalnum() or letter in '-_. ' else '_' for letter in id)}.zip"
    )
    packages.download(id, target)
    return target


def _pulled(client: Client, job: str, folder: Path, limit: int | None, every: float | None) -> Iterator[Path]:
    count = 0
    while True:
        for pulled in client.finops.connector.pull(
            job, folder, limit=None if limit is None else limit - count
        ):
            count += 1
            if pulled.again:
                say(f"{pulled.path} was received before.")
            else:
                yield pulled.path
        if every is None or (limit is not None and count >= limit):
            return
        time.sleep(every)


@finops.command("errors")
@click.argument("id")
@click.option("--execution", is_flag=True, help="ID is that of an execution, not of a message.")
@click.option(
    "--file", "file", type=click.Path(dir_okay=False, path_type=Path),
    help="Put the rows that failed, with the reasons, into this file: of messages of Orgstead.",
)  # fmt: skip
@forms
@connected
def errors(client: Client, id: str, execution: bool, file: Path | None, form: str) -> None:
    """What was wrong with the rows of a message or an execution."""
    if file is not None:
        if execution:
            raise click.UsageError("Files of errors are those of messages.")
        size = client.finops.connector.error_file(id, file)
        say(f"{size:,} bytes are in {file}.")
        return
    found = id if execution else client.finops.connector.execution(id)
    rows = client.finops.packages.errors(found) if found else []
    write_rows(
        ({"record": each.record, "field": each.field, "message": each.message} for each in rows),
        form=form, columns=("record", "field", "message"),
    )  # fmt: skip
