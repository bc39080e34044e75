"""What one registers steps and endpoints with: the messages there are, and who may read and write the rows."""

import pytest

from tests.parity.conftest import Web
from tests.parity.test_parity_security import make_user

ENDPOINT = {
    "name": "Receiver",
    "contract": 8,
    "authtype": 4,
    "authvalue": "very secret",
    "url": "https://a.example/",
}


def unit_of(web: Web) -> str:
    (unit,) = web.get("businessunits?$select=businessunitid").rows
    return str(unit["businessunitid"])


def role_of(web: Web, name: str) -> str:
    (role,) = web.get(f"roles?$select=roleid&$filter=name eq '{name}'").rows
    return str(role["roleid"])


def filters_of(web: Web, message: str) -> dict[str, bool]:
    asked = web.get(
        "sdkmessagefilters?$select=primaryobjecttypecode,iscustomprocessingstepallowed"
        f"&$filter=sdkmessageid/name eq '{message}'"
    )
    return {row["primaryobjecttypecode"]: row["iscustomprocessingstepallowed"] for row in asked.rows}


@pytest.mark.parametrize(
    "message",
    ["Create", "Update", "Delete", "Associate", "Disassociate", "CreateMultiple", "UpdateMultiple", "QualifyLead",
     "Win", "Lose", "Close", "Merge", "GrantAccess", "Send", "AddMembers", "Assign", "SetState"],
)  # fmt: skip
def test_messages_have_a_row_under_the_name_that_steps_are_registered_for(web: Web, message: str) -> None:
    assert len(web.get(f"sdkmessages?$select=name&$filter=name eq '{message}'").rows) == 1


def test_filters_say_which_tables_a_message_is_for_and_whether_it_takes_steps(web: Web) -> None:
    assert filters_of(web, "Win") == {"opportunity": True, "quote": True}
    assert filters_of(web, "QualifyLead") == {"lead": True}
    assert filters_of(web, "GrantAccess")["account"] is True
    assert "organization" not in filters_of(web, "GrantAccess")
    assert filters_of(web, "Update")["contact"] is True
    assert filters_of(web, "Upsert")["contact"] is False
    assert filters_of(web, "Associate") == {}


def test_a_custom_api_is_a_message_as_long_as_it_is_there(web: Web) -> None:
    values = {
        "uniquename": "new_Ring", "name": "Ring", "displayname": "Ring", "bindingtype": 1,
        "boundentitylogicalname": "account", "allowedcustomprocessingsteptype": 2,
    }  # fmt: skip
    api = web.make("customapis", **values)
    assert filters_of(web, "new_Ring") == {"account": True}
    assert web.call("DELETE", f"customapis({api})").status == 204
    assert web.get("sdkmessages?$select=name&$filter=name eq 'new_Ring'").rows == []
    assert filters_of(web, "new_Ring") == {}


def test_the_key_of_an_endpoint_is_written_and_never_read(web: Web) -> None:
    endpoint = web.make("serviceendpoints", **ENDPOINT)
    row = web.get(f"serviceendpoints({endpoint})")
    assert (row.json["url"], row.json["isauthvalueset"]) == (ENDPOINT["url"], True)
    assert "very secret" not in row.text
    for query in ("$select=authvalue", "$filter=authvalue eq 'very secret'", "$orderby=authvalue"):
        assert web.get(f"serviceendpoints?{query}").status == 400
    fetch = "<fetch><entity name='serviceendpoint'><all-attributes/></entity></fetch>"
    assert "very secret" not in web.get(f"serviceendpoints?fetchXml={fetch}").text


def test_customizers_register_endpoints_and_others_do_not_see_them(web: Web) -> None:
    unit = unit_of(web)
    customizer, seller = (
        make_user(web, unit, role_of(web, role)) for role in ("System Customizer", "Salesperson")
    )
    as_customizer, as_seller = {"MSCRMCallerID": customizer}, {"MSCRMCallerID": seller}
    endpoint = web.call("POST", "serviceendpoints", ENDPOINT, **as_customizer).id
    assert web.get(f"serviceendpoints({endpoint})", **as_customizer).status == 200
    assert web.get(f"serviceendpoints({endpoint})", **as_seller).status == 403
    assert web.call("POST", "serviceendpoints", ENDPOINT, **as_seller).status == 403
    assert web.get("sdkmessageprocessingsteps", **as_seller).status == 200
    assert web.get("sdkmessageprocessingstepsecureconfigs", **as_customizer).status == 403
