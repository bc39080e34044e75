"""What a caller sees of a conversation: a function of a client that blocks, a coroutine function of the other one.

``operation`` and ``stream`` decorate generator methods. Parameters, types and text are those of the method either way,
so that nothing is written twice.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from orgstead.client.drive import AsyncDriver, SyncDriver
from orgstead.client.flow import Flow, Stream

__all__ = ["Bound", "operation", "stream"]

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")


class Bound(Generic[D]):
    """Something that belongs to a client: it knows how the client's conversations are run."""

    _driver: D


class operation(Generic[P, T]):
    """A method written as a conversation, called as a function or as a coroutine function."""

    def __init__(self, function: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: Any) -> "operation[P, T]": ...
    @overload
    def __get__(self, instance: Bound[SyncDriver], owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Bound[AsyncDriver], owner: Any) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self
        function = self.function

        @wraps(function)
        def call(*arguments: P.args, **options: P.kwargs) -> Any:
            return instance._driver.run(function(instance, *arguments, **options))

        return call


class stream(Generic[P, T]):
    """A method written as a conversation that emits values, called to be iterated over."""

    def __init__(self, function: Callable[Concatenate[Any, P], Stream[T]]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: Any) -> "stream[P, T]": ...
    @overload
    def __get__(self, instance: Bound[SyncDriver], owner: Any) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: Bound[AsyncDriver], owner: Any) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, instance: Any, owner: Any) -> Any:
        if instance is None:
            return self
        function = self.function

        @wraps(function)
        def call(*arguments: P.args, **options: P.kwargs) -> Any:
            return instance._driver.iterate(function(instance, *arguments, **options))

        return call
