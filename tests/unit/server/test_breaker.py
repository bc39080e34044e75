"""The circuit breaker: what fails again and again is left alone, and tried once after a pause that grows."""

import pytest

from orgstead.server.breaker import FAILURES, LONGEST_PAUSE, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def fail(breaker: Breaker, key: str, times: int) -> None:
    for _ in range(times):
        breaker.note(key, well=False)


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not(breaker: Breaker) -> None:
    fail(breaker, "a", FAILURES - 1)
    breaker.note("a", well=True)
    fail(breaker, "a", FAILURES - 1)
    assert (breaker.state("a"), breaker.room("a", 16)) == ("closed", 16)
    breaker.note("a", well=False)
    assert (breaker.state("a"), breaker.room("a", 16)) == ("open", 0)
    assert breaker.room("b", 16) == 16


def test_after_the_pause_there_is_room_for_one_trial(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, "a", FAILURES)
    clock.now += 4.9
    assert breaker.room("a", 16) == 0
    clock.now += 0.1
    assert (breaker.state("a"), breaker.room("a", 16), breaker.room("a", 0)) == ("half-open", 1, 0)
    breaker.note("a", well=True)
    assert breaker.room("a", 16) == 16


def test_the_pause_doubles_with_each_trial_that_fails_up_to_five_minutes(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, "a", FAILURES)
    pauses = []
    for _ in range(9):
        began = clock.now
        while breaker.state("a") == "open":
            clock.now += 1
        pauses.append(clock.now - began)
        breaker.note("a", well=False)
    assert pauses == [5, 10, 20, 40, 80, 160, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    clock.now += LONGEST_PAUSE
    breaker.note("a", well=True)
    fail(breaker, "a", FAILURES)
    clock.now += 5
    assert breaker.state("a") == "half-open"


def test_calls_that_were_under_way_when_it_opened_do_not_make_the_pause_longer(
    breaker: Breaker, clock: Clock
) -> None:
    fail(breaker, "a", FAILURES + 100)
    clock.now += 5
    assert breaker.state("a") == "half-open"


def test_it_remembers_no_more_keys_than_it_may(clock: Clock) -> None:
    breaker = Breaker(clock, max_keys=3)
    for key in ("a", "b", "c", "d"):
        fail(breaker, key, FAILURES)
    assert [breaker.state(key) for key in ("a", "b", "c", "d")] == ["closed", "open", "open", "open"]
