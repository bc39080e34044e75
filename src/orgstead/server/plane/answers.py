"""Answers and refusals of the admin plane: JSON, in a shape of its own."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from orgstead.identity.request import Answer

__all__ = ["Call", "Refused", "json_answer", "refusal", "text_answer"]

T = TypeVar("T")

SAFE = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


class Refused(Exception):
    """Why nothing was done: ``code`` is for programs, ``message`` for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Call:
    """A request to the plane: what stood in the places of its path, its query and its body."""

    __slots__ = ("body", "path", "query")

    def __init__(self, path: Mapping[str, str], query: Mapping[str, str], body: bytes) -> None:
        self.path = path
        self.query = query
        self.body = body

    def value(self, kind: type[T]) -> T:
        """The body as a value of a type, ``{}`` when there is none. Raises Refused for one that is none."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, "bad_body", f"The body is not what it should be: {error}") from None

    def only(self, *names: str) -> Mapping[str, str]:
        """The query, which has no other names than these. Raises Refused."""
        for name in self.query:
            if name not in names:
                known = f" These are: {', '.join(names)}." if names else ""
                raise Refused(400, "bad_query", f"There is no option '{name[:50]}'.{known}")
        return self.query

    def number(self, name: str, default: int, limit: int) -> int:
        """A whole number out of the query, from 0 to ``limit``. Raises Refused."""
        text = self.query.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) > limit:
            raise Refused(400, "bad_query", f"{name} is a number from 0 to {limit}.")
        return int(text)


def json_answer(value: Any, status: int = 200) -> Answer:
    """A value as JSON."""
    headers = (("Content-Type", "application/json"), *SAFE)
    return Answer(status=status, headers=headers, body=msgspec.json.encode(value))


def text_answer(text: bytes, kind: str) -> Answer:
    """A text of some type."""
    return Answer(status=200, headers=(("Content-Type", kind), *SAFE), body=text)


def refusal(error: Refused) -> Answer:
    """A refusal as JSON."""
    answer = json_answer({"error": {"code": error.code, "message": error.message}}, error.status)
    if error.status == 401:
        return Answer(status=401, headers=(*answer.headers, ("WWW-Authenticate", "Bearer")), body=answer.body)
    return answer
