"""Words of data management in Finance and Operations: its tables, and what states a message and an execution have.

https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/recurring-integrations
https://learn.microsoft.com/dynamics365/fin-ops-core/dev-itpro/data-entities/data-management-api
"""

from dataclasses import dataclass
from enum import IntEnum

__all__ = [
    "BLOBS", "EXECUTIONS", "EXECUTION_ENTITIES", "JOBS", "MESSAGES", "PROJECTS", "PROJECT_ENTITIES",
    "STAGING", "BlobLink", "Execution", "Format", "Message", "Operation", "Refresh", "Source", "Transfer",
]  # fmt: skip

JOBS, PROJECTS, PROJECT_ENTITIES = "orgstead_datajob", "orgstead_dataproject", "orgstead_dataprojectentity"
MESSAGES, STAGING = "orgstead_datamessage", "orgstead_stagingrow"
BLOBS = "orgstead_datablob"
EXECUTIONS, EXECUTION_ENTITIES = "orgstead_dataexecution", "orgstead_dataexecutionentity"


class Operation(IntEnum):
    """Which way data goes."""

    Import = 1
    Export = 2


class Source(IntEnum):
    """What a recurring data job exchanges."""

    File = 1
    Package = 2


class Format(IntEnum):
    """What a file of one entity looks like."""

    Csv = 1
    XmlElement = 2
    XmlAttribute = 3
    Excel = 4
    Tab = 5
    Pipe = 6
    CsvUnicode = 7
    CsvSemiColon = 8


class Refresh(IntEnum):
    """What an export has of an entity."""

    Full = 0
    Incremental = 1


class Message(IntEnum):
    """The status of a message; the names are those that GetMessageStatus answers."""

    Enqueued = 0
    Dequeued = 1
    Acked = 2
    Preprocessing = 3
    Processing = 4
    Processed = 5
    PreProcessingError = 6
    ProcessedWithErrors = 7
    PostProcessingFailed = 8


class Execution(IntEnum):
    """The status of an execution; the names are those that GetExecutionSummaryStatus answers."""

    Unknown = 0
    NotRun = 1
    Executing = 2
    Succeeded = 3
    PartiallySucceeded = 4
    Failed = 5
    Canceled = 6


class Transfer(IntEnum):
    """What has become of a staging row."""

    NotStarted = 0
    Completed = 1
    Error = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobLink:
    """A blob, to be told to a client as an address by which it may be written, or read. ``name`` is for people."""

    blob: str
    name: str
    write: bool = False
