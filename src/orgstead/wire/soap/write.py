"""Values to elements, by their types: strings put together, with prefixes as .NET gives them.

The namespaces of an element are declared where they are first needed, under letters in the order of need: programs
exist that look for ``a:Entity`` and ``b:key`` by these very prefixes.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from orgstead.model.record import Record, Ref
from orgstead.wire.definitions.labels import Caption
from orgstead.wire.soap.contracts import (
    CONTRACTS,
    NAMESPACES,
    PRIMITIVES,
    Contract,
    TypeName,
    find_type,
    is_a,
    members_of,
)
from orgstead.wire.soap.primitives import EMPTY_ID, write_primitive
from orgstead.wire.soap.xml import escape

__all__ = ["ANY", "PAIR", "Scope", "Typed", "element", "inferred", "pair"]

ANY: TypeName = ("xs", "anyType")
PAIR = "KeyValuePairOfstringanyType"
_ZEROES: Mapping[str, str] = {
    "boolean": "false", "int": "0", "long": "0", "short": "0", "decimal": "0", "double": "0", "guid": EMPTY_ID,
    "dateTime": "0001-01-01T00:00:00", "string": "",
}  # fmt: skip


class Typed:
    """A value whose type cannot be told from itself; ``raw`` elements are written as they are."""

    __slots__ = ("raw", "type", "value")

    def __init__(self, type: TypeName, value: Any, *, raw: bool = False) -> None:
        self.type = type
        self.value = value
        self.raw = raw


class Scope:
    """The prefixes that are declared around an element, by the table's own prefixes."""

    __slots__ = ("known",)

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known

    def with_(self, *namespaces: str) -> tuple["Scope", str]:
        """The scope inside an element that needs these, and the declarations that it needs for it."""
        missing = [each for each in dict.fromkeys(namespaces) if each not in self.known]
        if not missing:
            return self, ""
        known = dict(self.known)
        said = ""
        for each in missing:
            letter = _letter(sum(1 for prefix in known.values() if prefix))
            known[each] = letter
            said += f' xmlns:{letter}="{NAMESPACES[each]}"'
        return Scope(known), said

    def name(self, namespace: str, name: str) -> str:
        """A name with the prefix of its namespace, if it needs one."""
        prefix = self.known[namespace]
        return f"{prefix}:{name}" if prefix else name


def _letter(number: int) -> str:
    """a to h, j to r (i is that of the schema instance and s that of the envelope), then aa, ab…"""
    letters = "abcdefghjklmnopqr"
    return letters[number] if number < len(letters) else f"x{number}"


def element(tag: str, value: Any, declared: TypeName, scope: Scope) -> str:
    """An element with a value. ``tag`` has its prefix already; ``declared`` is the type that readers expect there."""
    if value is None:
        return f'<{tag} i:nil="true"/>'
    type = declared
    if isinstance(value, Typed):
        if value.raw:
            return str(value.value)
        type, value = value.type, value.value
        if value is None:
            return f'<{tag} i:nil="true"/>'
    elif declared in PRIMITIVES and declared != ANY:
        return f"<{tag}>{primitive(declared, value)}</{tag}>"
    elif declared == ANY:
        type = inferred(value)
    elif isinstance(value, Mapping):
        type = stated(value, declared)
    said = ""
    if type != declared:
        scope, said = scope.with_(type[0])
        said += f' i:type="{scope.name(*type)}"'
    content, more = _content(type, value, scope)
    return f"<{tag}{said}{more}>{content}</{tag}>"


def primitive(type: TypeName, value: Any) -> str:
    """A simple value as text; a decimal number has no exponent."""
    if type == ("xs", "decimal") and isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    return write_primitive(value)


def inferred(value: Any) -> TypeName:
    """The type of a value that stands where anything may."""
    match value:
        case bool():
            return ("xs", "boolean")
        case int():
            return ("xs", "int") if -(2**31) <= value < 2**31 else ("xs", "long")
        case float():
            return ("xs", "double")
        case bytes():
            return ("xs", "base64Binary")
        case str():
            return ("xs", "string")
        case Record():
            return ("xrm", "Entity")
        case Ref():
            return ("xrm", "EntityReference")
    return ("xs", "decimal")


