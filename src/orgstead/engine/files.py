"""Content of files: which pieces a file consists of, and who takes them back.

A file is a row of ``fileattachment``; its bytes lie outside the database, in pieces that rows of ``orgstead_piece``
name. A piece that no file needs any more is freed with the change that made it needless, and removed later by
``sweep``: what a transaction gives up it can take back, what has been deleted from a disk it cannot.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from orgstead.engine.ports import Blobs, UnitOfWork
from orgstead.engine.registry import Call
from orgstead.errors import fault
from orgstead.model.content import Content, Piece
from orgstead.model.plan import AllOf, Col, Output, Param, Plan, Sort, Source, Test
from orgstead.model.record import Ref
from orgstead.model.schema import Column, Schema, Table

__all__ = [
    "FILES", "MAX_PIECES", "PIECE_BYTES", "Opening", "add_piece", "adopt", "before", "forget", "forget_all", "free",
    "keep", "largest_attachment", "note_pieces", "open_file", "organization_setting", "pieces_of", "usable_name",
]  # fmt: skip

FILES = "fileattachment"
PIECES = "orgstead_piece"
ORGANIZATION = "organization"
# What one piece holds at most, which is also what clients are told to send at once.
PIECE_BYTES = 4 * 1024 * 1024
MAX_PIECES = 50_000
ATTACHMENT_BYTES = 5_242_880
MAX_NAME = 255
FORBIDDEN = frozenset('\\/:*?"<>|')
# https://learn.microsoft.com/power-platform/admin/system-settings-dialog-box-general-tab
BLOCKED = (
    "ade;adp;app;asa;ashx;asmx;asp;bas;bat;cdx;cer;chm;class;cmd;com;config;cpl;crt;csh;dll;exe;fxp;hlp;hta;htr;htw;ida;"
    "idc;idq;inf;ins;isp;its;jar;js;jse;ksh;lnk;mad;maf;mag;mam;maq;mar;mas;mat;mau;mav;maw;mda;mdb;mde;mdt;mdw;mdz;msc;"
    "msh;msh1;msh1xml;msh2;msh2xml;mshxml;msi;msp;mst;ops;pcd;pif;prf;prg;printer;pst;reg;rem;scf;scr;sct;shb;shs;shtm;"
    "shtml;soap;stm;svc;svg;tmp;url;vb;vbe;vbs;vsmacros;vss;vst;vsw;ws;wsc;wsf;wsh"
)


class Opening(Protocol):
    """What opening a file needs of a run."""

    @property
    def schema(self) -> Schema:
        """The schema of this run."""

    @property
    def unit(self) -> UnitOfWork:
        """The transaction."""

    @property
    def blobs(self) -> Blobs:
        """Where the content of files lies."""


def usable_name(call: Call, name: str) -> str:
    """A file's name; raises FileNameInvalid, and FileBlocked for an extension that the organisation does not take."""
    if not name or len(name) > MAX_NAME or FORBIDDEN.intersection(name) or not name.isprintable():
        raise fault("FileNameInvalid")
    extension = name.rpartition(".")[2].strip().lower() if "." in name else ""
    blocked = organization_setting(call, "blockedattachments")
    if extension and extension in str(BLOCKED if blocked is None else blocked).lower().split(";"):
        raise fault("FileBlocked")
    return name


def organization_setting(call: Call, column: str) -> Any:
    """A value of the organisation's own row; None when it has none."""
    table = call.schema.tables[ORGANIZATION]
    row = call.unit.get(table, call.caller.organization_id, (column,))
    if row is None:
        found = call.unit.find(table, {}, 1)
        row = call.unit.get(table, found[0], (column,)) if found else None
    return row.get(column) if row else None


def largest_attachment(call: Call) -> int:
    """How many characters the base64 of an attachment may have.

    https://learn.microsoft.com/power-apps/developer/data-platform/attachment-annotation-files#file-size-limits
    """
    return int(organization_setting(call, "maxuploadfilesize") or ATTACHMENT_BYTES)


