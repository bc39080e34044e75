"""The errors of the authorization server: AADSTS numbers, OAuth error names and HTTP statuses in one table.

Clients match on the number at the start of ``error_description`` and on ``error_codes``.
Sources: https://learn.microsoft.com/entra/identity-platform/reference-error-codes,
https://www.rfc-editor.org/rfc/rfc6749#section-5.2, https://www.rfc-editor.org/rfc/rfc8628#section-3.5
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

__all__ = ["KINDS", "ErrorKind", "OAuthError", "error_fields", "refuse"]


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One row: the OAuth ``error`` name, the HTTP status and the text with ``{placeholders}``."""

    error: str
    status: int
    text: str


KINDS: dict[int, ErrorKind] = {
    28003: ErrorKind("invalid_request", 400, "A scope is needed to redeem this authorization code."),
    50011: ErrorKind(
        "invalid_request", 400, "The reply address '{uri}' is not registered for application '{app}'."
    ),
    50027: ErrorKind("invalid_client", 401, "The client assertion is not a well-formed JWT: {reason}"),
    50049: ErrorKind("invalid_instance", 400, "The instance '{host}' is not known here."),
    50053: ErrorKind(
        "invalid_grant", 400, "The account is locked for a minute after too many wrong passwords."
    ),
    50057: ErrorKind("invalid_grant", 400, "The user account is disabled."),
    50058: ErrorKind("login_required", 400, "Silent sign-in was asked for, but nobody is signed in."),
    50089: ErrorKind(
        "invalid_request", 400, "The sign-in page has expired or was opened in another browser."
    ),
    50126: ErrorKind("invalid_grant", 400, "The user name or the password is wrong."),
    50147: ErrorKind("invalid_request", 400, "code_challenge_method was sent without a code_challenge."),
    50173: ErrorKind("invalid_grant", 400, "The grant was revoked; the user has to sign in again."),
    54005: ErrorKind("invalid_grant", 400, "The authorization code was already redeemed."),
    65004: ErrorKind("access_denied", 400, "The user cancelled the sign-in."),
    70000: ErrorKind("invalid_grant", 400, "The grant is not valid: {reason}"),
    70001: ErrorKind("unauthorized_client", 400, "Application '{app}' may not use the grant '{grant}'."),
    70003: ErrorKind("unsupported_grant_type", 400, "The grant type '{grant}' is not supported."),
    70005: ErrorKind(
        "unsupported_response_type", 400, "The response type '{response_type}' is not supported."
    ),
    70007: ErrorKind(
        "invalid_request", 400, "'{mode}' is not a response_mode that fits response type '{kinds}'."
    ),
    70008: ErrorKind("invalid_grant", 400, "The authorization code or refresh token has expired."),
    70011: ErrorKind("invalid_scope", 400, "The value of the parameter 'scope' is not valid: {reason}"),
    70016: ErrorKind(
        "authorization_pending", 400, "The user has not finished signing in with the device's code yet."
    ),
    70018: ErrorKind("bad_verification_code", 400, "The device code is not known."),
    70019: ErrorKind("expired_token", 400, "The device code has expired."),
    90002: ErrorKind(
        "invalid_request", 400, "Tenant '{tenant}' not found. This server holds one tenant; check its id."
    ),
    90013: ErrorKind("invalid_request", 400, "The request is not valid: {reason}"),
    90014: ErrorKind("invalid_request", 400, "The required field '{name}' is missing."),
    90015: ErrorKind("invalid_request", 414, "The query string is longer than {limit} bytes."),
    90055: ErrorKind("temporarily_unavailable", 429, "Too many sign-ins are outstanding; try again later."),
    90102: ErrorKind("invalid_request", 400, "'{name}' has to be an absolute URI."),
    90119: ErrorKind(
        "invalid_request", 400, "This code is wrong or has expired. Ask your device for a new one."
    ),
    90120: ErrorKind("invalid_request", 400, "This code was used already."),
    500011: ErrorKind(
        "invalid_resource", 400, "The resource '{resource}' was not found in tenant '{tenant}'."
    ),
    500112: ErrorKind(
        "invalid_client",
        400,
        "The reply address '{uri}' is not the one the authorization code was asked for with.",
    ),
    501481: ErrorKind(
        "invalid_grant", 400, "The code_verifier does not match the code_challenge of the sign-in."
    ),
    501491: ErrorKind("invalid_request", 400, "The code_challenge is not valid: {reason}"),
    700005: ErrorKind("invalid_grant", 400, "The authorization code was issued to another application."),
    700016: ErrorKind("unauthorized_client", 400, "Application '{app}' was not found in tenant '{tenant}'."),
    700021: ErrorKind("invalid_client", 401, "The client assertion was not made by application '{app}'."),
    700022: ErrorKind("invalid_scope", 400, "The scope names more than one resource: {resources}."),
    700023: ErrorKind(
        "invalid_client", 401, "The audience of the client assertion is not this token endpoint."
    ),
    700024: ErrorKind("invalid_client", 401, "The client assertion is outside its valid time range."),
    700025: ErrorKind(
        "invalid_client", 401, "The client is public: send neither client_secret nor client_assertion."
    ),
    700027: ErrorKind("invalid_client", 401, "The client assertion failed validation: {reason}"),
    700051: ErrorKind(
        "unsupported_response_type", 400, "Response type 'token' is not enabled for the application."
    ),
    700054: ErrorKind(
        "unsupported_response_type", 400, "Response type 'id_token' is not enabled for the application."
    ),
    700082: ErrorKind("invalid_grant", 400, "The refresh token has expired due to inactivity."),
    900144: ErrorKind("invalid_request", 400, "The request body must contain the parameter '{name}'."),
    900561: ErrorKind(
        "invalid_request", 405, "The endpoint accepts {allowed} only; this was a {method} request."
    ),
    900971: ErrorKind("invalid_request", 400, "No reply address was given and the application has none."),
    901002: ErrorKind(
        "invalid_request", 400, "The parameter 'resource' is not supported here without 'scope'."
    ),
    1002012: ErrorKind(
        "invalid_scope",
        400,
        "The scope '{scope}' is not valid: client credentials need '<resource>/.default' and nothing else.",
    ),
    7000112: ErrorKind("unauthorized_client", 400, "Application '{app}' is disabled."),
    7000215: ErrorKind("invalid_client", 401, "The client secret of application '{app}' is wrong."),
    7000218: ErrorKind(
        "invalid_client",
        401,
        "The request body must contain the parameter 'client_assertion' or 'client_secret'.",
    ),
    7000222: ErrorKind("invalid_client", 401, "The client secret of application '{app}' has expired."),
    9002313: ErrorKind("invalid_request", 400, "The request is malformed: {reason}"),
    9010010: ErrorKind(
        "invalid_target", 400, "The parameter 'resource' does not match the resource of the scope."
    ),
}


