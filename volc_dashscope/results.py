"""Results: vectors in input order, what they cost, and the errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from volc_dashscope._error import EmbeddingError

__all__ = ["EmbeddingResult", "FloatArray", "SparseVector", "Usage"]

FloatArray: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SparseVector:
    """
    The non-zero entries of a sparse vector.

    ```python
    result = client.embed(["red shoe"], output_type="sparse")
    print(result.sparse[0].tokens, result.sparse[0].values.dtype)
    ```
    ```text
    ('shoe', 'red') float32
    ```

    Attributes:
        indices: int64, shape (k,): vocabulary ids, as in the reply.
        values: float32, shape (k,): weights.
        tokens: The token of each index if the service returns it (DashScope), else empty.
    """

    indices: NDArray[np.int64]
    values: FloatArray
    tokens: tuple[str, ...] = field(default=(), repr=False)

    def as_dict(self) -> dict[int, float]:
        """Return {index: weight} with Python numbers."""
        return dict(zip(self.indices.tolist(), self.values.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Usage:
    """
    What was billed. Adds up with `+`.

    ```python
    client.embed(["a red shoe"])
    client.embed(["a blue hat"])
    print(client.usage.requests, client.usage.total_tokens)
    ```
    ```text
    2 6
    ```

    Attributes:
        requests: Requests that were answered with vectors.
        total_tokens: As the service states it, else the sum of the other two.
        text_tokens: Tokens of text, if the service counts them separately, else 0.
        image_tokens: Tokens of images and videos, likewise.
        detail: Every number of the service's `usage`, summed by its (dotted) key.
    """

    requests: int = 0
    total_tokens: int = 0
    text_tokens: int = 0
    # Unsourced A41: image_tokens missing in a reply means none.
    image_tokens: int = 0
    detail: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: Usage) -> Usage:
        return Usage.total((self, other))

    @classmethod
    def total(cls, usages: Iterable[Usage]) -> Usage:
        """Return the sum of several usages."""
        requests = total = text = image = 0
        detail: dict[str, float] = {}
        for usage in usages:
            requests += usage.requests
            total += usage.total_tokens
            text += usage.text_tokens
            image += usage.image_tokens
            for key, value in usage.detail.items():
                detail[key] = detail.get(key, 0) + value
        return cls(requests, total, text, image, detail)


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingResult:
    """
    Vectors of one call.

    ```python
    result = client.embed(["a red shoe", "a blue hat"])
    print(result.vectors.shape, result.model, result.errors)
    ```
    ```text
    (2, 1024) text-embedding-v4 {}
    ```

    Attributes:
        vectors: float32, shape (n, dimension), row i for item i; (n, 0) for sparse output only.
            NaN rows only with `on_error="skip"` or inside a `BulkError`.
        sparse: One per item, or None without sparse output. None inside where the item failed.
        multi: float16 arrays of shape (tokens, dimension), one per item, or None without "multi".
        usage: What the call cost.
        request_ids: Ids of the requests that returned rows, in the order they finished.
        model: The model's name in the replies, else in the request.
        errors: Error by item index; empty unless `on_error="skip"` or inside a `BulkError`.
        truncated: Positions of the items whose text was cut to the model's length (`truncate=True`).
    """

    vectors: FloatArray
    usage: Usage
    request_ids: tuple[str, ...]
    model: str
    sparse: list[SparseVector | None] | None = None
    multi: list[NDArray[np.float16] | None] | None = None
    errors: Mapping[int, EmbeddingError] = field(default_factory=dict)
    truncated: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[FloatArray]:
        return iter(self.vectors)

    def __repr__(self) -> str:
        rows, width = self.vectors.shape
        return f"EmbeddingResult({rows} x {width}, model={self.model!r}, {self.usage.total_tokens} tokens)"
