"""Files whose content lies in S3-compatible storage, over the protocol, on a server of it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from moto.server import ThreadedMotoServer
from starlette.testclient import TestClient

from orgstead.app import build_application, open_organisation
from orgstead.config import Config
from orgstead.errors import Fault
from orgstead.store.open import open_blobs
from tests.parity.conftest import ORIGIN, Web
from tests.parity.test_parity_files import LONG, Files, add_column, sweep

BUCKET = "papers"


@contextmanager
def s3() -> Iterator[tuple[str, ThreadedMotoServer]]:
    """The address of an S3 server with an empty bucket, and the server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    # All servers of a process share what they keep.
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10).raise_for_status()
    requests.put(f"http://{host}:{port}/{BUCKET}", timeout=10).raise_for_status()
    yield f"http://{host}:{port}", server
    server.stop()


@contextmanager
def files_in(url: str, data: Path) -> Iterator[Files]:
    """An organisation with file columns whose content lies at a URL."""
    organisation = open_organisation(Config(data=str(data), files=url))
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        web = Web(client, organisation)
        add_column(web, "File", "new_Paper", MaxSizeInKB=20_480)
        yield Files(web)
    organisation.close()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the storage lets in."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")


def objects(storage: str) -> list[str]:
    """The names of the objects in the bucket."""
    return re.findall(
        r"<Key>\s*(.*?)\s*</Key>", requests.get(f"{storage}/{BUCKET}?list-type=2", timeout=10).text
    )


def test_a_file_comes_back_from_the_bucket_and_leaves_it_when_it_is_deleted(
    credentials: None, tmp_path: Path
) -> None:
    with s3() as (storage, _), files_in(f"s3://{BUCKET}/some/where?endpoint={storage}", tmp_path) as files:
        id = files.web.make("accounts", name="In a bucket")
        assert files.put(id, LONG, "long.bin").status_code == 204
        assert len(objects(storage)) > 1
        assert {name[:11] for name in objects(storage)} == {"some/where/"}
        assert files.read(id).content == LONG
        part = files.read(id, range="bytes=4194300-4194310")
        assert (part.status_code, part.content) == (206, LONG[4194300:4194311])
        assert files.put(id, b"", "empty.txt").status_code == 204
        assert files.read(id).content == b""
        assert set(files.chunks(id, LONG)) == {206, 204}
        assert files.read(id).content == LONG
        assert files.send("DELETE", f"accounts({id})/new_paper").status_code == 204
        sweep(files.web)
        assert objects(storage) == []
        assert not list(tmp_path.glob("files/*"))
        # An object whose row was never committed.
        assert files.web.organisation is not None
        engine = files.web.organisation.engine
        engine.blobs.put("00000000-0000-7000-8000-0000000000aa", b"orphan")
        assert len(objects(storage)) == 1
        sweep(files.web)
        assert objects(storage) == []


def test_a_storage_that_fails_changes_nothing(credentials: None, tmp_path: Path) -> None:
    with s3() as (storage, server), files_in(f"s3://{BUCKET}?endpoint={storage}", tmp_path) as files:
        id = files.web.make("accounts", name="In a bucket")
        assert files.put(id, b"first", "first.txt").status_code == 204
        server.stop()
        for answer in (files.put(id, b"second", "second.txt"), files.read(id)):
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "0x80044150")
        assert files.web.get(f"accounts({id})?$select=new_paper_name").json["new_paper_name"] == "first.txt"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://papers", "starts with s3://"),
        ("s3://somebody:secret@papers?endpoint=http://127.0.0.1:1", "AWS_ACCESS_KEY_ID"),
        ("s3://?endpoint=http://127.0.0.1:1", "s3://bucket/prefix"),
        ("s3://papers?secret=1", "s3://bucket/prefix"),
        ("s3://papers?endpoint=http://127.0.0.1:1", "cannot be reached"),
    ],
)
def test_an_address_that_is_none_or_leads_nowhere_is_told_at_the_start(
    credentials: None, url: str, said: str
) -> None:
    with pytest.raises(Fault) as caught:
        open_blobs("", url)
    told = caught.value.message + caught.value.hint
    assert said in told
    assert "secret@" not in told


def test_a_bucket_that_is_not_there_is_told_at_the_start(credentials: None) -> None:
    with s3() as (storage, _), pytest.raises(Fault) as caught:
        open_blobs("", f"s3://nowhere?endpoint={storage}")
    assert "nowhere" in caught.value.hint
