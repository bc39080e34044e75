"""Blobs: packages on their way in and out, by addresses that are signed elsewhere.

Whoever has an address may do with its blob what the address permits, so nobody's rights are asked here; the messages
of this module are the product's own work, and no client can send them.
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-management-api#getazurewriteurl
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from orgstead.engine.files import adopt, free, note_pieces, pieces_of
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model import datamanagement as dm
from orgstead.model.content import Content
from orgstead.model.plan import AllOf, Col, Output, Param, Plan, Sort, Source, Test
from orgstead.model.types import is_guid

__all__ = [
    "blob_content", "blob_row", "commit_blocks", "open_blob", "put_blob", "share_content", "stage_block", "sweep_blobs",
]  # fmt: skip

# https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-management-api#getexecutionsummarystatus
KEPT = timedelta(days=7)
BATCH = 100
MAX_BLOCKS = 50_000


def share_content(
    call: Call, name: str, content: str | None, size: int, mime: str = "application/zip"
) -> str:
    """A new blob of the caller, empty or with a content that is there already; its id."""
    id = call.new_id()
    row = {
        "orgstead_datablobid": id,
        "userid": call.caller.user_id,
        "filename": name[-255:],
        "mimetype": mime,
        "size": size,
        "contentid": content,
        "createdon": call.now,
        "committedon": call.now if content is not None else None,
    }
    call.unit.insert(call.schema.tables[dm.BLOBS], [row])
    return id


def blob_row(call: Call, id: str) -> Mapping[str, Any]:
    """The stored values of a blob. Raises DataBlobNotFound."""
    row = call.unit.get(call.schema.tables[dm.BLOBS], id) if is_guid(id) else None
    if row is None:
        raise fault("DataBlobNotFound", id=id[:50])
    return row


def blob_content(call: Call, row: Mapping[str, Any]) -> Content:
    """What a blob holds, given by its stored values. Raises DataBlobNotFound for one that nothing was put into."""
    if row["contentid"] is None:
        raise fault("DataBlobNotFound", id=row["orgstead_datablobid"])
    return Content(
        id=row["contentid"],
        name=row["filename"] or "",
        mime=row["mimetype"] or "application/octet-stream",
        size=row["size"] or 0,
        pieces=pieces_of(call, row["contentid"]),
        source=call.blobs,
    )


@handles("OpenDataBlob", privilege=OPEN, writes=False)
def open_blob(call: Call) -> Mapping[str, Any]:
    """The blob ``Blob``: its ``Content`` (None while it has none), when it was ``Changed``, the ``Staged`` bytes."""
    row = blob_row(call, str(call.parameters["Blob"]))
    staged = pieces_of(call, row["orgstead_datablobid"])
    return {
        "Content": None if row["contentid"] is None else blob_content(call, row),
        "Changed": row["committedon"],
        "Staged": sum(piece.length for piece in staged),
        "Blocks": len({piece.block for piece in staged}),
    }


@handles("PutDataBlob", privilege=OPEN)
def put_blob(call: Call) -> str:
    """Make ``Pieces`` that have been written, as (key, length) each, what a blob holds; its new content id."""
    row = blob_row(call, str(call.parameters["Blob"]))
    content = call.new_id()
    size = note_pieces(call, content, call.parameters["Pieces"])
    return _commit(call, row, content, size)


@handles("StageDataBlock", privilege=OPEN)
def stage_block(call: Call) -> None:
    """Keep ``Pieces`` as the block ``Block`` of a blob; one that is sent again takes the place of the first."""
    id = str(blob_row(call, str(call.parameters["Blob"]))["orgstead_datablobid"])
    block = call.parameters["Block"]
    known = pieces_of(call, id)
    if len({piece.block for piece in known} | {block}) > MAX_BLOCKS:
        raise fault("QueryTooComplex", limit=f"{MAX_BLOCKS} blocks of a blob")
    free(call, [piece for piece in known if piece.block == block])
    note_pieces(call, id, call.parameters["Pieces"], block=block)


@handles("CommitDataBlocks", privilege=OPEN, heavy=True)
def commit_blocks(call: Call) -> str:
    """Make the blocks named ``Blocks``, in this order, what a blob holds; others are given up. Raises UnknownBlock."""
    row = blob_row(call, str(call.parameters["Blob"]))
    blocks: dict[str, list[Any]] = {}
    for piece in pieces_of(call, row["orgstead_datablobid"]):
        blocks.setdefault(piece.block, []).append(piece)
    try:
        wanted = [piece for name in call.parameters["Blocks"] for piece in blocks.pop(name)]
    except KeyError as error:
        raise fault("UnknownBlock", block=str(error.args[0])[:100]) from None
    free(call, [piece for left in blocks.values() for piece in left])
    content = call.new_id()
    return _commit(call, row, content, adopt(call, content, wanted))


def _commit(call: Call, row: Mapping[str, Any], content: str, size: int) -> str:
    values = {
        "contentid": content,
        "size": size,
        "mimetype": str(call.parameters.get("ContentType") or "application/octet-stream")[:256],
        "committedon": call.now,
    }
    call.unit.update(call.schema.tables[dm.BLOBS], row["orgstead_datablobid"], values)
    _let_go(call, row["contentid"])
    return content


def _let_go(call: Call, content: str | None) -> None:
    """Free a content, unless a message or an execution shows it still."""
    if content is None:
        return
    for name in (dm.MESSAGES, dm.EXECUTIONS, dm.BLOBS):
        if call.unit.find(call.schema.tables[name], {"contentid": content}, 1):
            return
    free(call, pieces_of(call, content))


def sweep_blobs(call: Call) -> int:
    """Remove some of the blobs that were made seven days ago; how many there were."""
    table = call.schema.tables[dm.BLOBS]
    when, key = Col("t0", table.columns["createdon"]), Col("t0", table.columns[table.primary_id])
    content = Col("t0", table.columns["contentid"])
    plan = Plan(
        source=Source("t0", table),
        outputs=(Output("id", key, key.column), Output("content", content, content.column)),
        where=AllOf((Test("lt", when, Param(0, when.column)),)),
        order=(Sort(when), Sort(key)),
        limit=Param(1),
    )
    since = (datetime.fromisoformat(call.now) - KEPT).strftime("%Y-%m-%dT%H:%M:%SZ")
    old: Sequence[Sequence[Any]] = call.unit.fetch(plan, [since, BATCH])
    call.unit.delete(table, [row[0] for row in old])
    for id, kept in old:
        free(call, pieces_of(call, id))
        _let_go(call, kept)
    return len(old)
