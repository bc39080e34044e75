"""What of the scenarios goes over SOAP, and for which reasons a request stays with the Web API."""

from collections import Counter
from enum import Enum

__all__ = ["Alone", "Ledger", "Why"]


class Why(Enum):
    """Why a request has no counterpart among the requests of the Organization Service."""

    REFUSED = "the Web API's own reader refuses its address, options, headers or body"
    DOCUMENT = (
        "it reads definitions or documents by OData's options (test_parity_soap_definitions has SOAP's)"
    )
    SIGN_IN = "whoever is not signed in is refused in HTTP, before any envelope is read"
    BATCH = "$batch is OData's form (ExecuteMultiple and ExecuteTransaction are in test_parity_soap)"
    ELSEWHERE = "its address is not below the Web API's root"
    CONDITIONAL = "If-None-Match, and If-Match of a read, are HTTP's"
    LISTS = "$expand of the lists of many rows is no join"
    NESTED = "what an expand holds cannot be asked for in RelatedEntitiesQuery"
    TEST = "tests of collections and negations in $filter have no ConditionOperator"
    LAYOUT = "one value, a count or an address of a part of a row is OData's form of an answer"
    UNTYPED = "a value in JSON that none of .NET's types can hold"
    BOUND = "rows that exist are tied by a bind in a body, which an Entity cannot say"
    PART = "a part of a file is HTTP's; blocks are messages"
    CHANGES = "a delta link is OData's form of RetrieveEntityChanges (test_parity_soap has it)"
    BARE = "a request of the SDK has bare ids where the Web API has rows of a table"
    POLYMORPHIC = "a link along a lookup goes by the id alone, whatever table the lookup names"
    INSIDE = "it looks at what lies inside, not at answers"
    DEFINITION = "the body is no definition that a class of the SDK could hold"
    NAMELESS = "a to-one tie is cut without saying which row is at its end"
    MESSAGE = "the message has no signature to call it by"


class Alone(Exception):
    """A request that the Web API answers alone."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


class Ledger:
    """How often a scenario was heard over SOAP, by request; and why requests were not."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.alone: Counter[Why] = Counter()

    def clear(self) -> None:
        """Begin with another scenario."""
        self.sent.clear()
        self.alone.clear()
