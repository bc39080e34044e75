"""File and image columns: upload and download in one piece, in chunks and in blocks, sizes, names, who may."""

import base64
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image

from orgstead.engine.context import SYSTEM
from orgstead.model.messages import Execute
from tests.parity.conftest import Web
from tests.parity.test_parity_security import make_user

CHUNK = 4 * 1024 * 1024
LONG = bytes(range(256)) * 40_000  # 10,240,000 bytes: three chunks
A_DAY = 86_400 + 3_600


def label(text: str) -> dict[str, Any]:
    return {
        "@odata.type": "Microsoft.Dynamics.CRM.Label",
        "LocalizedLabels": [{"Label": text, "LanguageCode": 1033}],
    }


def add_column(web: Web, kind: str, name: str, **more: Any) -> None:
    body = {
        "@odata.type": f"Microsoft.Dynamics.CRM.{kind}AttributeMetadata",
        "SchemaName": name,
        "DisplayName": label(name),
        **more,
    }
    answer = web.call("POST", "EntityDefinitions(LogicalName='account')/Attributes", body)
    assert answer.status == 204, answer.text


class Files:
    """The file columns of accounts: requests with bytes."""

    def __init__(self, web: Web) -> None:
        self.web = web

    def send(self, method: str, path: str, content: bytes | None = None, **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent.setdefault("authorization", f"Bearer {self.web.token}")
        url = path if path.startswith("http") else f"/api/data/v9.2/{path}"
        return self.web.client.request(method, url, content=content, headers=sent)

    def put(
        self, id: str, content: bytes, name: str = "a.txt", column: str = "new_paper", **more: str
    ) -> Any:
        kind = more.pop("content_type", "application/octet-stream")
        return self.send(
            "PATCH", f"accounts({id})/{column}", content, x_ms_file_name=name, content_type=kind, **more
        )

    def read(self, id: str, column: str = "new_paper", query: str = "", **headers: str) -> Any:
        return self.send("GET", f"accounts({id})/{column}/$value{query}", **headers)

    def chunks(self, id: str, content: bytes, name: str = "long.bin", order: Any = None) -> list[int]:
        start = self.send(
            "PATCH", f"accounts({id})/new_paper?x-ms-file-name={name}", b"", x_ms_transfer_mode="chunked"
        )
        assert start.status_code == 200, start.text
        size, address = int(start.headers["x-ms-chunk-size"]), start.headers["Location"]
        places = list(range(0, len(content), size))
        statuses = []
        for place in order(places) if order else places:
            part = content[place : place + size]
            span = f"bytes {place}-{place + len(part) - 1}/{len(content)}"
            answer = self.send(
                "PATCH", address, part, content_range=span, x_ms_file_name=name,
                content_type="application/octet-stream", x_ms_transfer_mode="chunked",
            )  # fmt: skip
            statuses.append(answer.status_code)
        return statuses

    def action(self, name: str, **values: Any) -> Any:
        return self.web.call("POST", name, values)

    def blocks(self, id: str, parts: Mapping[str, bytes], order: list[str], **named: str) -> Any:
        target = {"accountid": id, "@odata.type": "Microsoft.Dynamics.CRM.account"}
        column, name = named.get("column", "new_paper"), named.get("name", "blocks.bin")
        begun = self.action(
            "InitializeFileBlocksUpload", Target=target, FileAttributeName=column, FileName=name
        )
        token = begun.json["FileContinuationToken"]
        for block, data in parts.items():
            sent = self.action(
                "UploadBlock",
                BlockId=coded(block),
                BlockData=base64.b64encode(data).decode(),
                FileContinuationToken=token,
            )
            assert sent.status == 204, sent.text
        return self.action(
            "CommitFileBlocksUpload", FileName=name, MimeType="text/plain", FileContinuationToken=token,
            BlockList=[coded(block) for block in order],
        )  # fmt: skip


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def pieces(web: Web) -> int:
    """How many pieces of content there are on the disk."""
    assert web.organisation is not None
    return sum(1 for _ in Path(web.organisation.config.data, "files").glob("??/*"))


def sweep(web: Web, *, after: float = A_DAY) -> None:
    """What housekeeping does, so many seconds from now."""
    assert web.organisation is not None
    engine = web.organisation.engine
    clock = engine.clock
    try:
        # What the first round gives up, the second one removes.
        for seconds in (after, 2 * after):
            engine.clock = lambda now=seconds: clock() + now  # type: ignore[misc]
            engine.run([Execute(name="SweepFiles"), Execute(name="SweepOrphans")], SYSTEM)
    finally:
        engine.clock = clock


@pytest.fixture(scope="module")
def files(web: Web) -> Files:
    add_column(web, "File", "new_Paper", MaxSizeInKB=20_480)
    add_column(web, "File", "new_Small", MaxSizeInKB=1)
    add_column(web, "Image", "new_Face", CanStoreFullImage=True, MaxSizeInKB=30_720)
    return Files(web)


@pytest.fixture
def account(files: Files) -> str:
    return files.web.make("accounts", name=files.web.name("Paper"))


def picture(wide: int, high: int, kind: str = "PNG") -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (wide, high), (200, 30, 40)).save(written, kind)
    return written.getvalue()


