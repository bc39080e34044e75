"""Copies of a SQLite database by SQLite's own backup, which copies pages: files beside the file, or memory.

https://www.sqlite.org/backup.html
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import time

import apsw

from orgstead.engine.ports import Snapshot
from orgstead.store import saved
from orgstead.store.identifiers import quoted

__all__ = ["SQLiteSnapshots"]

MEMORY = ":memory:"
SUFFIX, UNFINISHED = ".sqlite", ".part"
READ = 'SELECT "value" FROM "orgstead_setting" WHERE "name" = ?'
WRITE = 'INSERT OR REPLACE INTO "orgstead_setting" ("name", "value") VALUES (?, ?)'


class SQLiteSnapshots:
    """Copies of the database of ``writer``, which ``turn`` gives the right to use.

    They are files in ``directory``; with None they are kept in memory. ``counter`` is the setting that holds the last
    change number.
    """

    def __init__(
        self,
        writer: apsw.Connection,
        turn: Callable[[], AbstractContextManager[None]],
        directory: Path | None,
        counter: str,
    ) -> None:
        self._writer = writer
        self._turn = turn
        self._directory = directory
        self._counter = counter
        self._kept: dict[str, tuple[float, apsw.Connection]] = {}

    def save(self, name: str) -> None:
        """See ``Snapshots.save``."""
        with self._turn():
            if self._directory is None:
                made = apsw.Connection(MEMORY)
                _copy(self._writer, made)
                self._close(name)
                self._kept[name] = (time(), made)
                return
            self._directory.mkdir(mode=0o700, exist_ok=True)
            path = self._directory / (name + SUFFIX)
            unfinished = path.with_suffix(UNFINISHED)
            unfinished.unlink(missing_ok=True)
            with _opened(unfinished) as made:
                # Nobody looks at it before it is whole.
                made.pragma("journal_mode", "memory")
                _copy(self._writer, made)
                made.pragma("journal_mode", "delete")
            unfinished.rename(path)

    def restore(self, name: str, *, forgotten: str, reload: Callable[[], None]) -> None:
        """See ``Snapshots.restore``."""
        with self._turn(), self._copy_of(name) as source:
            # The copy is told first how far the numbers have come, so that all of it arrives in one transaction.
            version, there = (_number(each, saved.VERSION) for each in (self._writer, source))
            number = _number(self._writer, self._counter) + 1
            with source:
                if version != there:
                    for setting in (saved.VERSION, saved.FORGOTTEN):
                        source.execute(WRITE, (setting, str(version + 1)))
                for setting in (self._counter, forgotten):
                    source.execute(WRITE, (setting, str(number)))
            _copy(source, self._writer)
            reload()

    def remove(self, name: str) -> None:
        """See ``Snapshots.remove``."""
        with self._turn():
            if self._directory is None:
                if name not in self._kept:
                    raise LookupError(name)
                self._close(name)
                return
            try:
                (self._directory / (name + SUFFIX)).unlink()
            except FileNotFoundError:
                raise LookupError(name) from None

    def listed(self) -> Sequence[Snapshot]:
        """See ``Snapshots.listed``."""
        if self._directory is None:
            return [
                Snapshot(name=name, taken=taken, bytes=_size(kept))
                for name, (taken, kept) in sorted(self._kept.items())
            ]
        found = []
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            status = path.stat()
            found.append(Snapshot(name=path.stem, taken=status.st_mtime, bytes=status.st_size))
        return found

    def held(self, table: str) -> set[str]:
        """See ``Snapshots.held``."""
        found: set[str] = set()
        with self._turn():
            for each in self.listed():
                with self._copy_of(each.name) as kept:
                    keys = [row[1] for row in kept.execute(f"PRAGMA table_info({quoted(table)})") if row[5]]
                    if len(keys) == 1:
                        sql = f"SELECT {quoted(keys[0])} FROM {quoted(table)}"
                        found |= {id for (id,) in kept.execute(sql)}
        return found

    def size(self) -> int:
        """See ``Snapshots.size``."""
        with self._turn():
            return _size(self._writer)

    def close(self) -> None:
        """Give up what is kept in memory."""
        for name in list(self._kept):
            self._close(name)

    def _close(self, name: str) -> None:
        if name in self._kept:
            self._kept.pop(name)[1].close()

    @contextmanager
    def _copy_of(self, name: str) -> Iterator[apsw.Connection]:
        if self._directory is None:
            if name not in self._kept:
                raise LookupError(name)
            yield self._kept[name][1]
            return
        path = self._directory / (name + SUFFIX)
        if not path.exists():
            raise LookupError(name)
        taken = path.stat().st_mtime_ns
        with _opened(path) as kept:
            yield kept
        os.utime(path, ns=(taken, taken))


@contextmanager
def _opened(path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(path))
    try:
        yield connection
    finally:
        connection.close()


def _copy(source: apsw.Connection, target: apsw.Connection) -> None:
    """All pages in one transaction of the target; whoever reads there goes on with what was."""
    with target.backup("main", source, "main") as backup:
        while not backup.done:
            backup.step(-1)


def _number(connection: apsw.Connection, setting: str) -> int:
    for (value,) in connection.execute(READ, (setting,)):
        return int(value)
    return 0


def _size(connection: apsw.Connection) -> int:
    pages, size = (int(connection.pragma(name)) for name in ("page_count", "page_size"))
    return pages * size
