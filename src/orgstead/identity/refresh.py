"""The refresh grant: every refresh token works once and is answered with the next.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#refresh-the-access-token
"""

from orgstead.identity.apps import Application
from orgstead.identity.artefacts import REFRESH
from orgstead.identity.errors import refuse
from orgstead.identity.issue import issue_tokens
from orgstead.identity.request import Answer
from orgstead.identity.services import Call, Services, target_of
from orgstead.identity.tokens import SignIn

__all__ = ["refresh"]


def refresh(call: Call, services: Services, app: Application, credential: str) -> Answer:
    """Answer new tokens, for the resource of the sign-in or another one that is asked for.

    Raises OAuthError: AADSTS70000 for a token that is unknown, used or another application's, AADSTS700082
    for an expired one, AADSTS50173 when the user's tokens were revoked, AADSTS50057 for a disabled user.
    """
    token = call.need("refresh_token")
    seconds = services.config.refresh_seconds
    grant = services.artefacts.peek(REFRESH, token)
    if grant is None:
        services.artefacts.revoke_if_spent(token, seconds=seconds)
        raise refuse(70000, reason="the refresh token is unknown or was used before.")
    data = grant.data
    if data["client_id"] != app.client_id:
        raise refuse(70000, reason="the refresh token was issued to another application.")
    if services.artefacts.expired(grant):
        raise refuse(700082)
    user = services.directory.user_by_id(data["oid"])
    auth_time = int(data["auth_time"])
    if services.artefacts.revoked(data["family"]) or user is None or auth_time < int(user.tokens_valid_from):
        raise refuse(50173)
    if not user.enabled:
        raise refuse(50057)
    asked = {name: call.params.get(name) or data[name] for name in ("resource", "scope")}
    if call.version == 2 and not call.params.get("resource"):
        del asked["resource"]
    target = target_of(call, services, asked)
    if services.artefacts.take(REFRESH, token) is None:
        raise refuse(70000, reason="the refresh token was used before.")
    services.artefacts.spend(token, data["family"], seconds=seconds)
    sign_in = SignIn(application=app, credential=credential, user=user, auth_time=auth_time)
    return issue_tokens(call, services, sign_in, target, family=data["family"], renew=True)
