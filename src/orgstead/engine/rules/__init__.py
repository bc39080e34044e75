"""The product's own rules about rows, as hooks: importing this package registers them."""

from orgstead.engine.rules import (
    activities,
    attachments,
    custom_apis,
    customers,
    defaults,
    hierarchies,
    images,
    jobs,
    money,
    names,
    numbers,
    owners,
    people,
    pricing,
    security,
    states,
)

__all__ = [
    "activities",
    "attachments",
    "custom_apis",
    "customers",
    "defaults",
    "hierarchies",
    "images",
    "jobs",
    "money",
    "names",
    "numbers",
    "owners",
    "people",
    "pricing",
    "security",
    "states",
]
