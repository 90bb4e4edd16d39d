"""Shared by both kinds of job: waiting for the end, and submitting without being billed twice. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from volc_dashscope._config import check_limits
from volc_dashscope._limits.rate_limiter import RateLimiter
from volc_dashscope._limits.retry import Retry
from volc_dashscope._request.exchange import RetryContext
from volc_dashscope._types import Flow, Reply, RequestSpec, Wait
from volc_dashscope.errors import (
    BadReplyError,
    EmbeddingError,
    InputError,
    RequestError,
    ServiceUnavailableError,
    TransportError,
)
from volc_dashscope.jobs._job import Job
from volc_dashscope.providers import dashscope


def may_have_been_accepted(error: EmbeddingError) -> bool:
    """Return whether the service may have processed the request although no reply arrived."""
    if isinstance(error, TransportError):
        return not error.unsent
    return isinstance(error, ServiceUnavailableError | BadReplyError)


@dataclass(frozen=True, slots=True)
class NonIdempotentRetry(Retry):
    """Retries only requests that were certainly refused or never received: a job submitted twice is billed twice."""

    def after(self, error: EmbeddingError, attempt: int, elapsed: float) -> float | None:
        """As `Retry.after`, but None if the request may have been carried out."""
        # Not super(): dataclass creates a class with slots twice, and super() refers to the first.
        return None if may_have_been_accepted(error) else Retry.after(self, error, attempt, elapsed)


def submit_context(context: RetryContext, per_minute: float | None = None) -> RetryContext:
    """Return the retry context of a request that creates a job."""
    once = NonIdempotentRetry(context.retry.max_retries, context.retry.deadline, context.retry.random)
    return RetryContext(once, RateLimiter(per_minute, None), context.clock, context.provider, context.reach)


def wait(
    get: Callable[[], Flow[Job]],
    context: RetryContext,
    *,
    timeout: float | None,
    pauses: tuple[float, float],
) -> Flow[Job]:
    """
    Poll a job until it has ended.

    Args:
        timeout: Seconds after which it is not polled again; None for no limit.
        pauses: Seconds between the first two polls, doubled each time up to the second number.
    """
    if timeout is not None:
        check_limits({}, {"timeout": timeout})
    started = context.clock()
    pause, longest = pauses
    while True:
        job = yield from get()
        if job.ended:
            return job
        # As for a retry: sleeping until the timeout without another poll would only delay the same error.
        if timeout is not None and context.clock() - started + pause > timeout:
            raise unfinished(job, f" after {timeout:g} s")
        yield Wait(pause, expected=True)
        pause = min(2 * pause, longest)


def unfinished(job: Job, since: str = "") -> ServiceUnavailableError:
    """Return the error for a job that is still running."""
    return ServiceUnavailableError(
        f"job {job.id} is still {job.status}{since}; it continues at the service: wait for the same id again",
        provider=dashscope.NAME,
        request_id=job.request_id,
        retryable=True,
    )


def failure(job: Job, spec: RequestSpec) -> EmbeddingError:
    """Return the error for a job that ended without a result."""
    if job.code is None and job.message is None:
        message = f"job {job.id} is {job.status} and has no result"
        return RequestError(message, provider=dashscope.NAME, request_id=job.request_id)
    answer = {"code": job.code, "message": job.message}
    return dashscope.refusal(answer, job.request_id, Reply(200, {}, b""), spec, f"job {job.id}")


def checked_id(value: str) -> str:
    """Return an id that is safe in a URL's path."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,255}", value):
        actual = repr(value[:40]) if isinstance(value, str) else type(value).__name__
        raise InputError(
            f"job_id must be 1 to 256 letters, digits, '.', '_' and '-', got {actual}; pass the id of a Job"
        )
    return value
