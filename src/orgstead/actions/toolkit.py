"""All actions by name: the eleven, and the dozen beside them."""

from collections.abc import Mapping
from typing import Any

from orgstead.actions.accounts import find_contact, get_account, list_accounts, search_accounts
from orgstead.actions.action import Action
from orgstead.actions.appointments import (
    create_appointment,
    list_appointment_categories,
    list_appointment_category_options,
    list_appointments,
    update_appointment,
)
from orgstead.actions.reading import describe, get_record, read_query, search
from orgstead.actions.sales import add_note, close_opportunity, create_task, qualify_lead, resolve_case
from orgstead.actions.solutions import create_custom_entity, list_solution_id_options
from orgstead.actions.writing import create_record, delete_record, update_record

__all__ = ["ELEVEN", "TOOLKIT"]

ELEVEN: tuple[Action[Any, Any], ...] = (
    create_appointment, create_custom_entity, find_contact, get_account, list_accounts,
    list_appointment_categories, list_appointment_category_options, list_appointments, list_solution_id_options,
    search_accounts, update_appointment,
)  # fmt: skip
DOZEN: tuple[Action[Any, Any], ...] = (
    describe, search, get_record, read_query, create_record, update_record, delete_record, qualify_lead,
    close_opportunity, create_task, add_note, resolve_case,
)  # fmt: skip

TOOLKIT: Mapping[str, Action[Any, Any]] = {each.name: each for each in (*ELEVEN, *DOZEN)}
"""Every action by its name."""
