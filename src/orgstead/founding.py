"""How an organisation comes into being, and how an older one gets what this version ships."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol
from uuid import uuid4

from orgstead.config import Config
from orgstead.engine.callers import among
from orgstead.engine.context import SYSTEM
from orgstead.engine.handlers.organization import TENANT
from orgstead.engine.pipeline import Engine
from orgstead.engine.ports import Store
from orgstead.engine.subscriptions import APPLICATION
from orgstead.identity import Application as Registration
from orgstead.identity import Secret, hash_secret
from orgstead.identity.development import ADMIN_OBJECT_ID, ADMIN_PASSWORD, development_applications
from orgstead.model.messages import Associate, Create, Message, Update
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Schema
from orgstead.solutions.entities import entity_messages
from orgstead.solutions.first import FirstIds, first_messages, read_rows, user_messages
from orgstead.solutions.load import load_base
from orgstead.solutions.messages import message_rows
from orgstead.solutions.sample import SAMPLE_COMPANY, sample_messages
from orgstead.solutions.security import privilege_messages, role_messages
from orgstead.solutions.upgrade import base_digest, with_missing

__all__ = ["Directory", "found_or_upgrade"]

# The setting that a founded organisation has: the digest of the shipped definitions.
FOUNDED = "base_digest"
MAX_PRIVILEGES = MAX_MESSAGES = 100_000


class Directory(Protocol):
    """Who may sign in."""

    def set_password(self, user_id: str, hashed: str) -> None:
        """Give a user a password, as its hash."""

    def add_application(self, registration: Registration) -> None:
        """Let an application sign in."""


def found_or_upgrade(engine: Engine, directory: Directory, config: Config) -> None:
    """Make the organisation when it is not there yet, or bring it up to what this version ships.

    Other processes that open the same database wait meanwhile.
    """
    store = engine.store
    if _digest(store) == base_digest():
        return
    with store.alone():
        found = _digest(store)
        if found is None:
            _found(engine, directory, config)
        elif found != base_digest():
            _upgrade(engine)
    engine.schema = store.load_schema()


def _digest(store: Store) -> str | None:
    """Which shipped definitions the organisation was founded with or last brought up to; None before that."""
    with store.read() as unit:
        return unit.read_setting(FOUNDED)


def _upgrade(engine: Engine) -> None:
    """Put in what this version ships and an older one did not: definitions, privileges, what the first roles hold."""
    store = engine.store
    with store.write() as unit:
        current = store.load_schema()
        new = with_missing(current, load_base())
        # What has changed by it is not noted one by one: whoever keeps definitions reads them all again.
        unit.migrate(current, replace(new, history={}, forgotten=new.version))
    schema = engine.schema = store.load_schema()
    privileges = schema.tables["privilege"]
    with store.read() as unit:
        ids = unit.find(privileges, {}, MAX_PRIVILEGES)
        known = {row[0] for row in unit.fetch(among(privileges, privileges.primary_id, "name"), [tuple(ids)])}
        there = set(unit.find(schema.tables["role"], {"parentroleid": None}, MAX_PRIVILEGES))
        users = set(unit.find(schema.tables["systemuser"], {"applicationid": APPLICATION}, 1))
        told = {
            id
            for name in ("sdkmessage", "sdkmessagefilter")
            for id in unit.find(schema.tables[name], {}, MAX_MESSAGES)
        }
    messages = [*privilege_messages(schema, known), *message_rows(schema, engine.messages.values(), told)]
    added = set()
    # A user that is there has the roles that somebody gave it.
    rows = [] if users else list(_rows("crm", _root_unit(store, schema)))
    for message in (*_rows("finops", _root_unit(store, schema)), *rows):
        if isinstance(message, Create) and message.record.id and message.record.id not in there:
            added.add(message.record.id)
            messages.append(message)
    messages += [message for message in rows if isinstance(message, Associate)]
    messages += role_messages(schema, there | added if not known else added)
    messages += entity_messages(schema.entities)
    engine.run(messages, SYSTEM)
    with store.write() as unit:
        unit.write_setting(FOUNDED, base_digest())


def _rows(solution: str, root: str) -> Iterator[Message]:
    """The roles, and the users that have them, of a shipped solution."""
    return read_rows(solution, {"root": root})


def _root_unit(store: Store, schema: Schema) -> str:
    with store.read() as unit:
        (root,) = unit.find(schema.tables["businessunit"], {"parentbusinessunitid": None}, 1)
    return root


def _found(engine: Engine, directory: Directory, config: Config) -> None:
    """Make a new organisation: tables, first rows, whoever may sign in, sample rows.

    It takes several transactions; the mark at the end says that all are done. What an earlier attempt left without
    it is removed.
    """
    base = load_base()
    with engine.store.write() as unit:
        left = engine.store.load_schema()
        if left.version:
            cleared = replace(Schema.empty(), version=left.version + 1)
            unit.migrate(left, cleared)
            left, base = cleared, replace(base, version=left.version + 2)
        unit.migrate(left, base)
    engine.schema = engine.store.load_schema()
    base = engine.schema
    founder = replace(
        SYSTEM,
        user_id=FirstIds.system_user,
        business_unit_id=FirstIds.business_unit,
        organization_id=FirstIds.organization,
        currency_id=FirstIds.currency,
    )
    engine.run(
        [*first_messages(config.organization_name), *message_rows(base, engine.messages.values())], founder
    )
    roles = [row for solution in ("finops", "crm") for row in _rows(solution, FirstIds.business_unit)]
    engine.run([*privilege_messages(base), *roles, *role_messages(base), *entity_messages()], founder)
    password = config.admin_password or (ADMIN_PASSWORD if config.dev else None)
    if password:
        engine.run(
            list(
                user_messages(
                    FirstIds.administrator,
                    upn=config.admin_upn,
                    object_id=ADMIN_OBJECT_ID,
                    first_name=config.organization_name,
                    last_name="Administrator",
                )
            ),
            founder,
        )
        directory.set_password(FirstIds.administrator, hash_secret(password))
    for registration in _registrations(config):
        directory.add_application(registration)
        if not registration.public:
            engine.run(
                list(
                    user_messages(
                        FirstIds.application_user,
                        upn=f"app_{registration.client_id}@{config.tenant_names[0] if config.tenant_names else 'apps'}",
                        object_id=registration.object_id,
                        first_name="#",
                        last_name=registration.display_name,
                        application_id=registration.client_id,
                    )
                ),
                founder,
            )
    if config.sample:
        engine.run(list(sample_messages()), replace(founder, user_id=FirstIds.administrator))
        engine.run(list(_workers(engine)), founder)
    with engine.store.write() as unit:
        unit.write_setting(TENANT, config.tenant_id)
        unit.write_setting(FOUNDED, base_digest())


def _workers(engine: Engine) -> Iterator[Message]:
    """Whoever may sign in works in the company that the sample rows are about."""
    users = engine.schema.tables["systemuser"]
    with engine.store.read() as unit:
        for id in (FirstIds.administrator, FirstIds.application_user):
            if unit.get(users, id, (users.primary_id,)) is not None:
                record = Record(table="systemuser", values={"orgstead_company": SAMPLE_COMPANY})
                yield Update(ref=Ref("systemuser", id), record=record)


def _registrations(config: Config) -> Iterator[Registration]:
    """The applications that a new organisation knows."""
    if config.client_id and config.client_secret:
        yield Registration(
            client_id=config.client_id,
            object_id=str(uuid4()),
            display_name="First application",
            secrets=(Secret(hash=hash_secret(config.client_secret)),),
        )
    if config.dev:
        confidential, public = development_applications()
        if not config.client_id:
            yield confidential
        yield public