def stated(value: Mapping[str, Any], declared: TypeName) -> TypeName:
    """The type that a definition states, or the declared one."""
    name = value.get("@odata.type")
    if name is None:
        return declared
    found = find_type(None, str(name).rpartition(".")[2].removeprefix("Complex"))
    return found if found is not None and is_a(found, declared) else declared


def _content(type: TypeName, value: Any, scope: Scope) -> tuple[str, str]:
    """What stands between the tags of a value, and the declarations that the start tag needs for it."""
    if type in PRIMITIVES:
        return primitive(type, value), ""
    contract = CONTRACTS[type]
    if contract.values:
        return escape(" ".join(str(value).replace(",", " ").split())), ""
    match value:
        case Ref():
            return _reference(value, scope)
        case Caption():
            value = value.label()
    special = _SCALARS.get(type)
    if special is not None and not isinstance(value, Mapping):
        value = {special: value}
    if contract.item is not None:
        return _list(contract, value, scope)
    return _object(type, value, scope)


# Objects of one value, which is what messages answer in their place.
_SCALARS: Mapping[TypeName, str] = {("xrm", "Money"): "Value", ("xrm", "OptionSetValue"): "Value"}


def _list(contract: Contract, values: Any, scope: Scope) -> tuple[str, str]:
    item = contract.item
    if item is None:
        raise TypeError("only lists have items")
    scope, said = scope.with_(contract.type[0])
    tag = scope.name(contract.type[0], item.name)
    if item.type[0] != "pairs":
        return "".join(element(tag, each, item.type, scope) for each in values), said
    # Declared once on the collection, not again on every pair.
    scope, more = scope.with_("pairs")
    of = members_of(item.type)
    key, held = scope.name("pairs", "key"), scope.name("pairs", "value")
    pairs: Iterable[tuple[Any, Any]] = _items(values)
    found = [
        f"<{tag}>"
        + element(key, name, of["key"].type, scope)
        + element(held, each, of["value"].type, scope)
        + f"</{tag}>"
        for name, each in pairs
    ]
    return "".join(found), said + more


def _items(values: Any) -> Iterable[tuple[Any, Any]]:
    """The pairs of a collection: of a mapping, or of the Web API's Keys and Values."""
    if isinstance(values, Mapping) and "Keys" in values and "Values" in values:
        return zip(values["Keys"], values["Values"], strict=True)
    return values.items() if isinstance(values, Mapping) else values


def _object(type: TypeName, value: Mapping[str, Any], scope: Scope) -> tuple[str, str]:
    """The members of an object in the order of its contract; what is not given is nil, or the type's zero."""
    said, parts = "", []
    for line in _lineage(type):
        if line.own:
            scope, more = scope.with_(line.type[0])
            said += more
        for member in line.own:
            tag = scope.name(line.type[0], member.name)
            given = value.get(member.name)
            if given is None and not member.nillable:
                zero = _zero(member.type)
                parts.append(f"<{tag}>{zero}</{tag}>" if zero is not None else "")
            else:
                parts.append(element(tag, given, member.type, scope))
    return "".join(parts), said


def _lineage(type: TypeName) -> list[Contract]:
    found: list[Contract] = []
    current: TypeName | None = type
    while current is not None:
        contract = CONTRACTS[current]
        found.insert(0, contract)
        current = contract.base
    return found


def _zero(type: TypeName) -> str | None:
    if type in PRIMITIVES:
        return _ZEROES.get(type[1])
    contract = CONTRACTS[type]
    return contract.values[0] if contract.values and not contract.flags else None


def _reference(ref: Ref, scope: Scope, name: str | None = None) -> tuple[str, str]:
    return _object(
        ("xrm", "EntityReference"),
        {"Id": ref.id, "LogicalName": ref.table, "Name": name, "KeyAttributes": {}},
        scope,
    )


def pair(name: str, value: Any, scope: Scope) -> str:
    """A parameter or a result: its name and its value."""
    tag, key = scope.name("xrm", PAIR), scope.name("pairs", "key")
    held = element(scope.name("pairs", "value"), value, ANY, scope)
    return f"<{tag}><{key}>{escape(name)}</{key}>{held}</{tag}>"
