"""The types of the Organization Service, read from the table ``contracts.txt``.

https://learn.microsoft.com/dotnet/framework/wcf/feature-details/data-member-order
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

__all__ = [
    "CONTRACTS", "NAMESPACES", "PRIMITIVES", "Contract", "Member", "TypeName", "find_type", "is_a", "members_of",
]  # fmt: skip

# A type by its namespace's prefix in the table and its name.
TypeName = tuple[str, str]

XS = "http://www.w3.org/2001/XMLSchema"
# https://learn.microsoft.com/dotnet/framework/wcf/feature-details/data-contract-schema-reference#data-types-and-namespaces
PRIMITIVES: frozenset[TypeName] = frozenset(
    {
        *(("xs", name) for name in (
            "anyType", "string", "boolean", "int", "long", "short", "byte", "decimal", "double", "float", "dateTime",
            "base64Binary", "unsignedInt", "unsignedLong", "unsignedShort", "unsignedByte", "anyURI",
        )),
        ("ser", "guid"), ("ser", "char"), ("ser", "duration"),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of an object: an element of its own name, or many of them."""

    name: str
    type: TypeName
    many: bool = False
    nillable: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A type: an object with its own members, an enumeration or a set of flags with their values."""

    type: TypeName
    base: TypeName | None = None
    own: tuple[Member, ...] = ()
    values: tuple[str, ...] = ()
    flags: bool = False

    @property
    def item(self) -> Member | None:
        """The member that a list is made of; None for what is no list."""
        return self.own[0] if self.base is None and len(self.own) == 1 and self.own[0].many else None


@dataclass(slots=True)
class _Table:
    namespaces: dict[str, str] = field(default_factory=lambda: {"xs": XS})
    contracts: dict[TypeName, Contract] = field(default_factory=dict)


def _read(text: str) -> _Table:
    table, prefix = _Table(), ""
    for part in text.split("\n\n"):
        lines = [line for line in part.splitlines() if line and not line.startswith("#")]
        if not lines:
            continue
        head = lines[0].split()
        if head[0] == "=":
            prefix = head[1]
            table.namespaces[prefix] = head[2]
            continue
        for each in _contracts(prefix, head, lines[1:]):
            table.contracts[each.type] = each
    return table


def _contracts(prefix: str, head: list[str], lines: list[str]) -> Iterator[Contract]:
    if len(head) > 1 and head[1] in ("=", "|"):
        yield Contract(type=(prefix, head[0]), values=tuple(head[2:]), flags=head[1] == "|")
        return
    names, base = head, None
    if ":" in head:
        at = head.index(":")
        names, base = head[:at], _type(prefix, head[at + 1])
    own = tuple(_member(prefix, *line.split()) for line in lines)
    for name in names:
        yield Contract(type=(prefix, name), base=base, own=own)


def _member(prefix: str, name: str, kind: str) -> Member:
    bare = kind.rstrip("?*!")
    marks = kind[len(bare) :]
    return Member(
        name=name,
        type=_type(prefix, bare),
        many="*" in marks,
        nillable="?" in marks,
        required="!" in marks,
    )


def _type(prefix: str, text: str) -> TypeName:
    before, colon, name = text.rpartition(":")
    return (before if colon else prefix, name)


_TABLE = _read(files("orgstead.wire.soap").joinpath("contracts.txt").read_text("utf-8"))
CONTRACTS: Mapping[TypeName, Contract] = _TABLE.contracts
NAMESPACES: Mapping[str, str] = _TABLE.namespaces
_PREFIXES: Mapping[str, str] = {uri: prefix for prefix, uri in NAMESPACES.items()}
_BY_NAME: dict[str, TypeName] = {}
for _each in CONTRACTS:
    _BY_NAME.setdefault(_each[1], _each)


def find_type(uri: str | None, name: str) -> TypeName | None:
    """The type of a namespace and a name, None when there is none. Without a namespace the name must be enough."""
    if uri is None:
        return _BY_NAME.get(name)
    found = (_PREFIXES.get(uri, ""), name)
    return found if found in CONTRACTS or found in PRIMITIVES else None


@cache
def members_of(type: TypeName) -> Mapping[str, Member]:
    """All members of an object by name, those of its base first; raises KeyError."""
    found = CONTRACTS[type]
    inherited = members_of(found.base) if found.base is not None else {}
    return {**inherited, **{each.name: each for each in found.own}}


@cache
def is_a(type: TypeName, base: TypeName) -> bool:
    """Whether a type is ``base`` or derives from it."""
    current: TypeName | None = type
    while current is not None:
        if current == base:
            return True
        found = CONTRACTS.get(current)
        current = found.base if found is not None else None
    return False
