"""How the servers of the comparison spell the same requests."""

from dataclasses import dataclass
from typing import Final

from bench.wrk import Request

__all__ = ["CAP", "ORGSTEAD", "Spelling"]

COMMON: Final = (("Accept", "application/json"), ("OData-Version", "4.0"), ("OData-MaxVersion", "4.0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How one server's URLs and bodies spell the same; ``part_root`` leads the paths within a batch."""

    root: str
    lookup: str
    navigation: str
    bulk: str
    bulk_rows: str
    part_root: str
    headers: tuple[tuple[str, str], ...]
    write_headers: tuple[tuple[str, str], ...] = ()

    def get(self, path: str, *extra: tuple[str, str]) -> Request:
        """A read below the service root."""
        return Request(path=self.root + path, headers=merged(self.headers, extra))

    def send(
        self, method: str, path: str, body: bytes, *extra: tuple[str, str], kind: str = "application/json"
    ) -> Request:
        """A write below the service root; ``kind`` is the body's media type."""
        headers = merged(self.headers, self.write_headers, (("Content-Type", kind),), extra)
        return Request(method=method, path=self.root + path, headers=headers, body=body)


def merged(*groups: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple({name: value for group in groups for name, value in group}.items())


ORGSTEAD: Final = Spelling(
    root="/api/data/v9.2",
    lookup="_primarycontactid_value",
    navigation="primarycontactid",
    bulk="/accounts/Microsoft.Dynamics.CRM.CreateMultiple",
    bulk_rows="Targets",
    part_root="/api/data/v9.2/",
    headers=COMMON,
)
# Orgstead answers a create and an update without a body, so the peer is asked to do the same.
CAP: Final = Spelling(
    root="/odata",
    lookup="primarycontact_contactid",
    navigation="primarycontact",
    bulk="/bulk",
    bulk_rows="rows",
    part_root="",
    headers=COMMON,
    write_headers=(("Prefer", "return=minimal"),),
)
