"""An action: one value that is the Python function, its JSON schema, the MCP tool and the command.

An action is written once, as a generator over the client's public methods: it yields what a method answered and is sent
its value. With a ``Client`` that is the value itself, with an ``AsyncClient`` it is awaited first.
"""

from collections.abc import Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from inspect import cleandoc
from typing import Any, Generic, TypeVar, get_args, get_type_hints, overload

import msgspec

from orgstead.actions.failures import explained
from orgstead.actions.schema import schema_of
from orgstead.client import AsyncClient, Client

__all__ = ["Action", "Parameters", "Result", "Steps", "action"]

T = TypeVar("T")
Steps = Generator[Any, Any, T]


class Parameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an action takes."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What an action answers: ``error`` says what to do where ``success`` is false."""

    success: bool
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The result as plain values of JSON, success first; a decimal is a number where that is exact, else a text."""
        made: dict[str, Any] = _plain(msgspec.to_builtins(self, builtin_types=(Decimal,)))
        return {"success": made.pop("success"), "error": made.pop("error"), **made}


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(name): _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case Decimal():
            if value == value.to_integral_value():
                return int(value)
            found = float(value)
            return found if Decimal(repr(found)) == value else str(value)
    return value


P = TypeVar("P", bound=Parameters)
R = TypeVar("R", bound=Result)
Source = Callable[[Any, Any], Steps[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Generic[P, R]):
    """An action. It never raises: whatever goes wrong is its result's ``error``.

    ``reads``: it changes nothing. ``changes``: it writes over what is there, where others only add. ``deletes``: it
    removes what is there. ``idempotent``: doing it again with the same arguments changes nothing more.
    """

    name: str
    title: str
    description: str
    parameters: type[P]
    result: type[R]
    steps: Source = field(repr=False)
    reads: bool = False
    changes: bool = False
    deletes: bool = False
    idempotent: bool = False

    @property
    def input_schema(self) -> dict[str, Any]:
        """The JSON schema of the parameters."""
        return schema_of(self.parameters)

    @property
    def output_schema(self) -> dict[str, Any]:
        """The JSON schema of the result."""
        return schema_of(self.result)

    @overload
    def __call__(self, client: Client, /, **arguments: Any) -> R: ...
    @overload
    def __call__(self, client: AsyncClient, /, **arguments: Any) -> Coroutine[Any, Any, R]: ...
    def __call__(self, client: Any, /, **arguments: Any) -> Any:
        """Do it: with an AsyncClient the answer is awaited."""
        return self.run(client, arguments)

    def run(self, client: Any, arguments: Mapping[str, Any]) -> Any:
        """Do it with arguments by name, which come from JSON or a program."""
        steps = self._guarded(client, arguments)
        return _awaited(steps) if isinstance(client, AsyncClient) else _finished(steps)

    def _guarded(self, client: Any, arguments: Mapping[str, Any]) -> Steps[R]:
        try:
            given: P = msgspec.convert(dict(arguments), self.parameters)
            made: R = yield from self.steps(client, given)
            return made
        except Exception as error:  # noqa: BLE001 - an action answers its failures
            return self.result(success=False, error=explained(error))


def _finished(steps: Steps[T]) -> T:
    sent: Any = None
    while True:
        try:
            sent = steps.send(sent)
        except StopIteration as end:
            value: T = end.value
            return value


async def _awaited(steps: Steps[T]) -> T:
    sent: Any = None
    error: Exception | None = None
    try:
        while True:
            try:
                step = steps.send(sent) if error is None else steps.throw(error)
            except StopIteration as end:
                value: T = end.value
                return value
            sent, error = None, None
            try:
                sent = await step
            except Exception as raised:  # noqa: BLE001 - the action decides
                error = raised
    finally:
        steps.close()


def action(
    title: str,
    *,
    reads: bool = False,
    changes: bool = False,
    deletes: bool = False,
    idempotent: bool = False,
) -> Callable[[Callable[[Any, P], Steps[R]]], Action[P, R]]:
    """Make an action of a generator function: its name, its text, and the models that it names are the action's."""

    def make(function: Callable[[Any, P], Steps[R]]) -> Action[P, R]:
        hints = get_type_hints(function)
        result = get_args(hints["return"])[2]
        return Action(
            name=function.__name__,
            title=title,
            description=cleandoc(function.__doc__ or "").replace("``", "`"),
            parameters=hints["asked"],
            result=result,
            steps=function,
            reads=reads,
            changes=changes,
            deletes=deletes,
            idempotent=idempotent or reads,
        )

    return make
