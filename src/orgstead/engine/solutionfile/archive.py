"""The archive that a solution file is: packed so that the same content has the same bytes, unpacked within bounds.

https://learn.microsoft.com/power-platform/alm/solution-concepts-alm
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from orgstead.errors import Fault, fault

__all__ = ["CONTENT_TYPES", "CUSTOMIZATIONS", "SOLUTION", "bad", "pack", "unpack"]

CONTENT_TYPES = "[Content_Types].xml"
SOLUTION = "solution.xml"
CUSTOMIZATIONS = "customizations.xml"
KNOWN = frozenset({CONTENT_TYPES, SOLUTION, CUSTOMIZATIONS})

MAX_FILE = 16 * 1024 * 1024
MAX_MEMBERS = 1000
MAX_UNPACKED = 24 * 1024 * 1024
# Definitions repeat themselves a lot; what unpacks to more than this is no text that somebody exported.
MAX_RATIO = 400
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
_END = struct.Struct("<4s4H2LH")
_ENTRY = 1024

_TYPES = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/octet-stream" /></Types>'
)


def pack(solution: bytes, customizations: bytes) -> bytes:
    """The archive of these two documents; equal documents make equal bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in (
            (CONTENT_TYPES, _TYPES.encode()),
            (CUSTOMIZATIONS, customizations),
            (SOLUTION, solution),
        ):
            member = zipfile.ZipInfo(name, _FIRST_DAY)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 0
            archive.writestr(member, content)
    return file.getvalue()


def bad(reason: str) -> Fault:
    """The fault of a file that is no solution."""
    return fault("SolutionFileInvalid", reason=reason)


def unpack(content: bytes) -> Mapping[str, bytes]:
    """The two documents of a solution file by name.

    Raises SolutionFileTooLarge, SolutionFileInvalid, and NotSupported for a file that belongs to another component.
    """
    if len(content) > MAX_FILE:
        raise fault("SolutionFileTooLarge", limit=f"{MAX_FILE} bytes")
    _check_directory(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _documents(archive)
    except (zipfile.BadZipFile, zlib.error, ValueError, struct.error, NotImplementedError, EOFError, OSError):
        raise bad("it is no zip archive, or it is damaged") from None


def _check_directory(content: bytes) -> None:
    """Look at how large the directory is before it is read into memory."""
    at = content.rfind(b"PK\x05\x06")
    if at < 0 or len(content) - at < _END.size:
        raise bad("it is no zip archive")
    _, disk, start, here, entries, directory, _, _ = _END.unpack_from(content, at)
    if disk or start or here != entries:
        raise bad("it is spread over several files")
    if entries > MAX_MEMBERS or directory > MAX_MEMBERS * _ENTRY:
        raise fault("SolutionFileTooLarge", limit=f"{MAX_MEMBERS} files")


def _documents(archive: zipfile.ZipFile) -> Mapping[str, bytes]:
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename
        if member.is_dir() and not member.file_size:
            continue
        if name in members:
            raise bad(f"it holds {name[:100]} twice")
        if member.flag_bits & 1 or member.compress_type not in _METHODS:
            raise bad(f"{name[:100]} is encrypted, or packed in a way that is not read")
        members[name] = member
    for name in (SOLUTION, CUSTOMIZATIONS):
        if name not in members:
            raise bad(f"it holds no {name}")
    for name in members:
        if name not in KNOWN:
            raise fault("NotSupported", feature=f"The file {name[:100]} of a solution")
    found, left = {}, MAX_UNPACKED
    for name in (SOLUTION, CUSTOMIZATIONS):
        if members[name].file_size > MAX_RATIO * max(members[name].compress_size, 1024):
            raise bad(f"{name} is packed too tightly")
        with archive.open(members[name]) as file:
            found[name] = file.read(left + 1)
        left -= len(found[name])
        if left < 0:
            raise fault("SolutionFileTooLarge", limit=f"{MAX_UNPACKED} bytes once unpacked")
    return found
