"""Copies of an organisation: taken, gone back to, forgotten; with the content of files, which lies outside the rows.

A piece of content is written once and never changed. A copy therefore needs none of its own: while its rows name a
piece, nobody removes that piece.
"""

from collections.abc import Iterator, Sequence

from orgstead.engine.handlers.changes import FORGOTTEN
from orgstead.engine.pipeline import Engine
from orgstead.engine.ports import Blobs, Snapshot, Snapshots

__all__ = ["Copies", "PinnedBlobs"]

PIECES = "orgstead_piece"
# More are left to whoever looks for orphans.
MAX_REMOVED = 10_000
MAX_PIECES = 10_000_000


class PinnedBlobs:
    """Pieces of content, of which those stay that a copy of the organisation names."""

    def __init__(self, blobs: Blobs, snapshots: Snapshots) -> None:
        self._blobs = blobs
        self._snapshots = snapshots
        self._known: Sequence[Snapshot] = ()
        self._held: set[str] = set()
        self.put = blobs.put
        self.get = blobs.get

    def held(self) -> set[str]:
        """The pieces that copies name."""
        listed = self._snapshots.listed()
        if listed != self._known:
            self._held = self._snapshots.held(PIECES) if listed else set()
            self._known = listed
        return self._held

    def delete(self, key: str) -> None:
        """Remove a piece, if it is there and no copy needs it."""
        if key not in self.held():
            self._blobs.delete(key)

    def older(self, than: float) -> Iterator[str]:
        """Keys of the pieces that were written before a time, in seconds since 1970."""
        return self._blobs.older(than)


class Copies:
    """The copies of one engine's organisation. Nobody else may write while one is gone back to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._snapshots = engine.store.snapshots

    def save(self, name: str) -> None:
        """Copy all that there is, in place of an older copy of that name."""
        self._snapshots.save(name)

    def restore(self, name: str) -> None:
        """Go back to a copy; raises LookupError when there is none.

        Whoever follows changes has to begin anew: what was deleted by it is told to nobody.
        """
        before = self._pieces()
        self._snapshots.restore(name, forgotten=FORGOTTEN, reload=self._engine.reload)
        self._drop(before - self._pieces())

    def remove(self, name: str) -> None:
        """Forget a copy; raises LookupError when there is none."""
        before = self._snapshots.held(PIECES)
        self._snapshots.remove(name)
        self._drop(before - self._pieces())

    def listed(self) -> Sequence[Snapshot]:
        """The copies that there are, by name."""
        return self._snapshots.listed()

    def size(self) -> int:
        """How large the organisation is now, in bytes, without the content of files."""
        return self._snapshots.size()

    def _pieces(self) -> set[str]:
        engine = self._engine
        with engine.store.read() as unit:
            return set(unit.find(engine.schema.tables[PIECES], {}, MAX_PIECES))

    def _drop(self, pieces: set[str]) -> None:
        for key in sorted(pieces)[:MAX_REMOVED]:
            self._engine.blobs.delete(key)
