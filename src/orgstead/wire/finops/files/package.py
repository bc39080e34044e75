"""Data packages: a zip file with a manifest, a header and a file for each entity.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/lcs-solutions/process-data-packages-lcs-solutions
"""

import tempfile
import zipfile
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import IO, BinaryIO, Self

from orgstead.errors import fault
from orgstead.wire.finops.files.archive import MemberFile, bad_archive, open_archive
from orgstead.wire.finops.files.manifest import (
    HEADER_FILE,
    MANIFEST_FILE,
    Manifest,
    PackageEntity,
    read_header,
    read_manifest,
    write_header,
    write_manifest,
)  # fmt: skip
from orgstead.wire.finops.files.shapes import LIMITS, Limits

__all__ = ["Package", "write_package"]

CHUNK = 1_048_576
# What of a file is kept in memory while it is unpacked; the rest waits on the disk.
IN_MEMORY = 4 * 1_048_576
ZIPPED = frozenset({"zip", "7z", "rar", "gz", "tar", "cab"})


class Package:
    """An opened data package; the file stays open when it closes.

    ``manifest.entities`` stand in the order in which they run. Making one raises DataPackageInvalid, DataFileTooLarge,
    DataFileEmpty, DataFormatUnsupported.
    """

    def __init__(self, file: BinaryIO, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._archive = open_archive(file, limits)
        self._names = {name.casefold(): name for name in self._archive.namelist()}
        self.description = read_header(self._small(HEADER_FILE))
        self.manifest: Manifest = read_manifest(self._small(MANIFEST_FILE))
        self._check_files()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._archive.close()

    def _small(self, name: str) -> bytes:
        found = self._names.get(name.casefold())
        if found is None:
            raise bad_archive(f"{name} is missing")
        file = MemberFile(self._archive, found)
        data = file.read(self._limits.manifest + 1)
        file.close()
        if len(data) > self._limits.manifest:
            raise fault("DataFileTooLarge", limit=f"{self._limits.manifest} bytes of {name}")
        return data

    def _check_files(self) -> None:
        left = {name for name in self._names if not name.endswith("/")}
        left -= {HEADER_FILE.casefold(), MANIFEST_FILE.casefold()}
        for entity in self.manifest.entities:
            name = entity.file.casefold()
            if name not in self._names:
                raise bad_archive(f"the file {entity.file[:100]!r} of {entity.name[:100]} is missing")
            left.discard(name)
        if left:
            name = self._names[min(left)]
            nested = name.rpartition(".")[2].lower() in ZIPPED
            raise bad_archive(
                f"{name[:100]!r} is an archive in the archive"
                if nested
                else f"no entity takes {name[:100]!r}"
            )

    def open(self, entity: PackageEntity) -> IO[bytes]:
        """The file of an entity, unpacked, which the caller closes. Raises DataPackageInvalid."""
        name = self._names[entity.file.casefold()]
        member = MemberFile(self._archive, name)
        whole: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - the caller closes it
        try:
            while chunk := member.read(CHUNK):
                whole.write(chunk)
            whole.seek(0)
        except BaseException:
            whole.close()
            raise
        finally:
            member.close()
        return whole


def write_package(
    file: BinaryIO, manifest: Manifest, write: Iterable[tuple[str, Callable[[IO[bytes]], None]]]
) -> None:
    """Write a package: the files by name, each by a function that writes it, then what is said of them."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, fill in write:
            with archive.open(_entry(name), "w", force_zip64=True) as member:
                fill(member)
        archive.writestr(_entry(MANIFEST_FILE), write_manifest(manifest))
        archive.writestr(_entry(HEADER_FILE), write_header(manifest.description or manifest.project))


def _entry(name: str) -> zipfile.ZipInfo:
    """A member without a moment, so that equal rows make equal packages."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info
