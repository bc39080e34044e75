"""The three servers of the comparison: how each spells things, is filled with the rows, started and ended."""

import json
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import apsw

from bench import rows, tables
from bench.process import Process
from bench.spelling import CAP, ORGSTEAD, Spelling
from bench.wrk import Request, once

__all__ = ["SERVERS", "Server", "token"]

HERE: Final = Path(__file__).parent
TENANT: Final = "0d365000-0000-4000-8000-000000000001"
CLIENT: Final = ("0d365000-0000-4000-8000-0000000000c1", "orgstead-dev-secret")
COMMON: Final = (("Accept", "application/json"), ("OData-Version", "4.0"), ("OData-MaxVersion", "4.0"))


class Server(ABC):
    """One server; its files lie below ``work``, a directory of this server's own."""

    name: str
    spelling: Spelling

    def __init__(self, work: Path) -> None:
        self.work = work
        work.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def fill(self, target: Path, count: int) -> None:
        """Make the directory ``target`` hold ``count`` accounts and as many contacts."""

    @abstractmethod
    def start(self, data: Path) -> Process:
        """The server over the data of ``data``, to be entered."""

    @contextmanager
    def running(self, count: int) -> Iterator[Process]:
        """The server over a fresh copy of ``count`` rows, which are made once and kept."""
        kept, used = self.work / f"rows-{count}", self.work / "run"
        if not kept.exists():
            print(f"{self.name}: making {count:,} accounts and contacts", file=sys.stderr)
            making = self.work / "making"
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            self.fill(making, count)
            making.rename(kept)
        shutil.rmtree(used, ignore_errors=True)
        shutil.copytree(kept, used)
        with self.start(used) as process:
            yield process

    def authorization(self, url: str) -> tuple[str, str]:
        """The header that every request carries; servers that check none are sent one of the usual length."""
        return "Authorization", "Bearer " + "x" * 900


class Ceiling(Server):
    """``bench.ceiling``."""

    name = "ceiling"
    spelling = ORGSTEAD

    def fill(self, target: Path, count: int) -> None:
        tables.fill(target / "ceiling.sqlite", count)

    def start(self, data: Path) -> Process:
        return Process(
            [sys.executable, "-m", "bench.ceiling", str(data / "ceiling.sqlite")],
            pattern=r"listening on (http\S+)",
            log=self.work / "log.txt",
            cwd=HERE.parent,
            env=dict(os.environ),
        )


class Cap(Server):
    """SAP CAP on Node with its SQLite service: the project of ``bench/cap``, installed by npm."""

    name = "cap"
    spelling = CAP

    def fill(self, target: Path, count: int) -> None:
        project = self.project()
        file = target / "cap.sqlite"
        self.node(project, file, "deploy.js")
        connection = apsw.Connection(str(file))
        with connection:
            for column in tables.INDEXED:
                own = self.spelling.lookup.lower() if column == "primarycontactid" else column
                connection.execute(f"CREATE INDEX bench_{column} ON cdb_accounts ({own})")
            for table, made in (("contacts", rows.contacts(count)), ("accounts", rows.accounts(count))):
                columns = [self.column(c) for c in (rows.CONTACT if table == "contacts" else rows.ACCOUNT)]
                connection.executemany(
                    tables.insert(f"cdb_{table}", columns), (tuple(row.values()) for row in made)
                )
        connection.execute("ANALYZE")
        connection.close()

    def column(self, name: str) -> str:
        return self.spelling.lookup if name == "primarycontactid" else name

    def project(self) -> Path:
        target = self.work / "project"
        if not (target / "node_modules").exists():
            shutil.copytree(HERE / "cap", target, dirs_exist_ok=True)
            subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=target, check=True)
        return target

    def environment(self, file: Path) -> dict[str, str]:
        settings = {"NODE_ENV": "production", "PORT": "0", "cds_requires_db_credentials_url": str(file)}
        return dict(os.environ) | settings

    def command(self, project: Path, script: str) -> list[str]:
        # Its own node, not the machine's, and no npx between: the process started is the server.
        return [str(project / "node_modules/.bin/node"), str(project / "node_modules/@sap/cds/bin" / script)]

    def node(self, project: Path, file: Path, script: str) -> None:
        subprocess.run(self.command(project, script), cwd=project, env=self.environment(file), check=True)

    def start(self, data: Path) -> Process:
        project = self.project()
        return Process(
            self.command(project, "serve.js"),
            pattern=r"server listening on \{ url: '(http[^']+)'",
            log=self.work / "log.txt",
            cwd=project,
            env=self.environment(data / "cap.sqlite"),
        )


