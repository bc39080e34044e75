"""Attachments of notes in blocks.

https://learn.microsoft.com/power-apps/developer/data-platform/attachment-annotation-files
"""

from collections.abc import Mapping
from typing import Any

from orgstead.engine.access import check_row, check_table
from orgstead.engine.files import keep, largest_attachment, open_file
from orgstead.engine.handlers.files import listed, session, start_upload
from orgstead.engine.handlers.targets import named_row, stored_row
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Create, Parameter, Signature, Update
from orgstead.model.record import Record, Ref

__all__ = ["commit_note", "initialize_note_download", "initialize_note_upload"]

NOTE, BODY = "annotation", "documentbody"

_TARGET = Parameter(name="Target", type="mscrm.annotation")
_TOKEN = Parameter(name="FileContinuationToken", type="Edm.String")
_SIZE = Parameter(name="FileSizeInBytes", type="Edm.Int64")


@handles(
    "InitializeAnnotationBlocksUpload",
    privilege=OPEN,
    signature=Signature(kind="action", parameters=(_TARGET,), returns=(_TOKEN,)),
)
def initialize_note_upload(call: Call) -> Mapping[str, Any]:
    """Begin to upload the attachment of a note, a new one or one that is there; answers the blocks' token."""
    note, ref = _note(call)
    table = call.schema.tables[NOTE]
    if ref is None:
        check_table(call, "Create", table)
    else:
        check_row(call, "Write", table, stored_row(call, ref))
    name = _file_name(call, note, ref)
    return {
        "FileContinuationToken": start_upload(call, NOTE, ref.id if ref is not None else None, BODY, name)
    }


@handles(
    "CommitAnnotationBlocksUpload",
    privilege=OPEN,
    heavy=True,
    signature=Signature(
        kind="action",
        parameters=(_TARGET, Parameter(name="BlockList", type="Collection(Edm.String)"), _TOKEN),
        returns=(Parameter(name="AnnotationId", type="Edm.Guid"), _SIZE),
    ),
)
def commit_note(call: Call) -> Mapping[str, Any]:
    """Make or change the note, with the blocks in the order given as its attachment.

    Raises UnknownUpload, UnknownBlock, FileTooLarge, and what making or changing a note raises.
    """
    upload = session(call)
    note, ref = _note(call)
    if upload["objecttypecode"] != NOTE or upload["objectid"] != (ref.id if ref is not None else None):
        raise fault("UnknownUpload")
    pieces = listed(call, upload["orgstead_uploadid"], call.parameters["BlockList"])
    size = sum(piece.length for piece in pieces)
    if (size + 2) // 3 * 4 > largest_attachment(call):
        raise fault("FileTooLarge")
    values = {name: value for name, value in note.values.items() if name != BODY}
    values.setdefault("filename", upload["filename"])
    record = Record(table=NOTE, id=note.id, values=values, related=note.related)
    made = call.send(Create(record=record) if ref is None else Update(ref=ref, record=record)).ref
    if made is None:
        raise TypeError("a note was made")
    stored = stored_row(call, made)
    column = call.schema.tables[NOTE].columns[BODY]
    mime = stored.get("mimetype") or "application/octet-stream"
    id, size = keep(call, made, column, stored.get("filename") or upload["filename"], mime, pieces)
    call.send_as_system(Update(ref=made, record=Record(table=NOTE, values={BODY: id})))
    call.unit.delete(call.schema.tables["orgstead_upload"], [upload["orgstead_uploadid"]])
    return {"AnnotationId": made.id, "FileSizeInBytes": size}


@handles(
    "InitializeAnnotationBlocksDownload",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="action",
        parameters=(_TARGET,),
        returns=(_TOKEN, Parameter(name="FileName", type="Edm.String"), _SIZE),
    ),
)
def initialize_note_download(call: Call) -> Mapping[str, Any]:
    """Begin to download a note's attachment. Raises NoFile when it has none."""
    ref = named_row(call, call.parameters["Target"], "Target", NOTE)
    stored = stored_row(call, ref)
    check_row(call, "Read", call.schema.tables[NOTE], stored)
    content = open_file(call, stored[BODY]) if stored.get(BODY) else None
    if content is None:
        raise fault("NoFile", column=BODY, table=NOTE, id=ref.id)
    return {
        "FileContinuationToken": content.id,
        "FileName": stored.get("filename") or content.name,
        "FileSizeInBytes": content.size,
    }


def _note(call: Call) -> tuple[Record, Ref | None]:
    """The note that the parameters describe, and which one it is when it is there."""
    target = call.parameters["Target"]
    if isinstance(target, Ref):
        return Record(table=NOTE, values={}), call.resolve(target)
    id = target.values.get("annotationid")
    if target.key is None and id is None:
        return target, None
    table = call.schema.tables[NOTE]
    ref = named_row(call, target, "Target", NOTE)
    values = {name: value for name, value in target.values.items() if name != table.primary_id}
    if call.unit.get(table, ref.id, (table.primary_id,)) is None:
        # A new note whose id the client has chosen.
        return Record(table=NOTE, id=ref.id, values=values, related=target.related), None
    return Record(table=NOTE, values=values, related=target.related), ref


def _file_name(call: Call, note: Record, ref: Ref | None) -> str:
    name = note.values.get("filename")
    if name is None and ref is not None:
        name = stored_row(call, ref).get("filename")
    return str(name or "file")
