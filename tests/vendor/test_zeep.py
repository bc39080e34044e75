"""zeep, the SOAP client of Python: it builds a client from the WSDL that the server publishes, and works with it."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from zeep import Client, Settings, Transport, xsd
from zeep.exceptions import Fault

from tests.live import Live

XRM = "{http://schemas.microsoft.com/xrm/2011/Contracts}"
PAIRS = "{http://schemas.datacontract.org/2004/07/System.Collections.Generic}"
ARRAYS = "{http://schemas.microsoft.com/2003/10/Serialization/Arrays}"
GUID = "{http://schemas.microsoft.com/2003/10/Serialization/}guid"
XS = "{http://www.w3.org/2001/XMLSchema}"
EMPTY = "00000000-0000-0000-0000-000000000000"


class Organization:
    """The Organization Service through zeep."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.service = client.service

    def type(self, name: str) -> Any:
        """A type of the WSDL."""
        return self.client.get_type(name)

    def any(self, kind: str, value: Any) -> Any:
        """A value of a stated type."""
        return xsd.AnyObject(self.type(kind), value)

    def text(self, value: str) -> Any:
        """A text."""
        return self.any(f"{XS}string", value)

    def pairs(self, values: dict[str, Any]) -> Any:
        """Attributes or parameters."""
        pair = self.type(f"{PAIRS}KeyValuePairOfstringanyType")
        return {
            "KeyValuePairOfstringanyType": [pair(key=name, value=value) for name, value in values.items()]
        }

    def entity(self, table: str, id: str = EMPTY, **values: Any) -> Any:
        """An Entity."""
        return self.type(f"{XRM}Entity")(LogicalName=table, Id=id, Attributes=self.pairs(values))

    def ref(self, table: str, id: str) -> Any:
        """An EntityReference."""
        return self.type(f"{XRM}EntityReference")(LogicalName=table, Id=id)

    def columns(self, *names: str) -> Any:
        """A ColumnSet."""
        return self.type(f"{XRM}ColumnSet")(AllColumns=not names, Columns={"string": list(names)})

    def execute(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Execute a request; its results."""
        request = self.type(f"{XRM}OrganizationRequest")(RequestName=name, Parameters=self.pairs(parameters))
        answer = self.service.Execute(request)
        assert answer.ResponseName == name
        found = answer.Results.KeyValuePairOfstringanyType if answer.Results is not None else []
        return {each.key: each.value for each in found}

    def values(self, entity: Any) -> dict[str, Any]:
        """The attributes of an Entity."""
        return {each.key: each.value for each in entity.Attributes.KeyValuePairOfstringanyType}

    def create(self, table: str, **values: Any) -> str:
        """Create a row; its id."""
        return str(self.service.Create(self.entity(table, **values)))


def signed_in(live: Live) -> requests.Session:
    session = requests.Session()
    # What the machine trusts besides is none of this client's business.
    session.trust_env = False
    session.verify = live.ca
    answer = session.post(
        f"{live.https}/{live.tenant_id}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials", "client_id": live.client_id, "client_secret": live.client_secret,
            "scope": f"{live.https}/.default",
        },
        timeout=30,
    )  # fmt: skip
    session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return session


@pytest.fixture(scope="module", params=["?wsdl", "?singleWsdl"])
def organization(request: pytest.FixtureRequest, live: Live) -> Iterator[Organization]:
    """zeep's client, made from the WSDL in parts or whole."""
    session = signed_in(live)
    address = f"{live.https}/XRMServices/2011/Organization.svc{request.param}"
    settings = Settings(strict=True, xml_huge_tree=True)
    with session:
        client = Client(
            address, transport=Transport(session=session), settings=settings,
            port_name="BasicHttpBinding_IOrganizationService",
        )  # fmt: skip
        yield Organization(client)


def test_the_operations_of_the_service_do_what_they_say(organization: Organization) -> None:
    id = organization.create(
        "account",
        name=organization.text("From zeep"),
        revenue=organization.any(f"{XRM}Money", {"Value": "12.5"}),
        donotemail=organization.any(f"{XS}boolean", True),
        industrycode=organization.any(f"{XRM}OptionSetValue", {"Value": 1}),
    )
    row = organization.service.Retrieve(
        "account", id, organization.columns("name", "revenue", "industrycode")
    )
    values = organization.values(row)
    assert (values["name"], str(values["revenue"].Value), values["industrycode"].Value) == (
        "From zeep",
        "12.5000",
        1,
    )
    organization.service.Update(organization.entity("account", id, name=organization.text("Changed")))
    contact = organization.create("contact", lastname=organization.text("Zeep"))
    related = {"EntityReference": [organization.ref("contact", contact)]}
    tie = organization.type(f"{XRM}Relationship")(SchemaName="contact_customer_accounts")
    organization.service.Associate("account", id, tie, related)
    query = organization.type(f"{XRM}QueryExpression")(
        EntityName="contact", Distinct=False, NoLock=False,
        ColumnSet=organization.columns("lastname", "parentcustomerid"),
        Criteria={
            "FilterOperator": "And", "IsQuickFindFilter": False,
            "Conditions": {
                "ConditionExpression": [
                    {
                        "AttributeName": "contactid", "CompareColumns": False, "Operator": "Equal",
                        "Values": {"anyType": [organization.any(GUID, contact)]},
                    }
                ]
            },
        },
    )  # fmt: skip
    found = organization.service.RetrieveMultiple(query)
    (child,) = found.Entities.Entity
    assert organization.values(child)["parentcustomerid"].Id == id
    assert found.MoreRecords is False
    organization.service.Disassociate("account", id, tie, related)
    organization.service.Delete("contact", contact)
    organization.service.Delete("account", id)
    with pytest.raises(Fault) as failed:
        organization.service.Retrieve("account", id, organization.columns("name"))
    assert "Does Not Exist" in failed.value.message
    detail = organization.client.wsdl.types.deserialize(failed.value.detail[0])
    assert detail.ErrorCode == -2147220969


def test_thirty_requests_are_executed(organization: Organization) -> None:
    done: set[str] = set()

    def execute(name: str, **parameters: Any) -> dict[str, Any]:
        done.add(name)
        return organization.execute(name, **parameters)

    def option(number: int) -> Any:
        return organization.any(f"{XRM}OptionSetValue", {"Value": number})

    def ref(table: str, id: str) -> Any:
        return organization.any(f"{XRM}EntityReference", organization.ref(table, id))

    def row(table: str, id: str = EMPTY, **values: Any) -> Any:
        return organization.any(f"{XRM}Entity", organization.entity(table, id, **values))

    def guid(id: str) -> Any:
        return organization.any(GUID, id)

    text = organization.text
    me = execute("WhoAmI")
    assert execute("RetrieveVersion")["Version"].startswith("9.")
    detail = execute(
        "RetrieveCurrentOrganization",
        AccessType=organization.any(
            "{http://schemas.microsoft.com/xrm/2014/Contracts}EndpointAccessType", "Default"
        ),
    )["Detail"]
    assert detail.OrganizationId == me["OrganizationId"]
    account = execute("Create", Target=row("account", name=text("Executed")))["id"]
    columns = organization.any(f"{XRM}ColumnSet", organization.columns("name"))
    assert (
        execute("Retrieve", Target=ref("account", account), ColumnSet=columns)["Entity"].LogicalName
        == "account"
    )
    execute("Update", Target=row("account", account, name=text("Again")))
    assert execute("Upsert", Target=row("account", account, name=text("Third")))["RecordCreated"] is False
    fetch = organization.any(
        f"{XRM}FetchExpression",
        {"Query": '<fetch top="2"><entity name="account"><attribute name="name"/></entity></fetch>'},
    )
    assert execute("RetrieveMultiple", Query=fetch)["EntityCollection"].EntityName == "account"
    execute("SetState", EntityMoniker=ref("account", account), State=option(1), Status=option(2))
    execute("SetStateDynamicEntity", EntityMoniker=ref("account", account), State=option(0), Status=option(1))
    execute("Assign", Target=ref("account", account), Assignee=ref("systemuser", me["UserId"]))
    rights = execute(
        "RetrievePrincipalAccess", Target=ref("account", account), Principal=ref("systemuser", me["UserId"])
    )
    assert "ReadAccess" in str(rights["AccessRights"])
    shared = execute("RetrieveSharedPrincipalsAndAccess", Target=ref("account", account))
    assert "PrincipalAccesses" in shared
    contact = execute("Create", Target=row("contact", lastname=text("Member")))["id"]
    relationship = organization.any(f"{XRM}Relationship", {"SchemaName": "contact_customer_accounts"})
    references = organization.any(
        f"{XRM}EntityReferenceCollection", {"EntityReference": [organization.ref("contact", contact)]}
    )
    execute(
        "Associate", Target=ref("account", account), Relationship=relationship, RelatedEntities=references
    )
    execute(
        "Disassociate", Target=ref("account", account), Relationship=relationship, RelatedEntities=references
    )
    lead = execute(
        "Create", Target=row("lead", subject=text("S"), lastname=text("L"), companyname=text("C"))
    )["id"]
    flags = {
        name: organization.any(f"{XS}boolean", True)
        for name in ("CreateAccount", "CreateContact", "CreateOpportunity")
    }
    made = execute("QualifyLead", LeadId=ref("lead", lead), Status=option(3), **flags)["CreatedEntities"]
    opportunity = made.EntityReference[2].Id
    close = row("opportunityclose", subject=text("W"), opportunityid=ref("opportunity", opportunity))
    execute("WinOpportunity", OpportunityClose=close, Status=option(3))
    case = execute("Create", Target=row("incident", title=text("T"), customerid=ref("account", account)))[
        "id"
    ]
    assert execute("CalculateTotalTimeIncident", IncidentId=guid(case))["TotalTime"] == 0
    resolution = row("incidentresolution", subject=text("R"), incidentid=ref("incident", case))
    execute("CloseIncident", IncidentResolution=resolution, Status=option(5))
    told = execute("RetrieveEntity", LogicalName=text("account"))["EntityMetadata"]
    assert (told.LogicalName, told.PrimaryIdAttribute) == ("account", "accountid")
    column = execute("RetrieveAttribute", EntityLogicalName=text("account"), LogicalName=text("name"))
    assert column["AttributeMetadata"].MaxLength == 160
    assert execute("RetrieveRelationship", Name=text("account_parent_account"))["RelationshipMetadata"]
    assert execute("RetrieveTimestamp")["Timestamp"]
    made = execute(
        "FetchXmlToQueryExpression",
        FetchXml=text('<fetch><entity name="account"><attribute name="name"/></entity></fetch>'),
    )["Query"]
    assert made.EntityName == "account"
    back = execute("QueryExpressionToFetchXml", Query=made)
    assert "<fetch" in back["FetchXml"]
    assert execute("CanBeReferenced", EntityName=text("account"))["CanBeReferenced"] is True
    names = organization.any(f"{ARRAYS}ArrayOfstring", {"string": ["account"]})
    assert execute("RetrieveTotalRecordCount", EntityNames=names)
    state = execute(
        "IsValidStateTransition", Entity=ref("account", account), NewState=text("Inactive"),
        NewStatus=organization.any(f"{XS}int", 2),
    )  # fmt: skip
    assert state["IsValid"] is True
    execute("PublishAllXml")
    other = execute("Create", Target=row("account", name=text("Double")))["id"]
    execute(
        "Merge", Target=ref("account", account), SubordinateId=guid(other),
        PerformParentingChecks=organization.any(f"{XS}boolean", False),
    )  # fmt: skip
    execute("Delete", Target=ref("contact", contact))
    assert len(done) >= 30, sorted(done)


def test_a_client_of_soap_1_2_and_the_discovery_service_are_described_too(live: Live) -> None:
    session = signed_in(live)
    with session:
        transport = Transport(session=session)
        newer = Organization(
            Client(
                f"{live.https}/XRMServices/2011/Organization.svc?wsdl", transport=transport,
                port_name="CustomBinding_IOrganizationService",
            )
        )  # fmt: skip
        assert newer.execute("WhoAmI")["UserId"]
        discovery = Client(f"{live.https}/XRMServices/2011/Discovery.svc?wsdl", transport=transport)
        space = "{http://schemas.microsoft.com/xrm/2011/Contracts/Discovery}"
        request = discovery.get_type(f"{space}RetrieveOrganizationsRequest")(
            AccessType="Default", Release="Current"
        )
        (detail,) = discovery.service.Execute(request).OrganizationDetail
        assert detail.State == "Enabled"
