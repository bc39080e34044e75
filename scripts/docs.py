"""Writes docs/reference/ from the tables of the source: ``python -m scripts.docs``; ``--check`` only compares.

What is generated says so in its first line; everything else under docs/ is written by hand.
"""

import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

import orgstead.app  # noqa: F401 - registers every handler and hook
from orgstead.cli import main
from orgstead.config import Config
from orgstead.engine.hooks import shipped
from orgstead.engine.operators import OPERATORS
from orgstead.engine.registry import registered
from orgstead.engine.rules.data_entities import KINDS
from orgstead.errors import fault_kinds
from orgstead.languages.odata.functions import FUNCTIONS
from orgstead.model import messages
from orgstead.model.messages import Create, Message, Parameter, Signature
from orgstead.server.plane.routes import PLANE, ROUTES
from orgstead.solutions.entities import entity_messages
from orgstead.solutions.load import load_base
from scripts.docs_actions import actions_page
from scripts.docs_client import client_page

__all__ = ["pages", "write"]

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Made by `python -m scripts.docs`: change the source, not this page. -->"


def pages() -> Mapping[str, str]:
    """Every generated page by its file name."""
    makers: Mapping[str, Callable[[], Iterator[str]]] = {
        "settings.md": _settings,
        "commands.md": _commands,
        "faults.md": _faults,
        "messages.md": _messages,
        "hooks.md": _hooks,
        "tables.md": _tables,
        "data-entities.md": _data_entities,
        "operators.md": _operators,
        "support.md": _support,
        "admin-plane.md": _plane,
        "client.md": client_page,
        "actions.md": actions_page,
    }
    return {name: f"{NOTE}\n\n" + "\n".join(make()) + "\n" for name, make in makers.items()}


def _cell(text: object) -> str:
    return re.sub(r"\s+", " ", str(text)).replace("|", "\\|").strip()


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _first(text: str | None) -> str:
    """The first paragraph of a docstring as Markdown."""
    return re.sub(r"``(.+?)``", r"`\1`", (inspect.cleandoc(text or "")).partition("\n\n")[0])


