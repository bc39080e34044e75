"""What a definition is on the wire, whatever it defines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from orgstead.wire.definitions.vocabulary import properties_of

__all__ = ["Definition", "Described", "base_values"]

_SYSTEM_VERSION = "5.0.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One definition. ``values`` may hold ``Caption``s; ``links`` make what navigation properties lead to."""

    type: str
    values: Mapping[str, Any]
    links: "Mapping[str, Callable[[], Described]]" = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The MetadataId."""
        return str(self.values["MetadataId"])


Described = Definition | Sequence[Definition] | None


@cache
def _defaults(type_name: str) -> Mapping[str, Any]:
    return {name: prop.default for name, prop in properties_of(type_name)[0].items()}


def base_values(type_name: str, custom: bool) -> dict[str, Any]:
    """The values of a definition of which nothing is known but its type, and whether somebody added it."""
    values = dict(_defaults(type_name))
    values["IsManaged"] = not custom
    if not custom:
        values["IntroducedVersion"] = _SYSTEM_VERSION
    return values
