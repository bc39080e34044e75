"""The authorization endpoint and the sign-in form behind it.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#request-an-authorization-code
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from orgstead.identity.apps import AUTHORIZATION_CODE, Application, User, matching_redirect
from orgstead.identity.authorization_code import check_challenge, new_code
from orgstead.identity.errors import OAuthError, error_fields, refuse
from orgstead.identity.forms import browser_cookie, open_form, seal_form
from orgstead.identity.implicit import allow_implicit, implicit_values
from orgstead.identity.pages import form_post_page, notice_page, sign_in_page
from orgstead.identity.request import Answer, redirect
from orgstead.identity.resources import Target
from orgstead.identity.services import Call, Services, check_user, known_application, target_of
from orgstead.identity.tokens import NO_CREDENTIAL, SignIn, client_info

__all__ = ["authorize", "error_page", "sign_in"]

PURPOSE = "sign-in"
KEPT = (
    "client_id",
    "client_info",
    "code_challenge",
    "code_challenge_method",
    "login_hint",
    "nonce",
    "prompt",
    "redirect_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
)
RESPONSE_TYPES = frozenset(("code", "token", "id_token"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Where and how the application is answered."""

    app: Application
    redirect_uri: str
    mode: str
    kinds: frozenset[str]
    state: str


def authorize(call: Call, services: Services) -> Answer:
    """Show the sign-in page, or tell the application what is wrong with its request.

    What makes the reply address doubtful is told to the person instead, on a page with status 400.
    """
    try:
        reply = _reply(call, services)
    except OAuthError as error:
        return error_page(services, error)
    try:
        _wanted(call, services, reply)
        if "none" in call.params.get("prompt", "").split():
            raise refuse(50058)
    except OAuthError as error:
        return _refusal(call, services, reply, error)
    return _page(call, services, reply)


def sign_in(call: Call, services: Services) -> Answer:
    """Take the sign-in form: show it again with what is wrong, or answer the application."""
    form = call.request.form
    try:
        kept = open_form(services, PURPOSE, call.request)
        call = replace(call, version=int(kept.pop("version")), params=kept)
        reply = _reply(call, services)
    except OAuthError as error:
        return error_page(services, error)
    if form.get("action") == "cancel":
        return _refusal(call, services, reply, refuse(65004))
    upn = form.get("username", "").strip()
    try:
        user = check_user(services, upn, form.get("password", ""))
    except OAuthError as error:
        return _page(call, services, reply, upn=upn, problem=error.message)
    try:
        target = _wanted(call, services, reply)
        return _deliver(services, reply, _values(call, services, reply, user, target))
    except OAuthError as error:
        return _refusal(call, services, reply, error)


def error_page(services: Services, error: OAuthError) -> Answer:
    """Tell a person about an error that no application is told."""
    fields = error_fields(error, services.clock())
    return notice_page(
        error.status,
        organization=services.config.organization_name,
        title="Sign-in is not possible",
        text=str(error),
        detail=f"Trace {fields['trace_id']} at {fields['timestamp']}",
    )


def _reply(call: Call, services: Services) -> Reply:
    app = known_application(services, call.need("client_id"))
    redirect_uri = call.params.get("redirect_uri", "")
    if not redirect_uri:
        if not app.redirect_uris:
            raise refuse(900971)
        redirect_uri = app.redirect_uris[0]
    if not matching_redirect(redirect_uri, app.redirect_uris, public=app.public):
        raise refuse(50011, uri=redirect_uri[:200], app=app.client_id)
    kinds = frozenset(call.params.get("response_type", "").split())
    default = "query" if kinds <= {"code"} else "fragment"
    mode = call.params.get("response_mode", "") or default
    return Reply(
        app=app,
        redirect_uri=redirect_uri,
        mode=mode if mode in ("query", "fragment", "form_post") else default,
        kinds=kinds,
        state=call.params.get("state", ""),
    )


def _wanted(call: Call, services: Services, reply: Reply) -> Target | None:
    """Check the rest of the request.

    The target is None where version 1 leaves it to the redemption of the code.
    """
    params, kinds = call.params, reply.kinds
    if not kinds:
        raise refuse(900144, name="response_type")
    if not kinds <= RESPONSE_TYPES:
        raise refuse(70005, response_type=params["response_type"][:100])
    mode = params.get("response_mode", "")
    if mode not in ("", reply.mode) or (reply.mode == "query" and kinds != {"code"}):
        raise refuse(70007, mode=mode[:50], kinds=" ".join(sorted(kinds)))
    if "code" in kinds and AUTHORIZATION_CODE not in reply.app.grants:
        raise refuse(70001, app=reply.app.client_id, grant=AUTHORIZATION_CODE)
    allow_implicit(services, reply.app, kinds)
    if "id_token" in kinds and not params.get("nonce"):
        raise refuse(900144, name="nonce")
    check_challenge(params)
    if call.version == 1 and kinds == {"code"} and not params.get("resource"):
        return None
    if call.version == 1 and not params.get("resource"):
        return target_of(call, services, {**params, "resource": call.base_url})
    return target_of(call, services, params)


def _page(call: Call, services: Services, reply: Reply, *, upn: str = "", problem: str = "") -> Answer:
    cookie, headers = browser_cookie(call.request)
    kept = {name: call.params[name] for name in KEPT if call.params.get(name)}
    page = sign_in_page(
        organization=services.config.organization_name,
        application=reply.app.display_name,
        action=f"/{services.config.tenant_id}/oauth2/signin",
        sealed=seal_form(services, PURPOSE, {**kept, "version": str(call.version)}, cookie),
        redirect_uri=reply.redirect_uri,
        upn=upn or call.params.get("login_hint", ""),
        problem=problem,
    )
    return page.with_headers(*headers)


def _values(
    call: Call, services: Services, reply: Reply, user: User, target: Target | None
) -> dict[str, str]:
    code = (
        new_code(services, reply.app, user, call.params, reply.redirect_uri) if "code" in reply.kinds else ""
    )
    values = {"code": code} if code else {}
    if target is not None and reply.kinds != {"code"}:
        who = SignIn(
            application=reply.app,
            credential=NO_CREDENTIAL,
            user=user,
            nonce=call.params.get("nonce", ""),
            auth_time=int(services.clock()),
        )
        values |= implicit_values(call, services, who, target, kinds=reply.kinds, code=code)
    if call.params.get("client_info") == "1":
        values["client_info"] = client_info(user.object_id, services.config.tenant_id)
    return values


def _refusal(call: Call, services: Services, reply: Reply, error: OAuthError) -> Answer:
    fields = error_fields(error, services.clock(), call.request.headers.get("client-request-id", ""))
    return _deliver(
        services, reply, {name: fields[name] for name in ("error", "error_description", "error_uri")}
    )


def _deliver(services: Services, reply: Reply, values: Mapping[str, str]) -> Answer:
    values = {**values, "state": reply.state} if reply.state else values
    if reply.mode == "form_post":
        return form_post_page(
            organization=services.config.organization_name, redirect_uri=reply.redirect_uri, values=values
        )
    mark = "#" if reply.mode == "fragment" else "&" if "?" in reply.redirect_uri else "?"
    return redirect(f"{reply.redirect_uri}{mark}{urlencode(values)}")
