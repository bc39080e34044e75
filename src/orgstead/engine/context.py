"""On whose behalf messages run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["DEFAULT_COMPANY", "NO_RIGHTS", "SYSTEM", "Caller", "Rights"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rights:
    """What somebody may do.

    ``principals`` are the user and the user's teams: what one of them owns, or has been given a share of, is within
    reach of every privilege that the user holds at all. ``reach`` maps a privilege's name to the business units
    whose rows it extends to, None for all rows. ``columns`` are the permissions for secured columns, by table and
    column.
    """

    principals: tuple[str, ...] = ()
    reach: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    columns: Mapping[tuple[str, str], int] = field(default_factory=dict)
    _hash: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        whole = (self.principals, frozenset(self.reach.items()), frozenset(self.columns.items()))
        object.__setattr__(self, "_hash", hash(whole))

    # Bound queries are kept by it: two of the same content are the same.
    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Rights)
            and self._hash == other._hash
            and self.principals == other.principals
            and self.reach == other.reach
            and self.columns == other.columns
        )


NO_RIGHTS = Rights()
# The company of whoever has no other; every organisation of Finance and Operations has it.
DEFAULT_COMPANY = "dat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The user on whose behalf messages run.

    ``system`` marks the product's own work: it may set columns that no user sets. ``administrator`` has every
    privilege for all rows and needs no ``rights``; a user without roles has none and may do nothing.
    ``initiating_user_id`` is who signed in, when that is somebody else who acts on the user's behalf. ``company`` is
    the company that the user works in, where rows are those of companies.
    """

    user_id: str
    business_unit_id: str
    organization_id: str
    name: str = ""
    application_id: str | None = None
    administrator: bool = False
    enabled: bool = True
    system: bool = False
    rights: Rights = NO_RIGHTS
    teams: tuple[str, ...] = ()
    initiating_user_id: str | None = None
    currency_id: str | None = None
    company: str = DEFAULT_COMPANY


# The organisation itself: what loads shipped data and runs system work.
SYSTEM = Caller(
    user_id="00000000-0000-0000-0000-000000000000",
    business_unit_id="00000000-0000-0000-0000-000000000000",
    organization_id="00000000-0000-0000-0000-000000000000",
    name="SYSTEM",
    administrator=True,
    system=True,
)
