"""Party lists: which part each column of an activity gives to the rows that it names.

https://learn.microsoft.com/power-apps/developer/data-platform/activityparty-entity
"""

from collections.abc import Mapping

__all__ = ["PARTICIPATION"]

PARTICIPATION: Mapping[str, int] = {
    "from": 1, "to": 2, "cc": 3, "bcc": 4, "requiredattendees": 5, "optionalattendees": 6, "organizer": 7,
    "regarding": 8, "owner": 9, "resources": 10, "customers": 11, "related": 13,
}  # fmt: skip
