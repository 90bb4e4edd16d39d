"""
The base class of all errors.

Apart from `errors`, because a result holds errors and `errors.BulkError` holds a result.
"""

from __future__ import annotations

import re
from typing import Any, Literal

# A key of DashScope, and one of Ark; with a suffix they are names of files. Compiled at their first use.
_NO_FILE = r"(?![\w-]*\.[A-Za-z]\w{1,6}(?![\w.-]))"
_SK = rf"(?<!\w)sk-(?=[\w-]*\d)(?:\w+-)*[A-Za-z0-9]{{16,}}{_NO_FILE}[\w-]*"
_UUID = rf"[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}{_NO_FILE}"


def looks_like_key(text: str) -> bool:
    """Return whether a text has the form of an API key."""
    return re.fullmatch(f"{_SK}|{_UUID}", text.strip()) is not None


def without_keys(words: str, *, uuids: bool = True) -> str:
    """
    Return a text without what has the form of an API key.

    Args:
        uuids: Whether all UUIDs are hidden, or only those that are shown as a wrong value: ids of requests, jobs and
            rows are UUIDs too.
    """
    given = _UUID if uuids else rf"(?:(?<=got ')|(?<=='))(?:{_UUID})(?=')"
    return re.sub(f"{_SK}|{given}", "(looks like an API key, not shown)", words)


class EmbeddingError(Exception):
    """
    The base class of all errors of this library.

    ```python
    try:
        client.embed(["a red shoe"])
    except EmbeddingError as error:
        print(error.provider, error.status, error.code, error.retryable)
    ```
    ```text
    dashscope 429 Throttling.RateQuota True
    ```

    A message does not show what has the form of a DashScope key, whatever it was given as.

    Attributes:
        provider: "ark" or "dashscope", or None when no service was involved.
        status: HTTP status, or None when no reply arrived.
        code: The service's own error code.
        request_id: The id to quote to the service's support.
        index: Position of the item in the caller's list, when one item caused the error.
        retryable: Whether the same request may succeed later.
        retry_after: Seconds the service asked to wait, or None.
        limit: Which allowance a throttle says is used up, "requests" or "tokens"; "concurrency" where it says
            that too much is under way at once; or None.
        account: Every further request would fail too, so none is sent: the account is refused, the service cannot
            be reached, or replies come from another model than before, whose rows do not fit.
        splittable: The content was refused; smaller batches may find the item.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        index: int | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        limit: Literal["requests", "tokens", "concurrency"] | None = None,
        account: bool = False,
        splittable: bool = False,
    ) -> None:
        super().__init__(without_keys(message, uuids=False))
        self.provider = provider
        self.status = status
        self.code = code
        self.request_id = request_id
        self.index = index
        self.retryable = retryable
        self.retry_after = retry_after
        self.limit = limit
        self.account = account
        self.splittable = splittable

    def __reduce__(self) -> tuple[Any, ...]:
        # BaseException pickles args only; worker processes and Ray need the attributes too.
        return (type(self), self.args, self.__dict__)
