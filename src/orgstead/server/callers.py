"""From a bearer token to the user on whose behalf a request runs."""

import asyncio
from collections.abc import Callable, Mapping

from orgstead.engine.callers import impersonated, load_caller
from orgstead.engine.context import Caller
from orgstead.engine.pipeline import Engine
from orgstead.errors import fault
from orgstead.identity.bearer import BearerVerifier, InvalidToken
from orgstead.model.types import is_guid

__all__ = ["IMPERSONATION", "Callers"]

# The headers that name the user to act as: by the id in the directory, and by the id of the row.
# https://learn.microsoft.com/power-apps/developer/data-platform/webapi/impersonate-another-user-web-api
IMPERSONATION = ("callerobjectid", "mscrmcallerid")

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
        self._people = engine.people
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
        by, id = ("object_id", claims.object_id)
        if claims.app_only:
            by, id = ("application_id", claims.application_id)
        return await self._kept_or(by, id, f"No user row is for {claims.upn or id}.")

    async def with_application(
        self, authorization: str | None, audiences: frozenset[str]
    ) -> tuple[Caller, str]:
        """The caller of a request, and the client id of the application that its token was given to.

        Raises as ``find`` does, and UserDisabled.
        """
        caller = await self.find(authorization, audiences)
        if not caller.enabled:
            raise fault("UserDisabled", user=caller.user_id)
        token = (authorization or "").partition(" ")[2].strip()
        return caller, self._verifier.verify(token, audiences).application_id.lower()

    async def of_application(self, id: str) -> Caller:
        """The application user of an application; raises UserNotFound."""
        return await self._kept_or("application_id", id, f"No user row is for the application {id}.")

    async def _kept_or(self, by: str, id: str, missing: str) -> Caller:
        """The caller who has an id of a kind: as kept, else as loaded. Raises UserNotFound."""
        key = (by, id)
        if self._engine.people != self._people:
            # Here it is known at once; what another process changed is seen a moment later.
            self._people = self._engine.people
            self._kept.clear()
        kept, now = self._kept.get(key), self._clock()
        if kept is not None and abs(now - kept[0]) < KEEP_SECONDS:
            return kept[1]
        caller = self._load(by, id) if self._inline else await asyncio.to_thread(self._load, by, id)
        if caller is None:
            raise fault("UserNotFound", hint=missing)
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[key] = (now, caller)
        return caller

    async def acting(self, caller: Caller, headers: Mapping[str, str]) -> Caller:
        """The user that a request's headers name to act as, or the caller itself.

        Raises InvalidHeader for what is no id, ImpersonationDenied, UserNotFound, UserDisabled.
        """
        for name in IMPERSONATION:
            wanted = headers.get(name)
            if wanted is None:
                continue
            id = wanted.strip().strip("{}").lower()
            if not is_guid(id):
                raise fault("InvalidHeader", name=name, value=wanted[:50])
            by = "object_id" if name == IMPERSONATION[0] else "user_id"
            other = await self._kept_or(by, id, f"No user row is for {id}.")
            caller = impersonated(caller, other)
            break
        if not caller.enabled:
            raise fault("UserDisabled", user=caller.user_id)
        return caller

    def forget(self) -> None:
        """Keep nobody: the rows of users may have changed altogether."""
        self._kept.clear()

    def _load(self, by: str, id: str) -> Caller | None:
        with self._engine.store.read() as unit:
            return load_caller(
                unit,
                self._engine.schema,
                object_id=id if by == "object_id" else None,
                application_id=id if by == "application_id" else None,
                user_id=id if by == "user_id" else None,
            )
