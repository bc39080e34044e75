"""What came of a bulk operation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["BulkResult", "RowFailure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFailure:
    """A row that was refused: its place in what was given (from 0), the row as it was given, and why."""

    index: int
    row: Any
    error: Exception


@dataclass(slots=True, kw_only=True)
class BulkResult:
    """``total`` rows were read, ``done`` written, ``failed`` refused; with ``skipped`` an earlier run was through.

    ``failures`` names those that were refused, up to 10,000. ``ids`` are those of the rows that were made, by place,
    where they were asked for.
    """

    total: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[RowFailure] = field(default_factory=list)
    ids: dict[int, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return not self.failed

    @property
    def summary(self) -> Mapping[str, int]:
        """The numbers."""
        return {
            "total": self.total,
            "done": self.done,
            "skipped": self.skipped,
            "failed": self.failed,
        }
