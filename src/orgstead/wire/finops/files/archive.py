"""Archives that strangers send, looked at before anything in them is unpacked.

Nothing is ever written under a name that stands in an archive; names are refused all the same, because whoever reads
the package next may be less careful.
"""

import re
import struct
import zipfile
import zlib
from typing import BinaryIO

from orgstead.errors import Fault, fault
from orgstead.wire.finops.files.shapes import Limits

__all__ = ["MemberFile", "bad_archive", "open_archive"]

# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
_END = struct.Struct("<4s4H2LH")
_LONGEST_COMMENT = 65535
_NAME = re.compile(r"[^\\:*?\"<>|\x00-\x1f\x7f]{1,255}")
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# What the directory of an archive holds for a member, names included, at most.
_ENTRY = 1024


def bad_archive(reason: str) -> Fault:
    """The fault of an archive that is not taken."""
    return fault("DataPackageInvalid", reason=reason)


def open_archive(file: BinaryIO, limits: Limits) -> zipfile.ZipFile:
    """An archive whose members are all fit to be read. Raises DataPackageInvalid, DataFileTooLarge, DataFileEmpty."""
    _check_directory(file, limits)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError, EOFError) as error:
        raise bad_archive(str(error)[:100] or "it is damaged") from None
    _check_members(archive.infolist(), limits)
    return archive


def _check_directory(file: BinaryIO, limits: Limits) -> None:
    """Read how large the directory is before it is read into memory."""
    size = file.seek(0, 2)
    if not size:
        raise fault("DataFileEmpty")
    file.seek(max(0, size - _LONGEST_COMMENT - _END.size))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise bad_archive("it is no zip file, or its end is missing")
    _, disk, start, here, entries, directory, _, _ = _END.unpack_from(tail, at)
    if disk or start or here != entries:
        raise bad_archive("it is spread over several files")
    # 0xffff and 0xffffffff refer to a larger number elsewhere, which would be over the limit.
    if entries > limits.members or directory > limits.members * _ENTRY:
        raise fault("DataFileTooLarge", limit=f"{limits.members} files in an archive")


def _check_members(members: list[zipfile.ZipInfo], limits: Limits) -> None:
    seen: set[str] = set()
    unpacked = 0
    for member in members:
        name = member.filename
        if not _NAME.fullmatch(name) or name.startswith("/") or ".." in name.split("/"):
            raise bad_archive(f"the name {name[:100]!r} is not allowed")
        if member.orig_filename != name and member.orig_filename.replace("\\", "/") != name:
            raise bad_archive(f"the name {member.orig_filename[:100]!r} is not allowed")
        if "\\" in member.orig_filename:
            raise bad_archive(f"the name {member.orig_filename[:100]!r} is not allowed")
        if name.casefold() in seen:
            raise bad_archive(f"it holds {name[:100]!r} twice")
        seen.add(name.casefold())
        if member.flag_bits & 1:
            raise bad_archive(f"{name[:100]!r} is encrypted")
        if member.compress_type not in _METHODS:
            raise bad_archive(f"{name[:100]!r} is packed in a way that is not supported")
        if member.external_attr >> 28 == 0xA:
            raise bad_archive(f"{name[:100]!r} is a link")
        unpacked += member.file_size
        if unpacked > limits.unpacked:
            raise fault("DataFileTooLarge", limit=f"{limits.unpacked} unpacked bytes of an archive")
        if member.file_size > max(limits.ratio_from, member.compress_size * limits.ratio):
            raise fault("DataFileTooLarge", limit=f"{limits.ratio} unpacked bytes for a packed one")


class MemberFile:
    """A file of an archive, read as a binary file; damage is DataPackageInvalid.

    The library reads no more of a member than the directory states, and compares its check sum at the end.
    """

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._name = name
        try:
            self._file = archive.open(name)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError) as error:
            raise bad_archive(f"{name[:100]!r}: {str(error)[:100]}") from None

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes; empty at the end."""
        try:
            return self._file.read(size)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
            raise bad_archive(f"{self._name[:100]!r}: {str(error)[:100] or 'it is cut off'}") from None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
