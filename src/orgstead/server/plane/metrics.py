"""Numbers for Prometheus. A request costs one addition to a dictionary; everything else happens when they are read.

Library: prometheus-client, which writes the text format and measures the process.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
MAX_SERIES = 1_000


class Metrics:
    """Counts of what was answered. ``running`` tells how many requests are under way."""

    def __init__(self, running: Callable[[], int], injected: Callable[[], int]) -> None:
        self._running = running
        self._injected = injected
        self._answered: dict[tuple[str, int], int] = {}
        self._buckets = [0] * (len(SECONDS) + 1)
        self._sum = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def note(self, method: str, status: int, seconds: float) -> None:
        """Count an answer; status 0 is a dropped connection."""
        key = (method, status)
        if key in self._answered or len(self._answered) < MAX_SERIES:
            self._answered[key] = self._answered.get(key, 0) + 1
        self._buckets[bisect_left(SECONDS, seconds)] += 1
        self._sum += seconds

    def text(self) -> bytes:
        """Prometheus' text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Any]:
        """See prometheus_client's custom collectors."""
        answered = CounterMetricFamily(
            "orgstead_requests", "Requests that ended, by method and status", labels=("method", "status")
        )
        for (method, status), number in sorted(self._answered.items()):
            answered.add_metric((method, str(status) if status else "dropped"), number)
        yield answered
        total, buckets = 0, []
        for bound, number in zip((*map(str, SECONDS), "+Inf"), self._buckets, strict=True):
            total += number
            buckets.append((bound, total))
        yield HistogramMetricFamily(
            "orgstead_request_seconds", "How long requests took", buckets=buckets, sum_value=self._sum
        )
        yield GaugeMetricFamily("orgstead_requests_running", "Requests under way", self._running())
        yield CounterMetricFamily(
            "orgstead_faults_injected", "Requests that rules interfered with", self._injected()
        )
