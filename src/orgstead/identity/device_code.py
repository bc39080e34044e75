"""The device code grant: handing out codes, the page where a person enters one, and polling.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code
https://www.rfc-editor.org/rfc/rfc8628
"""

import secrets

from orgstead.identity.apps import DEVICE_CODE, Application
from orgstead.identity.artefacts import DEVICE, DEVICE_POLL, USER_CODE
from orgstead.identity.errors import OAuthError, refuse
from orgstead.identity.forms import browser_cookie, open_form, seal_form
from orgstead.identity.issue import issue_tokens
from orgstead.identity.pages import device_page, notice_page, sign_in_page
from orgstead.identity.ports import Grant
from orgstead.identity.request import Answer, json_answer
from orgstead.identity.services import Call, Services, check_user, known_application, target_of
from orgstead.identity.tokens import SignIn

__all__ = ["PAGE", "device_authorization", "device_code", "enter_code"]

PAGE = "/common/oauth2/deviceauth"
ENTER, CONFIRM = "device code", "device sign-in"
# No vowels, so that no word comes out by accident, and nothing that looks like something else.
_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ2456789"
CODE_LENGTH = 9
PENDING, APPROVED, DECLINED = "pending", "approved", "declined"


def device_authorization(call: Call, services: Services) -> Answer:
    """Hand out a device code and a user code.

    Raises OAuthError (AADSTS90055) when too many are outstanding.
    """
    app = known_application(services, call.need("client_id"))
    if DEVICE_CODE not in app.grants:
        raise refuse(70001, app=app.client_id, grant=DEVICE_CODE)
    target_of(call, services, call.params)
    config, artefacts = services.config, services.artefacts
    user_code = "".join(secrets.choice(_ALPHABET) for _ in range(CODE_LENGTH))
    data = {"client_id": app.client_id, "state": PENDING, "oid": "", "auth_time": "0"}
    data |= {name: call.params.get(name, "") for name in ("scope", "resource")}
    code = artefacts.new(DEVICE, data, seconds=config.device_seconds, limit=config.max_devices)
    known = {"device": code, "client_id": app.client_id}
    artefacts.keep(USER_CODE, user_code, known, seconds=config.device_seconds)
    page = call.base_url + PAGE
    values = {
        "user_code": user_code,
        "device_code": code,
        ("verification_url" if call.version == 1 else "verification_uri"): page,
        "expires_in": str(config.device_seconds) if call.version == 1 else config.device_seconds,
        "interval": str(config.device_interval) if call.version == 1 else config.device_interval,
        "message": f"To sign in, open {page} in a web browser and enter the code {user_code}.",
    }
    return json_answer(200, values)


def device_code(call: Call, services: Services, app: Application, credential: str) -> Answer:
    """Answer the poll of a device.

    Raises OAuthError with the names that RFC 8628 gives: authorization_pending, slow_down,
    authorization_declined, expired_token, and bad_verification_code for a code that is not known.
    """
    artefacts = services.artefacts
    # Version 1 calls the parameter code.
    code = call.params.get("device_code") or call.params.get("code") or call.need("device_code")
    grant = artefacts.peek(DEVICE, code)
    if grant is None or grant.data["client_id"] != app.client_id:
        raise refuse(70018)
    if artefacts.expired(grant):
        raise refuse(70019)
    if grant.data["state"] == PENDING:
        raise _pending(services, code)
    if grant.data["state"] == DECLINED:
        raise refuse(65004, error="authorization_declined")
    user = services.directory.user_by_id(grant.data["oid"])
    if user is None or not user.enabled:
        raise refuse(50057)
    auth_time = int(grant.data["auth_time"])
    if auth_time < int(user.tokens_valid_from):
        raise refuse(50173)
    asked = {name: call.params.get(name) or grant.data[name] for name in ("scope", "resource")}
    target = target_of(call, services, asked)
    if artefacts.take(DEVICE, code) is None:
        raise refuse(70018)
    return issue_tokens(
        call, services, SignIn(application=app, credential=credential, user=user, auth_time=auth_time), target
    )


