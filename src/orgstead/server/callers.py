"""From a bearer token to the user on whose behalf a request runs."""

import asyncio
from collections.abc import Callable

from orgstead.engine.callers import load_caller
from orgstead.engine.context import Caller
from orgstead.engine.pipeline import Engine
from orgstead.errors import fault
from orgstead.identity.bearer import BearerVerifier, InvalidToken
from orgstead.identity.bearer import Caller as Claims

__all__ = ["Callers"]

# A change of roles, teams or of the user's own row is seen after this many seconds at the latest.
KEEP_SECONDS = 1.0
MAX_KEPT = 4096


class Callers:
    """Finds and briefly keeps the callers behind tokens.

    ``inline`` is for databases that never make the event loop wait; others are asked in a thread.
    """

    def __init__(
        self, engine: Engine, verifier: BearerVerifier, clock: Callable[[], float], *, inline: bool
    ) -> None:
        self._inline = inline
        self._engine = engine
        self._verifier = verifier
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, Caller]] = {}

    async def find(self, authorization: str | None, audiences: frozenset[str]) -> Caller:
        """The caller of a request by its Authorization header.

        Raises Unauthenticated (with the reason as its hint) and UserNotFound.
        """
        if not authorization:
            raise fault("Unauthenticated")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise fault("Unauthenticated", hint="The Authorization header must be: Bearer <token>")
        try:
            claims = self._verifier.verify(token.strip(), audiences)
        except InvalidToken as error:
            raise fault("Unauthenticated", hint=error.message) from error
        key = (claims.object_id, claims.application_id if claims.app_only else "")
        kept, now = self._kept.get(key), self._clock()
        if kept is not None and abs(now - kept[0]) < KEEP_SECONDS:
            return kept[1]
        caller = self._load(claims) if self._inline else await asyncio.to_thread(self._load, claims)
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[key] = (now, caller)
        return caller

    def forget(self) -> None:
        """Keep nobody: the rows of users may have changed altogether."""
        self._kept.clear()

    def _load(self, claims: Claims) -> Caller:
        with self._engine.store.read() as unit:
            if claims.app_only:
                caller = load_caller(unit, self._engine.schema, application_id=claims.application_id)
            else:
                caller = load_caller(unit, self._engine.schema, object_id=claims.object_id)
        if caller is None:
            raise fault("UserNotFound", hint=f"No user row is for {claims.upn or claims.application_id}.")
        return caller
