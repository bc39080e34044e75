"""What went wrong, in words for a terminal: a line, what to do next, and the numbers that support asks for."""

import json
from collections.abc import Mapping
from typing import IO, Any

import click

from orgstead.client import (
    ConfigurationError,
    CredentialError,
    DynamicsError,
    ForbiddenError,
    NotFoundError,
    ServiceError,
    ThrottledError,
    TransportError,
    UnauthorizedError,
)
from orgstead.terminal.aligned import lines, one_line

__all__ = ["Failure", "failure_of"]


class Failure(click.ClickException):
    """A failure that is shown on standard error, as lines or as a JSON object; the command ends with 1.

    ``code`` is the service's own (``0x80040217``) or a word such as ``no_connection``, ``more`` what else is known.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        hint: str = "",
        more: Mapping[str, Any] | None = None,
        as_json: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.more = dict(more or {})
        self.as_json = as_json

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it."""
        if self.as_json:
            body = {"code": self.code, "message": self.message, "hint": self.hint, **self.more}
            known = {name: value for name, value in body.items() if value not in ("", None)}
            click.echo(json.dumps({"error": known}, ensure_ascii=False), file=file, err=file is None)
            return
        said = [f"Error: {lines(self.message)}"]
        if self.hint:
            said.append(self.hint)
        numbers = [f"code {self.code}"] if self.code.startswith("0x") else []
        if request_id := self.more.get("request_id"):
            numbers.append(f"request id {request_id}")
        if numbers:
            said.append(one_line(f"({', '.join(numbers)})"))
        click.echo("\n".join(said), file=file, err=file is None)


class _Misuse(Failure):
    """A command that was called with what makes no sense."""

    exit_code = 2


def failure_of(error: Exception, *, as_json: bool) -> Failure:
    """An exception as a failure to show."""
    match error:
        case Failure():
            error.as_json = as_json
            return error
        case click.UsageError():
            return _Misuse(error.message, code="usage", as_json=as_json)
        case click.ClickException():
            return Failure(error.message, as_json=as_json)
        case ServiceError():
            more = {
                "status": error.status,
                "request_id": error.request_id,
                "retry_after": error.retry_after,
                "maybe_applied": error.maybe_applied or None,
            }
            return Failure(error.message, code=error.code, hint=_hint(error), more=more, as_json=as_json)
        case CredentialError():
            more = {"codes": list(error.codes) or None, "correlation_id": error.correlation_id}
            hint = "Check the credentials; 'orgstead auth create --replace' makes a profile anew."
            code = error.error or "no_token"
            return Failure(f"Not signed in: {error}", code=code, hint=hint, more=more, as_json=as_json)
        case TransportError():
            hint = "Is the address right, and the server running?"
            if "://localhost" in str(error):
                hint += " 'orgstead serve' starts one here."
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                hint = (
                    "Who signed the certificate is not trusted here: 'orgstead auth create --ca FILE' trusts "
                    "an authority for a profile, SSL_CERT_FILE for everything."
                )
            if error.maybe_applied:
                hint = "The request may have been carried out: look before you repeat it."
            more = {"maybe_applied": error.maybe_applied}
            return Failure(str(error), code="no_connection", hint=hint, more=more, as_json=as_json)
        case ConfigurationError():
            return Failure(_sentence(str(error)), code="configuration", as_json=as_json)
        case DynamicsError():
            return Failure(_sentence(str(error)), as_json=as_json)
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return Failure(f"{where}{error.strerror or error}", code="file", as_json=as_json)
    return Failure(str(error), as_json=as_json)


def _sentence(text: str) -> str:
    """A message with a capital, unless it begins with the name of a file, a table or such."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text


def _hint(error: ServiceError) -> str:
    if error.maybe_applied:
        return (
            "An earlier try went without an answer and may have been carried out: look before you repeat it."
        )
    match error:
        case UnauthorizedError():
            return "The token is not taken; 'orgstead auth create --replace' makes a profile anew."
        case ForbiddenError():
            return "Whoever is signed in lacks a privilege: 'orgstead auth who' says who that is."
        case NotFoundError(message=message) if "metadata" in message or "segment" in message:
            return "'orgstead tables list' lists the tables, 'orgstead tables columns TABLE' the columns."
        case ThrottledError():
            seconds = f" Retry after {error.retry_after:g} seconds." if error.retry_after else ""
            return f"The service asks to be asked less.{seconds}"
    return ""
