"""The client credentials grant: an application acts for itself.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

from orgstead.identity.apps import Application
from orgstead.identity.errors import refuse
from orgstead.identity.issue import issue_tokens
from orgstead.identity.request import Answer
from orgstead.identity.services import Call, Services, target_of
from orgstead.identity.tokens import SignIn

__all__ = ["client_credentials"]


def client_credentials(call: Call, services: Services, app: Application, credential: str) -> Answer:
    """Answer an app-only token. Raises OAuthError: AADSTS7000218 for a public client, errors of the scope."""
    if app.public:
        raise refuse(7000218)
    target = target_of(call, services, call.params, app_only=True)
    return issue_tokens(call, services, SignIn(application=app, credential=credential), target)
