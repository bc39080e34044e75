"""Sales and service: leads qualified, opportunities and cases closed, tasks and notes about anything.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/qualifylead
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/winopportunity
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/closeincident
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from orgstead.actions.action import Parameters, Result, Steps, action
from orgstead.actions.common import Fields, Long, Title, deep_link, moment, user_by_email
from orgstead.actions.failures import Refusal
from orgstead.actions.links import bound
from orgstead.client import Ref, new_id
from orgstead.client.literals import guid, name

__all__ = [
    "AddNote", "AddNoteOutput", "CloseOpportunity", "CloseOpportunityOutput", "CreateTask", "CreateTaskOutput",
    "QualifyLead", "QualifyLeadOutput", "ResolveCase", "ResolveCaseOutput", "add_note", "close_opportunity",
    "create_task", "qualify_lead", "resolve_case",
]  # fmt: skip

TYPE = "Microsoft.Dynamics.CRM."
# What the state has as its first status reason.
DEFAULT_STATUS = -1
PROBLEM_SOLVED = 5


class QualifyLead(Parameters, frozen=True):
    """Which lead, and what becomes of it."""

    lead_id: Annotated[str, Meta(description="Id of the lead: a GUID.")]
    create_account: Annotated[bool, Meta(description="Make an account of its company.")] = True
    create_contact: Annotated[bool, Meta(description="Make a contact of its person.")] = True
    create_opportunity: Annotated[bool, Meta(description="Make an opportunity of its subject.")] = True


class QualifyLeadOutput(Result, frozen=True):
    """The rows that were made, each with table, id and deep link."""

    created: list[Fields] = field(default_factory=list)


@action("Qualify a lead", changes=True)
def qualify_lead(crm: Any, asked: QualifyLead) -> Steps[QualifyLeadOutput]:
    """Qualify an open lead: make an account, a contact and an opportunity of it, as wanted, and close it.

    It cannot be undone by another action. The answer names the rows that were made.
    """
    flags = {
        "CreateAccount": asked.create_account,
        "CreateContact": asked.create_contact,
        "CreateOpportunity": asked.create_opportunity,
    }
    lead = Ref("lead", guid(asked.lead_id))
    made = yield crm.actions.invoke("QualifyLead", {**flags, "Status": DEFAULT_STATUS}, on=lead)
    created = []
    for row in made or ():
        table = str(row.get("@odata.type", "")).removeprefix("#").removeprefix(TYPE)
        id = row.get(f"{table}id")
        if id:
            created.append({"table": table, "id": id, "deep_link": deep_link(crm, table, id)})
    return QualifyLeadOutput(success=True, created=created)


class CloseOpportunity(Parameters, frozen=True):
    """Which opportunity, and how it ended."""

    opportunity_id: Annotated[str, Meta(description="Id of the opportunity: a GUID.")]
    outcome: Annotated[Literal["won", "lost"], Meta(description="How it ended.")]
    actual_revenue: Annotated[
        float | None, Meta(description="Revenue that came of it, in the opportunity's currency.")
    ] = None
    actual_end: Annotated[str | None, Meta(description="When it ended, in ISO 8601; now without it.")] = None
    reason: Annotated[Title | None, Meta(description="Why, as the subject of its closing activity.")] = None


class CloseOpportunityOutput(Result, frozen=True):
    """How the opportunity stands."""

    opportunity_id: str | None = None
    outcome: str | None = None


@action("Close an opportunity", changes=True)
def close_opportunity(crm: Any, asked: CloseOpportunity) -> Steps[CloseOpportunityOutput]:
    """Close an open opportunity as won or lost, with what came of it, and note it in an activity."""
    id = guid(asked.opportunity_id)
    won = asked.outcome == "won"
    activity: Fields = {
        "@odata.type": f"{TYPE}opportunityclose",
        "subject": asked.reason or f"Opportunity {asked.outcome}",
        "opportunityid@odata.bind": f"/opportunities({id})",
    }
    if asked.actual_revenue is not None:
        activity["actualrevenue"] = asked.actual_revenue
    if asked.actual_end is not None:
        activity["actualend"] = moment(asked.actual_end, "actual_end")
    message = "WinOpportunity" if won else "LoseOpportunity"
    yield crm.actions.invoke(message, {"OpportunityClose": activity, "Status": DEFAULT_STATUS})
    return CloseOpportunityOutput(success=True, opportunity_id=id, outcome=asked.outcome)


class CreateTask(Parameters, frozen=True):
    """What is to be done, by when, about what, by whom."""

    subject: Annotated[Title, Meta(description="What is to be done.")]
    description: Annotated[Long | None, Meta(description="More about it.")] = None
    due: Annotated[str | None, Meta(description="When it is due, in ISO 8601.")] = None
    regarding_table: Annotated[
        str | None,
        Meta(description="Logical name of the table of the row it is about: account, lead, incident…"),
    ] = None
    regarding_id: Annotated[
        str | None, Meta(description="Id of the row it is about, with regarding_table.")
    ] = None
    owner_email: Annotated[
        str | None,
        Meta(description="E-mail address of the user who is to do it; whoever is signed in without it."),
    ] = None


class CreateTaskOutput(Result, frozen=True):
    """The task, and where to open it."""

    task_id: str | None = None
    deep_link: str | None = None


@action("Create a task")
def create_task(crm: Any, asked: CreateTask) -> Steps[CreateTaskOutput]:
    """Make a task, about a row of any table that has activities, for a user of the organisation."""
    values: Fields = {"subject": asked.subject}
    if asked.description is not None:
        values["description"] = asked.description
    if asked.due is not None:
        values["scheduledend"] = moment(asked.due, "due")
    if (asked.regarding_table is None) != (asked.regarding_id is None):
        raise Refusal("regarding_table and regarding_id go together: give both, or none.")
    if asked.regarding_table is not None and asked.regarding_id is not None:
        about = Ref(name(asked.regarding_table).lower(), guid(asked.regarding_id))
        values |= yield from bound(crm, "task", "regardingobjectid", about)
    if asked.owner_email is not None:
        values["ownerid"] = yield from user_by_email(crm, asked.owner_email)
    made = yield crm.records.create("task", values, id=new_id())
    return CreateTaskOutput(success=True, task_id=made, deep_link=deep_link(crm, "task", made))


class AddNote(Parameters, frozen=True):
    """What to note, and about which row."""

    table: Annotated[str, Meta(description="Logical name of the table of the row.")]
    record_id: Annotated[str, Meta(description="Id of the row: a GUID.")]
    text: Annotated[Long, Meta(description="The note.")]
    subject: Annotated[Title | None, Meta(description="Its title.")] = None


class AddNoteOutput(Result, frozen=True):
    """The note."""

    note_id: str | None = None


@action("Add a note")
def add_note(crm: Any, asked: AddNote) -> Steps[AddNoteOutput]:
    """Write a note on a row of any table that has notes."""
    about = Ref(name(asked.table).lower(), guid(asked.record_id))
    values: Fields = {"notetext": asked.text, **(yield from bound(crm, "annotation", "objectid", about))}
    if asked.subject is not None:
        values["subject"] = asked.subject
    made = yield crm.records.create("annotation", values, id=new_id())
    return AddNoteOutput(success=True, note_id=made)


class ResolveCase(Parameters, frozen=True):
    """Which case, and what solved it."""

    case_id: Annotated[str, Meta(description="Id of the case, a row of incident: a GUID.")]
    resolution: Annotated[Title, Meta(description="What solved it.")]
    minutes: Annotated[int | None, Meta(description="Minutes to add to those of its activities.")] = None


class ResolveCaseOutput(Result, frozen=True):
    """Which case is resolved."""

    case_id: str | None = None


@action("Resolve a case", changes=True)
def resolve_case(crm: Any, asked: ResolveCase) -> Steps[ResolveCaseOutput]:
    """Resolve an active case, with what solved it and the time that it took."""
    id = guid(asked.case_id)
    activity: Fields = {
        "@odata.type": f"{TYPE}incidentresolution",
        "subject": asked.resolution,
        "incidentid@odata.bind": f"/incidents({id})",
    }
    if asked.minutes is not None:
        activity["timespent"] = asked.minutes
    yield crm.actions.invoke("CloseIncident", {"IncidentResolution": activity, "Status": PROBLEM_SOLVED})
    return ResolveCaseOutput(success=True, case_id=id)
