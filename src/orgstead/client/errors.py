"""What can go wrong, as exceptions.

::

    DynamicsError
    ├── ConfigurationError        what the client was told makes no sense; nothing was sent (a ValueError, too)
    ├── CredentialError           the authority gave no token: ``error``, ``codes`` (AADSTS numbers)
    ├── TransportError            no answer came; ``maybe_applied`` says whether the request may have arrived
    ├── BulkError                 rows of a bulk operation were refused: ``result`` names each
    └── ServiceError              the service answered with a failure: ``status``, ``code``, ``request_id``
        ├── BadRequestError       400, and any other 4xx that has no class of its own
        ├── UnauthorizedError     401
        ├── ForbiddenError        403: a privilege is missing
        ├── NotFoundError         404
        ├── ConflictError         409
        ├── PreconditionError     412: another ETag, or the row exists
        │   └── DuplicateError    412 with a code that says that the row exists
        ├── ThrottledError        429: ``retry_after``
        └── ServerError           5xx

The codes: https://learn.microsoft.com/power-apps/developer/data-platform/reference/web-service-error-codes
The statuses: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

import msgspec

from orgstead.client.outcome import BulkResult

__all__ = [
    "BadRequestError", "BulkError", "ConfigurationError", "ConflictError", "CredentialError", "DuplicateError",
    "DynamicsError", "ForbiddenError", "NotFoundError", "PreconditionError", "ServerError", "ServiceError",
    "ThrottledError", "TransportError", "UnauthorizedError", "retry_after", "service_error",
]  # fmt: skip

# DuplicateRecord, DuplicateRecordEntityKey and the two of duplicate detection.
DUPLICATES = frozenset({"0x80040237", "0x80060892", "0x80040333", "0x80048d06"})
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
MAX_MESSAGE = 2000
# What Finance and Operations says of most failures; what it means stands further in.
SAYS_NOTHING = "An error has occurred."


class DynamicsError(Exception):
    """The root of all. ``transient`` says whether the same call may succeed later."""

    transient = False


class ConfigurationError(DynamicsError, ValueError):
    """What the client was told makes no sense."""


class CredentialError(DynamicsError):
    """The authority gave no token.

    ``error`` is OAuth's word, ``codes`` the AADSTS numbers, ``correlation_id`` what an administrator finds it by:
    https://learn.microsoft.com/entra/identity-platform/reference-error-codes
    """

    def __init__(
        self, message: str, *, error: str = "", codes: tuple[int, ...] = (), correlation_id: str = ""
    ) -> None:
        super().__init__(message)
        self.error = error
        self.codes = codes
        self.correlation_id = correlation_id


class TransportError(DynamicsError):
    """No answer came. ``maybe_applied`` is false where the request provably did not reach the service.

    ``transient`` is false where it never will: the certificate is not trusted (``SSL_CERT_FILE`` and ``verify=`` say
    what is), or the name of the host is none.
    """

    transient = True

    def __init__(self, message: str, *, maybe_applied: bool) -> None:
        super().__init__(message)
        self.maybe_applied = maybe_applied


class BulkError(DynamicsError):
    """Rows of a bulk operation were refused; ``result.failures`` names each row and why."""

    def __init__(self, result: BulkResult) -> None:
        first = result.failures[0]
        super().__init__(
            f"{result.failed} of {result.total} rows failed; the first, row {first.index}: {first.error}"
        )
        self.result = result


class ServiceError(DynamicsError):
    """The service answered with a failure.

    ``status`` is the HTTP status, ``code`` the service's own (``0x80040217``), ``message`` its text, ``request_id``
    what its operators find the request by, ``retry_after`` the seconds it asked to wait for, ``details`` the further
    members of the error, ``maybe_applied`` true when an earlier try of the same request went without an answer and
    may have been applied.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        request_id: str = "",
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
        maybe_applied: bool = False,
    ) -> None:
        super().__init__(f"{status} {code}: {message}" if code else f"{status}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.request_id = request_id
        self.retry_after = retry_after
        self.details = dict(details or {})
        self.maybe_applied = maybe_applied
        self.transient = status in TRANSIENT


class BadRequestError(ServiceError):
    """The request is wrong: another one has to be made."""


class UnauthorizedError(ServiceError):
    """The token is missing or not taken."""


class ForbiddenError(ServiceError):
    """A privilege is missing."""


class NotFoundError(ServiceError):
    """There is no such row, table or address."""


class ConflictError(ServiceError):
    """The state of the row forbids it."""


class PreconditionError(ServiceError):
    """If-Match or If-None-Match did not hold."""


class DuplicateError(PreconditionError):
    """The row exists."""


class ThrottledError(ServiceError):
    """More was asked for than the service protection limits allow, and the time to retry was up."""


class ServerError(ServiceError):
    """The service failed."""


_CLASSES: Mapping[int, type[ServiceError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    412: PreconditionError,
    429: ThrottledError,
}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After header, in either of its forms (RFC 9110, 10.2.3); None without a usable one."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return max(float(text), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(text).timestamp() - time(), 0.0)
    except (ValueError, TypeError):
        return None


def service_error(
    status: int, headers: Mapping[str, str], content: bytes, *, maybe_applied: bool = False
) -> ServiceError:
    """The exception for a failure that was answered."""
    code, message, details = "", "", {}
    try:
        body = msgspec.json.decode(content)
        error = body["error"]
        code, message = str(error.get("code") or ""), str(error.get("message") or "")
        inner = error.get("innererror")
        if message == SAYS_NOTHING and isinstance(inner, dict):
            message = str(inner.get("message") or message)
        details = {str(k): v for k, v in error.items() if k not in ("code", "message")}
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        message = content[:MAX_MESSAGE].decode("utf-8", "replace").strip()
    kind = _CLASSES.get(status, BadRequestError if status < 500 else ServerError)
    if status == 412 and code.lower() in DUPLICATES:
        kind = DuplicateError
    return kind(
        message[:MAX_MESSAGE] or "no message",
        status=status,
        code=code,
        request_id=headers.get("x-ms-service-request-id") or headers.get("req_id") or "",
        retry_after=retry_after(headers),
        details=details,
        maybe_applied=maybe_applied,
    )
