"""The end of every grant: tokens for a sign-in, and the refresh token that can follow it up."""

import secrets

from orgstead.identity.apps import REFRESH_TOKEN
from orgstead.identity.artefacts import REFRESH
from orgstead.identity.request import Answer
from orgstead.identity.resources import Target
from orgstead.identity.services import Call, Services
from orgstead.identity.tokens import SignIn, token_answer

__all__ = ["issue_tokens"]


def issue_tokens(
    call: Call, services: Services, sign_in: SignIn, target: Target, *, family: str = "", renew: bool = False
) -> Answer:
    """Answer tokens for ``target``.

    ``family`` names the sign-in that the refresh token goes back to; empty for a new one. A user gets a
    refresh token on version 1, for ``offline_access`` on version 2, and always for another one (``renew``).
    """
    refresh = ""
    wanted = renew or call.version == 1 or "offline_access" in target.oidc
    if wanted and sign_in.user is not None and REFRESH_TOKEN in sign_in.application.grants:
        data = {
            "client_id": sign_in.application.client_id,
            "oid": sign_in.user.object_id,
            "resource": target.audience,
            "scope": f"{target.scope_text} offline_access",
            "auth_time": str(sign_in.auth_time),
            "family": family or secrets.token_urlsafe(16),
        }
        refresh = services.artefacts.new(REFRESH, data, seconds=services.config.refresh_seconds)
    return token_answer(
        services.minter,
        sign_in,
        target,
        base_url=call.base_url,
        version=call.version,
        now=int(services.clock()),
        lifetime=services.config.access_token_seconds,
        refresh_token=refresh,
        wants_client_info=call.params.get("client_info") == "1",
        tenant_id=services.config.tenant_id,
    )
