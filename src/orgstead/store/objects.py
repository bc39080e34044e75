"""The content of files in S3-compatible storage.

Library: obstore, the Rust ``object_store`` crate for Python. It needs no other package, signs, retries and times out by
itself, and does one request for a range; boto3 does the same with six packages and ten times the code.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from orgstead.errors import fault

__all__ = ["ObjectBlobs"]

OPTIONS = frozenset({"endpoint", "region", "path_style"})
TIMEOUT = timedelta(seconds=20)
CONNECT = timedelta(seconds=5)
RETRY = timedelta(seconds=30)
RETRIES = 3


class ObjectBlobs:
    """Pieces as objects of a bucket: ``s3://bucket/prefix?endpoint=https://…&region=…&path_style=false``.

    Credentials come from where AWS's own tools take them: ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and
    ``AWS_SESSION_TOKEN``, or the machine's role. Raises InvalidArgument for an address that is none, StoreFailure when
    the bucket cannot be reached.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if parts.username is not None or parts.password is not None:
            raise _wrong("it holds no credentials: those are in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        if not parts.hostname or parts.fragment or options.keys() - OPTIONS:
            raise _wrong("s3://bucket/prefix?endpoint=…&region=…&path_style=true")
        endpoint = options.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL")
        try:
            self._store = S3Store(
                parts.hostname,
                prefix=parts.path.strip("/") or None,
                client_options={
                    "timeout": TIMEOUT,
                    "connect_timeout": CONNECT,
                    "allow_http": bool(endpoint and endpoint.startswith("http://")),
                },
                retry_config={"max_retries": RETRIES, "retry_timeout": RETRY},
                **_config(options, endpoint),
            )
        except (BaseError, ValueError) as error:
            raise _wrong(str(error).splitlines()[0][:200]) from None
        # Whether it can be reached is found out at the start, not by the first user.
        self._reach()

    def _reach(self) -> None:
        """List what nobody has written. Raises StoreFailure when even that cannot be told."""
        try:
            list(obstore.list(self._store, prefix="none"))
        except (BaseError, FileNotFoundError) as error:
            raise fault(
                "StoreFailure", hint=f"The storage of files cannot be reached: {_said(error)}"
            ) from error

    def put(self, key: str, data: bytes) -> None:
        """Write a piece; it is there, whole, when the storage has said so."""
        try:
            obstore.put(self._store, _path(key), data, use_multipart=False)
        except BaseError as error:
            raise fault(
                "StoreFailure", hint=f"A piece of a file cannot be written: {_said(error)}"
            ) from error

    def get(self, key: str, start: int, length: int) -> bytes:
        """``length`` bytes of a piece from ``start``; raises StoreFailure when it is not there."""
        if length == 0:
            return b""
        try:
            return bytes(obstore.get_range(self._store, _path(key), start=start, length=length))
        except (BaseError, FileNotFoundError) as error:
            raise fault("StoreFailure", hint=f"A piece of a file cannot be read: {_said(error)}") from error

    def delete(self, key: str) -> None:
        """Remove a piece, if it is there."""
        try:
            obstore.delete(self._store, _path(key))
        except (NotFoundError, FileNotFoundError):
            return
        except BaseError as error:
            raise fault(
                "StoreFailure", hint=f"A piece of a file cannot be removed: {_said(error)}"
            ) from error

    def older(self, than: float) -> Iterator[str]:
        """Keys of the pieces that were written before a time, in seconds since 1970."""
        try:
            for page in obstore.list(self._store):
                for each in page:
                    if each["last_modified"].timestamp() < than:
                        yield each["path"].rpartition("/")[2]
        except BaseError as error:
            raise fault(
                "StoreFailure", hint=f"The storage of files cannot be listed: {_said(error)}"
            ) from error


def _config(options: Mapping[str, str], endpoint: str | None) -> dict[str, Any]:
    region = options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    # Other storages than Amazon's rarely have a host name for every bucket.
    path_style = options.get("path_style", "true" if endpoint else "false").lower() != "false"
    found: dict[str, Any] = {"region": region or "us-east-1", "virtual_hosted_style_request": not path_style}
    return found | ({"endpoint": endpoint} if endpoint else {})


def _path(key: str) -> str:
    # The last digits of an id are random, so that no part of the bucket is busier than another.
    return f"{key[-2:]}/{key}"


def _wrong(reason: str) -> Exception:
    return fault("InvalidArgument", message=f"The address of the storage of files is not one: {reason}.")


def _said(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
