"""The reference of the actions, out of the models that everything else is made of as well."""

from collections.abc import Iterator, Mapping
from typing import Any

from orgstead.actions import ELEVEN, TOOLKIT, Action

__all__ = ["actions_page"]

INTRODUCTION = """# Actions

Each is a function (`from orgstead.actions import …`), a tool of the MCP server, and `orgstead actions run NAME`.
[How to use them](../how-to/give-agents-actions.md). None raises: a result has `success`, and `error` says what to do
where it is false. What *reads* changes nothing; a session of agents needs `--allow write` for what *adds* or *changes*,
and `--allow delete` for what *deletes*.
"""


def actions_page() -> Iterator[str]:
    """The lines of the page."""
    yield from INTRODUCTION.splitlines()
    for title, chosen in (
        ("The eleven", ELEVEN),
        ("The dozen", [each for each in TOOLKIT.values() if each not in ELEVEN]),
    ):
        yield ""
        yield f"## {title}"
        for each in chosen:
            yield from _action(each)


def _action(action: Action[Any, Any]) -> Iterator[str]:
    does = (
        "reads" if action.reads else "deletes" if action.deletes else "changes" if action.changes else "adds"
    )
    again = ", may be repeated" if action.idempotent and not action.reads else ""
    yield ""
    yield f"### {action.name}"
    yield ""
    yield f"*{does}{again}* — {action.description}"
    schema = action.input_schema
    if schema["properties"]:
        yield ""
        yield "| parameter | type | what it is |"
        yield "|---|---|---|"
        for name, found in schema["properties"].items():
            text = found["description"].replace("|", "\\|")
            yield f"| `{name}` | {_type(name, found, schema)} | {text} |"
    yield ""
    members = ", ".join(
        f"`{name}`" for name in action.output_schema["properties"] if name not in ("success", "error")
    )
    yield f"Answers {members}."


def _type(name: str, found: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    kinds = [each for each in found.get("anyOf", [found]) if each.get("type") != "null"]
    shown = " or ".join(
        "one of " + ", ".join(each["enum"]) if "enum" in each else each["type"] for each in kinds
    )
    bounds = "".join(
        f", {word} {found[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in found
    )
    if name in schema.get("required", ()):
        return f"{shown}{bounds}, **required**"
    default = found.get("default")
    return f"{shown}{bounds}" + ("" if default is None else f", default {str(default).lower()}")