# -- pieces ------------------------------------------------------------------------------------------------------------
def add_piece(call: Call, owner: str, data: bytes, *, start: int = 0, block: str = "") -> None:
    """Keep some bytes for a file or an upload."""
    key = call.new_id()
    call.blobs.put(key, data)
    row = {
        "orgstead_pieceid": key,
        "fileid": owner,
        "blockid": block,
        "start": start,
        "length": len(data),
    }
    call.unit.insert(call.schema.tables[PIECES], [row])


def note_pieces(call: Call, owner: str, pieces: Sequence[tuple[str, int]], *, block: str = "") -> int:
    """Make pieces that have been written already, given by key and length, those of a file or of a block; its size."""
    rows: list[Mapping[str, Any]] = []
    size = 0
    for key, length in pieces:
        rows.append(
            {"orgstead_pieceid": key, "fileid": owner, "start": size, "length": length, "blockid": block}
        )
        size += length
    call.unit.insert(call.schema.tables[PIECES], rows)
    return size


def pieces_of(call: Opening, owner: str) -> list[Piece]:
    """The pieces of a file or an upload, in order."""
    rows = call.unit.fetch(_pieces_plan(call.schema.tables[PIECES]), [owner])
    return [
        Piece(key=key, start=start or 0, length=length or 0, block=block or "")
        for key, start, length, block in rows
    ]


def _pieces_plan(table: Table) -> Plan:
    names = ("orgstead_pieceid", "start", "length", "blockid")
    columns = [Col("t0", table.columns[name]) for name in names]
    owner = Col("t0", table.columns["fileid"])
    return Plan(
        source=Source("t0", table),
        outputs=tuple(Output(of.column.name, of, of.column) for of in columns),
        where=AllOf((Test("eq", owner, Param(0, owner.column)),)),
        order=(Sort(columns[1]), Sort(columns[0])),
    )


def free(call: Call, pieces: Sequence[Piece]) -> None:
    """Say of pieces that nothing needs them any more."""
    table = call.schema.tables[PIECES]
    for piece in pieces:
        call.unit.update(table, piece.key, {"fileid": None, "freedon": call.now})


def adopt(call: Call, owner: str, pieces: Sequence[Piece]) -> int:
    """Make pieces, in this order, those of a file; its size."""
    table = call.schema.tables[PIECES]
    size = 0
    for piece in pieces:
        call.unit.update(table, piece.key, {"fileid": owner, "start": size})
        size += piece.length
    return size


# -- files -------------------------------------------------------------------------------------------------------------
def keep(
    call: Call, row: Ref, column: Column, name: str, mime: str, content: bytes | Sequence[Piece]
) -> tuple[str, int]:
    """Make a file that belongs to a column of a row; its id and its size in bytes."""
    id = call.new_id()
    if isinstance(content, bytes):
        size = len(content)
        for start in range(0, size, PIECE_BYTES):
            add_piece(call, id, content[start : start + PIECE_BYTES], start=start)
    else:
        size = adopt(call, id, content)
    values: Mapping[str, Any] = {
        "fileattachmentid": id,
        "createdon": call.now,
        "filename": name,
        "filesizeinbytes": size,
        "mimetype": mime[:256],
        "objectid": row,
        "objecttypecode": row.table,
        "regardingfieldname": column.name,
        "versionnumber": call.unit.next_version(),
    }
    call.unit.insert(call.schema.tables[FILES], [values])
    return id, size


def open_file(call: Opening, id: str) -> Content | None:
    """A file by its id; None when there is none."""
    row = call.unit.get(call.schema.tables[FILES], id)
    if row is None:
        return None
    return Content(
        id=id,
        name=row["filename"] or "",
        mime=row["mimetype"] or "application/octet-stream",
        size=row["filesizeinbytes"] or 0,
        pieces=pieces_of(call, id),
        source=call.blobs,
    )


def forget(call: Call, id: str) -> None:
    """Remove a file, if it is there."""
    if call.unit.delete(call.schema.tables[FILES], [id]):
        free(call, pieces_of(call, id))


def forget_all(call: Call, **of: Any) -> None:
    """Remove all files whose columns are as given."""
    table = call.schema.tables[FILES]
    while found := call.unit.find(table, of, 1000):
        for id in found:
            forget(call, id)


def before(call: Call, **ago: int) -> str:
    """A time that long before now, as canonical text."""
    now = datetime.fromisoformat(call.now).astimezone(UTC)
    return (now - timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
