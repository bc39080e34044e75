"""Who am I, which version, which organisation, in which languages, and how it writes addresses.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/whoami
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrieveversion
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrievecurrentorganization
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/formataddress
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrieveprovisionedlanguages
"""

from typing import Any
from urllib.parse import urlsplit

from orgstead.engine.addresses import address_text
from orgstead.engine.registry import OPEN, Call, handles
from orgstead.errors import fault
from orgstead.model.messages import Parameter, Signature

__all__ = [
    "TENANT", "VERSION", "format_address", "retrieve_current_organization", "retrieve_languages", "retrieve_version",
    "who_am_i",
]  # fmt: skip

# The setting that holds the tenant's id.
TENANT = "tenant_id"

# The version of the imitated platform that clients compare against.
VERSION = "9.2.24104.00187"
# A tuple, since a value of any type is looked for in it.
ACCESS_TYPES = ("Default", "Internet", "Intranet")
NOWHERE = "00000000-0000-0000-0000-000000000000"


@handles(
    "WhoAmI",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function",
        returns=tuple(
            Parameter(name=name, type="Edm.Guid") for name in ("BusinessUnitId", "UserId", "OrganizationId")
        ),
    ),
)
def who_am_i(call: Call) -> Any:
    """The ids of the caller, the caller's business unit and the organisation."""
    return {
        "BusinessUnitId": call.caller.business_unit_id,
        "UserId": call.caller.user_id,
        "OrganizationId": call.caller.organization_id,
    }


@handles(
    "RetrieveVersion",
    privilege=OPEN,
    writes=False,
    signature=Signature(kind="function", returns=(Parameter(name="Version", type="Edm.String"),)),
)
def retrieve_version(call: Call) -> Any:
    """The version of the platform."""
    return {"Version": VERSION}


@handles(
    "RetrieveCurrentOrganization",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function",
        parameters=(Parameter(name="AccessType", type="mscrm.EndpointAccessType"),),
        returns=(Parameter(name="Detail", type="mscrm.OrganizationDetail"),),
    ),
)
def retrieve_current_organization(call: Call) -> Any:
    """What the organisation is called, its version, tenant and addresses, the same for every kind of access."""
    if call.parameters["AccessType"] not in ACCESS_TYPES:
        raise fault("InvalidArgument", message="AccessType must be Default, Internet or Intranet.")
    id, address = call.caller.organization_id, call.options.address
    row = call.unit.get(call.schema.tables["organization"], id, ("name",)) or {}
    name = str(row.get("name") or "")
    endpoints = {
        "WebApplication": f"{address}/",
        "OrganizationService": f"{address}/XRMServices/2011/Organization.svc",
        "OrganizationDataService": f"{address}/XRMServices/2011/OrganizationData.svc",
    }
    return {
        "Detail": {
            "OrganizationId": id,
            "FriendlyName": name,
            "OrganizationVersion": VERSION,
            "EnvironmentId": id,
            "DatacenterId": NOWHERE,
            "Geo": None,
            "TenantId": call.unit.read_setting(TENANT),
            "UrlName": urlsplit(address).hostname,
            "UniqueName": f"org{id.replace('-', '')[:8]}",
            "Endpoints": {
                "Count": len(endpoints),
                "IsReadOnly": False,
                "Keys": list(endpoints),
                "Values": list(endpoints.values()),
            },
            "State": "Enabled",
        }
    }


_ADDRESS = ("Line1", "City", "StateOrProvince", "PostalCode", "Country")


@handles(
    "FormatAddress",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function",
        parameters=tuple(Parameter(name=name, type="Edm.String", optional=True) for name in _ADDRESS),
        returns=(Parameter(name="Address", type="Edm.String"),),
    ),
)
def format_address(call: Call) -> Any:
    """An address as one text, written as in the United States."""
    line, city, state, code, country = (call.parameters.get(name) for name in _ADDRESS)
    return {"Address": address_text(line, city=city, state=state, code=code, country=country)}


@handles(
    "RetrieveProvisionedLanguages",
    privilege=OPEN,
    writes=False,
    signature=Signature(
        kind="function",
        returns=(Parameter(name="RetrieveProvisionedLanguages", type="Collection(Edm.Int32)"),),
    ),
)
def retrieve_languages(call: Call) -> Any:
    """The codes of the languages of the organisation."""
    row = call.unit.get(call.schema.tables["organization"], call.caller.organization_id, ("languagecode",))
    return {"RetrieveProvisionedLanguages": [] if row is None else [row["languagecode"]]}
