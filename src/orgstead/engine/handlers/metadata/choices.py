"""Global choices (option sets).

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-optionsets
"""

from dataclasses import replace
from typing import Any

from orgstead.engine.handlers.metadata.checks import check_name, known_choice, wanted
from orgstead.engine.handlers.metadata.columns import MAX_OPTIONS
from orgstead.engine.handlers.metadata.components import OPTION_SET, add_to_solution, forget_component
from orgstead.engine.handlers.metadata.draft import Draft
from orgstead.engine.registry import Call, handles
from orgstead.errors import fault
from orgstead.model.schema import Choice

__all__ = ["create_option_set", "delete_option_set", "update_option_set"]


@handles("CreateOptionSet", privilege="prvCreateOptionSet", heavy=True, defines=True)
def create_option_set(call: Call) -> Any:
    """Add a global choice. Answers ``OptionSetId``."""
    draft, choice = Draft(call), wanted(call, "choice", Choice)
    check_name("option set", choice.name)
    if any(name.lower() == choice.name.lower() for name in call.schema.choices):
        raise fault("ChoiceExists", name=choice.name)
    if len(choice.options) > MAX_OPTIONS:
        raise fault("InvalidDefinition", what=choice.name, reason=f"more than {MAX_OPTIONS} options")
    seen: set[int] = set()
    for option in choice.options:
        if option.value in seen:
            raise fault("OptionExists", value=option.value)
        seen.add(option.value)
    draft.put_choice(replace(choice, schema_name=choice.schema_name or choice.name, is_custom=True))
    draft.commit()
    add_to_solution(call, OPTION_SET, choice.metadata_id)
    return {"OptionSetId": choice.metadata_id}


@handles("UpdateOptionSet", privilege="prvWriteOptionSet", heavy=True, defines=True)
def update_option_set(call: Call) -> Any:
    """Change a global choice's labels; its options have messages of their own."""
    draft, choice = Draft(call), wanted(call, "choice", Choice)
    current = known_choice(call.schema, choice.name)
    if choice.options != current.options:
        reason = "options are changed by the messages for option values"
        raise fault("InvalidDefinition", what=choice.name, reason=reason)
    draft.put_choice(replace(current, display_name=choice.display_name, description=choice.description))
    draft.commit()
    add_to_solution(call, OPTION_SET, current.metadata_id)
    return None


@handles("DeleteOptionSet", privilege="prvDeleteOptionSet", heavy=True, defines=True)
def delete_option_set(call: Call) -> Any:
    """Delete a global choice that no column uses."""
    draft = Draft(call)
    choice = known_choice(call.schema, wanted(call, "name", str))
    if not choice.is_custom:
        raise fault("DefinitionNotDeletable", name=choice.name)
    using = [
        table.logical_name
        for table in call.schema.tables.values()
        if any(column.global_choice == choice.name for column in table.columns.values())
    ]
    if using:
        raise fault("ChoiceInUse", tables=", ".join(using[:20]))
    draft.drop_choice(choice.name)
    draft.commit()
    forget_component(call, choice.metadata_id)
    return None
