"""What tests of ``/data`` have in common."""

from dataclasses import dataclass, field
from typing import Any

from tests.parity.conftest import ORIGIN, Answer, Web

DATA = f"{ORIGIN}/data/"
SPACE = "Microsoft.Dynamics.DataEntities."
STRING, INT32, INT64, REAL, BOOLEAN, DATE, DATETIME, GUID, ENUM = range(9)


@dataclass(frozen=True, slots=True)
class Feed:
    """A client of ``/data``; ``headers`` are those of all its requests."""

    web: Web
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request below ``/data``, or to an absolute address."""
        address = path if path.startswith("http") else f"{DATA}{path}"
        return self.web.call(method, address, body, **{**self.headers, **headers})

    def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return self.call("GET", path, **headers)

    def rows(self, path: str, **headers: str) -> list[dict[str, Any]]:
        """The rows of a page, without their tags."""
        rows = self.get(path, **headers).rows
        return [{name: value for name, value in row.items() if name != "@odata.etag"} for row in rows]

    def column(self, path: str, name: str) -> list[Any]:
        """One field of the rows of a page."""
        return [row[name] for row in self.get(path).rows]


def why(answer: Answer) -> tuple[int, str]:
    """The status of a failure, and what it says inside."""
    error = answer.json["error"]
    assert error["code"] == ""
    assert error["message"], answer.text
    return answer.status, error["innererror"]["message"]


def map_table(web: Web, table: str, fields: list[dict[str, Any]], key: str, **values: Any) -> str:
    """Make a data entity from a table through the Web API, as anybody does; the id of its row."""
    entity = web.make(
        "orgstead_dataentities", tablename=table, keyfields=key,
        **{"name": "Thing", "publiccollectionname": "Things", **values},
    )  # fmt: skip
    for each in fields:
        bound = {"dataentityid@odata.bind": f"orgstead_dataentities({entity})"}
        web.make("orgstead_dataentityfields", **{**each, **bound})
    return entity


def enable(web: Web, entity: str, value: bool = True) -> Answer:
    """Enable a data entity, or disable it."""
    return web.call("PATCH", f"orgstead_dataentities({entity})", {"isenabled": value})
