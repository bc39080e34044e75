"""Times of one zone in another.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/localtimefromutctime
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/utctimefromlocaltime
"""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Parameter, Signature
from orgstead.model.types import parse_datetime

__all__ = ["local_time", "utc_time"]

CODES: Mapping[str, str] = tomllib.loads(
    files("orgstead.engine").joinpath("timezones.toml").read_text("utf-8")
)
_CODE = Parameter(name="TimeZoneCode", type="Edm.Int32")


@handles(
    "LocalTimeFromUtcTime",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function",
        parameters=(_CODE, Parameter(name="UtcTime", type="Edm.DateTimeOffset")),
        returns=(Parameter(name="LocalTime", type="Edm.DateTimeOffset"),),
    ),
)
def local_time(call: Call) -> Mapping[str, Any]:
    """What clocks show in a time zone at a time in UTC."""
    zone, time = _zone(call), _time(call, "UtcTime")
    return {"LocalTime": _shown(time.astimezone(zone))}


@handles(
    "UtcTimeFromLocalTime",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function",
        parameters=(Parameter(name="LocalTime", type="Edm.DateTimeOffset"), _CODE),
        returns=(Parameter(name="UtcTime", type="Edm.DateTimeOffset"),),
    ),
)
def utc_time(call: Call) -> Mapping[str, Any]:
    """The time in UTC at which clocks show a time in a zone; of two such times the one of standard time."""
    zone, shown = _zone(call), _time(call, "LocalTime").replace(tzinfo=None)
    first, second = (shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    shown_twice = first < second
    return {"UtcTime": _shown(second if shown_twice else first)}


def _zone(call: Call) -> ZoneInfo:
    code = call.parameters["TimeZoneCode"]
    name = CODES.get(str(code))
    if name is None:
        raise fault("InvalidArgument", message=f"{code} is not the code of a time zone.")
    return ZoneInfo(name)


def _time(call: Call, name: str) -> datetime:
    try:
        return parse_datetime(str(call.parameters[name]))
    except ValueError:
        raise fault("InvalidArgument", message=f"{name} is not a date and time.") from None


def _shown(time: datetime) -> str:
    return time.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
