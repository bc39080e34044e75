"""What went wrong, in words that say what to do next."""

import msgspec

from orgstead.client import (
    ConfigurationError,
    CredentialError,
    ForbiddenError,
    NotFoundError,
    ServiceError,
    ThrottledError,
    TransportError,
    UnauthorizedError,
)

__all__ = ["Refusal", "explained"]

MAX_TEXT = 2000


class Refusal(Exception):
    """An action cannot do what it is asked for; the text says why, and what to do."""


def explained(error: Exception) -> str:
    """A failure as a text for whoever called the action."""
    return _text(error)[:MAX_TEXT]


def _text(error: Exception) -> str:
    match error:
        case Refusal() | ConfigurationError():
            return str(error)
        case msgspec.ValidationError():
            return f"The arguments do not fit the action's schema: {error}."
        case CredentialError():
            return f"Signing in failed: {error} Check the credentials, or sign in again."
        case UnauthorizedError():
            return f"The token was refused ({error.message}). Sign in again."
        case ForbiddenError():
            return (
                f"Whoever is signed in may not do this: {error.message} "
                "Ask an administrator for a role that allows it."
            )
        case ThrottledError(retry_after=seconds):
            wait = f"{seconds:g} seconds" if seconds else "some minutes"
            return f"The service is throttling ({error.message}). Wait {wait} and try again."
        case NotFoundError():
            return f"Not found: {error.message}"
        case ServiceError() if error.maybe_applied and error.transient:
            return (
                f"The service failed ({error}), and may have done it all the same: look before trying again."
            )
        case ServiceError():
            number = f" Request {error.request_id}." if error.request_id and error.status >= 500 else ""
            return f"The service refused: {error}{number}"
        case TransportError(maybe_applied=True):
            return (
                f"No answer came ({error}), and it may have been done all the same: look before trying again."
            )
        case TransportError():
            return f"The service cannot be reached ({error}). Check its address, and try again."
    return f"{type(error).__name__}: {error}"
