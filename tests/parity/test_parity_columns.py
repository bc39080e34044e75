"""Columns that are more than a value: images, managed properties."""

import base64
import io

from PIL import Image

from tests.parity.conftest import Web


def picture(wide: int, high: int) -> str:
    written = io.BytesIO()
    Image.new("RGB", (wide, high)).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


PIXEL = picture(1, 1)
SHOWN = "entityimage,entityimage_url,entityimage_timestamp,entityimageid"


def test_an_image_tells_where_and_when_and_forgets_it_when_removed(web: Web) -> None:
    bare = web.make("accounts", name="No picture")
    row = web.get(f"accounts({bare})?$select={SHOWN}").json
    assert [row[name] for name in SHOWN.split(",")] == [None] * 4
    assert web.call("PATCH", f"accounts({bare})", {"entityimage": PIXEL}).status == 204
    row = web.get(f"accounts({bare})?$select={SHOWN}").json
    assert row["entityimage"] == PIXEL
    assert row["entityimage_url"].startswith(
        f"/Image/download.aspx?Entity=account&Attribute=entityimage&Id={bare}"
    )
    assert row["entityimage_url"].endswith(f"&Timestamp={row['entityimage_timestamp']}")
    assert row["entityimageid"]
    assert web.call("PATCH", f"accounts({bare})", {"entityimage": None}).status == 204
    row = web.get(f"accounts({bare})?$select={SHOWN}").json
    assert [row[name] for name in SHOWN.split(",")] == [None] * 4


def test_a_managed_property_is_an_object_and_filters_by_its_value(web: Web) -> None:
    common = {"content": "", "webresourcetype": 1}
    web.make("webresourceset", name="new_shown", **common)
    web.make("webresourceset", name="new_hidden", **common, ishidden={"Value": True, "CanBeChanged": True})
    rows = web.get("webresourceset?$select=name,ishidden&$filter=ishidden/Value eq true").rows
    assert [row["name"] for row in rows] == ["new_hidden"]
    assert rows[0]["ishidden"] == {
        "Value": True,
        "CanBeChanged": True,
        "ManagedPropertyLogicalName": "ishidden",
    }
    rows = web.get("webresourceset?$select=name,iscustomizable&$filter=ishidden/Value eq false").rows
    assert [(row["name"], row["iscustomizable"]["Value"]) for row in rows] == [("new_shown", True)]


def test_an_empty_text_is_none(web: Web) -> None:
    account = web.make("accounts", name="full", telephone1="", description="")
    address = f"accounts({account})?$select=name,telephone1,description"
    row = web.get(address).json
    assert (row["telephone1"], row["description"]) == (None, None)
    assert web.call("PATCH", f"accounts({account})", {"name": ""}).status == 204
    assert web.call("PUT", f"accounts({account})/telephone1", {"value": ""}).status == 204
    row = web.get(address).json
    assert (row["name"], row["telephone1"]) == (None, None)
    assert len(web.get(f"accounts?$filter=name eq null and accountid eq {account}").rows) == 1