def size_of(data: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(data)).size


# -- upload and download -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("content", [b"", b"a", b"hello, world", LONG], ids=["empty", "one", "short", "long"])
def test_a_file_comes_back_as_it_went(files: Files, account: str, content: bytes) -> None:
    assert files.read(account).status_code == 204
    assert files.put(account, content, "report.pdf", content_type="application/pdf").status_code == 204
    answer = files.read(account)
    assert (answer.status_code, answer.content == content) == (200, True)
    assert answer.headers["x-ms-file-size"] == answer.headers["content-length"] == str(len(content))
    assert answer.headers["x-ms-file-name"] == "report.pdf"
    assert answer.headers["mimetype"] == "application/pdf"
    row = files.web.get(f"accounts({account})?$select=new_paper,new_paper_name").json
    assert row["new_paper_name"] == "report.pdf"
    assert len(row["new_paper"]) == 36
    value = files.send("GET", f"accounts({account})/new_paper")
    assert base64.b64decode(value.json()["value"]) == content
    assert value.headers["content-disposition"] == 'attachment; filename="report.pdf"'


def test_a_file_says_what_it_is_beside_its_row(files: Files, account: str) -> None:
    files.put(account, b"12345", "five.txt", content_type="text/plain")
    shown = "createdon,mimetype,filesizeinbytes,filename,regardingfieldname"
    row = files.web.get(
        f"accounts({account})?$select=accountid&$expand=account_FileAttachments($select={shown})"
    ).json
    (found,) = row["account_FileAttachments"]
    assert found.pop("createdon")
    assert (
        found.pop("fileattachmentid")
        == files.web.get(f"accounts({account})?$select=new_paper").json["new_paper"]
    )
    assert {name: value for name, value in found.items() if "@" not in name} == {
        "mimetype": "text/plain",
        "filesizeinbytes": 5,
        "filename": "five.txt",
        "regardingfieldname": "new_paper",
    }
    assert files.web.get(f"accounts?$filter=accountid eq {account} and new_paper ne null&$select=name").rows
    assert not files.web.get(
        f"accounts?$filter=accountid eq {account} and new_paper eq null&$select=name"
    ).rows


@pytest.mark.parametrize("order", [None, reversed], ids=["in order", "backwards"])
def test_a_file_goes_in_chunks_and_comes_in_ranges(files: Files, account: str, order: Any) -> None:
    assert files.chunks(account, LONG, order=order) == [206, 206, 204]
    got = b""
    size = len(LONG)
    while len(got) < size:
        answer = files.read(account, Range=f"bytes={len(got)}-{len(got) + CHUNK - 1}")
        assert answer.status_code == 206
        assert answer.headers["x-ms-file-size"] == str(size)
        assert (
            answer.headers["content-range"] == f"bytes {len(got)}-{len(got) + len(answer.content) - 1}/{size}"
        )
        got += answer.content
    assert got == LONG


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=5-", 206, 5, 100),
        ("bytes=-7", 206, 93, 100),
        ("bytes=-500", 206, 0, 100),
        ("bytes=90-500", 206, 90, 100),
        ("bytes=0-9/100", 206, 0, 10),
        ("bytes=100-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=9-5", 200, 0, 100),
        ("lines=1-2", 200, 0, 100),
        ("bytes=0-1,5-6", 200, 0, 100),
        ("bytes=-", 200, 0, 100),
    ],
)
def test_ranges(files: Files, account: str, asked: str, status: int, start: int, end: int) -> None:
    content = bytes(range(100))
    files.put(account, content)
    answer = files.read(account, Range=asked)
    assert answer.status_code == status
    if status != 416:
        assert answer.content == content[start:end]


