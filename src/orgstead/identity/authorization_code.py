"""The authorization code grant with PKCE: making a code after a sign-in, and redeeming it.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow
https://www.rfc-editor.org/rfc/rfc7636
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping

from orgstead.identity.apps import Application, User
from orgstead.identity.artefacts import CODE
from orgstead.identity.errors import refuse
from orgstead.identity.issue import issue_tokens
from orgstead.identity.request import Answer
from orgstead.identity.services import Call, Services, target_of
from orgstead.identity.tokens import SignIn

__all__ = ["authorization_code", "check_challenge", "new_code"]

_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)


def check_challenge(params: Mapping[str, str]) -> None:
    """Check the PKCE parameters of an authorization request.

    Raises OAuthError: AADSTS50147 for a method without a challenge, AADSTS501491 for a bad one.
    """
    challenge, method = params.get("code_challenge", ""), params.get("code_challenge_method", "")
    if method and not challenge:
        raise refuse(50147)
    if method not in ("", "plain", "S256"):
        raise refuse(501491, reason="the method has to be S256 or plain.")
    if challenge and not _CHALLENGE.fullmatch(challenge):
        raise refuse(501491, reason="it has to be 43 to 128 unreserved characters.")


def new_code(
    services: Services, app: Application, user: User, params: Mapping[str, str], redirect_uri: str
) -> str:
    """Make a code for the authorization request ``params``, answered at ``redirect_uri``."""
    names = ("scope", "resource", "nonce", "code_challenge", "code_challenge_method")
    data = {name: params.get(name, "") for name in names} | {
        "client_id": app.client_id,
        "oid": user.object_id,
        # Whether the token request has to repeat it: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3
        "redirect_uri": redirect_uri if params.get("redirect_uri") else "",
        "auth_time": str(int(services.clock())),
        "family": secrets.token_urlsafe(16),
    }
    return services.artefacts.new(
        CODE, data, seconds=services.config.code_seconds, limit=services.config.max_codes
    )


def authorization_code(call: Call, services: Services, app: Application, credential: str) -> Answer:
    """Redeem a code. A request that is wrong in another way does not use the code up.

    Raises OAuthError: AADSTS70000 for an unknown code, AADSTS54005 for a used one (which also revokes
    what came of it), AADSTS70008 for an expired one, AADSTS700005 for another
    application's, AADSTS500112 for another reply address, AADSTS501481 for a wrong verifier.
    """
    code = call.need("code")
    grant = services.artefacts.peek(CODE, code)
    if grant is None:
        if services.artefacts.revoke_if_spent(code, seconds=services.config.refresh_seconds):
            raise refuse(54005)
        raise refuse(70000, reason="the authorization code is not known.")
    data = grant.data
    if data["client_id"] != app.client_id:
        raise refuse(700005)
    if services.artefacts.expired(grant):
        raise refuse(70008)
    redirect_uri = call.params.get("redirect_uri", "")
    if data["redirect_uri"] and not redirect_uri:
        raise refuse(900144, name="redirect_uri")
    if data["redirect_uri"] and redirect_uri != data["redirect_uri"]:
        raise refuse(500112, uri=redirect_uri[:200])
    if not _verified(data, call.params.get("code_verifier", "")):
        raise refuse(501481)
    user = services.directory.user_by_id(data["oid"])
    if user is None or int(data["auth_time"]) < int(user.tokens_valid_from):
        raise refuse(50173)
    if not user.enabled:
        raise refuse(50057)
    target = target_of(call, services, _asked(call, data))
    if services.artefacts.take(CODE, code) is None:
        # Somebody else redeemed it at the same moment: one of the two has stolen it.
        services.artefacts.revoke(data["family"], seconds=services.config.refresh_seconds)
        raise refuse(54005)
    services.artefacts.spend(code, data["family"], seconds=services.config.code_seconds)
    sign_in = SignIn(
        application=app,
        credential=credential,
        user=user,
        nonce=data["nonce"],
        auth_time=int(data["auth_time"]),
    )
    return issue_tokens(call, services, sign_in, target, family=data["family"])


def _asked(call: Call, data: Mapping[str, str]) -> dict[str, str]:
    asked = {name: call.params.get(name) or data[name] for name in ("scope", "resource")}
    # Whether an ID token and a refresh token follow was agreed when the user signed in.
    agreed = [
        name for name in data["scope"].split() if "/" not in name and name not in asked["scope"].split()
    ]
    return asked | {"scope": " ".join([asked["scope"], *agreed])}


def _verified(data: Mapping[str, str], verifier: str) -> bool:
    challenge = data["code_challenge"]
    if not challenge or not verifier:
        return not challenge and not verifier
    shown = verifier.encode("utf-8", "replace")
    if data["code_challenge_method"] == "S256":
        shown = urlsafe_b64encode(hashlib.sha256(shown).digest()).rstrip(b"=")
    return hmac.compare_digest(shown, challenge.encode())
