"""One kind of failure for the whole house: a coded fault from one table.

Every fault that a caller can see is a row of ``errors.toml``: its name, the Dataverse code, the HTTP
status, a text with placeholders and the address of the page that documents it. Raising anything else
towards a caller is a bug, and the wires answer it as ``Unexpected``.

Source of the codes: https://learn.microsoft.com/power-apps/developer/data-platform/reference/web-service-error-codes
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["Fault", "FaultKind", "fault", "fault_kinds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """A row of ``errors.toml``.

    ``code`` is the unsigned 32-bit number that Dataverse prints as ``0x80040217``; ``status`` the HTTP
    status of the Web API; ``text`` the message with ``{placeholders}``; ``source`` where it is documented.
    """

    name: str
    code: int
    status: int
    text: str
    source: str


@cache
def fault_kinds() -> Mapping[str, FaultKind]:
    """All kinds of fault by name, read once from ``errors.toml``."""
    rows = tomllib.loads(files("orgstead").joinpath("errors.toml").read_text("utf-8"))
    return {name: FaultKind(name=name, **row) for name, row in rows.items()}


class Fault(Exception):
    """What every wire turns into its own error shape.

    ``details`` are key/value texts that some wires print beside the message; ``hint`` is a next step
    for a person and is never part of the imitated message.
    """

    def __init__(
        self,
        kind: FaultKind,
        message: str,
        *,
        details: Mapping[str, str] | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = dict(details or {})
        self.hint = hint
        # The place of the failing message in an atomic run of several.
        self.index: int | None = None

    @property
    def name(self) -> str:
        """The name of the kind in ``errors.toml``."""
        return self.kind.name

    @property
    def status(self) -> int:
        """The HTTP status of the Web API for this kind."""
        return self.kind.status

    @property
    def code(self) -> str:
        """The code as the Web API prints it, for example ``0x80040217``."""
        return f"0x{self.kind.code:08x}"

    @property
    def signed_code(self) -> int:
        """The code as the Organization Service prints it: a signed 32-bit integer."""
        return self.kind.code - (1 << 32) if self.kind.code >= 1 << 31 else self.kind.code


def fault(
    name: str, /, *, hint: str = "", details: Mapping[str, str] | None = None, **values: object
) -> Fault:
    """Make the fault ``name`` with its text filled from ``values``.

    Raises KeyError when ``errors.toml`` has no such row or the text wants a value that is not given:
    both are bugs that a test over all call sites finds.
    """
    kind = fault_kinds()[name]
    return Fault(kind, kind.text.format(**values), hint=hint, details=details)
