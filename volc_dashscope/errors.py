"""
Everything this library raises on purpose.

    EmbeddingError
    ├── ConfigError              a setting is missing or impossible; nothing was sent
    ├── InputError               an item cannot be embedded as given; nothing was sent for it
    ├── ServiceError             the service refused
    │   ├── AuthError            key, permission or region
    │   ├── QuotaError           money, quota or a safety cap: a human must act
    │   ├── RateLimitError       too fast; waiting helps
    │   ├── ContentError         the service will not embed this content
    │   └── RequestError         any other refusal of the request itself
    ├── ServiceUnavailableError  the service failed on its side
    ├── TransportError           no complete reply arrived
    ├── BadReplyError            a reply arrived that breaks the service's own format
    └── BulkError                some items of many failed; holds what succeeded

`InputError` and `ConfigError` are also `ValueError`, so that code without knowledge of this library can catch bad
arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from volc_dashscope._error import EmbeddingError

if TYPE_CHECKING:
    from volc_dashscope.results import EmbeddingResult
else:
    # Results load numpy, which `volc-dashscope --help` does not need; `typing.get_type_hints` needs the name.
    EmbeddingResult = object

__all__ = [
    "AuthError",
    "BadReplyError",
    "BulkError",
    "ConfigError",
    "ContentError",
    "EmbeddingError",
    "InputError",
    "QuotaError",
    "RateLimitError",
    "RequestError",
    "ServiceError",
    "ServiceUnavailableError",
    "TransportError",
]


class ConfigError(EmbeddingError, ValueError):
    """
    A setting is missing or impossible. Nothing was sent.

    ```python
    try:
        Client("text-embedding-v4", dimensions=100)
    except ConfigError as error:
        print(error.retryable)
    ```
    ```text
    False
    ```
    """


class InputError(EmbeddingError, ValueError):
    """
    An item cannot be embedded as given. Nothing was sent for it.

    ```python
    try:
        client.embed(["a red shoe", ""])
    except InputError as error:
        print(error.index)
    ```
    ```text
    1
    ```
    """


class ServiceError(EmbeddingError):
    """
    The service refused the request.

    ```python
    try:
        client.embed(["a red shoe"])
    except ServiceError as error:
        print(type(error).__name__, error.status, error.code)
    ```
    ```text
    ContentError 400 DataInspectionFailed
    ```
    """


class AuthError(ServiceError):
    """
    The key is wrong, lacks a permission, or belongs to another region.

    ```python
    try:
        client.embed(["a red shoe"])
    except AuthError as error:
        print(error.status, error.code)
    ```
    ```text
    401 InvalidApiKey
    ```
    """


class QuotaError(ServiceError):
    """
    Money, quota or a safety cap: waiting does not help.

    ```python
    try:
        client.embed(["a red shoe"])
    except QuotaError as error:
        print(error.code, error.retryable)
    ```
    ```text
    Arrearage False
    ```
    """


class RateLimitError(ServiceError):
    """
    Too many requests or tokens; waiting helps.

    ```python
    try:
        client.embed(["a red shoe"])
    except RateLimitError as error:
        print(error.retryable, error.retry_after)
    ```
    ```text
    True 30.0
    ```
    """


class ContentError(ServiceError):
    """
    The service will not embed this content.

    ```python
    try:
        client.embed(["a red shoe"])
    except ContentError as error:
        print(error.code, error.retryable)
    ```
    ```text
    DataInspectionFailed False
    ```
    """


class RequestError(ServiceError):
    """
    The service refused the request itself.

    ```python
    try:
        client.embed(["a red shoe"])
    except RequestError as error:
        print(error.status, error.code)
    ```
    ```text
    400 InvalidParameter
    ```
    """


class ServiceUnavailableError(EmbeddingError):
    """
    The service failed on its side.

    ```python
    try:
        client.embed(["a red shoe"])
    except ServiceUnavailableError as error:
        print(error.status, error.retryable)
    ```
    ```text
    503 True
    ```
    """


class TransportError(EmbeddingError):
    """
    No complete reply arrived: connection, timeout, or a body cut short.

    ```python
    try:
        client.embed(["a red shoe"])
    except TransportError as error:
        print(error.status, error.retryable)
    ```
    ```text
    None True
    ```

    Attributes:
        unsent: There was no connection, so the service has certainly not received the request.
    """

    unsent = False


class BadReplyError(EmbeddingError):
    """
    A reply arrived that breaks the service's own format: wrong count, position, length or number.

    ```python
    try:
        client.embed(["a red shoe"])
    except BadReplyError as error:
        print(error.provider, error.retryable)
    ```
    ```text
    dashscope True
    ```
    """


class BulkError(EmbeddingError):
    """
    Some items of many failed.

    ```python
    try:
        client.embed(["a text that the service refuses", "a red shoe"])
    except BulkError as error:
        print(sorted(error.failures), error.result.vectors.shape)
    ```
    ```text
    [0] (2, 1024)
    ```

    Attributes:
        result: What succeeded: rows in input order, NaN where `failures` has the index.
        failures: Error by item index. Its keys and the finished rows together are all items.
    """

    def __init__(
        self, message: str, *, result: EmbeddingResult, failures: Mapping[int, EmbeddingError]
    ) -> None:
        first = failures[min(failures)]
        super().__init__(
            message,
            provider=first.provider,
            status=first.status,
            code=first.code,
            request_id=first.request_id,
            index=first.index,
            retryable=any(error.retryable for error in failures.values()),
        )
        self.result = result
        self.failures = dict(failures)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_remake_bulk, (self.args[0], self.result, self.failures))


def _remake_bulk(message: str, result: EmbeddingResult, failures: dict[int, EmbeddingError]) -> BulkError:
    return BulkError(message, result=result, failures=failures)
