"""Who may do what: ``check`` for one message, ``restrict`` for sets. Both deny unless something allows.

Privilege names are Dataverse's (``prvReadAccount``).
https://learn.microsoft.com/power-apps/developer/data-platform/security-model
"""

from collections.abc import Callable

from orgstead.engine.context import Caller
from orgstead.engine.registry import OPEN
from orgstead.errors import fault
from orgstead.model.plan import Param, Source, Verdict
from orgstead.model.schema import Table

__all__ = ["check_message", "check_table", "restrict"]


def check_table(caller: Caller, right: str, table: Table) -> None:
    """Deny unless the caller holds ``prv<right><Table>``; raises PrivilegeDenied, UserDisabled."""
    _deny_unless(caller, f"prv{right}{table.schema_name}")


def check_message(caller: Caller, name: str, privilege: str) -> None:
    """Deny unless the caller holds the privilege that the message ``name`` declares."""
    if not privilege:
        raise fault("PrivilegeDenied", caller=caller.user_id, privilege=f"none is declared for {name}")
    if privilege != OPEN:
        _deny_unless(caller, privilege)
    elif not caller.enabled:
        raise fault("UserDisabled", user=caller.user_id)


def _deny_unless(caller: Caller, privilege: str) -> None:
    if not caller.enabled:
        raise fault("UserDisabled", user=caller.user_id)
    if not caller.administrator:
        raise fault("PrivilegeDenied", caller=caller.user_id, privilege=privilege)


def restrict(caller: Caller, source: Source, param: Callable[..., Param]) -> Verdict | None:
    """What the caller may see of ``source``: None for everything; raises PrivilegeDenied for nothing at all."""
    check_table(caller, "Read", source.table)
    return None