class OAuthError(Exception):
    """What every endpoint answers as Entra's error JSON, a redirect with ``error`` or an error page."""

    def __init__(self, code: int, error: str, status: int, message: str) -> None:
        super().__init__(f"AADSTS{code}: {message}")
        self.code = code
        self.error = error
        self.status = status
        self.message = message


def refuse(code: int, /, *, error: str = "", **values: object) -> OAuthError:
    """Make the error ``AADSTS<code>`` with its text filled from ``values``.

    ``error`` replaces the OAuth name where an endpoint has its own for the same number. Raises KeyError
    for a number that is not in the table or a value that its text lacks: both are bugs.
    """
    kind = KINDS[code]
    return OAuthError(code, error or kind.error, kind.status, kind.text.format(**values))


def error_fields(error: OAuthError, now: float, correlation: str = "") -> dict[str, Any]:
    """The JSON object that Entra answers; ``now`` in unix seconds, ``correlation`` the caller's request id.

    https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#error-response-1
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    trace = str(uuid4())
    try:
        correlation = str(UUID(correlation))
    except ValueError:
        correlation = str(uuid4())
    lines = (
        f"AADSTS{error.code}: {error.message}",
        f"Trace ID: {trace}",
        f"Correlation ID: {correlation}",
        f"Timestamp: {stamp}",
    )
    return {
        "error": error.error,
        "error_description": "\r\n".join(lines),
        "error_codes": [error.code],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={error.code}",
    }
