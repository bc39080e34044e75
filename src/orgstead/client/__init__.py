"""A client for Dynamics 365 and Orgstead: one core, two colours.

``from orgstead.client import Client, AsyncClient``. See ``docs/how-to/use-the-python-client.md``.
"""

from orgstead.client.associations import Associations
from orgstead.client.batch import Batch, BatchOperation, BatchResult, ChangeSet, Outcome
from orgstead.client.bulk import Bulk
from orgstead.client.calls import Calls, EnumMember
from orgstead.client.changes import Change, Changes, Watermark
from orgstead.client.choices import Choices
from orgstead.client.client import AsyncClient, Client
from orgstead.client.connection_string import Connection, read_connection_string
from orgstead.client.credentials import (
    AzureCredential,
    ClientCertificate,
    ClientSecret,
    Credential,
    GivenToken,
)
from orgstead.client.definitions import ColumnInfo, KeyInfo, RelationshipInfo, TableInfo, label
from orgstead.client.environment import read_environment
from orgstead.client.errors import (
    BadRequestError,
    BulkError,
    ConfigurationError,
    ConflictError,
    CredentialError,
    DuplicateError,
    DynamicsError,
    ForbiddenError,
    NotFoundError,
    PreconditionError,
    ServerError,
    ServiceError,
    ThrottledError,
    TransportError,
    UnauthorizedError,
)
from orgstead.client.files import File, Files
from orgstead.client.filters import Column, Condition, col, raw
from orgstead.client.finops import (
    Connector,
    Dequeued,
    Entities,
    ExecutionError,
    FinOps,
    Packages,
    Pulled,
    unpack,
)
from orgstead.client.flow import Answer
from orgstead.client.languages import FetchXml, OData, Sql
from orgstead.client.literals import Ref
from orgstead.client.outcome import BulkResult, RowFailure
from orgstead.client.position import Position
from orgstead.client.query import Expand, Query
from orgstead.client.record import Page, Record, Shape
from orgstead.client.records import Records, Upserted, new_id
from orgstead.client.retry import Retry
from orgstead.client.rows import Rows
from orgstead.client.sign_in import SAMPLE_CLIENT_ID, Browser, DeviceCode, Password, RefreshToken
from orgstead.client.tables import Tables
from orgstead.client.token_store import TokenStore
from orgstead.client.webhooks import Event, EventRow, WebhookReceiver, read_event

__all__ = [
    "SAMPLE_CLIENT_ID",
    "Answer",
    "Associations",
    "AsyncClient",
    "AzureCredential",
    "BadRequestError",
    "Batch",
    "BatchOperation",
    "BatchResult",
    "Browser",
    "Bulk",
    "BulkError",
    "BulkResult",
    "Calls",
    "Change",
    "ChangeSet",
    "Changes",
    "Choices",
    "Client",
    "ClientCertificate",
    "ClientSecret",
    "Column",
    "ColumnInfo",
    "Condition",
    "ConfigurationError",
    "ConflictError",
    "Connection",
    "Connector",
    "Credential",
    "CredentialError",
    "Dequeued",
    "DeviceCode",
    "DuplicateError",
    "DynamicsError",
    "Entities",
    "EnumMember",
    "Event",
    "EventRow",
    "ExecutionError",
    "Expand",
    "FetchXml",
    "File",
    "Files",
    "FinOps",
    "ForbiddenError",
    "GivenToken",
    "KeyInfo",
    "NotFoundError",
    "OData",
    "Outcome",
    "Packages",
    "Page",
    "Password",
    "Position",
    "PreconditionError",
    "Pulled",
    "Query",
    "Record",
    "Records",
    "Ref",
    "RefreshToken",
    "RelationshipInfo",
    "Retry",
    "RowFailure",
    "Rows",
    "ServerError",
    "ServiceError",
    "Shape",
    "Sql",
    "TableInfo",
    "Tables",
    "ThrottledError",
    "TokenStore",
    "TransportError",
    "UnauthorizedError",
    "Upserted",
    "Watermark",
    "WebhookReceiver",
    "col",
    "label",
    "new_id",
    "raw",
    "read_connection_string",
    "read_environment",
    "read_event",
    "unpack",
]
