"""Shares one account's limits among the clients of a Ray cluster through one named actor."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from volc_dashscope import _config
from volc_dashscope.errors import ConfigError
from volc_dashscope.ray._shared_rate import GRACE_SECONDS, Allowance, Lease, UsageReport
from volc_dashscope.results import Usage

_NAMESPACE = "volc-dashscope"
_RETRY_SECONDS = 0.2
# A client fetches as many slots as it used in this many seconds, so that one call serves many requests.
_AHEAD_SECONDS = 0.25


class BudgetActor:
    """The Ray actor that holds the allowance. Created by `RateBudget`."""

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._limits = (requests_per_minute, tokens_per_minute)
        self._allowance = Allowance(requests_per_minute, tokens_per_minute, time.monotonic())
        self._calls = 0

    def lease(self, count: int, estimate: float, report: UsageReport) -> Lease:
        """Grant slots; see `Allowance.lease`."""
        self._calls += 1
        return self._allowance.lease(count, estimate, report, time.monotonic())

    def limits(self) -> tuple[float | None, float | None]:
        """Return requests and tokens per minute."""
        return self._limits

    def spent(self) -> dict[str, int]:
        """Return the slots granted and the tokens billed so far, as `RateBudget.spent`."""
        line = self._allowance
        return {
            "granted": line.granted,
            "answered": line.answered,
            "tokens": line.tokens,
            "calls": self._calls,
        }


class RateBudget(_config.CheckedConstructor):
    """
    A limiter for `Client` and `Embedder`: all with the same name together stay within one account's limits.

    ```python
    budget = RateBudget(requests_per_minute=600, name="my-account")
    embedder = Embedder("text-embedding-v4", text_column="text", budget=budget)
    ```

    Its state is in one Ray actor, which lives as long as the budget that created it: this one if Ray already runs,
    else the first that is used. If the actor dies, the next request creates it again. Every request, retries included,
    waits for its own time slot; slots are fetched a few at a time. The tokens of a request are known only afterwards:
    the budget reserves the recent average and corrects it with each reported usage.

    Args:
        requests_per_minute, tokens_per_minute: The account's limits for the model; at least one of them.
        name: Budgets with the same name share their state. Use one name for each account and model.

    Raises:
        ConfigError: There is no limit, a limit is not a positive number, or a budget of this name has other limits.
    """

    def __init__(
        self,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        name: str = "volc-dashscope",
    ) -> None:
        rates = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
        _config.check_limits({}, {}, rates)
        if requests_per_minute is None and tokens_per_minute is None:
            raise ConfigError("a RateBudget needs requests_per_minute, tokens_per_minute or both")
        if not isinstance(name, str) or not name:
            raise ConfigError(f"name must be a non-empty str, got {name!r}")
        self._begin(requests_per_minute, tokens_per_minute, name)
        if "ray" in sys.modules and _ray().is_initialized():
            self._connect()

    def _begin(self, requests_per_minute: float | None, tokens_per_minute: float | None, name: str) -> None:
        self._limits, self._name = (requests_per_minute, tokens_per_minute), name
        self._actor: Any = None
        self._usage: Callable[[], Usage] = Usage
        self._reported = Usage()
        self._estimate = self._reserved_tokens = 0.0
        self._slots: deque[float] = deque()
        self._recent: deque[float] = deque()
        self._waiting = 0
        self._lock, self._fetching = threading.Lock(), threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_remake, (*self._limits, self._name, self._estimate))

    def __repr__(self) -> str:
        return f"RateBudget(requests_per_minute={self._limits[0]}, tokens_per_minute={self._limits[1]})"

    def watch(self, usage: Callable[[], Usage]) -> None:
        """
        Set the function that returns this process's usage; without it, the budget counts requests only.

        Args:
            usage: Called when slots are fetched; `lambda: client.usage` for a client.
        """
        self._usage = usage

    def expect(self, tokens: float) -> None:
        """
        Set the estimate that is used until the first usage is reported.

        Args:
            tokens: Estimated tokens of one request.
        """
        self._estimate = tokens

    def acquire(self) -> None:
        """Wait until one request may be sent."""
        # This event is never set; unlike `time.sleep`, the wait ends with the process.
        threading.Event().wait(max(0.0, self._next_slot() - time.monotonic()))

    async def aacquire(self) -> None:
        """As `acquire`, awaited."""
        slot = await asyncio.to_thread(self._next_slot)
        await asyncio.sleep(max(0.0, slot - time.monotonic()))

    def spent(self) -> dict[str, int]:
        """
        Return what all clients together were granted and billed, as far as they have reported it.

        Keys: `granted` and `answered` requests, `tokens` billed, and `calls` made to the budget.
        """
        spent: dict[str, int] = self._call_actor("spent")
        return spent

    def _next_slot(self) -> float:
        """Return when the caller may send, by this process's clock."""
        with self._lock:
            self._waiting += 1
            self._recent.append(time.monotonic())
        try:
            # One thread fetches for all waiting threads.
            with self._fetching:
                while True:
                    while self._slots:
                        slot = self._slots.popleft()
                        if slot + GRACE_SECONDS > time.monotonic():
                            return slot
                    pause = self._fetch()
                    if pause:
                        threading.Event().wait(pause)
        finally:
            with self._lock:
                self._waiting -= 1

    def _fetch(self) -> float:
        """Fetch a lease; return 0, or the seconds to wait before the next try."""
        report = self._usage_report()
        lease: Lease = self._call_actor("lease", self._slots_to_fetch(), self._estimate, report)
        now = time.monotonic()
        if not lease.count:
            return lease.delay
        self._reserved_tokens = lease.tokens
        self._slots.extend(now + lease.delay + place * lease.gap for place in range(lease.count))
        return 0.0

    def _slots_to_fetch(self) -> int:
        since = time.monotonic() - _AHEAD_SECONDS
        with self._lock:
            while self._recent and self._recent[0] < since:
                self._recent.popleft()
            return max(self._waiting, len(self._recent))

    def _usage_report(self) -> UsageReport:
        usage, reported = self._usage(), self._reported
        self._reported = usage
        requests = usage.requests - reported.requests
        return UsageReport(
            requests, usage.total_tokens - reported.total_tokens, requests * self._reserved_tokens
        )

    def _call_actor(self, method: str, *arguments: object) -> Any:
        ray = _ray()
        while True:
            try:
                if self._actor is None:
                    self._connect()
                return ray.get(getattr(self._actor, method).remote(*arguments))
            except ray.exceptions.RayActorError:
                # The actor's machine is gone; another client may already have created the actor again.
                self._actor = None
                threading.Event().wait(_RETRY_SECONDS)

    def _connect(self) -> None:
        ray = _ray()
        if not ray.is_initialized():
            raise ConfigError("a RateBudget needs a running Ray cluster; call ray.init() first")
        options = {"name": self._name, "namespace": _NAMESPACE, "get_if_exists": True}
        actor = ray.remote(BudgetActor).options(**options, num_cpus=0, max_restarts=-1).remote(*self._limits)
        limits = ray.get(actor.limits.remote())
        if limits != self._limits:
            raise ConfigError(
                f"a budget named {self._name!r} already runs with {limits} requests and tokens per minute, not "
                f"{self._limits}; give this budget another name, or the same limits"
            )
        self._actor = actor


def _remake(requests: float | None, tokens: float | None, name: str, estimate: float) -> RateBudget:
    # Not the constructor: unpickling must not wait for an actor.
    budget = RateBudget.__new__(RateBudget)
    budget._begin(requests, tokens, name)  # noqa: SLF001 - an object of this class
    budget.expect(estimate)
    return budget


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ImportError("a RateBudget needs Ray: pip install 'volc-dashscope[ray]'") from error
    return ray
