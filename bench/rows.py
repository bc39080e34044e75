"""The rows of every benchmark: accounts and contacts, the same for all servers, made from their number alone.

A row is a mapping from our column name to its value; the two tables' column lists are the peer's
(``cap/db/schema.cds``), with the lookup under its logical name ``primarycontactid``.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

__all__ = [
    "ACCOUNT", "CONTACT", "READER", "SYSTEM", "WRITABLE", "Row", "Value", "account", "account_id", "accounts",
    "contact", "contact_id", "contacts",
]  # fmt: skip

Value = str | int | float | bool | None
Row = dict[str, Value]

# SQLite type of each column, in the order of the tables.
ACCOUNT: Final[Mapping[str, str]] = {
    "accountid": "TEXT", "name": "TEXT", "accountnumber": "TEXT", "emailaddress1": "TEXT",
    "telephone1": "TEXT", "websiteurl": "TEXT", "address1_line1": "TEXT", "address1_city": "TEXT",
    "address1_stateorprovince": "TEXT", "address1_postalcode": "TEXT", "address1_country": "TEXT",
    "description": "TEXT", "revenue": "REAL", "creditlimit": "REAL", "exchangerate": "REAL",
    "numberofemployees": "INTEGER", "industrycode": "INTEGER", "statecode": "INTEGER",
    "statuscode": "INTEGER", "customertypecode": "INTEGER", "createdon": "TEXT", "modifiedon": "TEXT",
    "lastonholdtime": "TEXT", "donotemail": "INTEGER", "versionnumber": "INTEGER",
    "primarycontactid": "TEXT",
}  # fmt: skip
CONTACT: Final[Mapping[str, str]] = {
    "contactid": "TEXT", "firstname": "TEXT", "lastname": "TEXT", "fullname": "TEXT",
    "emailaddress1": "TEXT", "telephone1": "TEXT", "mobilephone": "TEXT", "jobtitle": "TEXT",
    "address1_city": "TEXT", "address1_country": "TEXT", "gendercode": "INTEGER", "statecode": "INTEGER",
    "statuscode": "INTEGER", "createdon": "TEXT", "modifiedon": "TEXT", "versionnumber": "INTEGER",
}  # fmt: skip

# Columns that a platform fills by itself and a client does not write.
SYSTEM: Final = frozenset(
    {"exchangerate", "statecode", "statuscode", "createdon", "modifiedon", "versionnumber", "fullname"}
)
# What the create benchmarks send: no key and no lookup, so that all servers do the same work.
WRITABLE: Final = tuple(c for c in ACCOUNT if c not in SYSTEM | {"accountid", "primarycontactid"})

# Who owns every second account in Orgstead, and reads no others.
READER: Final = "reader@bench.example"

START: Final = datetime(2024, 1, 1, tzinfo=UTC)
CITIES: Final = (
    ("Oslo", "Oslo", "Norway"), ("Lyon", "Rhône", "France"), ("Graz", "Styria", "Austria"),
    ("Turin", "Piedmont", "Italy"), ("Leeds", "Yorkshire", "United Kingdom"),
    ("Gdańsk", "Pomerania", "Poland"), ("Utrecht", "Utrecht", "Netherlands"),
    ("Zürich", "Zürich", "Switzerland"), ("Porto", "Norte", "Portugal"),
    ("Aarhus", "Midtjylland", "Denmark"), ("Seattle", "WA", "United States"),
    ("Austin", "TX", "United States"),
)  # fmt: skip
HEADS: Final = (
    "Alpine", "Baltic", "Cedar", "Delta", "Evergreen", "Fjord", "Granite", "Harbour", "Indigo", "Juniper",
    "Keystone", "Lakeside", "Meridian", "Northern", "Orchard", "Pioneer", "Quarry", "Riverside", "Summit",
    "Timber",
)  # fmt: skip
TAILS: Final = (
    "Logistics",
    "Foods",
    "Textiles",
    "Energy",
    "Robotics",
    "Media",
    "Pharma",
    "Tools",
    "Optics",
    "Travel",
    "Glass",
)
FIRST: Final = (
    "Ada",
    "Ben",
    "Carla",
    "Dag",
    "Eva",
    "Finn",
    "Greta",
    "Hugo",
    "Ines",
    "Jon",
    "Kaja",
    "Lars",
    "Mia",
)
LAST: Final = (
    "Arden",
    "Berg",
    "Costa",
    "Dahl",
    "Egger",
    "Falk",
    "Graf",
    "Holm",
    "Ivers",
    "Jansen",
    "Klein",
    "Lund",
)
JOBS: Final = ("Buyer", "Director", "Engineer", "Manager", "Owner", "Planner", "Analyst")


def account_id(number: int) -> str:
    """The key of account ``number`` (from 0): a UUID of version 7, rising with the number."""
    return uuid7(number, b"account")


def contact_id(number: int) -> str:
    """The key of contact ``number`` (from 0): a UUID of version 7, rising with the number."""
    return uuid7(number, b"contact")


def uuid7(number: int, kind: bytes) -> str:
    milliseconds = int(START.timestamp() * 1000) + number
    tail = int.from_bytes(blake2b(number.to_bytes(8, "big"), digest_size=10, person=kind).digest(), "big")
    value = milliseconds << 80 | 0x7 << 76 | (tail >> 64 & 0xFFF) << 64 | 0b10 << 62 | (tail & (1 << 62) - 1)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def account(number: int) -> Row:
    """Account ``number`` (from 0) in full; its primary contact is the contact of the same number."""
    mixed = mix(number)
    city, state, country = CITIES[mixed % len(CITIES)]
    head, tail = HEADS[mixed // 16 % len(HEADS)], TAILS[mixed // 512 % len(TAILS)]
    when = moment(number)
    return {
        "accountid": account_id(number),
        "name": f"{head} {tail} {mixed % 1_000_003:06d}",
        "accountnumber": f"AC{number:08d}",
        "emailaddress1": f"office{number}@{tail.lower()}.example",
        "telephone1": f"+1 555 {mixed % 10_000_000:07d}",
        "websiteurl": f"https://{head.lower()}-{number}.example",
        "address1_line1": f"{mixed % 400 + 1} {head} Street",
        "address1_city": city,
        "address1_stateorprovince": state,
        "address1_postalcode": f"{mixed % 90_000 + 10_000}",
        "address1_country": country,
        "description": f"{head} {tail} of {city} has been a customer since {2000 + mixed % 24}." * 2,
        "revenue": (mixed % 100_000_000) / 100,
        "creditlimit": float(mixed % 500 * 1000),
        "exchangerate": 1.0,
        "numberofemployees": mixed % 5000,
        "industrycode": mixed % 33 + 1,
        "statecode": 0,
        "statuscode": 1,
        "customertypecode": mixed % 12 + 1,
        "createdon": when,
        "modifiedon": when,
        "lastonholdtime": None,
        "donotemail": mixed % 7 == 0,
        "versionnumber": 1_000_000 + number,
        "primarycontactid": contact_id(number),
    }


def contact(number: int) -> Row:
    """Contact ``number`` (from 0) in full."""
    mixed = mix(number + 7)
    city, _, country = CITIES[mixed % len(CITIES)]
    first, last = FIRST[mixed // 16 % len(FIRST)], LAST[mixed // 512 % len(LAST)]
    when = moment(number)
    return {
        "contactid": contact_id(number),
        "firstname": first,
        "lastname": f"{last}{mixed % 9973}",
        "fullname": f"{first} {last}{mixed % 9973}",
        "emailaddress1": f"{first.lower()}.{number}@mail.example",
        "telephone1": f"+1 555 {mixed % 10_000_000:07d}",
        "mobilephone": f"+1 556 {mixed % 10_000_000:07d}",
        "jobtitle": JOBS[mixed % len(JOBS)],
        "address1_city": city,
        "address1_country": country,
        "gendercode": mixed % 2 + 1,
        "statecode": 0,
        "statuscode": 1,
        "createdon": when,
        "modifiedon": when,
        "versionnumber": 5_000_000 + number,
    }


def accounts(count: int) -> Iterator[Row]:
    """The first ``count`` accounts."""
    return map(account, range(count))


def contacts(count: int) -> Iterator[Row]:
    """The first ``count`` contacts."""
    return map(contact, range(count))


def mix(number: int) -> int:
    # A fixed multiplicative hash: values look unordered, yet depend on the number alone.
    return (number + 1) * 0x9E3779B97F4A7C15 % (1 << 64) >> 24


def moment(number: int) -> str:
    return (START + timedelta(seconds=number * 7 % 60_000_000)).strftime("%Y-%m-%dT%H:%M:%SZ")