class Orgstead(Server):
    """The server of this repository, filled through its own Web API."""

    name = "orgstead"
    spelling = ORGSTEAD

    def fill(self, target: Path, count: int) -> None:
        with self.start(target) as process:
            headers = (
                *self.spelling.headers,
                self.authorization(process.url),
                ("Content-Type", "application/json"),
            )

            def post(path: str, body: Any) -> Any:
                sent = json.dumps(body, ensure_ascii=False).encode()
                request = Request(method="POST", path=self.spelling.root + path, headers=headers, body=sent)
                answer = once(process.url, request)
                if answer.status // 100 != 2:
                    raise RuntimeError(f"{path}: {answer.status} {answer.body[:1000]!r}")
                return json.loads(answer.body or b"null")

            reader = self.reader(process.url, headers, post)
            for table, made in (("contacts", rows.contacts(count)), ("accounts", rows.accounts(count))):
                while part := [written(table, row) for row in islice(made, 1000)]:
                    if table == "accounts":
                        for row in part[1::2]:
                            row["ownerid@odata.bind"] = f"/systemusers({reader})"
                    post(f"/{table}/Microsoft.Dynamics.CRM.CreateMultiple", {"Targets": part})

    def reader(self, url: str, headers: tuple[tuple[str, str], ...], post: Callable[[str, Any], Any]) -> str:
        """The id of a new user with the role Basic User, who reads what is theirs."""

        def get(path: str) -> Any:
            return json.loads(once(url, Request(path=self.spelling.root + path, headers=headers)).body)

        unit = get("/WhoAmI")["BusinessUnitId"]
        user = {
            "firstname": "Bench",
            "lastname": "Reader",
            "domainname": rows.READER,
            "businessunitid@odata.bind": f"/businessunits({unit})",
        }
        post("/systemusers", user)
        [made] = get(f"/systemusers?$select=systemuserid&$filter=domainname%20eq%20%27{rows.READER}%27")[
            "value"
        ]
        [role] = get("/roles?$select=roleid&$filter=name%20eq%20%27Basic%20User%27")["value"]
        tie = {"@odata.id": f"{url}{self.spelling.root}/roles({role['roleid']})"}
        post(f"/systemusers({made['systemuserid']})/systemuserroles_association/$ref", tie)
        return str(made["systemuserid"])

    def start(self, data: Path) -> Process:
        options = ["--http-port", "0", "--https-port", "0", "--no-sample"]
        return Process(
            [sys.executable, "-m", "orgstead", "serve", "--data", str(data), *options],
            pattern=r"(http://\S+)",
            log=self.work / "log.txt",
            cwd=HERE.parent,
            env=dict(os.environ),
        )

    def authorization(self, url: str) -> tuple[str, str]:
        return "Authorization", "Bearer " + token(url)


SERVERS: Final[dict[str, type[Server]]] = {"cap": Cap, "ceiling": Ceiling, "orgstead": Orgstead}


def token(url: str) -> str:
    """An access token of the server at ``url`` for its development client; RuntimeError when refused."""
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT[0],
        "client_secret": CLIENT[1],
        "scope": f"{url}/.default",
    }
    answer = once(
        url,
        Request(
            method="POST",
            path=f"/{TENANT}/oauth2/v2.0/token",
            headers=(("Content-Type", "application/x-www-form-urlencoded"),),
            body=urlencode(form).encode(),
        ),
    )
    if answer.status != 200:
        raise RuntimeError(f"no token: {answer.status} {answer.body[:500]!r}")
    return str(json.loads(answer.body)["access_token"])


def written(table: str, row: rows.Row) -> dict[str, Any]:
    """The row as a client sends it: without what the platform fills, the lookup bound by its navigation."""
    made: dict[str, Any] = {"@odata.type": f"Microsoft.Dynamics.CRM.{table[:-1]}"}
    made |= {name: value for name, value in row.items() if name not in rows.SYSTEM | {"primarycontactid"}}
    if contact := row.get("primarycontactid"):
        made["primarycontactid@odata.bind"] = f"/contacts({contact})"
    return made
