"""Made-up accounts and contacts in any number: the same for the same number, lazily."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from orgstead.model.messages import Create, Message
from orgstead.model.record import Record, Ref

__all__ = ["account_messages", "contact_messages"]

FIRST = (
    "Amber",
    "Birch",
    "Cedar",
    "Delta",
    "Ember",
    "Fjord",
    "Granite",
    "Harbor",
    "Indigo",
    "Juniper",
    "Kestrel",
    "Lumen",
)
SECOND = (
    "Foods",
    "Freight",
    "Glass",
    "Looms",
    "Mills",
    "Optics",
    "Press",
    "Robotics",
    "Seeds",
    "Textiles",
    "Tools",
    "Works",
)
FORMS = ("Ltd", "Inc", "GmbH", "SA", "AB", "Co")
CITIES = (
    ("London", "England", "United Kingdom"), ("Paris", "Île-de-France", "France"), ("Oslo", "Oslo", "Norway"),
    ("Porto", "Norte", "Portugal"), ("Graz", "Styria", "Austria"), ("Austin", "Texas", "United States"),
    ("Halifax", "Nova Scotia", "Canada"), ("Osaka", "Kansai", "Japan"), ("Pune", "Maharashtra", "India"),
    ("Recife", "Pernambuco", "Brazil"),
)  # fmt: skip
GIVEN = (
    "Ada",
    "Bela",
    "Chidi",
    "Dana",
    "Elif",
    "Farah",
    "Goran",
    "Hana",
    "Ines",
    "Jonas",
    "Kofi",
    "Lena",
    "Mateo",
    "Noor",
)
FAMILY = (
    "Abara",
    "Berg",
    "Costa",
    "Dahl",
    "Engel",
    "Fofana",
    "Garcia",
    "Horvat",
    "Ito",
    "Jansen",
    "Kaya",
    "Lind",
    "Moreau",
)
TITLES = ("Buyer", "Engineer", "Head of Sales", "Owner", "Planner", "Treasurer")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
DAYS = 365 * 6


def _id(kind: int, seed: int, number: int) -> str:
    """Ids that grow with the number, so that rows land at the end of their table."""
    return str(
        UUID(
            int=(0x0D36 << 112) | (kind << 96) | ((seed & 0xFFFF) << 80) | (0x4 << 76) | (0x8 << 60) | number
        )
    )


def _date(dice: random.Random) -> str:
    moment = LONG_AGO + timedelta(days=dice.randrange(DAYS), seconds=dice.randrange(86400))
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def account_messages(count: int, seed: int) -> Iterator[Message]:
    """``count`` accounts."""
    dice = random.Random(f"accounts {seed}")
    for number in range(count):
        name = f"{dice.choice(FIRST)} {dice.choice(SECOND)} {dice.choice(FORMS)} {number:06d}"
        city, state, country = dice.choice(CITIES)
        handle = name.lower().replace(" ", "-")
        values = {
            "name": name,
            "accountnumber": f"A{seed:02d}-{number:07d}",
            "emailaddress1": f"office@{handle}.example",
            "telephone1": f"+{dice.randrange(1, 99)} {dice.randrange(1000000, 9999999)}",
            "websiteurl": f"https://{handle}.example",
            "address1_line1": f"{dice.randrange(1, 400)} {dice.choice(FIRST)} Street",
            "address1_city": city,
            "address1_stateorprovince": state,
            "address1_postalcode": f"{dice.randrange(10000, 99999)}",
            "address1_country": country,
            "description": f"{dice.choice(SECOND)} and more since {dice.randrange(1900, 2025)}.",
            "revenue": Decimal(dice.randrange(10_000, 100_000_000)) / 100,
            "creditlimit": Decimal(dice.randrange(0, 1000) * 100),
            "numberofemployees": dice.randrange(1, 20_000),
            "industrycode": dice.randrange(1, 34),
            "customertypecode": dice.randrange(1, 13),
            "donotemail": dice.random() < 0.1,
            "overriddencreatedon": _date(dice),
        }
        yield Create(record=Record(table="account", id=_id(1, seed, number), values=values))


def contact_messages(count: int, seed: int, accounts: int) -> Iterator[Message]:
    """``count`` contacts, most of them of one of the ``accounts`` accounts that the same seed makes."""
    dice = random.Random(f"contacts {seed}")
    for number in range(count):
        first, last = dice.choice(GIVEN), dice.choice(FAMILY)
        city, _, country = dice.choice(CITIES)
        values = {
            "firstname": first,
            "lastname": f"{last} {number:06d}",
            "emailaddress1": f"{first}.{last}.{number}@people.example".lower(),
            "telephone1": f"+{dice.randrange(1, 99)} {dice.randrange(1000000, 9999999)}",
            "mobilephone": f"+{dice.randrange(1, 99)} {dice.randrange(1000000, 9999999)}",
            "jobtitle": dice.choice(TITLES),
            "address1_city": city,
            "address1_country": country,
            "gendercode": dice.randrange(1, 3),
            "overriddencreatedon": _date(dice),
        }
        if accounts and dice.random() < 0.9:
            values["parentcustomerid"] = Ref("account", _id(1, seed, dice.randrange(accounts)))
        yield Create(record=Record(table="contact", id=_id(2, seed, number), values=values))
