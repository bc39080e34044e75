"""One request being read: its parameters by name, each read as what it has to be, and what nobody reads is refused."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.model.messages import Options, Signature
from orgstead.model.query import Query
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Schema, Table
from orgstead.wire.soap.beside import parties_of, party_columns
from orgstead.wire.soap.contracts import TypeName
from orgstead.wire.soap.read import ANY, Reader
from orgstead.wire.soap.xml import Element, children, is_nil, local, malformed

__all__ = ["Ask", "Context"]

LARGEST = 2**63
# Parameters that any request may have and that change no answer here.
# https://learn.microsoft.com/power-apps/developer/data-platform/optional-parameters
_QUIET = frozenset({
    "SuppressDuplicateDetection", "BypassCustomPluginExecution", "BypassBusinessLogicExecution",
    "BypassBusinessLogicExecutionStepIds", "tag", "ReturnNotifications",
    "CalculateMatchCodeSynchronously", "PerformanceData", "maintainLegacyAppServerBehavior", "FailOnDuplicateDetection",
})  # fmt: skip


class Context:
    """What reading requests needs to know: the schema, the messages that can be called, where ids come from."""

    __slots__ = ("address", "new_id", "schema", "signatures")

    def __init__(
        self,
        schema: Schema,
        signatures: Mapping[str, Signature],
        new_id: Callable[[], str],
        address: str,
    ) -> None:
        self.schema = schema
        self.signatures = signatures
        self.new_id = new_id
        self.address = address


class Ask:
    """A request by its name, with its parameters as elements or, where the operation says them itself, as values."""

    def __init__(
        self,
        name: str,
        context: Context,
        given: Mapping[str, Element],
        known: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.context = context
        self.schema = context.schema
        self.reader = Reader(context.schema)
        self.given = dict(given)
        self.known = dict(known or {})
        self.options = Options(
            labels=True,
            address=context.address,
            solution=self.text("SolutionUniqueName"),
            callbacks=not self.flag("SuppressCallbackRegistrationExpanderJob"),
        )

    # -- parameters ----------------------------------------------------------------------------------------------
    def element(self, name: str) -> Element | None:
        """The element of a parameter that has a value, taken from what is left to read."""
        found = self.given.pop(name, None)
        return None if found is None or is_nil(found) else found

    def value(self, name: str, declared: TypeName = ANY) -> Any:
        """The value of a parameter; None without one."""
        if name in self.known:
            return self.known.pop(name)
        found = self.element(name)
        return None if found is None else self.reader.value(found, declared)

    def needed(self, name: str, declared: TypeName = ANY) -> Any:
        """The value of a parameter that has to be there; raises MissingParameter."""
        value = self.value(name, declared)
        if value is None:
            raise fault("MissingParameter", name=name, message=f"{self.name} needs it")
        return value

    def wrong(self, name: str, kind: str) -> Fault:
        """The fault of a parameter of another type."""
        return malformed(f"the parameter {name} of {self.name} is no {kind}")

    def text(self, name: str) -> str | None:
        """A text."""
        value = self.value(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(name, "string")
        return value or None

    def flag(self, name: str, default: bool = False) -> bool:
        """A truth value."""
        value = self.value(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, "boolean")
        return value

    def whole(self, name: str) -> int | None:
        """A whole number."""
        value = self.value(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self.wrong(name, "int")
        return value

    def row(self, name: str) -> Record:
        """A row by its columns."""
        value = self.needed(name, ("xrm", "Entity") if name == "Target" else ANY)
        if not isinstance(value, Record):
            raise self.wrong(name, "Entity")
        return value

    def ref(self, name: str) -> Ref:
        """A reference to a row."""
        value = self.needed(name)
        if not isinstance(value, Ref):
            raise self.wrong(name, "EntityReference")
        return value

    def version(self, name: str = "Target") -> int | None:
        """The version that a row has to have still, where ConcurrencyBehavior asks for it; raises RowVersionMissing.

        https://learn.microsoft.com/power-apps/developer/data-platform/optimistic-concurrency
        """
        if not self.matching():
            return None
        found = self.given.get(name)
        return _version_of(found if found is not None else ())

    def versions(self, name: str = "Targets") -> list[int] | None:
        """The versions that the rows of a collection have to have still; None where they need not.

        https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.messages.updatemultiplerequest.concurrencybehavior
        """
        if not self.matching():
            return None
        found = self.given.get(name)
        lists = [each for each in found if local(each) == "Entities"] if found is not None else []
        return [_version_of(each) for inner in lists for each in children(inner)]

    def matching(self) -> bool:
        """Whether ConcurrencyBehavior asks for rows of a version."""
        behavior = self.value("ConcurrencyBehavior", ("xrm71", "ConcurrencyBehavior"))
        return behavior not in (None, "Default", "AlwaysOverwrite")

    def table(self, name: str) -> Table:
        """A table by its logical name; raises TableNotFound."""
        found = self.schema.tables.get(name)
        if found is None:
            raise fault("TableNotFound", name=name[:100])
        return found

    def finish(self) -> None:
        """Refuse what was given and not read; raises UnexpectedParameter."""
        for name in (*self.given, *self.known):
            if name not in _QUIET:
                raise fault("UnexpectedParameter", name=name[:100], message=self.name)

    # -- queries -------------------------------------------------------------------------------------------------
    def columns(self, name: str) -> tuple[str, ...] | None:
        """The columns of a ColumnSet; None for all."""
        given = self.value(name, ("xrm", "ColumnSet"))
        if given is None:
            return ()
        if not isinstance(given, Mapping):
            raise self.wrong(name, "ColumnSet")
        if given.get("AttributeExpressions"):
            raise fault("ODataUnsupported", feature="AttributeExpressions in a ColumnSet of one row")
        return None if given.get("AllColumns") else tuple(given.get("Columns", ()))

    def shown(self, query: Query) -> tuple[Query, tuple[str, ...]]:
        """The query with the parties of activities beside its columns, and the party lists that are shown."""
        table = self.schema.tables.get(query.table)
        if table is None or query.groups or query.aggregates or query.distinct:
            return query, ()
        lists = party_columns(table, query.columns)
        parties = parties_of(table, self.schema) if lists else None
        if parties is None:
            return query, ()
        columns = query.columns
        if columns is not None:
            columns = tuple(name for name in columns if name not in lists)
        return replace(query, columns=columns, expand=(*query.expand, parties)), lists


def _version_of(members: Iterable[Element]) -> int:
    """The RowVersion among the members of an Entity or an EntityReference; raises RowVersionMissing."""
    text = next(((each.text or "").strip() for each in members if local(each) == "RowVersion"), "")
    if not text:
        raise fault("RowVersionMissing")
    # Another text is a version that no row has.
    return int(text) if text.isascii() and text.isdecimal() and int(text) < LARGEST else -1


def operation_parts(element: Element) -> dict[str, Element]:
    """The children of an operation of the service that are not nil, by name."""
    return {local(each): each for each in children(element) if not is_nil(each)}
