"""A person with a browser: opens the pages of a sign-in and fills in their forms."""

import html
import re
import ssl
import threading
from urllib.parse import urljoin

import httpx2

from orgstead.identity.development import ADMIN_PASSWORD, ADMIN_UPN
from tests.live import Live

__all__ = ["Person"]

FORM = re.compile(r'<form method="post" action="([^"]+)">(.*?)</form>', re.DOTALL)
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


class Person:
    """The administrator of development mode."""

    def __init__(self, live: Live, password: str = ADMIN_PASSWORD) -> None:
        self.http = httpx2.Client(verify=ssl.create_default_context(cafile=live.ca), follow_redirects=True)
        self.password = password
        self.opened: list[str] = []
        self.threads: list[threading.Thread] = []

    def fill(self, page: httpx2.Response, **given: str) -> httpx2.Response:
        """Fill in the first form of a page and send it."""
        found = FORM.search(page.text)
        assert found is not None, page.text
        hidden = {name: html.unescape(value) for name, value in HIDDEN.findall(found[2])}
        return self.http.post(urljoin(str(page.url), html.unescape(found[1])), data=hidden | given)

    def signs_in(self, page: httpx2.Response, action: str = "sign-in") -> httpx2.Response:
        """Fill in the page with name and password."""
        return self.fill(page, username=ADMIN_UPN, password=self.password, action=action)

    def enters(self, message: str) -> None:
        """Go where the message of a device says, and enter its code."""
        found = re.search(r"open (\S+) in a web browser and enter the code (\w+)", message)
        assert found is not None, message
        page = self.fill(self.http.get(found[1]), user_code=found[2])
        assert "You are signed in" in self.signs_in(page).text

    def opens(self, url: str) -> None:
        """Open a page and sign in, while the program that opened it waits."""
        self._later(url, "sign-in")

    def declines(self, url: str) -> None:
        """Open a page and cancel."""
        self._later(url, "cancel")

    def _later(self, url: str, action: str) -> None:
        self.opened.append(url)
        thread = threading.Thread(target=lambda: self.signs_in(self.http.get(url), action))
        self.threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Close the browser."""
        for thread in self.threads:
            thread.join(30)
        self.http.close()