def test_blocks_are_put_together_in_the_order_of_the_list(files: Files, account: str) -> None:
    answer = files.blocks(account, {"1": b"one ", "2": b"two ", "3": b"three "}, ["3", "1"])
    assert answer.status == 200
    assert answer.json["FileSizeInBytes"] == 10
    assert files.read(account).content == b"three one "
    target = {"accountid": account, "@odata.type": "Microsoft.Dynamics.CRM.account"}
    begun = files.action("InitializeFileBlocksDownload", Target=target, FileAttributeName="new_paper").json
    assert (begun["FileName"], begun["FileSizeInBytes"], begun["IsChunkingSupported"]) == (
        "blocks.bin",
        10,
        True,
    )
    token = begun["FileContinuationToken"]
    got = [
        base64.b64decode(
            files.action("DownloadBlock", Offset=place, BlockLength=4, FileContinuationToken=token).json[
                "Data"
            ]
        )
        for place in range(0, 10, 4)
    ]
    assert got == [b"thre", b"e on", b"e "]
    assert files.action("DeleteFile", FileId=answer.json["FileId"]).status == 204
    assert files.read(account).status_code == 204
    assert files.action("DeleteFile", FileId=answer.json["FileId"]).fault == (404, "0x80040217")


def test_a_block_that_is_sent_again_takes_the_place_of_the_first(files: Files, account: str) -> None:
    target = {"accountid": account, "@odata.type": "Microsoft.Dynamics.CRM.account"}
    begun = files.action(
        "InitializeFileBlocksUpload", Target=target, FileAttributeName="new_paper", FileName="x.txt"
    )
    token = begun.json["FileContinuationToken"]
    for data in (b"first", b"second"):
        files.action(
            "UploadBlock",
            BlockId=coded("a"),
            BlockData=base64.b64encode(data).decode(),
            FileContinuationToken=token,
        )
    ended = {
        "FileName": "x.txt",
        "MimeType": "a/b",
        "BlockList": [coded("a")],
        "FileContinuationToken": token,
    }
    assert files.web.call("POST", "CommitFileBlocksUpload", ended).status == 200
    assert files.read(account).content == b"second"
    # The token has been used up.
    assert files.web.call("POST", "CommitFileBlocksUpload", ended).fault == (400, "0x80040203")


@pytest.mark.parametrize(
    "name",
    ["résumé.txt", "测试.txt", "a b+c&d.txt", "no extension"],
    ids=["latin", "chinese", "signs", "none"],
)
def test_names_of_files(files: Files, account: str, name: str) -> None:
    assert (
        files.send("PATCH", f"accounts({account})/new_paper?x-ms-file-name={quote(name)}", b"x").status_code
        == 204
    )
    assert files.web.get(f"accounts({account})?$select=new_paper_name").json["new_paper_name"] == name
    assert files.read(account).content == b"x"


# -- deletion ----------------------------------------------------------------------------------------------------------
def test_what_is_no_longer_needed_is_removed_from_the_disk(files: Files) -> None:
    web = files.web
    sweep(web)
    at_first = pieces(web)
    first, second = (web.make("accounts", name=web.name("Sweep")) for _ in range(2))
    files.chunks(first, LONG)
    files.put(first, b"another")
    files.put(second, b"deleted")
    assert files.send("DELETE", f"accounts({second})/new_paper").status_code == 204
    assert files.read(second).status_code == 204
    assert files.send("DELETE", f"accounts({second})/new_paper").status_code == 204
    assert web.get(f"accounts({second})?$select=new_paper,new_paper_name").json["new_paper_name"] is None
    assert pieces(web) == at_first + 5
    sweep(web, after=60)
    assert pieces(web) == at_first + 5, "whoever reads is given time"
    sweep(web)
    assert pieces(web) == at_first + 1
    assert files.read(first).content == b"another"
    assert web.call("DELETE", f"accounts({first})").status == 204
    sweep(web)
    assert pieces(web) == at_first


