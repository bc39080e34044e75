"""App registrations, users and outstanding grants as rows of the organisation: the authorization server's directory.

The tables are private: no wire shows them.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

import msgspec

from orgstead.engine.pipeline import Engine
from orgstead.engine.ports import UnitOfWork
from orgstead.errors import Fault
from orgstead.identity import Application, Certificate, Grant, Secret, User
from orgstead.model.plan import AllOf, Col, Comparison, Output, Param, Plan, Source, Test, Verdict
from orgstead.model.schema import Table

__all__ = ["RowDirectory"]

GRANTS = UUID("0d365000-0000-4000-8000-00000000d367")
# Expired grants are removed this many at a time.
MAX_PURGE = 10_000


class RowDirectory:
    """A ``Directory`` over the rows of an organisation; see ``identity.ports``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _table(self, name: str) -> Table:
        return self._engine.schema.tables[name]

    # -- applications --------------------------------------------------------------------------------------------
    def add_application(self, application: Application) -> None:
        """Register an application, or replace the one with its client id."""
        table = self._table("orgstead_application")
        values = {
            "name": application.display_name,
            "clientid": application.client_id.lower(),
            "objectid": application.object_id.lower(),
            "secrets": _json(application.secrets),
            "certificates": _json(application.certificates),
            "redirecturis": _json(application.redirect_uris),
            "grants": _json(sorted(application.grants)),
            "ispublic": application.public,
            "isenabled": application.enabled,
        }
        with self._engine.store.write() as unit:
            found = unit.find(table, {"clientid": application.client_id.lower()}, 1)
            values["versionnumber"] = unit.next_version()
            if found:
                unit.update(table, found[0], values)
            else:
                unit.insert(table, [{table.primary_id: application.object_id.lower(), **values}])

    def application(self, client_id: str) -> Application | None:
        """See ``Directory.application``."""
        return self._application("clientid", client_id)

    def application_by_object_id(self, object_id: str) -> Application | None:
        """See ``Directory.application_by_object_id``."""
        return self._application("objectid", object_id)

    def _application(self, column: str, id: str) -> Application | None:
        canonical = _guid(id)
        if canonical is None:
            return None
        table = self._table("orgstead_application")
        with self._engine.store.read() as unit:
            found = unit.find(table, {column: canonical}, 1)
            row = unit.get(table, found[0]) if found else None
        if row is None:
            return None
        return Application(
            client_id=row["clientid"],
            object_id=row["objectid"],
            display_name=row["name"] or "",
            secrets=msgspec.json.decode(row["secrets"], type=tuple[Secret, ...]),
            certificates=msgspec.json.decode(row["certificates"], type=tuple[Certificate, ...]),
            redirect_uris=msgspec.json.decode(row["redirecturis"], type=tuple[str, ...]),
            grants=msgspec.json.decode(row["grants"], type=frozenset[str]),
            public=row["ispublic"],
            enabled=row["isenabled"],
        )

    # -- users ---------------------------------------------------------------------------------------------------
    def set_password(self, user_id: str, password_hash: str) -> None:
        """Keep the hash of a user's password; tokens stay valid."""
        table = self._table("orgstead_credential")
        with self._engine.store.write() as unit:
            if not unit.update(table, user_id, {"passwordhash": password_hash}):
                unit.insert(table, [{table.primary_id: user_id, "passwordhash": password_hash}])

    def user(self, upn: str) -> User | None:
        """See ``Directory.user``."""
        return self._user("domainname", upn) if 0 < len(upn) <= 1024 else None

    def user_by_id(self, object_id: str) -> User | None:
        """See ``Directory.user_by_id``."""
        canonical = _guid(object_id)
        return None if canonical is None else self._user("azureactivedirectoryobjectid", canonical)

    def _user(self, column: str, value: str) -> User | None:
        users, credentials = self._table("systemuser"), self._table("orgstead_credential")
        with self._engine.store.read() as unit:
            found = unit.find(users, {column: value}, 1)
            row = unit.get(users, found[0]) if found else None
            credential = unit.get(credentials, found[0]) if found else None
        # Without a password, and for application users, nobody signs in.
        if row is None or credential is None or row["applicationid"] is not None:
            return None
        return User(
            object_id=row["azureactivedirectoryobjectid"] or row["systemuserid"],
            upn=row["domainname"] or "",
            display_name=row["fullname"] or "",
            given_name=row["firstname"] or "",
            family_name=row["lastname"] or "",
            email=row["internalemailaddress"] or "",
            password_hash=credential["passwordhash"],
            enabled=not row["isdisabled"],
            tokens_valid_from=credential["tokensvalidfrom"] or 0.0,
        )

    # -- grants --------------------------------------------------------------------------------------------------
    def put_grant(self, kind: str, key_hash: str, data: Mapping[str, str], expires: float) -> None:
        """See ``Directory.put_grant``."""
        table, id = self._table("orgstead_grant"), _grant_id(kind, key_hash)
        values = {"kind": kind, "data": _json(dict(data)), "expires": expires}
        with self._engine.store.write() as unit:
            if unit.update(table, id, values):
                return
            try:
                with unit.savepoint():
                    unit.insert(table, [{table.primary_id: id, **values}])
            except Fault as error:
                if error.name != "DuplicateRecord":
                    raise
                # Another process was faster.
                unit.update(table, id, values)

    def take_grant(self, kind: str, key_hash: str) -> Grant | None:
        """See ``Directory.take_grant``."""
        table, id = self._table("orgstead_grant"), _grant_id(kind, key_hash)
        with self._engine.store.write() as unit:
            grant = self._grant(unit, id)
            # Of several takers the one whose delete counts has it.
            return grant if unit.delete(table, [id]) else None

    def peek_grant(self, kind: str, key_hash: str) -> Grant | None:
        """See ``Directory.peek_grant``."""
        with self._engine.store.read() as unit:
            return self._grant(unit, _grant_id(kind, key_hash))

    def update_grant(self, kind: str, key_hash: str, data: Mapping[str, str]) -> bool:
        """See ``Directory.update_grant``."""
        with self._engine.store.write() as unit:
            return unit.update(
                self._table("orgstead_grant"), _grant_id(kind, key_hash), {"data": _json(dict(data))}
            )

    def count_grants(self, kind: str, now: float) -> int:
        """See ``Directory.count_grants``."""
        table = self._table("orgstead_grant")
        plan = _grants(table, "ge", kind=True)
        with self._engine.store.read() as unit:
            return unit.count(plan, (now, MAX_PURGE, kind), None)

    def purge_grants(self, now: float) -> int:
        """See ``Directory.purge_grants``."""
        table = self._table("orgstead_grant")
        with self._engine.store.read() as unit:
            expired = [row[0] for row in unit.fetch(_grants(table, "lt"), (now, MAX_PURGE))]
        if not expired:
            return 0
        with self._engine.store.write() as unit:
            return unit.delete(table, expired)

    def _grant(self, unit: UnitOfWork, id: str) -> Grant | None:
        row = unit.get(self._table("orgstead_grant"), id)
        if row is None:
            return None
        return Grant(data=msgspec.json.decode(row["data"], type=dict[str, str]), expires=row["expires"])


@lru_cache(maxsize=16)
def _grants(table: Table, op: Comparison, *, kind: bool = False) -> Plan:
    """Ids of the grants that end before or after parameter 0; parameter 2 is their kind."""
    source = Source("t0", table)
    key, ends, of = (Col("t0", table.columns[name]) for name in (table.primary_id, "expires", "kind"))
    where: list[Verdict] = [Test(op, ends, Param(0, ends.column))]
    if kind:
        where.append(Test("eq", of, Param(2, of.column)))
    return Plan(
        source=source, outputs=(Output("id", key, key.column),), where=AllOf(tuple(where)), limit=Param(1)
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _guid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None


def _grant_id(kind: str, key_hash: str) -> str:
    return str(uuid5(GRANTS, f"{kind}:{key_hash}"))
