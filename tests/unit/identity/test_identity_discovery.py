"""The documents that clients read first, and the router."""

from collections.abc import Callable

import jwt
import pytest

from orgstead.identity.development import TENANT_ID
from tests.unit.identity.identity_site import ORG, Site, body


@pytest.mark.parametrize(
    ("version", "oauth", "issuer"), [("/v2.0", "oauth2/v2.0", "v2.0"), ("", "oauth2", "")]
)
@pytest.mark.parametrize("tenant", [TENANT_ID, "common", "organizations"])
def test_the_configuration_names_the_endpoints_of_its_version(
    site: Site, tenant: str, version: str, oauth: str, issuer: str
) -> None:
    answer = site.ask("GET", f"/{tenant}{version}/.well-known/openid-configuration")
    values = body(answer)
    base = f"{ORG}/{tenant}/{oauth}"
    assert values["authorization_endpoint"] == f"{base}/authorize"
    assert values["token_endpoint"] == f"{base}/token"
    assert values["device_authorization_endpoint"] == f"{base}/devicecode"
    assert values["end_session_endpoint"] == f"{base}/logout"
    assert values["issuer"] == f"{ORG}/{TENANT_ID}/{issuer}"
    assert dict(answer.headers)["Access-Control-Allow-Origin"] == "*"


def test_links_follow_the_address_that_the_caller_used(site: Site) -> None:
    site.base = "http://127.0.0.1:5365"
    values = body(site.ask("GET", "/common/v2.0/.well-known/openid-configuration"))
    assert values["token_endpoint"].startswith("http://127.0.0.1:5365/common/")


def test_the_implicit_grant_is_not_advertised_where_it_is_refused(make_site: Callable[..., Site]) -> None:
    site = make_site(development=False)
    values = body(site.ask("GET", "/common/v2.0/.well-known/openid-configuration"))
    assert "implicit" not in values["grant_types_supported"]
    assert values["response_types_supported"] == ["code"]


@pytest.mark.parametrize("path", ["discovery/v2.0/keys", "discovery/keys"])
def test_the_key_set_verifies_tokens(site: Site, confidential: dict[str, str], path: str) -> None:
    token = site.tokens(confidential)["access_token"]
    answer = body(site.ask("GET", f"/{TENANT_ID}/{path}"))
    published = jwt.PyJWKSet.from_dict(answer)[jwt.get_unverified_header(token)["kid"]]
    options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    claims = jwt.decode(token, published, algorithms=["RS256"], audience=ORG, options=options)  # type: ignore[arg-type]
    assert claims["tid"] == TENANT_ID
    assert answer["keys"][0]["use"] == "sig"


def test_another_tenant_has_no_configuration(site: Site) -> None:
    answer = site.ask("GET", "/5b6e6f3c-0000-0000-0000-000000000000/v2.0/.well-known/openid-configuration")
    assert (answer.status, body(answer)["error_codes"]) == (400, [90002])


def test_instance_discovery_knows_its_own_hosts_with_and_without_the_port(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(own_urls=("https://localhost:5366",))
    for host in ("localhost", "localhost:5366", "org.example", "login.microsoftonline.com"):
        query = {
            "api-version": "1.1",
            "authorization_endpoint": f"https://{host}/{TENANT_ID}/oauth2/v2.0/authorize",
        }
        values = body(site.ask("GET", "/common/discovery/instance", query))
        assert (
            values["tenant_discovery_endpoint"] == f"{ORG}/{TENANT_ID}/v2.0/.well-known/openid-configuration"
        )
        assert {"localhost", "localhost:5366", "org.example"} <= set(values["metadata"][0]["aliases"])


@pytest.mark.parametrize(
    ("endpoint", "error", "number"),
    [
        ("", "invalid_request", 90014),
        ("https://evil.example/common/oauth2/authorize", "invalid_instance", 50049),
        ("nonsense", "invalid_instance", 50049),
        ("https://[/", "invalid_request", 90102),
    ],
)
def test_instance_discovery_refuses_what_it_does_not_know(
    site: Site, endpoint: str, error: str, number: int
) -> None:
    answer = site.ask("GET", "/common/discovery/instance", {"authorization_endpoint": endpoint})
    assert (answer.status, body(answer)["error"], body(answer)["error_codes"]) == (400, error, [number])


@pytest.mark.parametrize("path", ["/common/userrealm/", "/common/UserRealm/"])
def test_every_user_name_is_managed_here(site: Site, path: str) -> None:
    values = body(site.ask("GET", f"{path}nobody@contoso.example?api-version=1.0"))
    assert (values["account_type"], values["domain_name"]) == ("Managed", "contoso.example")


@pytest.mark.parametrize("name", ["", "nobody", "@", "a@"])
def test_what_is_no_user_name_is_of_an_unknown_kind(site: Site, name: str) -> None:
    assert body(site.ask("GET", f"/common/userrealm/{name}"))["account_type"] == "Unknown"


@pytest.mark.parametrize(
    "path", ["/", "/api/data/v9.2/accounts", f"/{TENANT_ID}", "//oauth2/token", "/common/x"]
)
def test_other_paths_are_left_to_others(site: Site, path: str) -> None:
    assert not site.server.owns(path)
    answer = site.server.answer(method="GET", path=path, base_url=ORG, query=b"", headers={}, body=b"")
    assert answer is None


def test_a_method_that_an_endpoint_does_not_take_is_refused(site: Site) -> None:
    answer = site.ask("GET", f"/{TENANT_ID}/oauth2/v2.0/token")
    assert (answer.status, body(answer)["error_codes"]) == (405, [900561])
    assert dict(answer.headers)["Allow"] == "POST, OPTIONS"
    assert site.ask("DELETE", f"/{TENANT_ID}/discovery/keys").status == 405


def test_head_is_answered_like_get_without_a_body(site: Site) -> None:
    answer = site.ask("HEAD", "/common/discovery/keys")
    assert (answer.status, answer.body) == (200, b"")


def test_a_page_of_another_origin_may_ask_for_tokens(site: Site, confidential: dict[str, str]) -> None:
    preflight = site.ask("OPTIONS", f"/{TENANT_ID}/oauth2/v2.0/token")
    assert (preflight.status, dict(preflight.headers)["Access-Control-Allow-Origin"]) == (204, "*")
    assert dict(site.token(confidential).headers)["Access-Control-Allow-Origin"] == "*"
    assert dict(site.token({}).headers)["Access-Control-Allow-Origin"] == "*"


def test_paths_compare_without_case(site: Site) -> None:
    assert site.ask("GET", f"/{TENANT_ID.upper()}/V2.0/.Well-Known/OpenID-Configuration").status == 200