def enter_code(call: Call, services: Services) -> Answer:
    """The page at ``/common/oauth2/deviceauth``: first the code, then name and password."""
    request = call.request
    if request.method != "POST":
        # "otc" is the parameter that Entra's page takes a code from.
        return _ask_code(call, services, code=request.query.get("otc", "")[:20])
    if "password" in request.form or "action" in request.form:
        return _confirm(call, services)
    try:
        open_form(services, ENTER, request)
        user_code = "".join(c for c in request.form.get("user_code", "").upper() if c.isalnum())
        grant = _entered(services, user_code)
    except OAuthError as error:
        return _ask_code(call, services, code=request.form.get("user_code", "")[:20], problem=error.message)
    return _ask_sign_in(call, services, user_code, grant)


def _confirm(call: Call, services: Services) -> Answer:
    form, artefacts = call.request.form, services.artefacts
    try:
        user_code = open_form(services, CONFIRM, call.request)["user_code"]
        grant = _entered(services, user_code)
    except OAuthError as error:
        return _ask_code(call, services, problem=error.message)
    declined = form.get("action") == "cancel"
    upn = form.get("username", "").strip()
    try:
        user = None if declined else check_user(services, upn, form.get("password", ""))
    except OAuthError as error:
        return _ask_sign_in(call, services, user_code, grant, upn=upn, problem=error.message)
    # Whoever takes the user code decides; a second browser with the same code comes too late.
    device = artefacts.peek(DEVICE, grant.data["device"])
    if artefacts.take(USER_CODE, user_code) is None or device is None:
        return _ask_code(call, services, problem=refuse(90120).message)
    decided = {
        "state": DECLINED if user is None else APPROVED,
        "oid": "" if user is None else user.object_id,
        "auth_time": str(int(services.clock())),
    }
    artefacts.update(DEVICE, grant.data["device"], {**device.data, **decided})
    title = "Sign-in cancelled" if declined else "You are signed in"
    return notice_page(
        200,
        organization=services.config.organization_name,
        title=title,
        text="You can close this window and go back to your device.",
    )


def _pending(services: Services, code: str) -> OAuthError:
    artefacts, interval = services.artefacts, services.config.device_interval
    now = services.clock()
    last = artefacts.peek(DEVICE_POLL, code)
    artefacts.keep(DEVICE_POLL, code, {"at": repr(now)}, seconds=services.config.device_seconds)
    # A second of grace: a client that waits exactly the interval is never early.
    if last is not None and now - float(last.data["at"]) < interval - 1:
        return refuse(70016, error="slow_down")
    return refuse(70016)


def _entered(services: Services, user_code: str) -> Grant:
    grant = services.artefacts.peek(USER_CODE, user_code)
    if grant is None or services.artefacts.expired(grant):
        raise refuse(90119)
    return grant


def _ask_code(call: Call, services: Services, *, code: str = "", problem: str = "") -> Answer:
    cookie, headers = browser_cookie(call.request)
    page = device_page(
        organization=services.config.organization_name,
        action=PAGE,
        sealed=seal_form(services, ENTER, {}, cookie),
        code=code,
        problem=problem,
    )
    return page.with_headers(*headers)


def _ask_sign_in(
    call: Call, services: Services, user_code: str, grant: Grant, *, upn: str = "", problem: str = ""
) -> Answer:
    cookie, headers = browser_cookie(call.request)
    page = sign_in_page(
        organization=services.config.organization_name,
        application=known_application(services, grant.data["client_id"]).display_name,
        action=PAGE,
        sealed=seal_form(services, CONFIRM, {"user_code": user_code}, cookie),
        redirect_uri="",
        upn=upn,
        problem=problem,
    )
    return page.with_headers(*headers)
