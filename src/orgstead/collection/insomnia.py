"""A collection as Insomnia exports and imports it, format 4: https://docs.insomnia.rest/insomnia/import-export-data."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from orgstead.collection.requests import Folder, Request, folders, variables
from orgstead.collection.subject import Subject

__all__ = ["insomnia"]

_VARIABLE = re.compile(r"\{\{(\w+)\}\}")


def insomnia(subject: Subject, *, name: str, grant: str) -> Mapping[str, Any]:
    """The export as plain values."""
    workspace = _id("wrk", subject.url)
    made: list[Mapping[str, Any]] = [
        {"_id": workspace, "_type": "workspace", "parentId": None, "name": name, "scope": "collection"},
        {
            "_id": _id("env", subject.url),
            "_type": "environment",
            "parentId": workspace,
            "name": "Base Environment",
            "data": {key: _placed(value) for key, value in variables(subject, "http://localhost").items()},
        },
    ]
    for each in folders(subject):
        made += _folder(each, workspace, subject.url, grant)
    return {"_type": "export", "__export_format": 4, "__export_source": "orgstead", "resources": made}


def _id(kind: str, text: str) -> str:
    return f"{kind}_{uuid5(NAMESPACE_URL, f'{kind} {text}').hex}"


def _placed(text: str) -> str:
    """Variables as Insomnia writes them."""
    return _VARIABLE.sub(r"{{ _.\1 }}", text)


def _folder(folder: Folder, parent: str, path: str, grant: str) -> Iterator[Mapping[str, Any]]:
    path = f"{path}/{folder.name}"
    own = _id("fld", path)
    yield {"_id": own, "_type": "request_group", "parentId": parent, "name": folder.name}
    for place, each in enumerate(folder.items):
        if isinstance(each, Folder):
            yield from _folder(each, own, path, grant)
        else:
            yield _request(each, own, f"{path}/{place}", grant)


def _request(request: Request, parent: str, path: str, grant: str) -> Mapping[str, Any]:
    kind = next((value for key, value in request.headers if key == "Content-Type"), None)
    body = {} if request.body is None else {"mimeType": kind, "text": _placed(request.body)}
    return {
        "_id": _id("req", f"{path} {request.name}"),
        "_type": "request",
        "parentId": parent,
        "name": request.name,
        "description": request.about,
        "method": request.method,
        "url": _placed(request.address),
        "parameters": [{"name": key, "value": _placed(value)} for key, value in request.query],
        "headers": [{"name": key, "value": _placed(value)} for key, value in request.headers],
        "body": body,
        "authentication": _auth(grant),
    }


def _auth(grant: str) -> Mapping[str, Any]:
    made = {"type": "oauth2", "grantType": grant, "clientId": "{{ _.clientid }}", "scope": "{{ _.scope }}"}
    if grant == "implicit":
        return {**made, "authorizationUrl": "{{ _.authurl }}", "redirectUrl": "{{ _.callback }}"}
    made["accessTokenUrl"] = "{{ _.tokenurl }}"
    if grant == "client_credentials":
        return {**made, "clientSecret": "{{ _.clientsecret }}", "credentialsInBody": True}
    return {
        **made,
        "authorizationUrl": "{{ _.authurlv2 }}",
        "redirectUrl": "{{ _.redirecturl }}",
        "usePkce": True,
        "pkceMethod": "S256",
    }
