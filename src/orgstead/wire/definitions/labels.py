"""Labels and managed properties: the two shapes that most metadata properties have.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/label
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/booleanmanagedproperty
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from orgstead.errors import fault

__all__ = [
    "LANGUAGE", "MAX_LANGUAGES", "Caption", "caption", "derived_id", "managed", "plain", "read_label", "spelled",
]  # fmt: skip

# The one language that an organisation has.
LANGUAGE = 1033
MAX_LABEL_LENGTH = 4000
MAX_LANGUAGES = 100


@lru_cache(maxsize=4096)
def derived_id(seed: str, name: str) -> str:
    """The id of a part of the definition ``seed``: always the same for the same part."""
    return str(uuid5(UUID(seed), name))


@dataclass(frozen=True, slots=True)
class Caption:
    """A label that is written out only when somebody asks for it."""

    text: str
    seed: str
    name: str
    custom: bool

    def label(self) -> dict[str, Any]:
        """The Label value; an empty text has no localized labels."""
        if not self.text:
            return {"LocalizedLabels": [], "UserLocalizedLabel": None}
        localized = {
            "Label": self.text,
            "LanguageCode": LANGUAGE,
            "IsManaged": not self.custom,
            "MetadataId": derived_id(self.seed, self.name),
            "HasChanged": None,
        }
        return {"LocalizedLabels": [localized], "UserLocalizedLabel": localized}


def caption(text: str, seed: str, name: str, custom: bool) -> Caption:
    """The label of the part ``name`` of the definition ``seed``."""
    return Caption(text, seed, name, custom)


def managed(name: str, value: bool, *, changeable: bool = True) -> dict[str, Any]:
    """A BooleanManagedProperty."""
    return {"Value": value, "CanBeChanged": changeable, "ManagedPropertyLogicalName": name}


def plain(value: Any) -> Any:
    """A property value with its labels written out."""
    if isinstance(value, Caption):
        return value.label()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def spelled(value: Any, labels: bool) -> Any:
    """A property value written out; with ``labels`` False its labels have no texts."""
    if labels:
        return plain(value)
    if isinstance(value, Caption):
        return {"LocalizedLabels": [], "UserLocalizedLabel": None}
    if isinstance(value, dict):
        return {key: spelled(each, labels) for key, each in value.items()}
    if isinstance(value, list):
        return [spelled(each, labels) for each in value]
    return value


def read_label(value: Any, what: str) -> str | None:
    """The text of a Label in the organisation's language; None when there is none.

    Raises LanguageNotInstalled for a label in another language and InvalidDefinition for what is no Label.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _no_label(what)
    given = value.get("LocalizedLabels")
    if given is None:
        user = value.get("UserLocalizedLabel")
        given = [] if user is None else [user]
    if not isinstance(given, list) or len(given) > MAX_LANGUAGES:
        raise _no_label(what)
    found: str | None = None
    for each in given:
        if not isinstance(each, dict):
            raise _no_label(what)
        text, code = each.get("Label"), each.get("LanguageCode", LANGUAGE)
        if text is None:
            continue
        if not isinstance(text, str) or len(text) > MAX_LABEL_LENGTH or type(code) is not int:
            raise _no_label(what)
        if code != LANGUAGE:
            raise fault("LanguageNotInstalled", code=code)
        found = text
    return found


def _no_label(what: str) -> Exception:
    return fault("InvalidDefinition", what=what, reason="a Label with LocalizedLabels was expected")