# -- settings --------------------------------------------------------------------------------------------------------
def _settings() -> Iterator[str]:
    yield "# Settings"
    yield ""
    yield (
        "Each setting is an environment variable; a name with `_FILE` behind it reads the value from a file. "
        "Options of the command line come before the environment. Lists are separated by commas. "
        "`orgstead config show` prints what is in force, secrets hidden."
    )
    yield ""
    texts = _field_texts(Config)
    yield from _table(
        ("variable", "default", "what it is"),
        (
            (f"`ORGSTEAD_{each.name.upper()}`", f"`{_shown(each.default)}`", _first(texts.get(each.name)))
            for each in fields(Config)
        ),
    )


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _field_texts(kind: type) -> Mapping[str, str]:
    """The texts that stand under the fields of a class."""
    (node,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(node, ast.ClassDef)
    found: dict[str, str] = {}
    for field, text in zip(node.body, node.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[field.target.id] = str(text.value.value)
    return found


# -- commands --------------------------------------------------------------------------------------------------------
def _commands() -> Iterator[str]:
    yield "# Commands"
    for path, command in _walk(main, "orgstead"):
        yield ""
        yield f"## {path}"
        yield ""
        yield command.help or ""
        options = [
            each for each in command.params if isinstance(each, click.Option) and "--help" not in each.opts
        ]
        if options:
            yield ""
            yield from _table(
                ("option", "what it does"),
                (
                    (f"`{'`, `'.join((*each.opts, *each.secondary_opts))}`", each.help or "")
                    for each in options
                ),
            )


def _walk(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _walk(inner, f"{path} {name}")
    else:
        yield path, command


# -- faults ----------------------------------------------------------------------------------------------------------
def _faults() -> Iterator[str]:
    yield "# Faults"
    yield ""
    yield (
        "Every failure that a caller can see. The Web API answers the code and the text as "
        '`{"error": {"code": "0x…", "message": "…"}}` with the status; what stands in braces is filled in.'
    )
    yield ""
    yield from _table(
        ("name", "code", "status", "text", "source"),
        (
            (f"`{kind.name}`", f"`0x{kind.code:08x}`", kind.status, kind.text, _link(kind.source))
            for kind in sorted(fault_kinds().values(), key=lambda kind: kind.name)
        ),
    )


def _link(address: str) -> str:
    return f"[page]({address})" if address.startswith("https://") else address


# -- messages --------------------------------------------------------------------------------------------------------
def _messages() -> Iterator[str]:
    yield "# Messages"
    yield ""
    yield "What every protocol translates into. The first table is the core; the second is open: a name, a handler."
    yield ""
    core = [
        getattr(messages, name) for name in str(Message).replace("orgstead.model.messages.", "").split(" | ")
    ]
    yield from _table(
        ("message", "what it does"), ((f"`{each.__name__}`", _first(each.__doc__)) for each in core)
    )
    yield ""
    yield "## Registered messages"
    yield ""
    handlers = sorted(registered().items())
    yield from _table(
        ("message", "on the Web API", "parameters", "answers", "what it does"),
        (
            (
                f"`{name}`",
                _kind(handler.signature),
                _parameters(handler.signature.parameters if handler.signature else ()),
                _parameters(handler.signature.returns if handler.signature else ()),
                _first(handler.run.__doc__),
            )
            for name, handler in handlers
        ),
    )


def _kind(signature: Signature | None) -> str:
    if signature is None:
        return "by its own resources"
    if signature.entity:
        where = "the collection" if signature.collection else "rows of the collection"
        return f"none; at `/data` an action of {where} {signature.entity}"
    tables = "any table" if signature.bound == ("*",) else " or ".join(signature.bound)
    bound = f"bound to {tables}" if tables else "unbound"
    return f"{signature.kind}, {bound}"


def _parameters(given: Iterable[Parameter]) -> str:
    return ", ".join(f"`{each.name}{'?' if each.optional else ''}: {each.type}`" for each in given)


# -- hooks -----------------------------------------------------------------------------------------------------------
def _hooks() -> Iterator[str]:
    yield "# Hooks"
    yield ""
    yield (
        "The product's own rules. Stage 20 runs inside of the transaction before a row is written and may change its "
        "values, stage 40 after it; lower ranks run first."
    )
    yield ""
    yield from _table(
        ("hook", "event", "stage", "rank", "what it does"),
        (
            (f"`{hook.name}`", hook.event, hook.stage, hook.rank, _first(hook.run.__doc__))
            for hook in sorted(shipped(), key=lambda hook: (hook.event, hook.stage, hook.rank, hook.name))
        ),
    )


# -- tables ----------------------------------------------------------------------------------------------------------
def _tables() -> Iterator[str]:
    yield "# Tables"
    yield ""
    yield (
        "The tables that every organisation starts with. Their columns, choices and relationships are read from "
        "`EntityDefinitions` or `$metadata`."
    )
    yield ""
    shown = [table for table in load_base().tables.values() if not table.is_private]
    yield from _table(
        ("logical name", "entity set", "columns", "owned by"),
        (
            (
                f"`{table.logical_name}`",
                f"`{table.entity_set}`",
                len(table.columns),
                "user or team" if table.user_owned else "organisation",
            )
            for table in sorted(shown, key=lambda table: table.logical_name)
        ),
    )


def _data_entities() -> Iterator[str]:
    yield "# Data entities"
    yield ""
    yield (
        "The data entities that every organisation starts with, at `/data`. [How to make one of any table]"
        "(../how-to/speak-finance-and-operations.md). Keys are bold, fields that nobody sets are in italics."
    )
    rows: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    for message in entity_messages():
        if isinstance(message, Create):
            values = dict(message.record.values)
            if message.record.table == "orgstead_dataentity":
                rows.append((values, []))
            elif message.record.table == "orgstead_dataentityfield":
                rows[-1][1].append(values)
    for entity, entity_fields in rows:
        keys = entity["keyfields"].split(",")
        yield ""
        yield f"## {entity['publiccollectionname']}"
        yield ""
        yield (
            f"{entity['label']}: the entity `{entity['name']}` (`{entity['targetname']}`) over the table "
            f"`{entity['tablename']}`."
        )
        yield ""
        yield ", ".join(_entity_field(each, keys) for each in entity_fields)


def _entity_field(field: Mapping[str, Any], keys: Collection[str]) -> str:
    kind = field.get("enumname") or ("NoYes" if KINDS[field["kind"]] == "Boolean" else KINDS[field["kind"]])
    mark = "**" if field["name"] in keys else "*" if field.get("isreadonly") else ""
    return f"{mark}{field['name']}{mark} {kind}"


# -- support ---------------------------------------------------------------------------------------------------------
_MARKS = {"same": "as Dynamics", "differs": "**differs**", "unsupported": "**not supported**"}


def _operators() -> Iterator[str]:
    yield "# Operators of conditions"
    yield ""
    yield (
        "Every operator that a condition of FetchXML can have; the query functions of the Web API are the same under "
        "other names. A negation holds for what is null, and its opposite does not."
    )
    yield ""
    functions = {operator: name for name, (operator, _) in FUNCTIONS.items()}
    rows = (
        (f"`{name}`", f"`Microsoft.Dynamics.CRM.{functions[name]}`" if name in functions else "")
        for name in sorted(OPERATORS)
    )
    yield from _table(("operator", "query function"), rows)


def _plane() -> Iterator[str]:
    yield "# The admin plane"
    yield ""
    yield (
        "What testers steer an organisation with, apart from everything imitated. In development mode it is there for "
        "every program on this machine; outside of it, and wherever `ORGSTEAD_ADMIN_KEY` is set, requests bring the "
        "key as `Authorization: Bearer …`. Pages in a browser are refused, unless they are the server's own. "
        'Bodies are JSON; a refusal is `{"error": {"code": "…", "message": "…"}}`. '
        "[How to use it](../how-to/test-against-it.md)."
    )
    yield ""
    yield from _table(
        ("request", "what it does", "what it takes"),
        ((f"`{each.method} {PLANE}{each.path}`", each.what, each.takes) for each in ROUTES),
    )


def _support() -> Iterator[str]:
    rows = tomllib.loads((ROOT / "src" / "orgstead" / "fidelity.toml").read_text("utf-8"))
    yield "# What is imitated"
    yield ""
    yield (
        "Every behaviour that Orgstead imitates, the page that documents it and, where Orgstead differs, how. What is "
        "not supported answers a fault that names it; `GET /_orgstead/unsupported` lists what was asked for in vain."
    )
    areas: dict[str, list[tuple[str, Any]]] = {}
    for id, row in rows.items():
        areas.setdefault(row["area"], []).append((id, row))
    for area, members in areas.items():
        yield ""
        yield f"## {area}"
        yield ""
        yield from _table(
            ("id", "behaviour", "here", "source"),
            (
                (
                    f"`{id}`",
                    row["behaviour"],
                    " ".join(
                        filter(
                            None,
                            (
                                _MARKS[row["status"]] + (":" if row.get("difference") else ""),
                                row.get("difference"),
                            ),
                        )
                    ),
                    _link(row["source"]),
                )
                for id, row in members
            ),
        )


def write(*, check: bool = False) -> list[str]:
    """Write the pages, or only name those that are not what they should be."""
    stale = []
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        path = REFERENCE / name
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, "utf-8")
    return stale


if __name__ == "__main__":
    only_check = "--check" in sys.argv[1:]
    found = write(check=only_check)
    for each in found:
        click.echo(f"{'stale' if only_check else 'written'}: docs/reference/{each}")
    sys.exit(1 if only_check and found else 0)
