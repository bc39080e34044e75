"""Named profiles: where an organisation is and how to sign in, kept in the user's configuration directory.

``profiles.json`` holds what is no secret. Secrets and refresh tokens are in a file for each profile,
``profiles/NAME``, encrypted as the client's token store does it, the key beside it. All of them are readable by their
owner alone.
"""

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import msgspec

from orgstead.client import ConfigurationError, TokenStore
from orgstead.client.token_store import write_private

__all__ = ["Held", "Profile", "Profiles", "can_encrypt", "check_name", "directory"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_SIZE = 1024 * 1024


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An organisation and a way to sign in, without secrets. ``ca`` is a file of certificates to trust."""

    url: str
    kind: str
    client_id: str | None = None
    tenant_id: str | None = None
    authority: str | None = None
    username: str | None = None
    certificate: str | None = None
    ca: str | None = None
    allow_http: bool = False
    person: str | None = None
    """Who signed in when it was made, to be shown."""


class _File(msgspec.Struct, kw_only=True, omit_defaults=True):
    selected: str | None = None
    profiles: dict[str, Profile] = {}


def directory() -> Path:
    """Where profiles are kept: ``ORGSTEAD_CONFIG_DIR``, else the user's directory for settings (XDG)."""
    given = os.environ.get("ORGSTEAD_CONFIG_DIR")
    return Path(given) if given else Path(click.get_app_dir("orgstead"))


def check_name(name: str) -> str:
    """The name of a profile. Raises ConfigurationError for what could be no name of a file."""
    if not _NAME.fullmatch(name) or name.endswith((".key", ".lock")):
        raise ConfigurationError(
            f"{name[:60]!r} is no name of a profile: letters, digits, '.', '_', '-', at most 64, no '.key', '.lock'"
        )
    return name


class Profiles:
    """The profiles in a directory. Everything raises ConfigurationError for a file that is none, and OSError."""

    def __init__(self, place: Path | None = None) -> None:
        self.place = place or directory()
        self._path = self.place / "profiles.json"

    def all(self) -> Mapping[str, Profile]:
        """The profiles by name."""
        return self._read().profiles

    @property
    def selected(self) -> str | None:
        """The name of the profile that is used unless another is named."""
        return self._read().selected

    def get(self, name: str) -> Profile:
        """A profile. Raises ConfigurationError when there is none of this name."""
        found = self._read().profiles
        if name not in found:
            known = ", ".join(sorted(found)) or "none"
            raise ConfigurationError(f"there is no profile {name[:60]!r}; there are: {known}")
        return found[name]

    def save(self, name: str, profile: Profile, secrets: Mapping[str, str]) -> None:
        """Keep a profile under a name, in place of an older one, and select it."""
        self.remove_secrets(check_name(name))
        for each, value in secrets.items():
            self.secrets(name).set(each, value)
        file = self._read()
        file.profiles[name] = profile
        file.selected = name
        self._write(file)

    def select(self, name: str) -> None:
        """Use this one unless another is named. Raises ConfigurationError when there is none of this name."""
        self.get(name)
        file = self._read()
        file.selected = name
        self._write(file)

    def remove(self, name: str) -> None:
        """Forget a profile and its secrets. Raises ConfigurationError when there is none of this name."""
        self.get(name)
        file = self._read()
        del file.profiles[name]
        if file.selected == name:
            file.selected = None
        self._write(file)
        self.remove_secrets(name)

    def clear(self) -> int:
        """Forget all profiles, a file of them that cannot be read too; answers how many there were."""
        try:
            names = list(self._read().profiles)
        except ConfigurationError:
            names = []
        folder = self.place / "profiles"
        for each in folder.iterdir() if folder.is_dir() else ():
            each.unlink()
        self._path.unlink(missing_ok=True)
        return len(names)

    def secrets(self, name: str) -> TokenStore:
        """The secrets of a profile."""
        self._make(self.place / "profiles")
        return TokenStore(self.place / "profiles" / check_name(name))

    def remove_secrets(self, name: str) -> None:
        """Forget the secrets of a profile."""
        path = self.place / "profiles" / check_name(name)
        path.unlink(missing_ok=True)
        for end in (".key", ".lock"):
            path.with_name(path.name + end).unlink(missing_ok=True)

    def _make(self, place: Path) -> None:
        self.place.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.mkdir(exist_ok=True, mode=0o700)

    def _read(self) -> _File:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return _File()
        try:
            if len(content) > MAX_SIZE:
                raise msgspec.DecodeError("it is too large")
            return msgspec.json.decode(content, type=_File)
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f"{self._path} is no file of profiles ({error}): mend it, or 'orgstead auth clear' begins anew"
            ) from None

    def _write(self, file: _File) -> None:
        self._make(self.place)
        write_private(self._path, msgspec.json.format(msgspec.json.encode(file), indent=2))


class Held(TokenStore):
    """Secrets in memory, until it is known that they are good for something."""

    def __init__(self) -> None:
        super().__init__("")
        self.held: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        """A secret, or None."""
        return self.held.get(name)

    def set(self, name: str, token: str | None) -> None:
        """Keep a secret, or with None forget it."""
        if token is None:
            self.held.pop(name, None)
        else:
            self.held[name] = token


def can_encrypt() -> bool:
    """Whether secrets can be kept: the extra ``crypto`` is there."""
    found: Any = find_spec("cryptography")
    return found is not None
