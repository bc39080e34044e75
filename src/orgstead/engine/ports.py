"""What the engine needs from the outside, as Protocols. The store and the clock are handed in by ``app``."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from orgstead.model.content import Content
from orgstead.model.dataentities import DataEntity, DataField
from orgstead.model.endpoints import Answered, Endpoint, Parcel
from orgstead.model.events import Event, RowEvent
from orgstead.model.plan import Plan
from orgstead.model.query import Query
from orgstead.model.record import Ref
from orgstead.model.schema import Schema, Table
from orgstead.model.segments import Selection

__all__ = [
    "Blobs", "BudgetExceeded", "Clock", "DataFiles", "DataMember", "DataRow", "DataSource", "DataTarget", "Outside",
    "QueryText", "RolledBack", "Snapshot", "Snapshots", "Store", "UnitOfWork",
]  # fmt: skip

# Seconds since 1970 in UTC; the admin plane may set and advance it.
Clock = Callable[[], float]


class BudgetExceeded(Exception):
    """A read took more steps of the database than it was given; nothing is wrong with it."""


class UnitOfWork(Protocol):
    """One transaction. All values are canonical (see ``model.record.Record``).

    In writes a lookup is a ``Ref`` (or None); in ``get`` as well. In plan rows a lookup is its id, and the
    output after it tells the table where the lookup is polymorphic.
    Errors of the database come out as faults: DuplicateRecord (a key is taken), DuplicateKey (an alternate key),
    SqlTimeout, StoreBusy…; never as the driver's own exceptions.
    """

    def fetch(self, plan: Plan, params: Sequence[Any]) -> list[Sequence[Any]]:
        """Run a plan: rows with a place per output, nested outputs after them, canonical values."""

    def count(self, plan: Plan, params: Sequence[Any], limit: int | None) -> int:
        """How many rows the plan has without its limit, seek and order; stops at ``limit`` when given."""

    def get(self, table: Table, id: str, columns: Sequence[str] | None = None) -> dict[str, Any] | None:
        """Stored values of one row by logical name (all columns by default), or None."""

    def find(self, table: Table, values: Mapping[str, Any], limit: int = 2) -> list[str]:
        """Ids of rows whose columns equal ``values`` (None matches null): alternate keys, small look-ups."""

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows. Columns left out are null. All rows need not have the same columns."""

    def add(self, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add many rows that have values, or null, in the same columns."""

    def update(self, table: Table, id: str, values: Mapping[str, Any]) -> bool:
        """Set columns of one row; False when it is not there."""

    def find_many(
        self, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> list[str | None]:
        """For each of many tuples of values of these columns, none of them null, the id of a row that has them."""

    def update_range(
        self,
        table: Table,
        values: Mapping[str, Any],
        where: Mapping[str, Any],
        over: str,
        first: int,
        last: int,
    ) -> int:
        """Set columns of all rows with the values ``where`` and a number from ``first`` to ``last`` in ``over``."""

    def update_many(self, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Set these columns of many rows, each given by its id and then its values."""

    def delete(self, table: Table, ids: Sequence[str]) -> int:
        """Remove rows by id; how many there were."""

    def clear(self, table: Table, column: str, value: Ref, version: int) -> list[str]:
        """Set a lookup to null wherever it points at ``value`` and stamp ``version``; the ids changed."""

    def next_version(self, count: int = 1) -> int:
        """Take ``count`` change numbers and answer the first. Larger numbers commit later on one process."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what happened inside when an exception leaves the block; the transaction goes on."""

    def migrate(self, old: Schema, new: Schema) -> None:
        """Bring tables and saved definitions from one schema to the next, in this transaction."""

    def schema_version(self, *, changing: bool = False) -> int:
        """The version of the saved definitions, which nobody changes until this unit has ended.

        A unit that is ``changing`` them waits until no other one relies on them.
        """

    def read_setting(self, name: str) -> str | None:
        """A value of the organisation's own small settings table."""

    def write_setting(self, name: str, value: str | None) -> None:
        """Set or (None) remove a value of the settings table."""


class RolledBack(Exception):
    """The database has given up the whole transaction by itself: nothing in it can go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A copy of all rows and definitions: when it was taken, in seconds since 1970, and its size."""

    name: str
    taken: float
    bytes: int


class Snapshots(Protocol):
    """Copies of a whole organisation in its own database, or beside it, by name.

    A name is up to 40 lower-case letters, digits, hyphens and underscores.
    """

    def save(self, name: str) -> None:
        """Copy what is committed, in place of an older copy of that name. Writers wait meanwhile."""

    def restore(self, name: str, *, forgotten: str, reload: Callable[[], None]) -> None:
        """Make the organisation what the copy is, whole or not at all; raises LookupError when there is none.

        Change numbers and the version of the definitions go on, so that none ever stands for two states; the first
        number after it becomes the setting ``forgotten``. ``reload`` is called before anybody in this process writes.
        """

    def remove(self, name: str) -> None:
        """Forget a copy; raises LookupError when there is none."""

    def listed(self) -> Sequence[Snapshot]:
        """The copies that there are, by name."""

    def held(self, table: str) -> set[str]:
        """The ids of the rows of a table that some copy has."""

    def size(self) -> int:
        """How large the organisation is now, in bytes."""


class Store(Protocol):
    """A database. ``read`` may see committed data only; ``write`` commits at the end or rolls back on an exception."""

    def read(self, budget: int | None = None) -> AbstractContextManager[UnitOfWork]:
        """A unit of work for reading; raises BudgetExceeded after ``budget`` steps where the database counts them."""

    def write(self) -> AbstractContextManager[UnitOfWork]:
        """A unit of work for writing; waits for its turn, faults with StoreBusy when that takes too long."""

    def alone(self) -> AbstractContextManager[None]:
        """Keeps other processes out of a block of the same kind; they wait. It is no transaction."""

    def horizon(self) -> int:
        """A change number with nothing below it, or at it, that is still to be committed.

        Reading what is committed up to there has to begin after this was asked.
        """

    def load_schema(self) -> Schema:
        """The saved schema, empty for a new database."""

    def schema_version(self) -> int:
        """The version of the saved schema, cheap enough to ask per request when several processes share it."""

    @property
    def snapshots(self) -> Snapshots:
        """Copies of all that is in it."""

    def close(self) -> None:
        """Give everything back."""


class Blobs(Protocol):
    """Content that lies outside the rows, in pieces that are written once. Failures are StoreFailure."""

    def put(self, key: str, data: bytes) -> None:
        """Write a piece so that it lasts."""

    def get(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of a piece from ``start``, fewer at its end."""

    def delete(self, key: str) -> None:
        """Remove a piece, if it is there."""

    def older(self, than: float) -> Iterator[str]:
        """Keys of the pieces that were written before a time, in seconds since 1970."""


class Outside(Protocol):
    """Endpoints outside of the organisation, and how they are told of events."""

    def check(self, endpoint: Endpoint) -> None:
        """Raises InvalidEndpoint for an endpoint that could not, or may not, be called."""

    def pack(self, event: Event, schema: Schema) -> Parcel:
        """What an endpoint is told of an event."""

    def pack_row(self, event: RowEvent, schema: Schema) -> Parcel:
        """What an endpoint is told of a row."""

    def condition(self, table: Table, text: str, schema: Schema) -> Query:
        """Rows of a table that meet an OData filter, with all of their columns; raises the faults of the language."""

    def post(self, endpoint: Endpoint, parcel: Parcel) -> Answered:
        """Post to an endpoint and wait, in a thread that may wait, for what becomes of it."""


class DataRow(Protocol):
    """A row of a file: its number from 1, its values, and what is wrong with it alone."""

    @property
    def number(self) -> int:
        """Its place among the rows of the file, from 1."""

    @property
    def values(self) -> Mapping[str, Any]:
        """Texts, and what else the format has, by columns."""

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong with this row."""


class DataMember(Protocol):
    """A file of a data package."""

    @property
    def name(self) -> str:
        """The entity that it has rows of."""

    @property
    def file(self) -> str:
        """Its name in the package."""

    @property
    def source_format(self) -> str:
        """The name of its format."""

    @property
    def unit(self) -> int:
        """Its execution unit."""

    @property
    def level(self) -> int:
        """Its level in the unit."""

    @property
    def sequence(self) -> int:
        """Its place in the level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """A file of rows. ``key`` names who reads it; ``member`` is its name in a package.

    ``style`` is the text of an XSLT 1.0 style sheet that makes the file what is read.
    """

    key: str
    content: Content
    format: str
    member: str | None = None
    style: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTarget:
    """A file that rows of an entity are written to: its name, its format, and its columns with the field of each."""

    entity: DataEntity
    file: str
    format: str
    columns: tuple[str, ...]
    fields: tuple[DataField, ...]


class DataFiles(Protocol):
    """Files of data management, in the formats that it knows.

    What cannot be read raises DataFileMalformed, DataFileEmpty, DataFileEncoding, DataFileColumns, DataFileTooLarge,
    DataFormatUnsupported, DataPackageInvalid, DataTransformFailed.
    """

    def members(self, content: Content) -> Sequence[DataMember]:
        """The files of a data package, in the order in which they are worked on."""

    def read(
        self, source: DataSource, after: int, limit: int
    ) -> tuple[Sequence[str] | None, Sequence[DataRow], bool]:
        """The columns of a file, None where each row states its own; some rows; whether there may be more.

        They are up to ``limit`` rows behind the row ``after``, fewer when they are large, and had cheaply where the
        same source was left there.
        """

    def write(self, key: str, place: int, target: DataTarget, at: int, rows: Sequence[Sequence[Any]]) -> bool:
        """Write rows, canonical values in the order of the fields, to a file of a package that is being made.

        ``place`` numbers the file, ``at`` is how many rows it has. False when what was written before is not here.
        """

    def package(self, key: str, project: str, targets: Sequence[DataTarget]) -> Iterator[bytes] | None:
        """The data package of the files that have been written, a piece at a time; None when they are not here."""

    def listing(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        """A delimited file of texts, a piece at a time."""

    def leave(self, key: str) -> None:
        """Read no more of the sources whose keys begin like this, and give up what is written under it."""


class QueryText(Protocol):
    """Queries as text that can be kept."""

    def write(self, query: Query) -> str:
        """The text of a query; raises NotSupported for one that has none."""

    def read(self, text: str) -> Query:
        """The query of a text; raises the faults of its language."""

    def read_segment(self, text: str) -> Selection:
        """Who a segment's query is about; raises InvalidSegmentQuery, NotSupported."""