def test_an_upload_that_is_never_ended_is_given_up(files: Files, account: str) -> None:
    sweep(files.web)
    at_first = pieces(files.web)
    start = files.send(
        "PATCH", f"accounts({account})/new_paper", b"", x_ms_transfer_mode="chunked", x_ms_file_name="a"
    )
    address = start.headers["Location"]
    assert files.send("PATCH", address, b"ab", content_range="bytes 0-1/4").status_code == 206
    assert pieces(files.web) == at_first + 1
    sweep(files.web)
    assert pieces(files.web) == at_first
    assert files.send("PATCH", address, b"cd", content_range="bytes 2-3/4").status_code == 400


def test_a_piece_that_no_row_knows_is_removed(files: Files) -> None:
    web = files.web
    assert web.organisation is not None
    engine = web.organisation.engine
    key = "00000000-0000-7000-8000-0000000000aa"
    engine.blobs.put(key, b"orphan")
    engine.run([Execute(name="SweepOrphans")], SYSTEM)
    assert engine.blobs.get(key, 0, 10) == b"orphan"
    (path,) = Path(web.organisation.config.data, "files").glob(f"??/{key}")
    os.utime(path, (0, 0))
    engine.run([Execute(name="SweepOrphans")], SYSTEM)
    assert not path.exists()


def test_a_column_takes_its_files_along(files: Files, account: str) -> None:
    web = files.web
    sweep(web)
    at_first = pieces(web)
    add_column(web, "File", "new_Brief")
    assert files.put(account, b"brief", column="new_brief").status_code == 204
    path = "EntityDefinitions(LogicalName='account')/Attributes(LogicalName='new_brief')"
    assert web.call("DELETE", path).status == 204
    assert web.get("fileattachments?$filter=regardingfieldname eq 'new_brief'").rows == []
    sweep(web)
    assert pieces(web) == at_first


# -- what is refused ---------------------------------------------------------------------------------------------------
def test_what_is_too_large_is_refused_and_leaves_the_old(files: Files, account: str) -> None:
    assert files.put(account, b"x" * 1024, column="new_small").status_code == 204
    answer = files.put(account, b"x" * 1025, column="new_small")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "0x80044a02")
    assert files.read(account, "new_small").content == b"x" * 1024
    answer = files.blocks(account, {"a": b"y" * 1000}, ["a"], column="new_small")
    assert answer.status == 200


@pytest.mark.parametrize(
    ("name", "code"),
    [("virus.exe", "0x80043e09"), ("VIRUS.Bat ", "0x80043e09"), ("a/b.txt", "0x80044a08"), ("a" * 256, "0x80044a08"),
     ("a\tb", "0x80044a08")],
)  # fmt: skip
def test_names_that_are_refused(files: Files, account: str, name: str, code: str) -> None:
    answer = files.put(account, b"x", name)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert files.read(account).status_code == 204


def test_the_organisation_says_which_files_are_blocked(files: Files, account: str) -> None:
    web = files.web
    (row,) = web.get("organizations?$select=blockedattachments").rows
    address = f"organizations({row['organizationid']})"
    assert web.call("PATCH", address, {"blockedattachments": "txt;pdf"}).status == 204
    try:
        assert files.put(account, b"x", "a.exe").status_code == 204
        assert files.put(account, b"x", "a.TXT").status_code == 400
    finally:
        assert web.call("PATCH", address, {"blockedattachments": row["blockedattachments"]}).status == 204


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("new_paper", {}, 400),
        ("new_paper?x-ms-file-name=a&$select=name", {}, 400),
        ("new_paper", {"x_ms_file_name": "a", "x_ms_transfer_mode": "whole"}, 400),
        ("new_paper?sessiontoken=x", {"content_range": "bytes 0-1/2"}, 400),
        ("new_paper?sessiontoken=00000000-0000-0000-0000-000000000000", {"content_range": "bytes 0-1/2"}, 400),
        ("new_paper?sessiontoken=x", {}, 400),
        ("new_paper?sessiontoken=x", {"content_range": "bytes 5-1/2"}, 400),
        ("new_paper?sessiontoken=x", {"content_range": "bytes 0-1/*"}, 400),
        ("new_paper", {"x_ms_file_name": "a", "If_Match": 'W/"5"'}, 400),
        ("new_paper", {"x_ms_file_name": "a", "If_None_Match": "*"}, 400),
        ("name", {"x_ms_file_name": "a"}, 415),
        ("nothing", {"x_ms_file_name": "a"}, 415),
    ],
)  # fmt: skip
def test_uploads_that_make_no_sense(
    files: Files, account: str, path: str, headers: dict[str, str], status: int
) -> None:
    sent = {"content_type": "application/octet-stream", **headers}
    answer = files.send("PATCH", f"accounts({account})/{path}", b"xy", **sent)
    assert (answer.status_code, "error" in answer.json()) == (status, True)
    assert files.read(account).status_code == 204


