"""stub"""

from collections.abc import Callable


class Callouts:
    def check_url(self, url: str) -> None: ...
    def post_from_thread(self, url, body, headers, *, timeout):
        raise NotImplementedError

    async def post(self, url, body, headers, *, timeout):
        raise NotImplementedError


class Breaker:
    def __init__(self, clock: Callable[[], float]): ...
    def room(self, lane, most):
        return most

    def note(self, lane, *, well): ...
