"""Choices: global ones, and those of a column.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-optionsets
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from orgstead.client.answers import body_of
from orgstead.client.definitions import NAMESPACE, label, label_of, options_body
from orgstead.client.errors import NotFoundError
from orgstead.client.flow import Flow
from orgstead.client.literals import name, query_text
from orgstead.client.methods import Bound, operation
from orgstead.client.session import Session
from orgstead.client.tables import make_definition, remove_definition

__all__ = ["Choices"]

D = TypeVar("D")
KINDS = frozenset({"Boolean", "Picklist", "State", "Status"})


class Choices(Bound[D], Generic[D]):
    """Choices as labels by value.

    Everything here raises ServiceError (NotFoundError for a name that is none), TransportError, CredentialError.
    """

    def __init__(self, driver: D, session: Session) -> None:
        self._driver = driver
        self._session = session

    @operation
    def create(
        self, schema_name: str, options: Any, *, display_name: str | None = None, solution: str | None = None
    ) -> Flow[Mapping[int, str]]:
        """Make a global choice: ``options`` is an enumeration, values by label, or labels."""
        body = {
            "@odata.type": f"{NAMESPACE}OptionSetMetadata",
            "Name": name(schema_name),
            "DisplayName": label(display_name or schema_name),
            "OptionSetType": "Picklist",
            "IsGlobal": True,
            "Options": options_body(options),
        }
        check = f"GlobalOptionSetDefinitions(Name='{schema_name}')"
        yield from make_definition(self._session, "GlobalOptionSetDefinitions", body, solution, check)
        return _labels((yield from self._session.json(check, headers={"Consistency": "Strong"})))

    @operation
    def get(self, schema_name: str) -> Flow[Mapping[int, str]]:
        """The labels of a global choice by value."""
        return _labels(
            (yield from self._session.json(f"GlobalOptionSetDefinitions(Name='{name(schema_name)}')"))
        )

    @operation
    def list(self) -> Flow[Sequence[str]]:
        """The names of the global choices."""
        found = yield from self._session.json("GlobalOptionSetDefinitions?$select=Name")
        return [str(each["Name"]) for each in found["value"]]

    @operation
    def delete(self, schema_name: str) -> Flow[None]:
        """Remove a global choice."""
        yield from remove_definition(self._session, f"GlobalOptionSetDefinitions(Name='{name(schema_name)}')")

    @operation
    def of_column(self, table: str, column: str) -> Flow[Mapping[int, str]]:
        """The labels of a column of choices, of states or status reasons, by value."""
        base = f"EntityDefinitions(LogicalName='{name(table).lower()}')"
        path = f"{base}/Attributes(LogicalName='{name(column).lower()}')"
        options = query_text({"$select": "LogicalName", "$expand": "OptionSet,GlobalOptionSet"})
        kind = str((yield from self._session.json(f"{path}?$select=AttributeType")).get("AttributeType"))
        failure = NotFoundError(f"{table}.{column} is no column of choices", status=404)
        for each in ("MultiSelectPicklist",) if kind == "Virtual" else (kind,) if kind in KINDS else ():
            try:
                found = yield from self._session.json(f"{path}/{NAMESPACE}{each}AttributeMetadata?{options}")
            except NotFoundError as error:
                failure = error
                continue
            return _labels(found.get("OptionSet") or found.get("GlobalOptionSet") or {})
        raise failure

    @operation
    def add_option(
        self,
        text: str,
        *,
        value: int | None = None,
        choice_set: str | None = None,
        table: str | None = None,
        column: str | None = None,
    ) -> Flow[int]:
        """Add an option to a global choice, or to a column of a table, and return its value."""
        body: dict[str, Any] = {"Label": label(text)}
        if choice_set is not None:
            body["OptionSetName"] = name(choice_set)
        else:
            body |= {"EntityLogicalName": name(table or ""), "AttributeLogicalName": name(column or "")}
        if value is not None:
            body["Value"] = int(value)
        answer, _ = yield from self._session.call("POST", "InsertOptionValue", body)
        return int(body_of(answer)["NewOptionValue"])


def _labels(found: Mapping[str, Any]) -> dict[int, str]:
    options: Sequence[Any] = found.get("Options") or ()
    if "TrueOption" in found:
        options = (found["FalseOption"], found["TrueOption"])
    return {int(each["Value"]): label_of(each.get("Label")) for each in options}
