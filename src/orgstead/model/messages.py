"""The few messages that every protocol translates into, and their results.

Compound operations are ``Execute(name, parameters)``: an open registry in ``engine.handlers``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orgstead.model.query import Query
from orgstead.model.record import Page, Record, Ref

__all__ = [
    "Associate", "Changes", "Create", "Delete", "Disassociate", "Execute", "Message", "Options", "Parameter", "Result",
    "Retrieve", "RetrieveMultiple", "Signature", "Update", "Upsert", "Window",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make a row. ``returning`` reads it back in the same unit of work."""

    record: Record
    returning: Query | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieve:
    """Read one row; ``query`` carries columns and expands (its ``where`` is empty).

    ``if_none_match``: answer ``unchanged`` when the row still has this version; ``if_match``: fail unless it has.
    """

    ref: Ref
    query: Query
    if_match: int | None = None
    if_none_match: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveMultiple:
    """Read the rows that satisfy a query. ``labels`` asks for the names of lookups' targets as well."""

    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Change the given columns of an existing row; ``if_match`` is the version that it must still have."""

    ref: Ref
    record: Record
    if_match: int | None = None
    returning: Query | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsert:
    """Create or update by key. ``create``/``update`` false forbids that half (If-Match, If-None-Match)."""

    ref: Ref
    record: Record
    create: bool = True
    update: bool = True
    if_match: int | None = None
    returning: Query | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Remove a row; ``if_match`` is the version that it must still have."""

    ref: Ref
    if_match: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Associate:
    """Tie two rows by a relationship (1:N from the one side, N:1 from the many side, or N:N).

    ``reverse``, of a relationship of a table with itself: ``ref`` is its second end (N:N), or its many side (1:N).
    """

    ref: Ref
    relationship: str
    related: Ref
    reverse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Disassociate:
    """Untie two rows; ``related`` None clears a to-one relationship. ``reverse`` is as in ``Associate``."""

    ref: Ref
    relationship: str
    related: Ref | None = None
    reverse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Execute:
    """Call a registered message by name. ``target`` is the row or table that it is bound to."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    target: Ref | str | None = None


Message = Create | Retrieve | RetrieveMultiple | Update | Upsert | Delete | Associate | Disassociate | Execute


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a request asks for beside its messages.

    ``solution`` is the unique name of the solution that new components are added to; ``labels`` asks for the
    names of the rows that lookups point at (formatted values); ``address`` is scheme, host and port by which the
    client reached the organisation. Without ``callbacks`` no callback registration is told of what the messages do.
    """

    solution: str | None = None
    labels: bool = False
    address: str = ""
    callbacks: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a message answers.

    ``ref`` the row made or touched; ``created`` whether it is new; ``page`` rows read (one for Retrieve and
    for ``returning``); ``value`` what an Execute answers; ``unchanged`` for a conditional read.
    """

    ref: Ref | None = None
    created: bool = False
    page: Page | None = None
    value: Any = None
    unchanged: bool = False
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which changes are asked for: those after ``since``, taken at ``taken`` (None: everything that there is).

    ``until`` is the end of a window whose first page has been answered; ``deleted`` the last deletion that has been.
    """

    since: int = 0
    taken: str | None = None
    until: int | None = None
    deleted: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """A page of what has changed in a table: rows as they are now, and the ids of those that are gone.

    ``at`` is the time, ``until`` the change number that the whole window ends at; ``complete`` says that this is its
    last page; ``last_deleted`` the number of the last deletion on it; ``first`` that the window has no beginning.
    """

    page: Page | None
    at: str
    until: int
    deleted: Sequence[str] = ()
    last_deleted: int | None = None
    complete: bool = False
    first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter or a return property of a message, typed as CSDL prints it (``Edm.Guid``, ``mscrm.account``)."""

    name: str
    type: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How a message shows on the Web API: a function (GET) or an action (POST), bound to a table or not.

    ``bound`` are the logical names of the tables that it is bound to, or "*" for any; empty for an unbound one.
    ``collection``: bound to the entity set. ``private``: $metadata does not tell of it. ``returns`` are the properties
    of its answer; a single one without a name is the answer itself. ``entity`` is the public collection name of the
    data entity that Finance and Operations binds it to: such a message is one of ``/data`` alone, by what stands after
    the last dot of its name.
    """

    kind: str
    parameters: tuple[Parameter, ...] = ()
    returns: tuple[Parameter, ...] = ()
    bound: tuple[str, ...] = ()
    collection: bool = False
    private: bool = False
    entity: str = ""

    @property
    def direct(self) -> str | None:
        """The type of an answer that has no properties of its own."""
        return self.returns[0].type if len(self.returns) == 1 and not self.returns[0].name else None
