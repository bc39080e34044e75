"""Actions and functions: bound and unbound, with parameters of any type.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/use-web-api-functions
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/use-web-api-actions
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from orgstead.client.errors import ConfigurationError
from orgstead.client.flow import Flow
from orgstead.client.literals import Ref, literal, text_literal
from orgstead.client.methods import Bound, operation
from orgstead.client.session import Session
from orgstead.client.shapes import address_of, shape_of
from orgstead.client.values import decode, encode, plain

__all__ = ["Calls", "EnumMember"]

D = TypeVar("D")
NAMESPACE = "Microsoft.Dynamics.CRM"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,200}")
_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,200}")
_MEMBER = re.compile(r"[A-Za-z0-9_, ]{1,200}")


@dataclass(frozen=True, slots=True)
class EnumMember:
    """A member of an enumeration of the service, as a parameter: ``EnumMember("EntityFilters", "Entity")``."""

    type: str
    member: str

    def __str__(self) -> str:
        if not _TYPE.fullmatch(self.type) or not _MEMBER.fullmatch(self.member):
            raise ConfigurationError(f"{self.type}'{self.member}' is no member of an enumeration")
        type = self.type if "." in self.type else f"{NAMESPACE}.{self.type}"
        return f"{type}'{self.member}'"


class Calls(Bound[D], Generic[D]):
    """Actions (``invoke``) and functions (``call``) of the service, by name.

    ``on`` is what they are bound to: a ``Ref``, or the logical name of a table for its collection. A ``Ref`` as a
    parameter is the row, ``EnumMember`` a member of an enumeration, mappings and lists are complex values. Both answer
    a plain value: None for no content, a mapping without annotations, or the value of a primitive or collection.
    Raises ServiceError (NotFoundError for a name that is none), TransportError, CredentialError, ConfigurationError.
    """

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session

    @operation
    def call(
        self, function: str, parameters: Mapping[str, Any] | None = None, *, on: Ref | str | None = None
    ) -> Flow[Any]:
        """Call a function; it changes nothing, so it is repeated like a read."""
        path = yield from self._path(function, on)
        names, values = [], []
        for number, (key, value) in enumerate((parameters or {}).items(), start=1):
            names.append(f"{_checked(key)}=@p{number}")
            values.append(f"@p{number}={quote((yield from self._argument(value)), safe=_SAFE)}")
        query = f"?{'&'.join(values)}" if values else ""
        answer = yield from self._session.read(f"{path}({','.join(names)}){query}")
        return _value(answer.content)

    @operation
    def invoke(
        self,
        action: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        on: Ref | str | None = None,
        idempotent: bool = False,
    ) -> Flow[Any]:
        """Invoke an action. With ``idempotent`` it is repeated when its answer is lost, which is for you to know."""
        path = yield from self._path(action, on)
        body = {}
        for key, value in (parameters or {}).items():
            body[_checked(key)] = yield from self._written(value)
        answer, _ = yield from self._session.call("POST", path, body, idempotent=idempotent)
        return _value(answer.content)

    def _path(self, called: str, on: Ref | str | None) -> Flow[str]:
        if on is None:
            return _checked(called)
        qualified = _checked(called) if "." in called else f"{NAMESPACE}.{_checked(called)}"
        if isinstance(on, Ref):
            return f"{yield from address_of(self._session, on)}/{qualified}"
        return f"{(yield from shape_of(self._session, on)).set}/{qualified}"

    def _argument(self, value: Any) -> Flow[str]:
        """A parameter of a function as an alias has it."""
        if isinstance(value, EnumMember):
            return str(value)
        if isinstance(value, str):
            return text_literal(value)
        if isinstance(value, Ref):
            return encode({"@odata.id": (yield from address_of(self._session, value))}).decode()
        if isinstance(value, Mapping | list | tuple):
            return encode((yield from self._written(value))).decode()
        return literal(value)

    def _written(self, value: Any) -> Flow[Any]:
        """A parameter of an action, or a part of one."""
        if isinstance(value, EnumMember):
            return value.member
        if isinstance(value, Ref):
            shape = yield from shape_of(self._session, value.table)
            return {"@odata.type": f"{NAMESPACE}.{shape.name}", shape.key: value.id}
        if isinstance(value, Mapping):
            made = {}
            for key, each in value.items():
                made[str(key)] = yield from self._written(each)
            return made
        if isinstance(value, list | tuple):
            several = []
            for each in value:
                several.append((yield from self._written(each)))
            return several
        return plain(value, choices=False)


_SAFE = "',:()/@$"


def _checked(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ConfigurationError(f"{text[:60]!r} is no name of an action, function or parameter")
    return text


def _value(content: bytes) -> Any:
    if not content:
        return None
    body = decode(content)
    if not isinstance(body, dict):
        return body
    found = {key: value for key, value in body.items() if not key.startswith("@")}
    return found["value"] if found.keys() == {"value"} else found
