"""The reference of the client, out of its docstrings: every public class with its methods, function and constant."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

from orgstead import client
from orgstead.client import errors
from orgstead.client.methods import operation, stream

__all__ = ["client_page"]

INTRODUCTION = """# The Python client

`from orgstead.client import …`. Every method of a namespace is a function of a `Client` and a coroutine function of an
`AsyncClient`; what is marked *iterator* is read by `for`, or by `async for`.
[How to use it](../how-to/use-the-python-client.md).
"""
# What a reader looks for first comes first; everything else follows by name.
FIRST = (
    "Client", "AsyncClient", "Records", "Query", "Expand", "Column", "col", "raw", "Rows", "OData", "FetchXml",
    "Sql", "Record", "Page", "Ref", "Batch", "ChangeSet", "BatchResult", "Outcome", "Bulk", "BulkResult",
    "RowFailure", "Position", "Associations", "Files", "File", "Calls", "EnumMember", "Changes", "Change",
    "Watermark", "Tables", "Choices", "WebhookReceiver", "Event", "EventRow", "read_event", "Retry",
    "ClientSecret", "ClientCertificate", "Password", "DeviceCode", "Browser", "RefreshToken", "GivenToken",
    "AzureCredential", "TokenStore",
)  # fmt: skip


def client_page() -> Iterator[str]:
    """The lines of the page."""
    yield from INTRODUCTION.splitlines()
    names = [*FIRST, *(name for name in client.__all__ if name not in FIRST)]
    faults = [name for name in names if _is_error(getattr(client, name))]
    for name in names:
        if name not in faults:
            yield from _entry(name, getattr(client, name))
    yield ""
    yield "## Errors"
    yield ""
    yield "```"
    drawing = inspect.cleandoc(errors.__doc__ or "").partition("::\n\n")[2].partition("\n\n")[0]
    yield from inspect.cleandoc(drawing).splitlines()
    yield "```"
    for name in faults:
        yield ""
        yield f"**`{name}`** {_text(getattr(client, name))}"


def _is_error(found: Any) -> bool:
    return inspect.isclass(found) and issubclass(found, Exception)


def _entry(name: str, found: Any) -> Iterator[str]:
    yield ""
    yield f"## {name}"
    yield ""
    if not (inspect.isclass(found) or inspect.isfunction(found)):
        yield f"`{name} = {found!r}`"
        return
    yield f"`{name}{_signature(found)}`"
    yield ""
    yield _text(found)
    if inspect.isclass(found):
        for each, member in _members(found):
            yield ""
            yield f"### {name}.{each}"
            yield ""
            yield from _member(each, member)


def _members(found: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class, those of our own bases included, in the order of the text."""
    seen: dict[str, Any] = {}
    for base in reversed(found.__mro__):
        if base.__module__.startswith("orgstead.client") and base.__name__ != "Bound":
            seen |= {name: member for name, member in vars(base).items() if not name.startswith("_")}
    for name, member in seen.items():
        if isinstance(member, operation | stream | property | classmethod) or inspect.isfunction(member):
            yield name, member


def _member(name: str, member: Any) -> Iterator[str]:
    if isinstance(member, property):
        yield f"*property* `{_shown(inspect.signature(member.fget).return_annotation)}`"  # type: ignore[arg-type]
        text = member.__doc__
    else:
        function = member.__func__ if isinstance(member, classmethod) else getattr(member, "function", member)
        yield f"`{name}{_signature(function, own=True)}`" + (
            " *iterator*" if isinstance(member, stream) else ""
        )
        text = function.__doc__
    yield ""
    yield _markdown(text)


def _signature(found: Any, *, own: bool = False) -> str:
    signature = inspect.signature(found)
    parameters = list(signature.parameters.values())[1 if own else 0 :]
    shown = []
    star = False
    for each in parameters:
        if each.kind is each.KEYWORD_ONLY and not star:
            shown.append("*")
            star = True
        text = f"{'**' if each.kind is each.VAR_KEYWORD else ''}{each.name}"
        if each.annotation is not each.empty:
            text += f": {_shown(each.annotation)}"
        if each.default is not each.empty:
            text += f" = {_default(each.default)}"
        shown.append(text)
    answer = signature.return_annotation
    arrow = "" if inspect.isclass(found) or answer is signature.empty else f" → {_result(answer)}"
    return f"({', '.join(shown)}){arrow}"


def _default(value: Any) -> str:
    if callable(value) or dataclasses.is_dataclass(value) or "factory" in repr(value):
        return "…"
    return repr(value)


def _result(annotation: Any) -> str:
    """What a conversation comes to in the end, or emits."""
    if getattr(annotation, "__origin__", None) is not None and "Generator" in str(annotation.__origin__):
        steps, _, value = annotation.__args__
        if value is type(None) and "Emit" in str(steps):
            return _shown(next(each.__args__[0] for each in steps.__args__ if "Emit[" in str(each)))
        return _shown(value)
    return _shown(annotation)


def _shown(annotation: Any) -> str:
    if annotation is None or annotation is type(None):
        return "None"
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Za-z])", "", text).replace("~D", "D").replace("[D]", "")


def _text(found: Any) -> str:
    return _markdown(found.__doc__)


def _markdown(text: str | None) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", inspect.cleandoc(text or ""))
