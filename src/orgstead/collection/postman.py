"""A collection as Postman has it, v2.1.0: https://schema.getpostman.com/json/collection/v2.1.0/docs/index.html."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from orgstead.collection.requests import Folder, Request, folders, variables
from orgstead.collection.subject import Subject

__all__ = ["GRANTS", "SCHEMA", "postman"]

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
GRANTS = ("client_credentials", "authorization_code", "implicit")
# Keeps the id of what was made: OData-EntityId ends with it.
_KEEP = """const made = /\\(([0-9a-fA-F-]{{36}})\\)$/.exec(pm.response.headers.get("OData-EntityId") || "");
if (made) pm.collectionVariables.set("{name}", made[1]);"""


def postman(subject: Subject, *, name: str, grant: str = GRANTS[0]) -> Mapping[str, Any]:
    """The collection as plain values."""
    made = [
        {"key": key, "value": value, "type": "string"}
        for key, value in variables(subject, "https://oauth.pstmn.io/v1/callback").items()
    ]
    return {
        "info": {
            "_postman_id": str(uuid5(NAMESPACE_URL, f"{subject.url}#postman")),
            "name": name,
            "description": "The Dataverse Web API of this organisation, made from its definitions.",
            "schema": SCHEMA,
        },
        "item": [_folder(each) for each in folders(subject)],
        "auth": {"type": "oauth2", "oauth2": _auth(grant)},
        "variable": made,
    }


def _auth(grant: str) -> Sequence[Mapping[str, Any]]:
    values: dict[str, Any] = {
        "grant_type": "authorization_code_with_pkce" if grant == "authorization_code" else grant,
        "tokenName": "Dataverse",
        "addTokenTo": "header",
        "headerPrefix": "Bearer",
        "clientId": "{{clientid}}",
        "client_authentication": "body",
    }
    if grant == "implicit":
        values |= {"authUrl": "{{authurl}}", "redirect_uri": "{{callback}}"}
    else:
        values |= {"accessTokenUrl": "{{tokenurl}}", "scope": "{{scope}}"}
    if grant == "client_credentials":
        values["clientSecret"] = "{{clientsecret}}"
    if grant == "authorization_code":
        values |= {
            "authUrl": "{{authurlv2}}",
            "redirect_uri": "{{redirecturl}}",
            "challengeAlgorithm": "S256",
        }
    return [{"key": key, "value": value, "type": "string"} for key, value in values.items()]


def _folder(folder: Folder) -> Mapping[str, Any]:
    return {
        "name": folder.name,
        "item": [_folder(each) if isinstance(each, Folder) else _request(each) for each in folder.items],
    }


def _request(request: Request) -> Mapping[str, Any]:
    raw = request.address
    if request.query:
        raw += "?" + "&".join(f"{key}={value}" for key, value in request.query)
    host, _, path = request.address.partition("/")
    made: dict[str, Any] = {
        "method": request.method,
        "header": [{"key": key, "value": value} for key, value in request.headers],
        "url": {
            "raw": raw,
            "host": [host],
            **({"path": path.split("/")} if path else {}),
            **(
                {"query": [{"key": key, "value": value} for key, value in request.query]}
                if request.query
                else {}
            ),
        },
    }
    if request.about:
        made["description"] = request.about
    if request.body is not None:
        made["body"] = {
            "mode": "raw",
            "raw": request.body,
            "options": {"raw": {"language": request.language}},
        }
    item: dict[str, Any] = {"name": request.name, "request": made, "response": []}
    if request.keeps:
        script = {"type": "text/javascript", "exec": _KEEP.format(name=request.keeps).split("\n")}
        item["event"] = [{"listen": "test", "script": script}]
    return item
