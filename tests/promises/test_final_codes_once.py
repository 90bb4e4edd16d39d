"""The verdict comes from provider, status and code; what is final reaches the server exactly once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from promise import ARK, TEXT, Breakage

from volc_dashscope import (
    AuthError,
    BulkError,
    Client,
    ContentError,
    EmbeddingError,
    QuotaError,
    RateLimitError,
    RequestError,
    Reranker,
    ServiceUnavailableError,
)
from volc_dashscope.bulk import embed_file
from volc_dashscope.emulator import Fault, Request

BREAKAGES = [
    Breakage(
        "volc_dashscope/providers/ark.py",
        'Rule(429, "SetLimitExceeded", OUT_OF_QUOTA),',
        "",
        "test_a_final_refusal_is_sent_once",
    ),
    Breakage(
        "volc_dashscope/providers/dashscope.py",
        'Rule(429, "", OUT_OF_QUOTA, message_contains="Free allocated quota exceeded"),',
        "",
        "test_a_final_refusal_is_sent_once",
    ),
    Breakage(
        "volc_dashscope/_limits/retry.py",
        "if not error.retryable or attempt",
        "if attempt",
        "test_a_final_refusal_is_sent_once",
    ),
    Breakage(
        "volc_dashscope/providers/dashscope.py",
        'Rule(400, "InvalidURL.Timeout", TRY_LATER),',
        "",
        "test_a_passing_refusal_is_sent_again",
    ),
    Breakage(
        "volc_dashscope/_request/call.py",
        'if error.account or self._on_error == "abort":',
        'if self._on_error == "abort":',
        "test_after_a_refusal_of_the_account_nothing_more_is_sent",
    ),
    Breakage(
        "volc_dashscope/client.py",
        "self._length), self._context, jobs.cause)",
        "self._length), self._context)",
        "test_requests_that_wait_for_a_retry_are_not_sent_after_a_refusal_of_the_account",
    ),
    Breakage(
        "volc_dashscope/_request/exchange.py",
        "        _check_halted(halted)\n        yield",
        "        yield",
        "test_requests_that_wait_for_the_rate_limit_are_not_sent_after_a_refusal_of_the_account",
    ),
    Breakage(
        "volc_dashscope/_http/drivers.py",
        "    if step.halted is not None and (cause := step.halted()) is not None:\n        transport",
        "    if False:\n        transport",
        "test_requests_that_wait_for_the_users_limiter_are_not_sent_after_a_refusal_of_the_account",
    ),
    Breakage(
        "volc_dashscope/rerank.py",
        "_rank_prepared(prepared, top_n, observer, stream.scheduler.cause), transport, worker_step",
        "_rank_prepared(prepared, top_n, observer, lambda: None), transport, worker_step",
        "test_questions_that_wait_are_not_sent_after_a_refusal_of_the_account",
    ),
    Breakage(
        "volc_dashscope/providers/ark.py",
        'Rule(429, "ModelAccountTpmRateLimitExceeded", FEWER_TOKENS),',
        "",
        "test_a_throttle_says_which_allowance_it_means",
    ),
]
MODELS = {"ark": ARK, "dashscope": TEXT}
FREE = "Free allocated quota exceeded."

# From the services' error-code pages, written down apart from the client's own tables.
FINAL: list[tuple[str, int, str, str, type[EmbeddingError]]] = [
    ("ark", 400, "MissingParameter", "", RequestError),
    ("ark", 400, "InvalidParameter", "", RequestError),
    ("ark", 400, "InvalidSubscription", "", QuotaError),
    ("ark", 400, "SensitiveContentDetected", "", ContentError),
    ("ark", 400, "InputImageSensitiveContentDetected", "", ContentError),
    ("ark", 400, "InvalidImageURL", "", ContentError),
    ("ark", 401, "AuthenticationError", "", AuthError),
    ("ark", 401, "InvalidAccountStatus", "", QuotaError),
    ("ark", 403, "AccountOverdueError", "", QuotaError),
    ("ark", 403, "AccessDenied", "", AuthError),
    ("ark", 404, "InvalidEndpointOrModel.NotFound", "", RequestError),
    ("ark", 404, "ModelNotOpen", "", RequestError),
    ("ark", 429, "QuotaExceeded", "", QuotaError),
    ("ark", 429, "SetLimitExceeded", "", QuotaError),
    ("ark", 418, "", "", RequestError),
    ("dashscope", 400, "Arrearage", "", QuotaError),
    ("dashscope", 400, "DataInspectionFailed", "", ContentError),
    ("dashscope", 400, "InvalidParameter", "", RequestError),
    ("dashscope", 400, "InvalidURL", "", ContentError),
    ("dashscope", 401, "InvalidApiKey", "", AuthError),
    ("dashscope", 403, "AccessDenied", "", AuthError),
    ("dashscope", 403, "AllocationQuota.FreeTierOnly", "", QuotaError),
    ("dashscope", 404, "ModelNotFound", "", RequestError),
    ("dashscope", 429, "CommodityNotPurchased", "", QuotaError),
    ("dashscope", 429, "PrepaidBillOverdue", "", QuotaError),
    ("dashscope", 429, "PostpaidBillOverdue", "", QuotaError),
    ("dashscope", 429, "Throttling.AllocationQuota", FREE, QuotaError),
    ("dashscope", 200, "InvalidApiKey", "", AuthError),
    ("dashscope", 200, "DataInspectionFailed", "", ContentError),
]
PASSING: list[tuple[str, int, str, str, type[EmbeddingError]]] = [
    ("ark", 400, "InvalidEndpoint.ClosedEndpoint", "", ServiceUnavailableError),
    ("ark", 400, "ContentSecurityDetectionError", "", ServiceUnavailableError),
    ("ark", 429, "ModelAccountRpmRateLimitExceeded", "", RateLimitError),
    ("ark", 429, "ModelAccountTpmRateLimitExceeded", "", RateLimitError),
    ("ark", 429, "RateLimitExceeded.EndpointTPMExceeded", "", RateLimitError),
    ("ark", 429, "ServerOverloaded", "", RateLimitError),
    ("ark", 429, "", "", RateLimitError),
    ("ark", 500, "InternalServiceError", "", ServiceUnavailableError),
    ("ark", 502, "", "", ServiceUnavailableError),
    ("dashscope", 400, "InvalidURL.Timeout", "", ServiceUnavailableError),
    ("dashscope", 429, "Throttling", "", RateLimitError),
    ("dashscope", 429, "Throttling.RateQuota", "", RateLimitError),
    ("dashscope", 429, "Throttling.AllocationQuota", "", RateLimitError),
    ("dashscope", 429, "insufficient_quota", "", RateLimitError),
    ("dashscope", 500, "InternalError", "", ServiceUnavailableError),
    ("dashscope", 503, "ModelUnavailable", "", ServiceUnavailableError),
    ("dashscope", 200, "Throttling", "", RateLimitError),
]


def _fault(provider: str, status: int, code: str, message: str) -> Fault:
    configured = {"code": code, "message": message}
    body = {"error": configured} if provider == "ark" else configured
    return Fault("reply", status=status, body=body, retry_after_ms=1)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(("provider", "status", "code", "message", "error"), FINAL)
def test_a_final_refusal_is_sent_once(inside, provider, status, code, message, error, kind) -> None:
    inside.emulator.fail(*[_fault(provider, status, code, message)] * 3)
    client = inside.client(MODELS[provider])

    with pytest.raises(error) as caught:
        client.embed(["text"]) if kind == "sync" else asyncio.run(client.aio.embed(["text"]))

    assert 1 == len(inside.emulator.ledger)
    assert (error, provider, status, False) == (
        type(caught.value),
        caught.value.provider,
        caught.value.status,
        caught.value.retryable,
    )


ACCOUNT = [row for row in FINAL if row[4] in (AuthError, QuotaError)]


@pytest.mark.parametrize(("provider", "status", "code", "message", "error"), ACCOUNT)
def test_after_a_refusal_of_the_account_nothing_more_is_sent(
    inside, provider, status, code, message, error
) -> None:
    inside.emulator.fail(*[_fault(provider, status, code, message)] * 60)

    with pytest.raises(BulkError) as caught:
        inside.client(MODELS[provider], max_concurrency=1).embed([f"text {number}" for number in range(50)])

    assert 1 == len(inside.emulator.ledger)
    assert isinstance(caught.value.__cause__, error)


class _Revoked:
    """A plan of faults: the service is busy, and then the key is revoked while others wait for their retry."""

    def __init__(self) -> None:
        self._seen = count()

    def __call__(self, request: Request) -> Fault:
        return Fault("503") if next(self._seen) < 3 else Fault("401")


async def _drained(stream: Any) -> list[Any]:
    return [pair async for pair in stream]


def _file(client: Client, items: list[str], folder: Path) -> object:
    (folder / "texts.txt").write_text("\n".join(items), encoding="utf-8")
    return embed_file(folder / "texts.txt", folder / "out.parquet", model=client)


CALLS: dict[str, Callable[[Client, list[str], Path], object]] = {
    "embed": lambda client, items, _: client.embed(items),
    "async embed": lambda client, items, _: asyncio.run(client.aio.embed(items)),
    "stream": lambda client, items, _: list(client.stream(items)),
    "async stream": lambda client, items, _: asyncio.run(_drained(client.aio.stream(items))),
    "bulk": _file,
}


@pytest.mark.parametrize("provider", MODELS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_requests_that_wait_for_a_retry_are_not_sent_after_a_refusal_of_the_account(
    emulate, tmp_path, provider, call
) -> None:
    mount = emulate(faults=_Revoked())
    items = [f"text {number}" for number in range(200)]

    with pytest.raises((AuthError, BulkError)):
        call(mount.client(MODELS[provider], max_concurrency=4), items, tmp_path)

    assert [401, 503, 503, 503] == sorted(mount.emulator.ledger.statuses)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_requests_that_wait_for_the_rate_limit_are_not_sent_after_a_refusal_of_the_account(
    emulate, measured, tmp_path, call
) -> None:
    mount = emulate(latency=0.2, faults=lambda request: "401")
    items = [f"text {number}" for number in range(200)]
    began = time.monotonic()

    with pytest.raises((AuthError, BulkError)) as caught:
        call(mount.client(ARK, max_concurrency=8, requests_per_minute=60), items, tmp_path)

    took = time.monotonic() - began
    measured(f"{took:.1f} s instead of 7")
    assert 1 == len(mount.emulator.ledger)
    assert took < 4
    if isinstance(caught.value, BulkError):
        others = [str(failure) for index, failure in caught.value.failures.items() if index]
        assert all("was not sent because of an earlier failure" in words for words in others)


class _Slow:
    """A limiter of the user's that lets one request go, and the others when it has been answered."""

    def __init__(self) -> None:
        self._asked = count()

    def acquire(self) -> None:
        if next(self._asked):
            time.sleep(1.0)

    async def aacquire(self) -> None:
        if next(self._asked):
            await asyncio.sleep(1.0)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_requests_that_wait_for_the_users_limiter_are_not_sent_after_a_refusal_of_the_account(
    emulate, tmp_path, call
) -> None:
    mount = emulate(latency=0.2, faults=lambda request: "401")
    items = [f"text {number}" for number in range(200)]

    with pytest.raises((AuthError, BulkError)):
        call(mount.client(ARK, max_concurrency=4, limiter=_Slow()), items, tmp_path)

    assert [401] == mount.emulator.ledger.statuses


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_questions_that_wait_are_not_sent_after_a_refusal_of_the_account(emulate, awaited) -> None:
    mount = emulate(faults=_Revoked())
    reranker = Reranker("qwen3-rerank", **mount.settings("dashscope"), max_concurrency=4)
    pairs = [(f"query {number}", ["a", "b"]) for number in range(20)]

    with pytest.raises(AuthError):
        asyncio.run(_drained(reranker.aio.stream(pairs))) if awaited else list(reranker.stream(pairs))

    assert [401, 503, 503, 503] == sorted(mount.emulator.ledger.statuses)


