"""Views (saved queries) as elements of solution files.

https://learn.microsoft.com/power-apps/developer/data-platform/customization-solutions-file-schema
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from orgstead.engine.solutionfile.archive import bad
from orgstead.engine.solutionfile.markup import Reading, add, add_labels, unsupported
from orgstead.engine.solutionfile.markup import inner_text as text_in
from orgstead.engine.solutionfile.options import VERSION
from orgstead.model.types import is_guid

__all__ = ["VIEW_COLUMNS", "View", "read_view", "write_view"]

_FLAGS = ("isdefault", "isquickfindquery", "isprivate")
# Columns of the row that no element stands for: a view that uses them is refused.
_OTHERS = ("advancedgroupby", "columnsetxml", "conditionalformatting", "layoutjson", "offlinesqlquery", "queryapi",
           "queryappusage", "roledisplayconditionsxml")  # fmt: skip
VIEW_COLUMNS = (
    "savedqueryid", "name", "description", "fetchxml", "layoutxml", "querytype", "statecode", "statuscode",
    *_FLAGS, *_OTHERS,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view of a table: the id of its row, and values of its columns."""

    id: str
    values: Mapping[str, Any] = field(repr=False)


def write_view(parent: Element, row: Mapping[str, Any]) -> None:
    """A view, from its row. Raises NotSupported for what has no element."""
    what = f"the view {row['name']}"
    for name in _OTHERS:
        if row.get(name) not in (None, "", 0):
            raise unsupported(f"{name} of {what} in a solution file")
    made = add(parent, "savedquery")
    add(made, "IsCustomizable", 1)
    add(made, "CanBeDeleted", 1)
    for name in _FLAGS:
        add(made, name, bool(row.get(name)))
    add(made, "savedqueryid", f"{{{row['savedqueryid']}}}")
    for name in ("layoutxml", "fetchxml"):
        text = row.get(name)
        if text:
            holder = add(made, name)
            try:
                if "<!" in text:
                    raise ValueError(name)
                holder.append(ElementTree.fromstring(text))
            except (ElementTree.ParseError, ValueError):
                raise unsupported(f"{name} of {what}, which is no XML, in a solution file") from None
    add(made, "querytype", row.get("querytype") or 0)
    add(made, "statecode", row.get("statecode") or 0)
    add(made, "statuscode", row.get("statuscode") or 1)
    add(made, "IntroducedVersion", VERSION)
    add_labels(made, "LocalizedNames", "LocalizedName", row["name"])
    add_labels(made, "Descriptions", "Description", row.get("description") or "")


def read_view(element: Element, table: str) -> View:
    """A view of a table. Raises SolutionFileInvalid, NotSupported."""
    reading = Reading(element, f"a view of {table}")
    id = reading.needed("savedqueryid").strip("{}").lower()
    if not is_guid(id):
        raise bad(f"savedqueryid of {reading.what} is no id")
    name = reading.labels("LocalizedNames", "LocalizedName")
    if not name:
        raise bad(f"{reading.what} has no name")
    reading.only("IsCustomizable", "1", "true")
    reading.only("CanBeDeleted", "1", "true", "0", "false")
    reading.only("statecode", "0")
    reading.only("statuscode", "1")
    reading.ignore("IntroducedVersion")
    values: dict[str, Any] = {
        "name": name,
        "description": reading.labels("Descriptions", "Description") or None,
        "returnedtypecode": table,
        "querytype": reading.whole("querytype") or 0,
    }
    for flag in _FLAGS:
        values[flag] = reading.flag(flag, False)
    for name in ("fetchxml", "layoutxml"):
        child = reading.take(name)
        values[name] = None if child is None else text_in(child) or None
    reading.finish()
    return View(id=id, values=values)
