"""The actions and functions of a service, read from its ``$metadata``.

https://docs.oasis-open.org/odata/odata/v4.0/errata03/os/complete/part3-csdl/odata-v4.0-errata03-os-part3-csdl-complete.html
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from io import BytesIO
from xml.etree import ElementTree

import click

from orgstead.client import Client, ConfigurationError

__all__ = ["Operation", "Operations", "Parameter", "read_operations"]

MAX_SIZE = 256 * 1024 * 1024
OWN = ("mscrm.", "Microsoft.Dynamics.CRM.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter, or a property of a complex type: its type as the document has it, without the service's prefix."""

    name: str
    type: str
    optional: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An action or a function. ``bound`` is the type that it is bound to, ``Collection(…)`` for all rows of a table."""

    name: str
    kind: str
    bound: str | None
    parameters: Sequence[Parameter]
    returns: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """What a service can be told to do, with the types that its parameters are of."""

    all: Sequence[Operation]
    enums: Mapping[str, Mapping[str, int]]
    complexes: Mapping[str, Sequence[Parameter]]
    tables: frozenset[str]

    def named(self, name: str) -> Sequence[Operation]:
        """The operations of a name, one for each type that it is bound to. Raises UsageError for none."""
        short = name.removeprefix(OWN[1])
        found = [each for each in self.all if each.name == short]
        if not found:
            near = get_close_matches(short, {each.name for each in self.all}, n=3)
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            raise click.UsageError(
                f"There is no action or function {name[:60]!r}.{meant} 'orgstead api list' lists them."
            )
        return found


def read_operations(client: Client) -> Operations:
    """Ask for the document and read it. Raises what a request raises, ConfigurationError for something else."""
    answer = client.request("GET", "$metadata", headers={"Accept": "application/xml"})
    content = answer.content
    # A document type could hold entities that unfold without end.
    if len(content) > MAX_SIZE or b"<!DOCTYPE" in content[:1000]:
        raise ConfigurationError("what the service says of itself is no description, or far too large")
    try:
        return _read(content)
    except ElementTree.ParseError as error:
        raise ConfigurationError(f"what the service says of itself cannot be read: {error}") from None


def _read(content: bytes) -> Operations:
    found: list[Operation] = []
    enums: dict[str, dict[str, int]] = {}
    complexes: dict[str, list[Parameter]] = {}
    tables: set[str] = set()
    for _, element in ElementTree.iterparse(BytesIO(content)):
        tag, name = element.tag.rpartition("}")[2], element.get("Name", "")
        match tag:
            case "Action" | "Function":
                found.append(_operation(tag.lower(), name, element))
            case "EnumType":
                enums[name] = {
                    each.get("Name", ""): int(each.get("Value") or number)
                    for number, each in enumerate(element)
                }
            case "ComplexType":
                complexes[name] = list(_parameters(element, "Property"))
            case "EntityType":
                tables.add(name)
            case _:
                continue
        element.clear()
    return Operations(all=found, enums=enums, complexes=complexes, tables=frozenset(tables))


def _operation(kind: str, name: str, element: ElementTree.Element) -> Operation:
    parameters = list(_parameters(element, "Parameter"))
    bound = None
    if element.get("IsBound") == "true" and parameters:
        bound = parameters.pop(0).type
    returns = next(iter(_parameters(element, "ReturnType")), None)
    return Operation(
        name=name,
        kind=kind,
        bound=bound,
        parameters=parameters,
        returns=returns.type if returns is not None else None,
    )


def _parameters(element: ElementTree.Element, tag: str) -> Iterator[Parameter]:
    for each in element:
        if each.tag.rpartition("}")[2] == tag:
            yield Parameter(
                name=each.get("Name", ""),
                type=_short(each.get("Type", "")),
                optional=each.get("Nullable") != "false",
            )


def _short(name: str) -> str:
    for prefix in OWN:
        name = name.replace(prefix, "")
    return name
