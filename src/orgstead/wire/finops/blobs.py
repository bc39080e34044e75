"""The part of Azure Blob Storage that packages are carried over: block blobs by addresses that are signed.

An address permits to write one blob, or to read it, until a moment; nothing else in a request is believed.
https://learn.microsoft.com/rest/api/storageservices/put-blob, put-block, put-block-list, get-blob
https://learn.microsoft.com/rest/api/storageservices/create-service-sas
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec
from lxml import etree

from orgstead.model.datamanagement import BlobLink

__all__ = [
    "MAX_BLOCKS", "PREFIX", "BlobError", "BlobRequest", "Verb", "blob_address", "block_list", "error_reply",
    "read_blob_request", "span_of", "told", "written_headers",
]  # fmt: skip

PREFIX = "/blob/dmf/"
VERSION = "2024-11-04"
MAX_BLOCKS = 50_000
MAX_NAME = 200
MAX_BLOCK_LIST = 8 * 1024 * 1024
Verb = Literal["put", "block", "commit", "get", "head"]

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")
# What an address permits: to write a blob that is not there yet or is not whole, or to read it.
WRITE, READ = "cw", "r"
NEEDED: Mapping[Verb, str] = {"put": WRITE, "block": WRITE, "commit": WRITE, "get": READ, "head": READ}


class BlobError(Exception):
    """A refusal in the words of Blob Storage: its code, its status and a text.

    https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRequest:
    """What is asked of a blob; ``blob`` is its id, ``block`` the name of a block, ``etag`` a condition."""

    verb: Verb
    blob: str
    block: str = ""
    content_type: str = ""
    if_match: str = ""
    if_none_match: str = ""


def _signature(key: bytes, name: str, permissions: str, expires: str) -> str:
    text = "\n".join((permissions, expires, PREFIX + name, VERSION, "b"))
    return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()


