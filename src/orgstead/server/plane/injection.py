"""Faults on purpose: what a client has to live with, at the request of whoever tests it."""

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import translate
from random import Random
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from orgstead.errors import Fault, FaultKind, fault_kinds
from orgstead.server.plane.answers import Refused

__all__ = ["Injection", "Rule", "RuleSetting"]

MAX_RULES = 100
API = "/api/data/"
# What a status is answered with where nothing else is asked for: a fault that has it, and a text.
USUAL: Mapping[int, tuple[str, str]] = {
    400: ("InvalidArgument", "An argument is invalid."),
    401: ("Unauthenticated", "Request is not authenticated."),
    403: ("PrivilegeDenied", "The user is missing a privilege."),
    404: ("ObjectDoesNotExist", "The row does not exist."),
    408: ("RequestTimeout", "The body of the request did not arrive in time."),
    412: (
        "ConcurrencyMismatch",
        "The version of the existing record doesn't match the RowVersion property provided.",
    ),
    413: ("PayloadTooLarge", "Request message length is too large."),
    503: ("StoreBusy", "The server is busy and the request was not completed. Try again later."),
}
# https://learn.microsoft.com/power-apps/developer/data-platform/api-limits#service-protection-api-limit-errors-returned
TOO_MANY = (0x80072322, "Number of requests exceeded the limit of 6000 over time window of 300 seconds.")


class RuleSetting(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A rule as it is asked for: what it does, to which requests, and how often."""

    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    code: Annotated[str, Meta(pattern=r"^0[xX][0-9a-fA-F]{1,8}$")] | None = None
    message: Annotated[str, Meta(max_length=1_000)] | None = None
    retry_after: Annotated[int, Meta(ge=0, le=86_400)] | None = None
    latency: Annotated[float, Meta(ge=0, le=600)] = 0.0
    drop: Literal["before", "after"] | None = None
    method: Annotated[str, Meta(pattern=r"^[A-Za-z]{1,20}$")] | None = None
    path: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    table: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    user: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    rate: Annotated[float, Meta(gt=0, le=1)] = 1.0
    count: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    seed: int = 1


class Rule:
    """A rule that stands, and how often it has interfered."""

    def __init__(self, id: int, asked: RuleSetting) -> None:
        self.id = id
        self.asked = asked
        self.fired = 0
        self._dice = Random(asked.seed)
        self._path = re.compile(translate(asked.path)) if asked.path is not None else None

    @property
    def spent(self) -> bool:
        """Whether it has interfered as often as it was to."""
        return self.asked.count is not None and self.fired >= self.asked.count

    def fits(self, method: str, path: str, table: Callable[[str], str]) -> bool:
        """Whether it is about such requests. ``table`` gives the segment that a table is addressed by."""
        asked = self.asked
        if asked.method is not None and asked.method.upper() != method:
            return False
        if self._path is not None:
            if self._path.match(path) is None:
                return False
        elif not path.startswith(API):
            return False
        return asked.table is None or _segment(path) == table(asked.table)

    def strikes(self) -> bool:
        """Whether it interferes this time."""
        if self.spent or (self.asked.rate < 1 and self._dice.random() >= self.asked.rate):
            return False
        self.fired += 1
        return True

    def failure(self) -> tuple[Fault, Sequence[tuple[str, str]]] | None:
        """The fault that it answers with, and the headers beside; None when it has no status."""
        asked, status = self.asked, self.asked.status
        if status is None:
            return None
        name, text = USUAL.get(status, ("Unexpected", "An unexpected error occurred."))
        code = fault_kinds()[name].code
        if status == 429:
            code, text = TOO_MANY
        kind = FaultKind(
            name="Injected",
            code=int(asked.code, 16) if asked.code is not None else code,
            status=status,
            text="",
            source="",
        )
        seconds = asked.retry_after if asked.retry_after is not None else 1 if status == 429 else None
        headers = (("Retry-After", str(seconds)),) if seconds is not None else ()
        return Fault(kind, asked.message if asked.message is not None else text), headers

    def shown(self) -> Mapping[str, Any]:
        """The rule as JSON has it."""
        asked = {
            name: value for name, value in msgspec.structs.asdict(self.asked).items() if value is not None
        }
        return {"id": self.id, **asked, "fired": self.fired, "spent": self.spent}


class Injection:
    """The rules that stand, in the order in which they came; the first that strikes decides."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._last = 0
        # Those that may still interfere: without any, a request costs one look at an empty tuple.
        self.active: tuple[Rule, ...] = ()

    def add(self, asked: RuleSetting) -> Rule:
        """Take a rule. Raises Refused for one that does nothing or says two things, and for one too many."""
        if asked.status is None and asked.drop is None and not asked.latency:
            raise Refused(400, "no_effect", "A rule has a status, a latency or a drop.")
        if asked.status is not None and asked.drop is not None:
            raise Refused(
                400, "two_effects", "A rule answers with a status or drops the connection, not both."
            )
        if asked.status is None and (asked.code or asked.message or asked.retry_after is not None):
            raise Refused(400, "no_status", "code, message and retry_after belong to a status.")
        if len(self._rules) >= MAX_RULES:
            self._rules = [rule for rule in self._rules if not rule.spent]
        if len(self._rules) >= MAX_RULES:
            raise Refused(409, "too_many", f"There are {MAX_RULES} rules: remove some first.")
        self._last += 1
        rule = Rule(self._last, asked)
        self._rules.append(rule)
        self._settle()
        return rule

    def remove(self, id: str) -> None:
        """Forget a rule. Raises Refused when there is none."""
        left = [rule for rule in self._rules if str(rule.id) != id]
        if len(left) == len(self._rules):
            raise Refused(404, "unknown_rule", f"There is no rule {id[:50]}.")
        self._rules = left
        self._settle()

    def clear(self) -> None:
        """Forget all rules."""
        self._rules, self.active = [], ()

    def listed(self) -> Sequence[Rule]:
        """All rules, those that are spent too."""
        return tuple(self._rules)

    def strike(self, candidates: Sequence[Rule]) -> Rule | None:
        """The first of the rules that interferes this time."""
        for rule in candidates:
            if rule.strikes():
                if rule.spent:
                    self._settle()
                return rule
        return None

    def _settle(self) -> None:
        self.active = tuple(rule for rule in self._rules if not rule.spent)


def _segment(path: str) -> str:
    """What a path of the Web API begins with behind the version: an entity set."""
    if not path.startswith(API):
        return ""
    return re.split(r"[(/?]", path[len(API) :].partition("/")[2], maxsplit=1)[0]
