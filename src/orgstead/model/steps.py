"""Steps: who is told of a message, at which stage of its way, and what of.

https://learn.microsoft.com/power-apps/developer/data-platform/event-framework
"""

from dataclasses import dataclass

__all__ = ["BEFORE_CHECKS", "BEFORE_WRITE", "DONE", "Callback", "Image", "Step"]

BEFORE_CHECKS, BEFORE_WRITE, DONE = 10, 20, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture of the row for a step, before or after the message; without ``columns`` it shows all of them."""

    id: str
    alias: str
    before: bool = False
    after: bool = False
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What a row of ``callbackregistration`` says of the rows that it wants to be told of.

    ``owner`` is the id of its user, from whom ``scope`` counts: 1 the user's own rows, 2 those of the business unit, 3
    those of the units below as well, 4 all. ``condition`` is an OData filter. ``run_as`` says who is named to the
    endpoint: 1 who made the change, 2 the row's owner, 3 ``owner``. Nothing is told before ``until``, a canonical time.
    https://learn.microsoft.com/power-automate/dataverse/create-update-delete-trigger
    """

    owner: str
    scope: int
    condition: str = ""
    run_as: int
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step that is registered for a message: a row of ``sdkmessageprocessingstep``, or a Python function.

    ``table`` is None for the rows of every table. ``endpoint`` is the id of the service endpoint that is told,
    ``function`` the name of the Python function that runs: one of the two. ``user`` is on whose behalf it runs, the
    caller's when None. ``filtering``: of an update, only one that names one of these columns. Lower ranks come first.
    ``forgets``: the system job of an asynchronous step goes when it has succeeded. ``callback``: the endpoint is a row
    of ``callbackregistration``, and is told of the row instead of the message.
    """

    id: str
    name: str
    message: str
    stage: int
    table: str | None = None
    asynchronous: bool = False
    rank: int = 1
    filtering: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    endpoint: str | None = None
    function: str | None = None
    user: str | None = None
    forgets: bool = False
    callback: Callback | None = None
