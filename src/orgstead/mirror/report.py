"""What a mirroring has done, and what it could not take."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Left", "MirrorReport", "TableReport"]


@dataclass(slots=True, kw_only=True)
class Left:
    """Something that was not taken: what, why, how often, and the first of it."""

    what: str
    why: str
    count: int = 1
    example: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a plain mapping."""
        return {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) != ""}


@dataclass(slots=True, kw_only=True)
class TableReport:
    """Rows of a table: read from the source; made, changed, as they were before; refused by the target.

    A row that gets its lookups or its state after it was made counts as changed, too.
    """

    read: int = 0
    made: int = 0
    changed: int = 0
    same: int = 0
    refused: int = 0

    def to_json(self) -> dict[str, int]:
        """As a plain mapping."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True, kw_only=True)
class MirrorReport:
    """``definitions`` made or changed, in order; ``rows`` by table; relations ``related``; what is ``left``."""

    source: str
    target: str
    definitions: list[str] = field(default_factory=list)
    rows: dict[str, TableReport] = field(default_factory=dict)
    related: int = 0
    seconds: float = 0.0
    _left: dict[tuple[str, str], Left] = field(default_factory=dict)

    def leave(self, what: str, why: str, example: str = "") -> None:
        """Note something that was not taken; the same for the same reason is counted."""
        found = self._left.get((what, why))
        if found is None:
            self._left[what, why] = Left(what=what, why=why, example=example)
        else:
            found.count += 1

    @property
    def left(self) -> list[Left]:
        """What was not taken."""
        return list(self._left.values())

    @property
    def refused(self) -> int:
        """How many rows the target has refused."""
        return sum(each.refused for each in self.rows.values())

    @property
    def changes(self) -> int:
        """How much is other than it was: nothing, when everything had been taken before."""
        rows = sum(each.made + each.changed for each in self.rows.values())
        return len(self.definitions) + rows + self.related

    def to_json(self) -> Mapping[str, Any]:
        """As a plain mapping."""
        return {
            "source": self.source,
            "target": self.target,
            "definitions": self.definitions,
            "rows": {name: each.to_json() for name, each in self.rows.items()},
            "related": self.related,
            "left": [each.to_json() for each in self.left],
            "seconds": self.seconds,
        }
