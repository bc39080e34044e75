"""Fills an organisation with made-up rows."""

from collections.abc import Callable
from dataclasses import replace
from itertools import chain, islice

from orgstead.engine.callers import load_caller
from orgstead.engine.pipeline import Engine
from orgstead.solutions.first import FirstIds
from orgstead.solutions.seeding import account_messages, contact_messages

__all__ = ["fill"]

AT_ONCE = 1000


def fill(
    engine: Engine, accounts: int, contacts: int, seed: int, done: Callable[[int], None] = lambda number: None
) -> None:
    """Add accounts and contacts, a thousand in a transaction; ``done`` is told how many more there are.

    The same ``seed`` makes the same rows. Raises DuplicateRecord when they are there already.
    """
    with engine.store.read() as unit:
        caller = load_caller(unit, engine.schema, user_id=FirstIds.system_user)
    if caller is None:
        raise RuntimeError("an organisation always has its system user")
    caller = replace(caller, administrator=True)
    rows = chain(account_messages(accounts, seed), contact_messages(contacts, seed, accounts))
    while chunk := list(islice(rows, AT_ONCE)):
        engine.run(chunk, caller)
        done(len(chunk))
