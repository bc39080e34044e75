"""Service protection by itself: exact to the request, sliding, and of a bounded size."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orgstead.server import limits as module
from orgstead.server.limits import Limits, Pass, Refusal
from orgstead.server.usage import Rules


class Clock:
    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def limited(clock: Clock, **rules: Any) -> Limits:
    return Limits(Rules(**rules), clock, clock)


def passed(answer: Pass | Refusal) -> Pass:
    assert isinstance(answer, Pass)
    return answer


def refused(answer: Pass | Refusal) -> Refusal:
    assert isinstance(answer, Refusal)
    return answer


def hold(limits: Limits, clock: Clock, user: str, seconds: float) -> None:
    """A request that takes so long."""
    taken = passed(limits.admit(user))
    taken.begin()
    clock.now += seconds
    taken.leave()


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12)), max_size=200),
    st.integers(1, 7),
    st.integers(1, 40),
)
def test_a_request_is_taken_exactly_if_fewer_than_allowed_were_asked_for_in_the_window(
    asked: list[tuple[str, int]], most: int, window: int
) -> None:
    clock = Clock()
    limits = limited(clock, requests=most, window_seconds=window, concurrent=0)
    came: dict[str, list[float]] = {"a": [], "b": []}
    for user, later in asked:
        clock.now += later / 4
        before = sum(1 for then in came[user] if then > clock.now - window)
        came[user].append(clock.now)
        answer = limits.admit(user)
        assert isinstance(answer, Pass) == (before < most)
        assert answer.requests_left == max(0, most - before - 1)
        if isinstance(answer, Pass):
            answer.leave()


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.booleans()), max_size=200),
    st.integers(1, 5),
    st.integers(1, 30),
)
def test_whoever_waits_as_long_as_told_is_taken(
    asked: list[tuple[str, int, bool]], most: int, window: int
) -> None:
    clock = Clock()
    limits = limited(clock, requests=most, window_seconds=window, execution_seconds=3)
    for user, later, obeys in asked:
        clock.now += later / 3
        answer = limits.admit(user)
        if isinstance(answer, Refusal):
            assert 1 <= answer.retry_after <= window
            if not obeys:
                continue
            clock.now += answer.retry_after
            answer = limits.admit(user)
        taken = passed(answer)
        taken.begin()
        clock.now += later / 6
        taken.leave()


@given(st.lists(st.floats(0.01, 5.0), max_size=80))
def test_execution_time_is_that_of_the_requests_that_ended_in_the_window(durations: list[float]) -> None:
    clock = Clock()
    limits = limited(clock, execution_seconds=0, window_seconds=6)
    ended: list[tuple[float, float]] = []
    for seconds in durations:
        hold(limits, clock, "a", seconds)
        ended.append((clock.now, seconds))
        (used,) = limits.snapshot()["users"]
        # What ended in one slice of the window leaves it together.
        least = sum(each for then, each in ended if then > clock.now - 6)
        most = sum(each for then, each in ended if then > clock.now - 6.02)
        assert least - 0.001 <= used["execution_seconds"] <= most + 0.001
    clock.now += 7
    assert sum(each["execution_seconds"] for each in limits.snapshot()["users"]) == 0


def test_an_execution_counts_once_and_a_request_leaves_once() -> None:
    clock = Clock()
    limits = limited(clock)
    taken = passed(limits.admit("a"))
    taken.begin()
    clock.now += 2
    for _ in range(3):
        taken.end()
        clock.now += 5
    for _ in range(3):
        taken.leave()
    (used,) = limits.snapshot()["users"]
    assert (used["execution_seconds"], used["concurrent"]) == (2.0, 0)


def test_those_who_were_too_many_at_a_time_are_told_to_come_back_in_turns() -> None:
    clock = Clock()
    limits = limited(clock, concurrent=4)
    held = [passed(limits.admit("a")) for _ in range(4)]
    assert [refused(limits.admit("a")).retry_after for _ in range(9)] == [1, 1, 1, 1, 2, 2, 2, 2, 3]
    clock.now += 2.25
    assert refused(limits.admit("a")).retry_after == 1
    held[0].leave()
    assert passed(limits.admit("a"))


def test_many_users_take_the_room_of_those_who_asked_in_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_USERS", 50)
    clock = Clock()
    limits = limited(clock)
    for number in range(10_000):
        passed(limits.admit(f"user {number}")).leave()
    assert len(limits.snapshot(most=10**6)["users"]) == 50
    clock.now += 300
    for number in range(50):
        passed(limits.admit(f"late {number}")).leave()
    assert {each["user"] for each in limits.snapshot(most=10**6)["users"]} == {f"late {n}" for n in range(50)}
    assert len(limits.snapshot()["users"]) == 50


def test_a_user_whose_request_is_under_way_is_not_forgotten_with_those_who_are_idle() -> None:
    clock = Clock()
    limits = limited(clock, concurrent=1)
    held = passed(limits.admit("a"))
    clock.now += 1_000
    for number in range(10):
        passed(limits.admit(f"user {number}")).leave()
    assert refused(limits.admit("a")).fault.name == "ConcurrencyLimitExceeded"
    held.leave()
    assert passed(limits.admit("a"))


def test_requests_without_end_take_the_room_of_those_that_are_allowed() -> None:
    clock = Clock()
    limits = limited(clock, requests=100)

    def ask(times: int) -> None:
        for _ in range(times):
            clock.now += 0.01
            answer = limits.admit("a")
            if isinstance(answer, Pass):
                answer.begin()
                answer.leave()

    ask(2_000)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        ask(20_000)
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()


def test_a_clock_that_is_set_back_keeps_nobody_out_and_one_that_jitters_forgives_nothing() -> None:
    clock = Clock()
    limits = limited(clock, requests=1)
    passed(limits.admit("a")).leave()
    clock.now -= 0.5
    assert refused(limits.admit("a"))
    clock.now -= 100_000
    assert passed(limits.admit("a"))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"kind": "nonsense"}, "There is no limit nonsense"),
        ({"kind": "requests", "count": 0}, "count is at least 1"),
        ({"kind": "requests", "seconds": 0}, "seconds is more than 0"),
        ({"kind": "requests", "seconds": float("nan")}, "seconds is more than 0"),
        ({"kind": "requests", "seconds": float("inf")}, "seconds is more than 0"),
        ({"kind": "requests", "retry_after": -1}, "retry_after is not less than 0"),
    ],
)
def test_orders_that_say_nothing_are_refused(asked: dict[str, Any], said: str) -> None:
    limits = limited(Clock())
    with pytest.raises(ValueError, match=said):
        limits.force(**asked)
    assert passed(limits.admit("a"))


def test_there_are_so_many_orders_and_those_that_are_over_make_room() -> None:
    clock = Clock()
    limits = limited(clock)
    for _ in range(100):
        limits.force("requests", seconds=5)
    with pytest.raises(ValueError, match="clear them first"):
        limits.force("requests", count=1)
    clock.now += 5
    limits.force("requests", count=1)
    assert [type(limits.admit("a")) for _ in range(2)] == [Refusal, Pass]


def test_the_first_order_that_fits_decides() -> None:
    limits = limited(Clock())
    limits.force("concurrency", count=1, user="b")
    limits.force("execution", count=2)
    kinds = [refused(limits.admit(user)).fault.name for user in "ab"]
    assert kinds == ["ExecutionTimeExceeded", "ConcurrencyLimitExceeded"]
    assert refused(limits.admit("a")).fault.name == "ExecutionTimeExceeded"
    assert passed(limits.admit("a"))