def test_chunks_that_do_not_fit(files: Files, account: str) -> None:
    def begin() -> str:
        start = files.send(
            "PATCH", f"accounts({account})/new_paper", b"", x_ms_transfer_mode="chunked", x_ms_file_name="a"
        )
        return str(start.headers["Location"])

    address = begin()
    assert files.send("PATCH", address, b"abc", content_range="bytes 0-1/4").status_code == 400
    assert (
        files.send("PATCH", address, b"x" * (CHUNK + 1), content_range=f"bytes 0-{CHUNK}/9999999").status_code
        == 400
    )
    address = begin()
    assert files.send("PATCH", address, b"ab", content_range="bytes 0-1/4").status_code == 206
    assert files.send("PATCH", address, b"bc", content_range="bytes 1-2/4").status_code == 400
    other = files.web.make("accounts", name="Other")
    elsewhere = address.replace(account, other)
    assert files.send("PATCH", elsewhere, b"cd", content_range="bytes 2-3/4").status_code == 400
    assert files.send("PATCH", address, b"cd", content_range="bytes 2-3/4").status_code == 204
    assert files.read(account).content == b"abcd"


def test_a_file_is_no_value_of_a_row(files: Files, account: str) -> None:
    web = files.web
    id = "00000000-0000-4000-8000-000000000001"
    assert web.call("PATCH", f"accounts({account})", {"new_paper": id}).status == 400
    assert web.call("PUT", f"accounts({account})/new_paper", {"value": id}).status == 400
    assert web.call("POST", "fileattachments", {"filename": "x"}).status == 501
    files.put(account, b"x")
    file = web.get(f"accounts({account})?$select=new_paper").json["new_paper"]
    assert web.call("DELETE", f"fileattachments({file})").status == 501
    assert files.read(account).content == b"x"


def test_bad_blocks(files: Files, account: str) -> None:
    target = {"accountid": account, "@odata.type": "Microsoft.Dynamics.CRM.account"}

    def begin(**more: Any) -> Any:
        sent = {"Target": target, "FileAttributeName": "new_paper", "FileName": "x.txt", **more}
        return files.web.call("POST", "InitializeFileBlocksUpload", sent)

    token = begin().json["FileContinuationToken"]
    good = {"BlockId": coded("a"), "BlockData": coded("x"), "FileContinuationToken": token}
    for name, value in [
        ("BlockId", ""), ("BlockId", "not base64!"), ("BlockId", coded("a" * 65)), ("BlockData", "!"),
        ("BlockData", ""), ("BlockData", 5), ("FileContinuationToken", "x"), ("FileContinuationToken", ""),
    ]:  # fmt: skip
        assert files.web.call("POST", "UploadBlock", {**good, name: value}).status == 400, (name, value)
    assert files.web.call("POST", "UploadBlock", good).status == 204
    end = {"FileName": "x.txt", "MimeType": "a/b", "FileContinuationToken": token}
    for blocks in ([coded("b")], [coded("a"), coded("a")]):
        assert files.web.call("POST", "CommitFileBlocksUpload", {**end, "BlockList": blocks}).status == 400
    for more, status in [
        ({"FileAttributeName": "name"}, 400), ({"FileAttributeName": "zz"}, 400), ({"FileName": "x.exe"}, 400),
        ({"FileName": ""}, 400), ({"Target": {**target, "accountid": token}}, 404), ({"Target": 5}, 400),
    ]:  # fmt: skip
        assert begin(**more).status == status, more
    assert files.web.call("POST", "CommitFileBlocksUpload", {**end, "BlockList": [coded("a")]}).status == 200
    assert (
        files.web.call(
            "POST", "DownloadBlock", {"Offset": -1, "BlockLength": 5, "FileContinuationToken": token}
        ).status
        == 400
    )
    for name in ("OpenFile", "SweepFiles", "UploadChunk", "ClearFile"):
        assert files.web.call("POST", name, {}).status in (404, 405)


