"""The documents that clients read before they ask for a token.

https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc#fetch-the-openid-configuration-document
"""

from typing import Any
from urllib.parse import urlsplit

from orgstead.identity.errors import refuse
from orgstead.identity.request import Answer, json_answer
from orgstead.identity.services import Call, Services

__all__ = ["instance_discovery", "key_set", "openid_configuration", "user_realm"]

PUBLIC = (("Cache-Control", "max-age=3600"), ("Access-Control-Allow-Origin", "*"))
# MSAL asks for the metadata of these hosts wherever it was told to do instance discovery.
ENTRA_HOSTS = frozenset(
    ("login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net")
)


def openid_configuration(call: Call, services: Services) -> Answer:
    """``.well-known/openid-configuration`` of a version, with the tenant spelt as it was asked for.

    The issuer names the one tenant also under ``common``, where Entra writes a placeholder: here it is known.
    """
    base = f"{call.base_url}/{call.tenant}"
    oauth, keys = (
        ("oauth2/v2.0", "discovery/v2.0/keys") if call.version == 2 else ("oauth2", "discovery/keys")
    )
    names = ["preferred_username"] if call.version == 2 else ["unique_name", "upn"]
    values: dict[str, Any] = {
        "token_endpoint": f"{base}/{oauth}/token",
        "token_endpoint_auth_methods_supported": [
            "client_secret_post",
            "private_key_jwt",
            "client_secret_basic",
        ],
        "jwks_uri": f"{base}/{keys}",
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token", "token"],
        "grant_types_supported": [
            "authorization_code",
            "client_credentials",
            "implicit",
            "password",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "code_challenge_methods_supported": ["S256", "plain"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": services.minter.issuer(call.base_url, call.version),
        "request_uri_parameter_supported": False,
        "authorization_endpoint": f"{base}/{oauth}/authorize",
        "device_authorization_endpoint": f"{base}/{oauth}/devicecode",
        "end_session_endpoint": f"{base}/{oauth}/logout",
        "http_logout_supported": True,
        "claims_supported": [
            *(
                "sub",
                "iss",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "acr",
                "nonce",
                "name",
                "tid",
                "ver",
                "at_hash",
                "c_hash",
            ),
            *("email", "oid", "given_name", "family_name", *names),
        ],
        "tenant_region_scope": None,
        "cloud_instance_name": _host(call.base_url),
    }
    if not services.config.development:
        values["response_types_supported"] = ["code"]
        values["grant_types_supported"].remove("implicit")
    return json_answer(200, values, *PUBLIC)


def key_set(call: Call, services: Services) -> Answer:
    """The keys that verify the tokens."""
    return json_answer(200, services.keys.jwks(services.minter.issuer(call.base_url, call.version)), *PUBLIC)


def instance_discovery(call: Call, services: Services) -> Answer:
    """Whether an authority's host is known, and by which names: asked by MSAL before it trusts one.

    Raises OAuthError: AADSTS90014 without ``authorization_endpoint``, AADSTS50049 (invalid_instance)
    for a host that is not this server's.
    """
    endpoint = call.params.get("authorization_endpoint", "")
    if not endpoint:
        raise refuse(90014, name="authorization_endpoint")
    try:
        address = urlsplit(endpoint)
        name = address.hostname or ""
    except ValueError as error:
        raise refuse(90102, name="authorization_endpoint") from error
    own = {_host(url) for url in (call.base_url, *services.config.own_urls)}
    # MSAL leaves the port out of the host.
    names = own | {
        host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host for host in own
    }
    if name not in {n.strip("[]") for n in names} | ENTRA_HOSTS:
        raise refuse(50049, host=name[:200])
    tenant = address.path.split("/")[1] if address.path.count("/") else ""
    preferred = _host(call.base_url)
    authority = f"{call.base_url}/{tenant or 'common'}"
    values = {
        "tenant_discovery_endpoint": f"{authority}/v2.0/.well-known/openid-configuration",
        "api-version": call.params.get("api-version", "1.1"),
        "metadata": [
            {"preferred_network": preferred, "preferred_cache": preferred, "aliases": sorted(names)}
        ],
    }
    return json_answer(200, values, *PUBLIC)


def user_realm(call: Call, services: Services, user: str) -> Answer:
    """How a user signs in: with a password kept here, whoever it is.

    A name that exists is answered as one that does not, so that nobody learns names here.
    """
    name, at, domain = user.rpartition("@")
    values = {"ver": "1.0", "account_type": "Unknown", "cloud_instance_name": _host(call.base_url)}
    if at and name and domain:
        values |= {
            "account_type": "Managed",
            "domain_name": domain,
            "cloud_audience_urn": "urn:federation:MicrosoftOnline",
        }
    return json_answer(200, values)


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()
