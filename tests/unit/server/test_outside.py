"""Endpoints that operations wait for: those that hang are left alone for a while, and then tried once."""

import threading

from orgstead.model.endpoints import LEFT_ALONE, TIMED_OUT, Answered, Endpoint, Parcel
from orgstead.server.outside import FIRST_PAUSE, LONGEST_PAUSE, TIMEOUTS, Endpoints

PARCEL = Parcel(body="{}", headers=())
ONE, OTHER = (
    Endpoint(id=id, name=id, url=f"https://{id}.example/", authentication=4, secret="key")
    for id in ("one", "other")
)


class Line:
    """A caller whose calls become what the test says."""

    def __init__(self) -> None:
        self.answered = Answered(status=200)
        self.calls = 0
        self.going = threading.Event()
        self.going.set()
        self.called = threading.Event()

    def check_url(self, url: str) -> None:
        """Every address may be called."""

    def post_from_thread(
        self, url: str, body: bytes, headers: tuple[tuple[str, str], ...], *, timeout: float
    ) -> Answered:
        """Answer once the test lets it go on."""
        self.calls += 1
        self.called.set()
        self.going.wait(30)
        return self.answered


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def tried(endpoints: Endpoints, endpoint: Endpoint = ONE) -> str | None:
    return endpoints.post(endpoint, PARCEL).error


def test_who_hangs_again_and_again_is_left_alone_and_then_tried_once() -> None:
    line, clock = Line(), Clock()
    endpoints = Endpoints(line, clock)
    line.answered = Answered(error=TIMED_OUT, passing=True)
    assert [tried(endpoints) for _ in range(TIMEOUTS + 2)] == [TIMED_OUT] * TIMEOUTS + [LEFT_ALONE] * 2
    assert tried(endpoints, OTHER) == TIMED_OUT
    clock.now += FIRST_PAUSE
    assert [tried(endpoints) for _ in range(2)] == [TIMED_OUT, LEFT_ALONE]
    clock.now += FIRST_PAUSE
    assert tried(endpoints) == LEFT_ALONE
    clock.now += LONGEST_PAUSE
    line.answered = Answered(status=500)
    assert [tried(endpoints) for _ in range(3)] == [None] * 3


def test_what_fails_at_once_holds_up_nobody_and_is_called_each_time() -> None:
    line = Line()
    line.answered = Answered(error="the connection failed", passing=True)
    endpoints = Endpoints(line, Clock())
    assert LEFT_ALONE not in [tried(endpoints) for _ in range(3 * TIMEOUTS)]


def test_while_one_is_tried_others_are_not() -> None:
    line, clock = Line(), Clock()
    endpoints = Endpoints(line, clock)
    line.answered = Answered(error=TIMED_OUT, passing=True)
    for _ in range(TIMEOUTS):
        tried(endpoints)
    clock.now += FIRST_PAUSE
    line.going.clear()
    line.called.clear()
    trial = threading.Thread(target=tried, args=(endpoints,))
    trial.start()
    assert line.called.wait(30)
    assert tried(endpoints) == LEFT_ALONE
    line.going.set()
    trial.join()
    assert line.calls == TIMEOUTS + 1
