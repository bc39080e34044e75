"""Client authentication at the token endpoints: a secret in the form or by HTTP Basic, or a certificate.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
https://learn.microsoft.com/entra/identity-platform/certificate-credentials
"""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

import jwt

from orgstead.identity.apps import Application, Certificate
from orgstead.identity.errors import refuse
from orgstead.identity.resources import canonical_url
from orgstead.identity.services import Call, Services, known_application
from orgstead.identity.tokens import ASSERTION, NO_CREDENTIAL, SECRET

__all__ = ["authenticate"]

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
SKEW_SECONDS = 300
MAX_ASSERTION = 16 * 1024
_SIGNATURE_ONLY: Any = {f"verify_{name}": False for name in ("aud", "exp", "iat", "iss", "jti", "nbf", "sub")}


def authenticate(call: Call, services: Services) -> tuple[Application, str]:
    """The application that calls and how it proved itself: the value of ``appidacr``.

    Raises OAuthError: AADSTS900144 without a client id, AADSTS700016 for an unknown one, AADSTS700025 when a
    public client sends a credential, AADSTS7000218 when a confidential one sends none, and the errors of
    wrong or expired secrets and assertions. More than one credential is refused (AADSTS9002313), as RFC 6749, 2.3
    demands.
    """
    basic_id, basic_secrets = _basic(call.request.headers.get("authorization", ""))
    assertion = call.params.get("client_assertion", "")
    secrets = [call.params["client_secret"]] if call.params.get("client_secret") else basic_secrets
    if sum(map(bool, (assertion, call.params.get("client_secret"), any(basic_secrets)))) > 1:
        raise refuse(9002313, reason="it carries more than one client credential.")
    app = known_application(services, call.params.get("client_id") or basic_id or call.need("client_id"))
    if app.public:
        if assertion or any(secrets):
            raise refuse(700025)
        return app, NO_CREDENTIAL
    if assertion:
        _check_assertion(app, assertion, call, services)
        return app, ASSERTION
    if any(secrets):
        _check_secret(app, secrets, services)
        return app, SECRET
    raise refuse(7000218)


def _basic(header: str) -> tuple[str, list[str]]:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return "", []
    try:
        name, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError as error:
        raise refuse(9002313, reason="the Authorization header is not HTTP Basic.") from error
    if not colon:
        raise refuse(9002313, reason="the Authorization header is not HTTP Basic.")
    # RFC 6749, 2.3.1 has both form-encoded first; many clients leave that out, so a secret counts either way.
    return unquote_plus(name), list(dict.fromkeys((unquote_plus(secret), secret)))


def _check_secret(app: Application, presented: list[str], services: Services) -> None:
    now = services.clock()
    for secret in app.secrets:
        if any(services.checker.matches(secret.hash, text) for text in presented):
            if secret.expires is not None and secret.expires <= now:
                raise refuse(7000222, app=app.client_id)
            return
    raise refuse(7000215, app=app.client_id)


def _check_assertion(app: Application, assertion: str, call: Call, services: Services) -> None:
    if call.params.get("client_assertion_type") != JWT_BEARER:
        raise refuse(90013, reason=f"client_assertion_type has to be '{JWT_BEARER}'.")
    if len(assertion) > MAX_ASSERTION:
        raise refuse(50027, reason="it is too long.")
    now = services.clock()
    try:
        header = jwt.get_unverified_header(assertion)
        certificate = _named_certificate(app, header)
        if certificate.expires is not None and certificate.expires <= now:
            raise refuse(700027, reason="the certificate has expired.")
        claims = jwt.decode(assertion, certificate.public_key, algorithms=ALGORITHMS, options=_SIGNATURE_ONLY)
    except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as error:
        raise refuse(
            700027, reason="the signature is wrong or its algorithm is not RS256 or PS256."
        ) from error
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise refuse(50027, reason="it cannot be decoded.") from error
    if not claims.get("iss") == claims.get("sub") or str(claims.get("iss")).lower() != app.client_id.lower():
        raise refuse(700021, app=app.client_id)
    if not _is_audience(claims.get("aud"), call, services):
        raise refuse(700023)
    start = claims.get("nbf", claims.get("iat", now))
    if not _within(start, claims.get("exp"), now):
        raise refuse(700024)


def _named_certificate(app: Application, header: Mapping[str, Any]) -> Certificate:
    names = [header[name] for name in ("x5t#S256", "x5t", "kid") if isinstance(header.get(name), str)]
    for certificate in app.certificates:
        hexadecimal = base64.urlsafe_b64decode(certificate.thumbprint + "==").hex()
        for name in names:
            known = (certificate.thumbprint, certificate.thumbprint_sha256)
            # MSAL pads its thumbprints; older clients send the SHA-1 in hex as the kid.
            if name.rstrip("=") in known or name.lower() == hexadecimal:
                return certificate
    raise refuse(700027, reason="its certificate is not registered for the application.")


def _is_audience(audience: object, call: Call, services: Services) -> bool:
    tenants = (services.config.tenant_id, *services.config.tenant_names, "common", "organizations")
    paths = ("/oauth2/v2.0/token", "/oauth2/token", "/v2.0", "")
    hosts = {canonical_url(url) for url in (call.base_url, *services.config.own_urls)}
    wanted = {f"{host}/{tenant.lower()}{path}" for host in hosts for tenant in tenants for path in paths}
    named = audience if isinstance(audience, list) else [audience]
    return any(isinstance(name, str) and _without_default_port(name) in wanted for name in named)


def _without_default_port(url: str) -> str:
    scheme, _, rest = url.lower().removesuffix("/").partition("://")
    host, slash, path = rest.partition("/")
    return canonical_url(f"{scheme}://{host}") + slash + path


def _within(start: object, end: object, now: float) -> bool:
    numbers = (int, float)
    if not isinstance(start, numbers) or not isinstance(end, numbers):
        return False
    return start - SKEW_SECONDS <= now < end
