"""On whose behalf messages run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["SYSTEM", "Caller"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The user on whose behalf messages run.

    ``system`` marks the product's own work: it may set columns that no user sets. ``administrator`` has every
    privilege at organisation depth. ``privileges`` maps a privilege's name to its
    depth (1 basic, 2 local, 4 deep, 8 global); it is empty for a user without roles, who may do nothing.
    """

    user_id: str
    business_unit_id: str
    organization_id: str
    name: str = ""
    application_id: str | None = None
    administrator: bool = False
    enabled: bool = True
    system: bool = False
    privileges: Mapping[str, int] = field(default_factory=dict)
    teams: tuple[str, ...] = ()
    initiating_user_id: str | None = None
    currency_id: str | None = None


# The organisation itself: what loads shipped data and runs system work.
SYSTEM = Caller(
    user_id="00000000-0000-0000-0000-000000000000",
    business_unit_id="00000000-0000-0000-0000-000000000000",
    organization_id="00000000-0000-0000-0000-000000000000",
    name="SYSTEM",
    administrator=True,
    system=True,
)