@pytest.mark.parametrize(("provider", "status", "code", "message", "error"), PASSING)
def test_a_passing_refusal_is_sent_again(inside, provider, status, code, message, error) -> None:
    inside.emulator.fail(*[_fault(provider, status, code, message)] * 3)

    with pytest.raises(error):
        inside.client(MODELS[provider], max_retries=1).embed(["text"])
    inside.client(MODELS[provider]).embed(["text"])

    assert 4 == len(inside.emulator.ledger)


@pytest.mark.parametrize(
    ("provider", "code", "limit"),
    [
        ("ark", "ModelAccountRpmRateLimitExceeded", "requests"),
        ("ark", "ModelAccountTpmRateLimitExceeded", "tokens"),
        ("ark", "RateLimitExceeded.EndpointTPMExceeded", "tokens"),
        ("ark", "ServerOverloaded", "concurrency"),
        ("ark", "InflightBatchsizeExceeded", "concurrency"),
        ("ark", "AccountRateLimitExceeded", None),
        ("dashscope", "Throttling.RateQuota", "requests"),
        ("dashscope", "Throttling.AllocationQuota", "tokens"),
        ("dashscope", "Throttling.BurstRate", None),
    ],
)
def test_a_throttle_says_which_allowance_it_means(inside, provider, code, limit) -> None:
    inside.emulator.fail(_fault(provider, 429, code, ""))

    with pytest.raises(RateLimitError) as caught:
        inside.client(MODELS[provider], max_retries=0).embed(["text"])

    assert limit == caught.value.limit
