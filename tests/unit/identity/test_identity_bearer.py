"""Verifying bearer tokens, and the challenge."""

import base64
import json
from typing import Any

import jwt
import pytest

from orgstead.identity import (
    BearerVerifier,
    InvalidToken,
    KeyRing,
    MemoryKeyStore,
    challenge,
    open_keys,
    own_audiences,
)
from orgstead.identity.development import (
    ADMIN_OBJECT_ID,
    ADMIN_UPN,
    CLIENT_ID,
    CLIENT_OBJECT_ID,
    PUBLIC_CLIENT_ID,
    TENANT_ID,
)
from tests.unit.identity.identity_site import ORG, Site

OWN = own_audiences([ORG])
Fields = dict[str, str]


@pytest.fixture
def verifier(site: Site, keys: KeyRing) -> BearerVerifier:
    """A verifier on the tests' clock."""
    return BearerVerifier(keys, TENANT_ID, site.clock)


def refused(verifier: BearerVerifier, token: str, own: frozenset[str] = OWN) -> str:
    """The code with which a token is refused."""
    with pytest.raises(InvalidToken) as caught:
        verifier.verify(token, own)
    return caught.value.code


def forged(keys: KeyRing, token: str, **claims: Any) -> str:
    """The same token with other claims, signed by ``keys``."""
    old = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(old | claims, keys.signing.private, "RS256", headers={"kid": keys.signing.kid})


def test_an_application_is_recognised(site: Site, verifier: BearerVerifier, confidential: Fields) -> None:
    caller = verifier.verify(site.tokens(confidential)["access_token"], OWN)
    assert caller.app_only
    assert (caller.object_id, caller.application_id) == (CLIENT_OBJECT_ID, CLIENT_ID)
    assert (caller.tenant_id, caller.upn, caller.scopes) == (TENANT_ID, "", frozenset())


def test_a_user_is_recognised(site: Site, verifier: BearerVerifier, ropc: Fields) -> None:
    caller = verifier.verify(site.tokens(ropc)["access_token"], OWN)
    assert not caller.app_only
    assert (caller.object_id, caller.upn, caller.application_id) == (
        ADMIN_OBJECT_ID,
        ADMIN_UPN,
        PUBLIC_CLIENT_ID,
    )
    assert caller.scopes == {"user_impersonation"}


def test_a_token_is_remembered_and_still_expires(site: Site, verifier: BearerVerifier, ropc: Fields) -> None:
    token = site.tokens(ropc)["access_token"]
    assert verifier.verify(token, OWN) is verifier.verify(token, OWN)
    site.clock.now += 3599
    assert refused(verifier, token) == "expired"


def test_the_memory_is_bounded_and_forgets_the_oldest(
    site: Site, keys: KeyRing, confidential: Fields
) -> None:
    verifier = BearerVerifier(keys, TENANT_ID, site.clock, cache_size=4)
    tokens = [site.tokens(confidential)["access_token"] for _ in range(12)]
    first = verifier.verify(tokens[0], OWN)
    for token in tokens:
        verifier.verify(token, OWN)
    assert verifier.verify(tokens[0], OWN) is not first
    assert verifier.verify(tokens[0], OWN) == first


@pytest.mark.parametrize("spelling", [ORG, f"{ORG}/", "HTTPS://Org.Example:443", "https://org.example:443/"])
def test_audiences_compare_without_case_slash_and_default_port(
    site: Site, verifier: BearerVerifier, confidential: Fields, spelling: str
) -> None:
    token = site.tokens(confidential)["access_token"]
    assert verifier.verify(token, own_audiences([spelling])).audience == ORG


def test_a_token_for_another_resource_is_refused(
    site: Site, verifier: BearerVerifier, confidential: Fields
) -> None:
    token = site.tokens(confidential)["access_token"]
    assert refused(verifier, token, own_audiences(["https://org.example:444"])) == "audience"
    verifier.verify(token, OWN)


def test_an_id_token_opens_nothing(site: Site, verifier: BearerVerifier, ropc: Fields) -> None:
    assert refused(verifier, site.tokens(ropc)["id_token"]) == "not_access"


