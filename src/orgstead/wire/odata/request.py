"""A request of the Web API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orgstead.model.messages import Signature

__all__ = ["Request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request below the API's root. Header names are lower case.

    ``path`` and ``query`` are still percent-encoded; ``base`` is the API's root as the client addressed it,
    with a slash at its end; ``signatures`` the actions and functions that can be called.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base: str
    signatures: Mapping[str, Signature]
    new_id: Callable[[], str]
    pending: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    in_batch: bool = False
