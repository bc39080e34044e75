"""What clients of Finance and Operations ask of messages, by actions of the entity DataManagementDefinitionGroups.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/recurring-integrations#api-for-getting-message-status
"""

from orgstead.engine.datamanagement.messages import read_message
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.model import datamanagement as dm
from orgstead.model.messages import Parameter, Signature

__all__ = ["execution_of_message", "message_status"]

_OF_MESSAGE = Signature(
    kind="action",
    entity="DataManagementDefinitionGroups",
    collection=True,
    parameters=(Parameter(name="messageId", type="Edm.String"),),
    returns=(Parameter(name="", type="Edm.String"),),
)


@handles("DataManagement.GetMessageStatus", privilege=OPEN, writes=False, signature=_OF_MESSAGE)
def message_status(call: Call) -> str:
    """The status of a message by its name. Raises DataMessageNotFound, PrivilegeDenied."""
    row = read_message(call, id=str(call.parameters["messageId"]))
    return dm.Message(row["messagestatus"]).name


@handles("DataManagement.GetExecutionIdByMessageId", privilege=OPEN, writes=False, signature=_OF_MESSAGE)
def execution_of_message(call: Call) -> str:
    """The id of a message's execution, empty as long as there is none. Raises DataMessageNotFound, PrivilegeDenied."""
    row = read_message(call, id=str(call.parameters["messageId"]))
    if row["executionid"] is None:
        return ""
    table = call.schema.tables[dm.EXECUTIONS]
    execution = call.unit.get(table, row["executionid"].id, ("name",)) or {}
    return str(execution.get("name") or "")