# -- notes ------------------------------------------------------------------------------------------------------------
def test_the_attachment_of_a_note_lies_outside_its_row(files: Files, account: str) -> None:
    web = files.web
    sweep(web)
    at_first = pieces(web)
    body = base64.b64encode(b"a letter").decode()
    note = web.make(
        "annotations", subject="s", filename="a.txt", mimetype="text/plain", documentbody=body,
        **{"objectid_account@odata.bind": f"accounts({account})"},
    )  # fmt: skip
    assert pieces(web) == at_first + 1
    shown = "documentbody,filename,mimetype,filesize,isdocument"
    row = web.get(f"annotations({note})?$select={shown}").json
    assert (row["documentbody"], row["filename"], row["filesize"], row["isdocument"]) == (
        body,
        "a.txt",
        8,
        True,
    )
    assert web.get(f"annotations({note})/documentbody/$value").text == body
    (listed,) = web.get(f"annotations?$filter=annotationid eq {note}&$select=documentbody").rows
    assert listed["documentbody"] == body
    expanded = web.get(
        f"accounts({account})?$select=name&$expand=Account_Annotation($select=documentbody)"
    ).json
    assert [each["documentbody"] for each in expanded["Account_Annotation"]] == [body]
    held = web.get(f"annotations?$filter=annotationid eq {note} and documentbody ne null&$select=subject")
    assert len(held.rows) == 1
    for option in (
        f"$filter=documentbody eq '{body}'",
        "$orderby=documentbody",
        "$filter=contains(documentbody,'a')",
    ):
        assert web.get(f"annotations?{option}").status == 400
    assert web.call("PATCH", f"annotations({note})", {"documentbody": coded("another")}).status == 204
    assert web.get(f"annotations({note})/documentbody/$value").text == coded("another")
    assert web.call("PATCH", f"annotations({note})", {"documentbody": None}).status == 204
    row = web.get(f"annotations({note})?$select={shown}").json
    assert (row["documentbody"], row["filesize"], row["isdocument"]) == (None, 0, False)
    web.call("PATCH", f"annotations({note})", {"documentbody": coded("third")})
    assert web.call("DELETE", f"accounts({account})").status == 204
    sweep(web)
    assert pieces(web) == at_first


def test_the_attachment_of_a_note_goes_and_comes_in_blocks(files: Files, account: str) -> None:
    web = files.web
    target = {
        "@odata.type": "Microsoft.Dynamics.CRM.annotation", "subject": "s", "filename": "b.txt",
        "mimetype": "text/plain", "objectid_account@odata.bind": f"accounts({account})",
    }  # fmt: skip

    def upload(target: dict[str, Any], content: bytes) -> Any:
        token = files.action("InitializeAnnotationBlocksUpload", Target=target).json["FileContinuationToken"]
        sent = {
            "BlockId": coded("a"),
            "BlockData": base64.b64encode(content).decode(),
            "FileContinuationToken": token,
        }
        assert web.call("POST", "UploadBlock", sent).status in (204, 400)
        ended = {"Target": target, "BlockList": [coded("a")], "FileContinuationToken": token}
        return web.call("POST", "CommitAnnotationBlocksUpload", ended)

    made = upload(target, b"in blocks")
    note = made.json["AnnotationId"]
    assert made.json["FileSizeInBytes"] == 9
    row = web.get(
        f"annotations({note})?$select=documentbody,filename,filesize,isdocument,_objectid_value"
    ).json
    assert base64.b64decode(row["documentbody"]) == b"in blocks"
    assert (row["filename"], row["filesize"], row["isdocument"]) == ("b.txt", 9, True)
    assert row["_objectid_value"] == account
    again = {"@odata.type": "Microsoft.Dynamics.CRM.annotation", "annotationid": note, "filename": "c.txt"}
    assert upload(again, b"changed").json == {**made.json, "FileSizeInBytes": 7}
    begun = files.action("InitializeAnnotationBlocksDownload", Target=again).json
    assert (begun["FileName"], begun["FileSizeInBytes"]) == ("c.txt", 7)
    token = begun["FileContinuationToken"]
    got = files.action("DownloadBlock", Offset=0, BlockLength=100, FileContinuationToken=token)
    assert base64.b64decode(got.json["Data"]) == b"changed"
    blocked = files.action("InitializeAnnotationBlocksUpload", Target={**target, "filename": "x.exe"})
    assert blocked.fault == (400, "0x80043e09")


