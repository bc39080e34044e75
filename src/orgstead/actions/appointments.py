"""Appointments: made, moved, listed, and the categories that they have.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/appointment
https://learn.microsoft.com/power-apps/developer/data-platform/activityparty-entity
"""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, field

from orgstead.actions.action import Parameters, Result, Steps, action
from orgstead.actions.categories import categories_of, checked_category
from orgstead.actions.common import (
    Fields,
    Title,
    account_named,
    deep_link,
    moment,
    row_of,
    rows_of,
    user_by_email,
)
from orgstead.actions.failures import Refusal
from orgstead.client import Ref, new_id, raw
from orgstead.client.literals import guid

__all__ = [
    "CreateAppointment", "CreateAppointmentOutput", "ListAppointmentCategories", "ListAppointmentCategoriesOutput",
    "ListAppointmentCategoryOptions", "ListAppointmentCategoryOptionsOutput", "ListAppointments",
    "ListAppointmentsOutput", "UpdateAppointment", "UpdateAppointmentOutput", "create_appointment",
    "list_appointment_categories", "list_appointment_category_options", "list_appointments", "update_appointment",
]  # fmt: skip

REQUIRED_ATTENDEE, ORGANIZER = 5, 7
CATEGORY = "Number of a category; list_appointment_categories tells which there are."


class CreateAppointment(Parameters, frozen=True):
    """When, about whom, and with whom."""

    subject: Annotated[Title, Meta(description="Title of the appointment.")]
    scheduledstart: Annotated[
        str, Meta(description="Start in ISO 8601, such as 2026-02-20T12:00:00Z; without an offset it is UTC.")
    ]
    scheduledend: Annotated[str, Meta(description="End in ISO 8601, after the start.")]
    regarding_account_id: Annotated[
        str, Meta(description="Id of the account that it is about; search_accounts finds it.")
    ]
    required_attendee_email: Annotated[
        str,
        Meta(min_length=1, description="E-mail address of the user of the organisation who is to attend."),
    ]
    category: Annotated[int | None, Meta(description=CATEGORY)] = None


class CreateAppointmentOutput(Result, frozen=True):
    """The appointment, and where to open it."""

    appointment_id: str | None = None
    deep_link: str | None = None
    appointment: Fields | None = None


@action("Create an appointment")
def create_appointment(crm: Any, asked: CreateAppointment) -> Steps[CreateAppointmentOutput]:
    """Make an appointment about an account, organised by whoever is signed in, with a user as required attendee.

    Writes one appointment; sends no invitation by itself. The account, the attendee and the category are checked
    first, and nothing is made when one of them is not there.
    """
    start, end = moment(asked.scheduledstart, "scheduledstart"), moment(asked.scheduledend, "scheduledend")
    _check_order(start, end)
    account = yield from account_named(crm, asked.regarding_account_id)
    attendee = yield from user_by_email(crm, asked.required_attendee_email)
    category = yield from checked_category(crm, asked.category)
    me = yield crm.who_am_i()
    organizer = Ref("systemuser", me["UserId"])
    values = {
        "subject": asked.subject,
        "scheduledstart": start,
        "scheduledend": end,
        "regardingobjectid_account_appointment": account,
        "appointment_activity_parties": [
            {"partyid_systemuser": organizer, "participationtypemask": ORGANIZER},
            {"partyid_systemuser": attendee, "participationtypemask": REQUIRED_ATTENDEE},
        ],
        **category,
    }
    # With an id of its own it is made once, even if an answer is lost and the request is repeated.
    made = yield crm.records.create_returning("appointment", values, id=new_id())
    return CreateAppointmentOutput(
        success=True,
        appointment_id=made.id,
        deep_link=deep_link(crm, "appointment", made.id),
        appointment=row_of(made),
    )


class UpdateAppointment(Parameters, frozen=True):
    """Which appointment, and what is to change; what is left out stays."""

    appointment_id: Annotated[str, Meta(description="Id of the appointment: a GUID.")]
    subject: Annotated[Title | None, Meta(description="New title.")] = None
    scheduledstart: Annotated[str | None, Meta(description="New start in ISO 8601.")] = None
    scheduledend: Annotated[str | None, Meta(description="New end in ISO 8601.")] = None
    category: Annotated[int | None, Meta(description=CATEGORY)] = None


