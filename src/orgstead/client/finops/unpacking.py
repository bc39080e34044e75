"""Data packages taken apart on this side: a zip file with a manifest, a header and a file for each entity.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-entities-data-packages
"""

import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from orgstead.client.errors import ConfigurationError
from orgstead.client.finops.landing import landed

__all__ = ["MAX_BYTES", "MAX_FILES", "unpack"]

MAX_FILES = 1000
MAX_BYTES = 8 * 1024**3
_NAME = re.compile(r"[^\\/:*?\"<>|\x00-\x1f\x7f]{1,255}")


def unpack(package: str | Path, folder: str | Path, *, max_bytes: int = MAX_BYTES) -> Sequence[Path]:
    """Put the files of a data package into a folder, and return their paths in the order in which they stand in it.

    Each is there whole or not at all. Names that lead out of the folder, files that are there twice, encrypted ones,
    more than 1,000 and more than ``max_bytes`` in all are refused before anything is written. Raises
    ConfigurationError for what is no package or is damaged, OSError.
    """
    target = Path(folder)
    try:
        with zipfile.ZipFile(package) as archive:
            members = [each for each in archive.infolist() if not each.is_dir()]
            _check(members, max_bytes)
            target.mkdir(parents=True, exist_ok=True)
            made = []
            for member in members:
                path = target / member.filename
                with archive.open(member) as file:
                    landed(path, file)
                made.append(path)
            return made
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ConfigurationError(f"{package} is no data package, or is damaged: {error}") from None


def _check(members: Sequence[zipfile.ZipInfo], max_bytes: int) -> None:
    if len(members) > MAX_FILES or sum(each.file_size for each in members) > max_bytes:
        raise ConfigurationError(f"the package has more than {MAX_FILES} files or {max_bytes} bytes")
    seen = set()
    for member in members:
        name = member.filename
        if not _NAME.fullmatch(member.orig_filename) or not _NAME.fullmatch(name) or name.strip(". ") == "":
            raise ConfigurationError(f"the package has a file by the name {name[:80]!r}, which is not taken")
        if name.casefold() in seen or member.flag_bits & 1 or member.external_attr >> 28 == 0xA:
            raise ConfigurationError(f"the file {name[:80]!r} is there twice, encrypted, or a link")
        seen.add(name.casefold())
