"""Actions for agents and programs on Dynamics 365 and Orgstead: ``from orgstead.actions import create_appointment``.

``create_appointment(client, subject=…, …)`` works with a ``Client``, and is awaited with an ``AsyncClient``. See
``docs/how-to/give-agents-actions.md``; ``orgstead.actions.mcp_server`` makes tools of the actions.
"""

from orgstead.actions.accounts import find_contact, get_account, list_accounts, search_accounts
from orgstead.actions.action import Action, Parameters, Result, Steps, action
from orgstead.actions.appointments import (
    create_appointment,
    list_appointment_categories,
    list_appointment_category_options,
    list_appointments,
    update_appointment,
)
from orgstead.actions.reading import describe, get_record, read_query, search
from orgstead.actions.sales import add_note, close_opportunity, create_task, qualify_lead, resolve_case
from orgstead.actions.sign_in import AuthorizationCode, SignInPage
from orgstead.actions.solutions import create_custom_entity, list_solution_id_options
from orgstead.actions.toolkit import ELEVEN, TOOLKIT
from orgstead.actions.writing import create_record, delete_record, update_record

__all__ = [
    "ELEVEN",
    "TOOLKIT",
    "Action",
    "AuthorizationCode",
    "Parameters",
    "Result",
    "SignInPage",
    "Steps",
    "action",
    "add_note",
    "close_opportunity",
    "create_appointment",
    "create_custom_entity",
    "create_record",
    "create_task",
    "delete_record",
    "describe",
    "find_contact",
    "get_account",
    "get_record",
    "list_accounts",
    "list_appointment_categories",
    "list_appointment_category_options",
    "list_appointments",
    "list_solution_id_options",
    "qualify_lead",
    "read_query",
    "resolve_case",
    "search",
    "search_accounts",
    "update_appointment",
    "update_record",
]