class UpdateAppointmentOutput(Result, frozen=True):
    """What has changed."""

    appointment_id: str | None = None
    updated_fields: list[str] = field(default_factory=list)


@action("Update an appointment", changes=True, idempotent=True)
def update_appointment(crm: Any, asked: UpdateAppointment) -> Steps[UpdateAppointmentOutput]:
    """Change the title, the times or the category of an appointment; only what is given is written."""
    id = guid(asked.appointment_id)
    times = {
        name: moment(text, name)
        for name, text in (("scheduledstart", asked.scheduledstart), ("scheduledend", asked.scheduledend))
        if text is not None
    }
    subject = {} if asked.subject is None else {"subject": asked.subject}
    if not subject and not times and asked.category is None:
        raise Refusal("Nothing is to change: give subject, scheduledstart, scheduledend or category.")
    there = yield crm.records.find("appointment", id, select=["scheduledstart", "scheduledend"])
    if there is None:
        raise Refusal(f"There is no appointment with the id {id}. list_appointments tells which there are.")
    if times:
        _check_order(*(times.get(name, there[name]) for name in ("scheduledstart", "scheduledend")))
    values = {**subject, **times, **(yield from checked_category(crm, asked.category))}
    yield crm.records.update("appointment", id, values)
    given = ("subject", "scheduledstart", "scheduledend", "category")
    return UpdateAppointmentOutput(
        success=True,
        appointment_id=id,
        updated_fields=[name for name in given if getattr(asked, name) is not None],
    )


class ListAppointments(Parameters, frozen=True):
    """Which appointments, and how many."""

    filter: Annotated[
        str | None,
        Meta(
            description="OData $filter over columns of appointment, such as: statecode eq 0 (open ones), or "
            "scheduledstart ge 2026-02-20T00:00:00Z."
        ),
    ] = None
    records_per_page: Annotated[int, Meta(ge=1, le=100, description="Appointments to answer at most.")] = 25


class ListAppointmentsOutput(Result, frozen=True):
    """The appointments."""

    appointments: list[Fields] = field(default_factory=list)


@action("List appointments", reads=True)
def list_appointments(crm: Any, asked: ListAppointments) -> Steps[ListAppointmentsOutput]:
    """List appointments, the latest start first: those that fulfil an OData filter, or all of them."""
    query = crm.query("appointment").order_by("-scheduledstart").top(asked.records_per_page)
    found = yield (query.where(raw(asked.filter)) if asked.filter else query).all()
    return ListAppointmentsOutput(success=True, appointments=rows_of(found))


class ListAppointmentCategories(Parameters, frozen=True):
    """Nothing to say."""


class ListAppointmentCategoriesOutput(Result, frozen=True):
    """The categories; ``category_type`` is the type of the column that holds them."""

    category_type: str | None = None
    categories: list[Fields] = field(default_factory=list)


@action("List appointment categories", reads=True)
def list_appointment_categories(
    crm: Any, asked: ListAppointmentCategories
) -> Steps[ListAppointmentCategoriesOutput]:
    """List the categories that an appointment may have: the type of their column, and each value with its label.

    Where ``category_type`` is Picklist, values are what ``category`` of create_appointment and update_appointment
    takes. Otherwise the organisation keeps categories as free text, and those in use are listed.
    """
    found = yield from categories_of(crm)
    return ListAppointmentCategoriesOutput(
        success=True, category_type=found.type, categories=[dict(each) for each in found.values]
    )


class ListAppointmentCategoryOptions(Parameters, frozen=True):
    """Nothing to say."""


class ListAppointmentCategoryOptionsOutput(Result, frozen=True):
    """The options."""

    options: list[Fields] = field(default_factory=list)


@action("List appointment category options", reads=True)
def list_appointment_category_options(
    crm: Any, asked: ListAppointmentCategoryOptions
) -> Steps[ListAppointmentCategoryOptionsOutput]:
    """List the categories of appointments as the options of a form's field: a label and a value each."""
    found = yield from categories_of(crm)
    return ListAppointmentCategoryOptionsOutput(success=True, options=[dict(each) for each in found.values])


def _check_order(start: datetime | None, end: datetime | None) -> None:
    if start is not None and end is not None and end <= start:
        raise Refusal("scheduledend must be after scheduledstart.")
