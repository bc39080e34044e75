"""Subscription keys: a primary and a secondary one that open the small REST API of one organisation.

Keys are 256 random bits, so a keyed hash keeps them: nobody can guess one whose digest is known.
https://learn.microsoft.com/azure/api-management/api-management-subscriptions
"""

import hmac
import secrets
from dataclasses import dataclass, field

import msgspec

from orgstead.engine.ports import UnitOfWork

__all__ = ["APPLICATION", "KEYS", "SubscriptionKeys", "opens", "read_keys", "renew_key"]

# The application that whoever has a key acts as; nobody signs in as it in another way.
APPLICATION = "0d365000-0000-4000-8000-0000000000c5"
KEYS = ("primary", "secondary")
SETTING = "subscription_keys"
KEY_BYTES = DIGEST_BYTES = 32
# What is presented is brought to this length, so that a longer one makes no more work.
PRESENTED_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionKeys:
    """What is kept of the keys: the organisation's salt, and a digest of each; one that nobody has is random."""

    salt: bytes = field(repr=False)
    digests: tuple[bytes, ...] = field(repr=False)
    made: frozenset[str] = frozenset()

    def with_published(self, key: str | None) -> "SubscriptionKeys":
        """These and a key that is no secret; with None one that nobody has stands for it."""
        other = _random() if key is None else _digest(self.salt, key)
        return SubscriptionKeys(salt=self.salt, digests=(*self.digests, other), made=self.made)


def read_keys(unit: UnitOfWork) -> SubscriptionKeys:
    """The keys of an organisation, made or not."""
    kept = _kept(unit)
    digests = tuple(bytes.fromhex(kept[name]) if name in kept else _random() for name in KEYS)
    salt = bytes.fromhex(kept["salt"]) if kept else _random()
    return SubscriptionKeys(salt=salt, digests=digests, made=frozenset(kept).intersection(KEYS))


def renew_key(unit: UnitOfWork, name: str) -> str:
    """Put a new key in the place of the primary or the secondary one; it is told here and nowhere else."""
    kept = _kept(unit) or {"salt": _random().hex()}
    key = secrets.token_hex(KEY_BYTES)
    kept[name] = _digest(bytes.fromhex(kept["salt"]), key).hex()
    unit.write_setting(SETTING, msgspec.json.encode(kept).decode())
    return key


def opens(keys: SubscriptionKeys, presented: str) -> bool:
    """Whether this is one of the keys. Every one is compared whole, whatever has been presented."""
    told = _digest(keys.salt, presented)
    found = False
    for digest in keys.digests:
        found |= hmac.compare_digest(told, digest)
    return found and len(presented) < PRESENTED_BYTES


def _kept(unit: UnitOfWork) -> dict[str, str]:
    text = unit.read_setting(SETTING)
    return {} if text is None else msgspec.json.decode(text, type=dict[str, str])


def _digest(salt: bytes, key: str) -> bytes:
    text = key.encode("utf-8", "surrogatepass")[:PRESENTED_BYTES].ljust(PRESENTED_BYTES, b"\0")
    return hmac.digest(salt, text, "sha256")


def _random() -> bytes:
    return secrets.token_bytes(DIGEST_BYTES)
