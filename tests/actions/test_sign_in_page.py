"""People who sign in on a page of a program's own, at a live authority: their tokens, and how those are kept."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from orgstead.actions import AuthorizationCode
from orgstead.client import ConfigurationError, CredentialError, TokenStore
from orgstead.testing.plane import Plane
from tests.actions.conftest import ADMIN_UPN, Live, Make, acting
from tests.client.person import Person


@pytest.fixture
def person(live: Live) -> Iterator[Person]:
    made = Person(live)
    yield made
    made.close()


def credential(live: Live, store: TokenStore, holder: str = "ada", **more: Any) -> AuthorizationCode:
    return AuthorizationCode(
        client_id=live.client_id, client_secret=live.client_secret, redirect_uri="http://localhost",
        authority=live.https, store=store, holder=holder, **more,
    )  # fmt: skip


def comes_back(person: Person, url: str, action: str = "sign-in") -> dict[str, str]:
    """What the browser brings to the redirect address."""
    person.http.follow_redirects = True
    page = person.http.get(url)
    person.http.follow_redirects = False
    answer = person.signs_in(page, action)
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def test_a_person_signs_in_once_and_the_token_is_kept_encrypted(
    make: Make, live: Live, person: Person, plane: Plane, tmp_path: Path
) -> None:
    path, key = tmp_path / "tokens", secrets.token_bytes(32)
    store = TokenStore(path, key=key)
    first = credential(live, store)
    page = first.begin()
    query = dict(parse_qsl(urlsplit(page.url).query))
    assert page.url.startswith(f"{live.https}/common/oauth2/v2.0/authorize?")
    assert query["scope"] == "https://dynamics.microsoft.com/user_impersonation offline_access"
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    first.finish(page, comes_back(person, page.url))
    client = make(credential=first)
    (row,) = client.odata(f"systemusers?$filter=internalemailaddress eq '{ADMIN_UPN}'").all()
    assert client.who_am_i()["UserId"] == row["systemuserid"]
    assert acting(client)("list_accounts", records_per_page=1)["success"]
    # Another process, later: nobody is asked again.
    plane.clock.advance(hours=30)
    again = make(credential=credential(live, TokenStore(path, key=key)))
    assert again.who_am_i()["UserId"] == row["systemuserid"]
    (refresh,) = store._read().values()
    assert refresh.encode() not in path.read_bytes()
    assert live.client_secret not in repr(first)
    assert refresh not in repr(first)
    with pytest.raises(ConfigurationError):
        TokenStore(path, key=secrets.token_bytes(32)).get("x")


def test_each_person_has_a_token_of_their_own(make: Make, live: Live, person: Person, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens", key=secrets.token_bytes(32))
    ada, bo = credential(live, store, "ada"), credential(live, store, "bo")
    page = ada.begin()
    ada.finish(page, comes_back(person, page.url))
    assert make(credential=ada).who_am_i()["UserId"]
    answer = acting(make(credential=bo))("list_accounts")
    assert "nobody has signed in" in answer["error"]


def test_an_answer_to_another_page_or_a_refusal_is_none(
    make: Make, live: Live, person: Person, tmp_path: Path
) -> None:
    store = TokenStore(tmp_path / "tokens", key=secrets.token_bytes(32))
    ada = credential(live, store)
    page, other = ada.begin(), ada.begin()
    answer = comes_back(person, page.url)
    with pytest.raises(CredentialError, match="another sign-in"):
        ada.finish(other, answer)
    with pytest.raises(CredentialError):
        ada.finish(page, {"state": page.state, "error": "access_denied"})
    declined = comes_back(person, other.url, "cancel")
    with pytest.raises(CredentialError):
        ada.finish(other, declined)
    # A code goes with the verifier of its page only.
    ada.finish(other, answer | {"state": other.state})
    refused = acting(make(credential=ada))("list_accounts")
    assert "Signing in failed" in refused["error"]
    assert store._read() == {}


def test_a_token_that_was_taken_back_is_forgotten(make: Make, live: Live, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens", key=secrets.token_bytes(32))
    ada = credential(live, store)
    store.set(f"{live.https} {live.https} {live.client_id} ada", "no such refresh token")
    assert "Signing in failed" in acting(make(credential=ada))("list_accounts")["error"]
    assert store._read() == {}
    assert "nobody has signed in" in acting(make(credential=ada))("list_accounts")["error"]
