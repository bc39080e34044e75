"""The router: which endpoint a path means, under which tenant, and how its errors are answered."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from orgstead.identity.apps import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    DEVICE_CODE,
    PASSWORD,
    REFRESH_TOKEN,
    Application,
    matching_redirect,
)
from orgstead.identity.artefacts import Artefacts, Sealer
from orgstead.identity.authorization_code import authorization_code
from orgstead.identity.authorize import authorize, error_page, sign_in
from orgstead.identity.client_credentials import client_credentials
from orgstead.identity.clients import authenticate
from orgstead.identity.config import IdentityConfig
from orgstead.identity.credentials import CredentialChecker, Throttle
from orgstead.identity.device_code import PAGE, device_authorization, device_code, enter_code
from orgstead.identity.discovery import instance_discovery, key_set, openid_configuration, user_realm
from orgstead.identity.errors import OAuthError, error_fields, refuse
from orgstead.identity.keys import KeyRing
from orgstead.identity.pages import notice_page
from orgstead.identity.password import password
from orgstead.identity.ports import Clock, Directory
from orgstead.identity.refresh import refresh
from orgstead.identity.request import Answer, Request, json_answer, read_fields, redirect
from orgstead.identity.services import Call, Services
from orgstead.identity.tokens import Minter

__all__ = ["AuthorizationServer"]

Endpoint = Callable[[Call, Services], Answer]
GrantHandler = Callable[[Call, Services, Application, str], Answer]

FORM = "application/x-www-form-urlencoded"
REALM = "/common/userrealm/"
INSTANCE = "/common/discovery/instance"
_OLD_DEVICE = "device_code"
_NEW_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"

GRANT_HANDLERS: Mapping[str, tuple[str, GrantHandler]] = {
    "authorization_code": (AUTHORIZATION_CODE, authorization_code),
    "client_credentials": (CLIENT_CREDENTIALS, client_credentials),
    "password": (PASSWORD, password),
    "refresh_token": (REFRESH_TOKEN, refresh),
    _OLD_DEVICE: (DEVICE_CODE, device_code),
    _NEW_DEVICE: (DEVICE_CODE, device_code),
}

# Field names that were published for Dynamics 365 Marketing's token call.
ALIASES = {"clientId": "client_id", "clientSecret": "client_secret"}


class Route(NamedTuple):
    """An endpoint: the methods it takes, its protocol version, whether a person looks at the answer."""

    methods: tuple[str, ...]
    version: int
    page: bool
    endpoint: Endpoint


def token(call: Call, services: Services) -> Answer:
    """The token endpoint: authenticate the client and hand over to the grant.

    https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#redeem-a-code-for-an-access-token
    """
    params = dict(call.params)
    for alias, name in ALIASES.items():
        if alias in params:
            params.setdefault(name, params.pop(alias))
            params.setdefault("grant_type", "password" if "username" in params else "client_credentials")
    call = replace(call, params=params)
    grant_type = call.need("grant_type")
    if grant_type not in GRANT_HANDLERS:
        raise refuse(70003, grant=grant_type[:100])
    name, handler = GRANT_HANDLERS[grant_type]
    app, credential = authenticate(call, services)
    if name not in app.grants:
        raise refuse(70001, app=app.client_id, grant=name)
    return handler(call, services, app, credential)


def logout(call: Call, services: Services) -> Answer:
    """Say goodbye. There is no session to end: every sign-in asks for the password.

    The browser is sent on only to a reply address of the application that ``client_id`` names.
    """
    target = call.params.get("post_logout_redirect_uri", "")
    app = services.directory.application(call.params.get("client_id", ""))
    if target and app is not None and matching_redirect(target, app.redirect_uris, public=app.public):
        return redirect(target)
    return notice_page(
        200,
        organization=services.config.organization_name,
        title="You are signed out",
        text="You can close this window.",
    )


ROUTES: Mapping[str, Route] = {
    "v2.0/.well-known/openid-configuration": Route(("GET",), 2, False, openid_configuration),
    ".well-known/openid-configuration": Route(("GET",), 1, False, openid_configuration),
    "discovery/v2.0/keys": Route(("GET",), 2, False, key_set),
    "discovery/keys": Route(("GET",), 1, False, key_set),
    "oauth2/v2.0/authorize": Route(("GET", "POST"), 2, True, authorize),
    "oauth2/authorize": Route(("GET", "POST"), 1, True, authorize),
    "oauth2/signin": Route(("POST",), 2, True, sign_in),
    "oauth2/v2.0/token": Route(("POST",), 2, False, token),
    "oauth2/token": Route(("POST",), 1, False, token),
    "oauth2/v2.0/devicecode": Route(("POST",), 2, False, device_authorization),
    "oauth2/devicecode": Route(("POST",), 1, False, device_authorization),
    "oauth2/v2.0/logout": Route(("GET", "POST"), 2, True, logout),
    "oauth2/logout": Route(("GET", "POST"), 1, True, logout),
}

_INSTANCE_ROUTE = Route(("GET",), 1, False, instance_discovery)
_DEVICE_ROUTE = Route(("GET", "POST"), 2, True, enter_code)


def _realm_route(user: str) -> Route:
    return Route(("GET",), 1, False, lambda call, services: user_realm(call, services, user))


class AuthorizationServer:
    """An authorization server of one tenant, shaped as Entra is."""

    def __init__(self, directory: Directory, keys: KeyRing, clock: Clock, config: IdentityConfig) -> None:
        self._services = Services(
            directory=directory,
            keys=keys,
            clock=clock,
            config=config,
            minter=Minter(keys, clock, config),
            artefacts=Artefacts(directory, keys, clock),
            sealer=Sealer(keys, clock),
            checker=CredentialChecker(),
            throttle=Throttle(clock, config.max_failures),
        )
        self._tenants = frozenset(
            name.lower() for name in (config.tenant_id, *config.tenant_names, "common", "organizations")
        )

    def owns(self, path: str) -> bool:
        """Whether a percent-decoded path is one of this server's, for any tenant."""
        return _find(path) is not None

    def answer(
        self, *, method: str, path: str, base_url: str, query: bytes, headers: Mapping[str, str], body: bytes
    ) -> Answer | None:
        """Answer a request as it came off the wire; None when the path is not this server's.

        ``query`` and ``body`` are raw, ``path`` is percent-decoded, header names are lower case.
        """
        found = _find(path)
        if found is None:
            return None
        config = self._services.config
        try:
            if len(query) > config.max_query:
                raise refuse(90015, limit=config.max_query)
            if len(body) > config.max_body:
                raise refuse(9002313, reason=f"its body is longer than {config.max_body} bytes.")
            is_form = headers.get("content-type", "").partition(";")[0].strip().lower() == FORM
            fields = read_fields(body) if is_form else {}
            request = Request(
                method=method.upper(),
                path=path,
                base_url=base_url.rstrip("/"),
                query=read_fields(query),
                form=fields,
                headers=headers,
            )
        except OAuthError as error:
            return self._refusal(error, found[1], headers)
        return self.handle(request)

    def handle(self, request: Request) -> Answer | None:
        """Answer a decoded request; None when the path is not this server's. Never raises for bad input."""
        found = _find(request.path)
        if found is None:
            return None
        tenant, route = found
        allowed = (*route.methods, "OPTIONS", *(("HEAD",) if "GET" in route.methods else ()))
        if request.method == "OPTIONS":
            return _preflight(allowed)
        try:
            if request.method not in allowed:
                raise refuse(900561, allowed=", ".join(allowed), method=request.method[:20])
            if tenant.lower() not in self._tenants:
                raise refuse(90002, tenant=tenant[:100])
            params = request.form if request.method == "POST" else request.query
            if route.page:
                # An authorization endpoint's address may carry parameters of its own: RFC 6749, 3.1.
                params = {**request.query, **params}
            call = Call(request=request, version=route.version, tenant=tenant, params=params)
            answer = route.endpoint(call, self._services)
        except OAuthError as error:
            answer = self._refusal(error, route, request.headers)
            if error.status == 405:
                answer = answer.with_headers(("Allow", ", ".join(allowed)))
        if not route.page and "POST" in route.methods:
            # The credentials are in the body, none in the browser: any page may ask.
            answer = answer.with_headers(("Access-Control-Allow-Origin", "*"))
        return replace(answer, body=b"") if request.method == "HEAD" else answer

    def _refusal(self, error: OAuthError, route: Route, headers: Mapping[str, str]) -> Answer:
        if route.page:
            return error_page(self._services, error)
        fields = error_fields(error, self._services.clock(), headers.get("client-request-id", ""))
        extra = (("WWW-Authenticate", 'Basic realm="client"'),) if _tried_basic(error, headers) else ()
        return json_answer(error.status, fields, *extra)


def _tried_basic(error: OAuthError, headers: Mapping[str, str]) -> bool:
    # RFC 6749, 5.2: a client that used HTTP Basic is answered with its challenge.
    return error.status == 401 and headers.get("authorization", "").lower().startswith("basic ")


def _find(path: str) -> tuple[str, Route] | None:
    lower = path.lower()
    if lower == INSTANCE:
        return "common", _INSTANCE_ROUTE
    if lower == PAGE:
        return "common", _DEVICE_ROUTE
    if lower.startswith(REALM):
        return "common", _realm_route(path[len(REALM) :])
    tenant, _, rest = path.removeprefix("/").partition("/")
    route = ROUTES.get(rest.lower())
    return (tenant, route) if route is not None and tenant else None


def _preflight(allowed: tuple[str, ...]) -> Answer:
    headers = (
        ("Allow", ", ".join(allowed)),
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", ", ".join(allowed)),
        ("Access-Control-Allow-Headers", "*, Authorization"),
        ("Access-Control-Max-Age", "3600"),
    )
    return Answer(status=204, headers=headers)
