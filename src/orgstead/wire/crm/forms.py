"""Forms: which fields of a resource are shown, which are needed, and what they are called. They shape what is written.

https://teamswork.app/crmapi
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from orgstead.errors import fault
from orgstead.model.messages import RetrieveMultiple, Upsert
from orgstead.model.query import Condition, Query
from orgstead.model.query import Field as Of
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Schema
from orgstead.wire.crm.body import field_fault
from orgstead.wire.crm.resources import Field, Resource, form_fields
from orgstead.wire.crm.rows import dictionaries

__all__ = ["Form", "FormField", "asked_form", "changed_form", "read_form", "shown_form"]

TABLE = "orgstead_formfield"
COLUMNS = ("fieldname", "label", "isrequired", "isvisible")
MAX_LABEL = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """A field on a form."""

    name: str
    label: str
    required: bool
    visible: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form by its name, with its fields by theirs."""

    name: str
    fields: Mapping[str, FormField]

    def check(self, resource: Resource, given: Collection[str], values: Mapping[str, Any]) -> None:
        """Refuse what is ``given`` and hidden, and what is needed and has no value; raises CrmFieldHidden,
        CrmFieldRequired."""
        for name, field in self.fields.items():
            if name not in resource.fields:
                continue
            if not field.visible and name in given:
                raise field_fault(fault("CrmFieldHidden", field=name, form=self.name), name)
            if field.visible and field.required and values.get(name) in (None, ""):
                raise field_fault(fault("CrmFieldRequired", field=name), name)


def asked_form(name: str) -> RetrieveMultiple:
    """The question for the rows of a form."""
    where = Condition(Of("formname"), "eq", (name,))
    return RetrieveMultiple(query=Query(table=TABLE, columns=COLUMNS, where=where, page_size=500))


def read_form(name: str, schema: Schema, page: Any) -> Form:
    """A form out of its rows; fields without a row are as the columns are."""
    changed = {row["fieldname"]: row for row in dictionaries(page)}
    fields = {}
    for each, (resource, field) in form_fields(name, schema).items():
        row, usual = changed.get(each), _usual(resource, field, schema)
        fields[each] = usual if row is None else FormField(
            name=each, label=row["label"] or usual.label, required=bool(row["isrequired"]),
            visible=bool(row["isvisible"]),
        )  # fmt: skip
    return Form(name=name, fields=fields)


def shown_form(form: Form, schema: Schema, tenant: str) -> dict[str, Any]:
    """A form as its resource."""
    fields = [
        {
            "id": field.name,
            "label": field.label,
            "type": _type(form.name, field.name, schema),
            "required": field.required,
            "visible": field.visible,
        }
        for field in form.fields.values()
    ]
    return {"id": form.name, "tenantId": tenant, "fields": fields}


def changed_form(name: str, schema: Schema, body: Mapping[str, Any], tenant: str) -> tuple[Upsert, ...]:
    """The messages that make a form what a body says; fields that it leaves out are as the columns are again.

    Raises CrmFieldUnknown, CrmFieldInvalid, CrmFieldRequired.
    """
    for key in body:
        if key not in ("id", "tenantId", "fields"):
            raise field_fault(fault("CrmFieldUnknown", field=key[:100], resource="forms"), key)
    if body.get("id", name) != name or body.get("tenantId", tenant) != tenant:
        raise field_fault(
            fault("CrmFieldInvalid", message="The form is another one than the address names."), "id"
        )
    given = body.get("fields")
    if not isinstance(given, list):
        raise field_fault(fault("CrmFieldRequired", field="fields"), "fields")
    known = form_fields(name, schema)
    told: dict[str, FormField] = {}
    for each in given[: len(known) + 1]:
        asked = _given(each, known, schema)
        if asked.name in told:
            raise field_fault(fault("CrmFieldInvalid", message=f"{asked.name} is there twice."), "fields")
        told[asked.name] = asked
    messages = []
    for known_name, (resource, field) in known.items():
        said = told.get(known_name) or _usual(resource, field, schema)
        values = {"label": said.label, "isrequired": said.required, "isvisible": said.visible}
        row = Ref(TABLE, (("formname", name), ("fieldname", known_name)))
        messages.append(Upsert(ref=row, record=Record(table=TABLE, values=values)))
    return tuple(messages)


def _given(value: Any, known: Mapping[str, tuple[Resource, Field]], schema: Schema) -> FormField:
    if not isinstance(value, dict) or not isinstance(value.get("id"), str):
        raise field_fault(
            fault("CrmFieldInvalid", message="Every field of a form is an object with an id."), "fields"
        )
    name = value["id"]
    if name not in known:
        raise field_fault(fault("CrmFieldUnknown", field=name[:100], resource="this form"), "fields")
    resource, field = known[name]
    usual = _usual(resource, field, schema)
    label, required, visible = (
        value.get(key, getattr(usual, key)) for key in ("label", "required", "visible")
    )
    for key in value:
        if key not in ("id", "label", "type", "required", "visible"):
            raise field_fault(fault("CrmFieldUnknown", field=key[:100], resource="a form's field"), "fields")
    if value.get("type", _json_type(resource, field, schema)) != _json_type(resource, field, schema):
        raise field_fault(fault("CrmFieldInvalid", message=f"The type of {name} does not change."), "fields")
    if not isinstance(label, str) or not 0 < len(label) <= MAX_LABEL:
        raise field_fault(
            fault("CrmFieldInvalid", message=f"A label has between 1 and {MAX_LABEL} characters."), "fields"
        )
    if not isinstance(required, bool) or not isinstance(visible, bool):
        raise field_fault(
            fault("CrmFieldInvalid", message="required and visible are true or false."), "fields"
        )
    if required and not visible:
        raise field_fault(
            fault("CrmFieldInvalid", message=f"{name} cannot be required and hidden."), "fields"
        )
    if usual.required and resource.column(schema, field).required == "SystemRequired" and not required:
        raise field_fault(fault("CrmFieldInvalid", message=f"{name} is always required."), "fields")
    return FormField(name=name, label=label, required=required, visible=visible)


def _usual(resource: Resource, field: Field, schema: Schema) -> FormField:
    column = resource.column(schema, field)
    label = column.display_name or field.name
    return FormField(name=field.name, label=label, required=resource.needs(schema, field))


def _type(form: str, name: str, schema: Schema) -> str:
    resource, field = form_fields(form, schema)[name]
    return _json_type(resource, field, schema)


def _json_type(resource: Resource, field: Field, schema: Schema) -> str:
    column = resource.column(schema, field)
    if column.is_choice or column.type in ("integer", "bigint"):
        return "integer"
    if column.type in ("money", "decimal", "double"):
        return "number"
    return "boolean" if column.type == "boolean" else "string"
