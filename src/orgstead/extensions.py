"""Functions of your own that answer custom APIs.

A Python file in the directory that the setting ``extensions`` names, or a module that an installed distribution offers
under the entry point ``orgstead.extensions``::

    from orgstead.extensions import Invocation, Refused, custom_api

    @custom_api("new_Discount")
    def discount(call: Invocation) -> dict:
        if call.parameters["Percent"] > 50:
            raise Refused("No more than half.")
        row = call.retrieve(call.target, "name", "creditlimit")
        call.update(call.target, description=f"{call.parameters['Percent']} % off")
        return {"Limit": row["creditlimit"]}

The function runs inside the transaction of the call and with the rights of its caller: what it raises undoes what it
has done. https://learn.microsoft.com/power-apps/developer/data-platform/custom-api
"""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from orgstead.engine.custom import Function, Refused
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.languages.fetchxml import parse_fetchxml
from orgstead.model.messages import Create, Delete, Execute, Message, Retrieve, RetrieveMultiple, Update
from orgstead.model.query import Query
from orgstead.model.record import Page, Record, Ref

__all__ = ["Invocation", "Ref", "Refused", "custom_api", "functions", "load_extensions"]

ENTRY_POINT = "orgstead.extensions"
Answer = Mapping[str, Any] | None

_functions: dict[str, Function] = {}


class Invocation:
    """A call of a custom API: its parameters, and the organisation as its caller may use it.

    Tables and columns go by logical names; a lookup is a ``Ref(table, id)``, an amount a ``Decimal``, a time canonical
    text in UTC. Whatever goes wrong raises the organisation's fault, and need not be caught.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self.parameters: Mapping[str, Any] = call.parameters
        self.target = call.target
        self.user_id = call.caller.user_id
        self.organization_id = call.caller.organization_id
        self.now = call.now

    def create(self, table: str, **values: Any) -> Ref:
        """Make a row."""
        made = self._call.send(Create(record=Record(table=table, values=values))).ref
        if made is None:
            raise TypeError("a created row has a reference")
        return made

    def retrieve(self, ref: Ref, *columns: str) -> dict[str, Any]:
        """The given columns of a row."""
        page = self._call.send(Retrieve(ref=ref, query=Query(table=ref.table, columns=columns))).page
        return _rows(page)[0]

    def fetch(self, xml: str) -> list[dict[str, Any]]:
        """The rows of a page of a FetchXML query, values by column or alias."""
        return _rows(self._call.send(RetrieveMultiple(query=parse_fetchxml(xml))).page)

    def update(self, ref: Ref, **values: Any) -> None:
        """Change columns of a row."""
        self._call.send(Update(ref=ref, record=Record(table=ref.table, values=values)))

    def delete(self, ref: Ref) -> None:
        """Remove a row."""
        self._call.send(Delete(ref=ref))

    def execute(self, name: str, target: Ref | str | None = None, **parameters: Any) -> Any:
        """Call another message by name; what it answers."""
        return self.send(Execute(name=name, target=target, parameters=parameters))

    def send(self, message: Message) -> Any:
        """Send any message of ``orgstead.model.messages``; the value of its result."""
        return self._call.send(message).value


def _rows(page: Page | None) -> list[dict[str, Any]]:
    if page is None:
        raise TypeError("a page was promised")
    names = [
        (place, each.name) for place, each in enumerate(page.plan.outputs) if each.part in ("value", "id")
    ]
    return [{name: row[place] for place, name in names} for row in page.rows]


def custom_api(name: str) -> Callable[[Callable[[Invocation], Answer]], Callable[[Invocation], Answer]]:
    """Let the decorated function answer the custom API with this unique name."""

    def register(function: Callable[[Invocation], Answer]) -> Callable[[Invocation], Answer]:
        _functions[name] = lambda call: function(Invocation(call))
        return function

    return register


def functions() -> Mapping[str, Function]:
    """All functions that have been registered, by the names of their custom APIs; it grows."""
    return _functions


def load_extensions(directory: str | None) -> None:
    """Import what installed distributions offer, and the files of a directory in order of their names.

    Raises InvalidArgument for a directory that is not there; what a file raises while it is imported goes through.
    """
    for offered in entry_points(group=ENTRY_POINT):
        offered.load()
    if directory is None:
        return
    if not Path(directory).is_dir():
        raise fault("InvalidArgument", message=f"There is no directory {directory} of extensions.")
    for path in sorted(Path(directory).glob("[!_]*.py")):
        spec = spec_from_file_location(f"orgstead_extension_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise TypeError("a file of Python has a loader")
        spec.loader.exec_module(module_from_spec(spec))