def test_a_token_of_another_key_is_refused(
    site: Site, verifier: BearerVerifier, confidential: Fields
) -> None:
    token = site.tokens(confidential)["access_token"]
    other = open_keys(MemoryKeyStore())
    assert refused(verifier, forged(other, token)) == "signature"
    head, claims, signature = token.split(".")
    padded = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    changed = base64.urlsafe_b64encode(json.dumps(padded | {"oid": ADMIN_OBJECT_ID}).encode()).rstrip(b"=")
    assert refused(verifier, f"{head}.{changed.decode()}.{signature}") == "signature"


def test_the_public_key_is_no_hmac_secret(
    site: Site, verifier: BearerVerifier, keys: KeyRing, confidential: Fields
) -> None:
    claims = jwt.decode(site.tokens(confidential)["access_token"], options={"verify_signature": False})
    text = jwt.encode(claims, "k" * 64, "HS256", headers={"kid": keys.signing.kid})
    assert refused(verifier, text) == "malformed"
    unsigned = jwt.encode(claims, "", "none", headers={"kid": keys.signing.kid})
    assert refused(verifier, unsigned) == "malformed"


def test_another_tenant_and_a_far_future_are_refused(
    site: Site, verifier: BearerVerifier, keys: KeyRing, confidential: Fields
) -> None:
    token = site.tokens(confidential)["access_token"]
    assert refused(verifier, forged(keys, token, tid="another")) == "issuer"
    assert refused(verifier, forged(keys, token, nbf=int(site.clock()) + 301)) == "not_yet_valid"
    verifier.verify(forged(keys, token, nbf=int(site.clock()) + 300), OWN)


@pytest.mark.parametrize(
    "text", ["", "x", "a.b.c", "é.é.é", "e30.e30.e30", "." * 10, "x" * 20_000, "[" * 9000 + ".a.b", "\udcff"]
)
def test_what_is_no_token_is_malformed_or_unsigned(verifier: BearerVerifier, text: str) -> None:
    assert refused(verifier, text) in ("malformed", "signature")


def test_a_header_that_nests_deeply_is_malformed(verifier: BearerVerifier) -> None:
    header = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 5000).decode()
    assert refused(verifier, f"{header}.e30.e30") == "malformed"


def test_a_retired_key_still_verifies(site: Site, keys: KeyRing, confidential: Fields) -> None:
    token = site.tokens(confidential)["access_token"]
    newer = KeyRing([open_keys(MemoryKeyStore()).signing, keys.signing])
    assert BearerVerifier(newer, TENANT_ID, site.clock).verify(token, OWN).application_id == CLIENT_ID


def parse_as_dotnet_does(header: str) -> dict[str, str]:
    """Split a challenge as the .NET client's strict parser: at commas, then one ``=`` in each part."""
    scheme, _, rest = header.partition(" ")
    assert scheme == "Bearer"
    parts, quoted = [""], False
    for character in rest:
        quoted ^= character == '"'
        if character == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    pairs = [part.strip().split("=") for part in parts]
    assert all(len(pair) == 2 and all(pair) for pair in pairs)
    return {name: value.strip('"') for name, value in pairs}


def test_the_challenge_is_what_the_dotnet_client_parses() -> None:
    header = challenge("https://localhost:5366", TENANT_ID, "https://localhost:5366")
    assert parse_as_dotnet_does(header) == {
        "authorization_uri": f"https://localhost:5366/{TENANT_ID}/oauth2/authorize",
        "resource_id": "https://localhost:5366/",
    }


def test_the_challenge_after_a_bad_token_says_why_and_stays_parseable() -> None:
    fault = InvalidToken("audience", 'for "x, y"\r\nand \\ é')
    values = parse_as_dotnet_does(challenge(ORG, TENANT_ID, f"{ORG}/", fault))
    assert values["resource_id"] == f"{ORG}/"
    assert values["error"] == "invalid_token"
    assert values["error_description"] == "for 'x, y'''and ' '"
