"""The resource owner password grant.

https://learn.microsoft.com/entra/identity-platform/v2-oauth-ropc
"""

from orgstead.identity.apps import Application
from orgstead.identity.issue import issue_tokens
from orgstead.identity.request import Answer
from orgstead.identity.services import Call, Services, check_user, target_of
from orgstead.identity.tokens import SignIn

__all__ = ["password"]


def password(call: Call, services: Services, app: Application, credential: str) -> Answer:
    """Answer tokens for a user's name and password. Raises OAuthError as ``check_user`` does."""
    upn, secret = call.need("username"), call.need("password")
    target = target_of(call, services, call.params)
    user = check_user(services, upn, secret)
    sign_in = SignIn(application=app, credential=credential, user=user, auth_time=int(services.clock()))
    return issue_tokens(call, services, sign_in, target)