def test_attachments_that_are_refused(files: Files) -> None:
    web = files.web
    (row,) = web.get("organizations?$select=maxuploadfilesize").rows
    address = f"organizations({row['organizationid']})"
    assert row["maxuploadfilesize"] == 5_242_880
    assert web.call("PATCH", address, {"maxuploadfilesize": 100}).status == 204
    try:
        good = {"subject": "s", "filename": "a.txt", "documentbody": "A" * 100}
        assert web.call("POST", "annotations", good).status == 204
        large = web.call("POST", "annotations", {**good, "documentbody": "A" * 104})
        assert large.fault == (400, "0x80044a02")
        assert web.call("POST", "annotations", {**good, "filename": "a.exe"}).fault == (400, "0x80043e09")
        for body in ("no base64!", "AAA", "00000000-0000-4000-8000-000000000001"):
            assert web.call("POST", "annotations", {**good, "documentbody": body}).fault == (
                400,
                "0x80040203",
            )
    finally:
        web.call("PATCH", address, {"maxuploadfilesize": row["maxuploadfilesize"]})


# -- images ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "wide", "high", "side"),
    [
        ("PNG", 300, 428, 144),
        ("JPEG", 91, 130, 91),
        ("GIF", 1000, 20, 20),
        ("BMP", 144, 144, 144),
        ("TIFF", 500, 500, 144),
    ],
)
def test_an_image_is_kept_whole_and_as_a_thumbnail(
    files: Files, account: str, kind: str, wide: int, high: int, side: int
) -> None:
    full = picture(wide, high, kind)
    assert files.put(account, full, f"face.{kind.lower()}", column="new_face").status_code == 204
    row = files.web.get(f"accounts({account})?$select=new_face,new_face_url,new_face_timestamp").json
    assert size_of(base64.b64decode(row["new_face"])) == (side, side)
    assert size_of(files.read(account, "new_face").content) == (side, side)
    answer = files.read(account, "new_face", "?size=full")
    assert answer.content == full
    assert answer.headers["x-ms-file-name"] == f"face.{kind.lower()}"
    target = {"accountid": account, "@odata.type": "Microsoft.Dynamics.CRM.account"}
    begun = files.action("InitializeFileBlocksDownload", Target=target, FileAttributeName="new_face")
    assert begun.json["FileSizeInBytes"] == len(full)
    page = files.send(
        "GET", row["new_face_url"].replace("/Image", "http://localhost:5365/Image") + "&Full=true"
    )
    assert (page.status_code, page.content == full) == (200, True)
    assert files.web.call("PATCH", f"accounts({account})", {"new_face": None}).status == 204
    assert files.read(account, "new_face", "?size=full").status_code == 204
    assert files.web.get(f"accounts({account})?$select=new_face_url").json["new_face_url"] is None


def test_an_image_that_keeps_no_full_picture(files: Files) -> None:
    web = files.web
    shown = base64.b64encode(picture(200, 200)).decode()
    id = web.make("accounts", name="Face", entityimage=shown)
    assert size_of(files.read(id, "entityimage").content) == (144, 144)
    assert files.read(id, "entityimage", "?size=full").status_code == 204
    target = {"accountid": id, "@odata.type": "Microsoft.Dynamics.CRM.account"}
    begun = files.action("InitializeFileBlocksDownload", Target=target, FileAttributeName="entityimage")
    assert begun.fault == (404, "0x80040217")