def blob_address(origin: str, key: bytes, blob: str, file: str, *, write: bool, expires: datetime) -> str:
    """An address by which whoever has it may write a blob, or read it, until ``expires``.

    ``blob`` is the id of the blob, ``file`` a name for people that becomes a part of the address.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", file)[-MAX_NAME:]
    name, permissions = f"{blob}-{plain}", WRITE if write else READ
    until = expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    query = {"sv": VERSION, "sr": "b", "sp": permissions, "se": until}
    signed = urlencode({**query, "sig": _signature(key, name, permissions, until)})
    return f"{origin}{PREFIX}{quote(name)}?{signed}"


def told(value: Any, address: Callable[[BlobLink], str]) -> Any:
    """A value in an answer: of a blob its address, and of one that is to be written JSON as a text."""
    if not isinstance(value, BlobLink):
        return value
    if not value.write:
        return address(value)
    return msgspec.json.encode({"BlobId": f"{{{value.blob.upper()}}}", "BlobUrl": address(value)}).decode()


def read_blob_request(
    method: str, raw: str, query: str, headers: Mapping[str, str], key: bytes, now: datetime
) -> BlobRequest:
    """A request that its address permits. Raises BlobError."""
    name = unquote(raw.removeprefix(PREFIX))
    try:
        given = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=30))
    except ValueError:
        raise BlobError(400, "InvalidQueryParameterValue", "The query has too many parameters.") from None
    _admit(name, given, key, now)
    verb = _verb(method, given, headers)
    # Of what is not signed this is all that counts.
    if given["sp"] != NEEDED[verb]:
        raise BlobError(403, "AuthorizationPermissionMismatch", "The address does not permit this operation.")
    return BlobRequest(
        verb=verb,
        blob=name[:36],
        block=_block(given.get("blockid", "")) if verb == "block" else "",
        content_type=headers.get("x-ms-blob-content-type") or headers.get("content-type", ""),
        if_match=headers.get("if-match", ""),
        if_none_match=headers.get("if-none-match", ""),
    )


def _admit(name: str, given: Mapping[str, str], key: bytes, now: datetime) -> None:
    expires, permissions = given.get("se", ""), given.get("sp", "")
    known = given.get("sv") == VERSION and given.get("sr") == "b" and permissions in (WRITE, READ)
    expected = _signature(key, name, permissions, expires)
    same = hmac.compare_digest(expected.encode(), given.get("sig", "").encode("utf-8", "replace"))
    if not (known and same and _ISO.fullmatch(expires)):
        raise BlobError(403, "AuthenticationFailed", "The address is not signed here.")
    if datetime.fromisoformat(expires) <= now:
        raise BlobError(403, "AuthenticationFailed", "The address is no longer valid.")


def _verb(method: str, given: Mapping[str, str], headers: Mapping[str, str]) -> Verb:
    match method, given.get("comp", ""):
        case "PUT", "":
            kind = headers.get("x-ms-blob-type", "")
            if kind != "BlockBlob":
                raise BlobError(
                    400, "InvalidHeaderValue", "x-ms-blob-type must be BlockBlob: no other is supported."
                )
            if "x-ms-copy-source" in headers:
                raise BlobError(400, "UnsupportedHeader", "Copies are not supported.")
            return "put"
        case "PUT", "block":
            return "block"
        case "PUT", "blocklist":
            return "commit"
        case "GET", "":
            return "get"
        case "HEAD", "":
            return "head"
    raise BlobError(400, "UnsupportedQueryParameter", "This operation of Blob Storage is not supported.")


def _block(text: str) -> str:
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        decoded = b""
    if not 0 < len(decoded) <= 64:
        raise BlobError(400, "InvalidQueryParameterValue", "blockid must be base64 of at most 64 bytes.")
    return text


def block_list(body: bytes) -> Sequence[str]:
    """The names of the blocks that make a blob, in order. Raises BlobError.

    https://learn.microsoft.com/rest/api/storageservices/put-block-list
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True,
        remove_pis=True, collect_ids=False,
    )  # fmt: skip
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise BlobError(400, "InvalidXmlDocument", "The list of blocks is no XML.") from None
    info: Any = root.getroottree().docinfo
    if info.doctype or root.tag != "BlockList":
        raise BlobError(400, "InvalidXmlDocument", "The list of blocks is none.")
    if len(root) > MAX_BLOCKS:
        raise BlobError(400, "BlockListTooLong", f"A blob has at most {MAX_BLOCKS} blocks.")
    if any(child.tag not in ("Latest", "Uncommitted") for child in root):
        raise BlobError(400, "InvalidXmlNodeValue", "Only blocks that are not committed yet can be listed.")
    return [_block((child.text or "").strip()) for child in root]


def span_of(headers: Mapping[str, str], size: int) -> tuple[int, int] | None:
    """The first byte and the one behind the last that a GET wants, None for all of them. Raises BlobError."""
    text = headers.get("x-ms-range") or headers.get("range")
    match = _RANGE.fullmatch(text) if text else None
    if text is None or (match is None and text == "bytes=0-"):
        return None
    if match is None or int(match[1]) >= size or (match[2] and int(match[2]) < int(match[1])):
        raise BlobError(416, "InvalidRange", "The range is none of this blob.")
    return int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)


def written_headers(etag: str, changed: datetime, request: str) -> list[tuple[str, str]]:
    """What every answer about a blob carries."""
    return [
        ("ETag", f'"{etag}"'),
        ("Last-Modified", changed.strftime("%a, %d %b %Y %H:%M:%S GMT")),
        ("x-ms-request-id", request),
        ("x-ms-version", VERSION),
    ]


def error_reply(error: BlobError) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of a refusal."""
    root = etree.Element("Error")
    etree.SubElement(root, "Code").text = error.code
    etree.SubElement(root, "Message").text = error.message
    body = etree.tostring(root, xml_declaration=True, encoding="utf-8")
    return [
        ("Content-Type", "application/xml"),
        ("x-ms-error-code", error.code),
        ("x-ms-version", VERSION),
    ], body