def test_images_that_are_refused(files: Files, account: str) -> None:
    web = files.web
    for content in (b"no picture", b"", picture(50, 50)[:40], b"<svg xmlns='http://www.w3.org/2000/svg'/>"):
        answer = web.call(
            "PATCH", f"accounts({account})", {"entityimage": base64.b64encode(content).decode()}
        )
        assert answer.fault == (400, "0x80072553")
    answer = web.call("POST", "accounts", {"name": "x", "new_face": base64.b64encode(picture(5, 5)).decode()})
    assert answer.fault == (400, "0x80090487")
    assert files.put(account, b"no picture", "a.png", column="new_face").status_code == 400
    bomb = picture(9000, 9000)
    assert files.put(account, bomb, "bomb.png", column="new_face").status_code == 400
    assert files.read(account, "new_face").status_code == 204


def test_definitions_of_file_and_image_columns(files: Files) -> None:
    path = "EntityDefinitions(LogicalName='account')/Attributes"
    cast = f"{path}/Microsoft.Dynamics.CRM.ImageAttributeMetadata?$filter=LogicalName eq 'new_face'"
    (face,) = files.web.get(cast).rows
    assert (face["MaxSizeInKB"], face["CanStoreFullImage"], face["IsPrimaryImage"]) == (30_720, True, False)
    one = f"{path}(LogicalName='new_paper')/Microsoft.Dynamics.CRM.FileAttributeMetadata?$select=MaxSizeInKB"
    assert files.web.get(one).json["MaxSizeInKB"] == 20_480


def with_role(web: Web, **depths: str) -> str:
    """A user of the root unit who holds these privileges."""
    root = web.get("WhoAmI").json["BusinessUnitId"]
    role = web.make(
        "roles", name=web.name("Files"), **{"businessunitid@odata.bind": f"businessunits({root})"}
    )
    held = []
    for name, depth in depths.items():
        (row,) = web.get(f"privileges?$filter=name eq '{name}'&$select=privilegeid").rows
        held.append({"PrivilegeId": row["privilegeid"], "Depth": depth})
    path = f"roles({role})/Microsoft.Dynamics.CRM.ReplacePrivilegesRole"
    assert web.call("POST", path, {"Privileges": held}).status == 204
    return make_user(web, root, role)


# -- who may -----------------------------------------------------------------------------------------------------------
def test_files_are_for_those_who_see_and_change_their_rows(files: Files, account: str) -> None:
    web = files.web
    files.put(account, b"secret", "secret.txt")
    file = web.get(f"accounts({account})?$select=new_paper").json["new_paper"]
    reader = with_role(web, prvReadAccount="Global")
    nobody = with_role(web, prvReadAccount="Basic", prvWriteAccount="Basic")
    as_reader, as_nobody = ({"MSCRMCallerID": user} for user in (reader, nobody))
    assert files.read(account, **as_reader).content == b"secret"
    assert files.put(account, b"x", **as_reader).status_code == 403
    assert files.send("DELETE", f"accounts({account})/new_paper", **as_reader).status_code == 403
    assert web.call("POST", "DeleteFile", {"FileId": file}, **as_reader).status == 403
    assert len(web.get(f"fileattachments?$filter=fileattachmentid eq {file}", **as_reader).rows) == 1
    assert files.read(account, **as_nobody).status_code == 403
    assert files.put(account, b"x", **as_nobody).status_code == 403
    assert web.get(f"fileattachments?$filter=fileattachmentid eq {file}", **as_nobody).rows == []
    assert web.get(f"fileattachments({file})", **as_nobody).status == 403
    asked = {"Offset": 0, "BlockLength": 6, "FileContinuationToken": file}
    assert web.call("POST", "DownloadBlock", asked, **as_reader).status == 200
    assert web.call("POST", "DownloadBlock", asked, **as_nobody).status == 403
    target = {"accountid": account, "@odata.type": "Microsoft.Dynamics.CRM.account"}
    begun = files.action(
        "InitializeFileBlocksUpload", Target=target, FileAttributeName="new_paper", FileName="x"
    )
    block = {"BlockId": coded("a"), "BlockData": coded("x"), **begun.json}
    block.pop("@odata.context")
    assert web.call("POST", "UploadBlock", block, **as_reader).fault == (400, "0x80040203")
    assert files.read(account).content == b"secret"
