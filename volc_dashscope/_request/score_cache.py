"""The user's cache for scores of a rerank model, by pair of query and document."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, MutableMapping, Sequence
from hashlib import blake2b

from volc_dashscope._request.row_cache import BatchCache, UserCache
from volc_dashscope.inputs import digest
from volc_dashscope.providers.rerank import RerankInput

_SCORE = struct.Struct("<16sd")


class ScoreCache:
    """
    Known scores of a rerank model.

    Scores can be compared only within one request. So each is stored with an id of its request, and cached scores are
    used only if the same request scored all pairs of a call.

    Args:
        cache: A mapping of text keys to bytes, or a `BatchCache`; None for no cache.
        warn: Called once if the cache fails or holds a value that is not a score.
    """

    def __init__(
        self,
        cache: MutableMapping[str, bytes] | BatchCache | None,
        *,
        clock: Callable[[], float],
        warn: Callable[[str], None],
    ) -> None:
        self._cache = None if cache is None else UserCache(cache, clock, warn)

    def keys(self, settings: str, rerank_input: RerankInput) -> list[str]:
        """Return the key of each (query, document) pair; an empty list without a cache."""
        if self._cache is None:
            return []
        query_digest = digest(rerank_input.query)
        return [f"rerank:{settings}:{query_digest}:{digest(document)}" for document in rerank_input.documents]

    def find(self, keys: Sequence[str]) -> list[float] | None:
        """Return the scores of all pairs, or None if a request is needed."""
        if self._cache is None:
            return None
        found = self._cache.read(list(dict.fromkeys(keys)))
        pairs = {key: _unpacked(value) for key, value in found.items()}
        if any(pair is None for pair in pairs.values()):
            self._cache.warn_once(
                "rows",
                "the cache contains entries that are not valid scores; those documents are ranked again",
            )
        known = [pairs.get(key) for key in keys]
        valid = [pair for pair in known if pair is not None]
        if len(valid) < len(known) or len({request for request, _ in valid}) != 1:
            return None
        return [score for _, score in valid]

    def store(self, keys: Sequence[str], ranking: Sequence[tuple[int, float]]) -> None:
        """Write the scores of a finished request."""
        if self._cache is not None:
            request = blake2b("\0".join(keys).encode(), digest_size=16).digest()
            self._cache.write({keys[index]: _SCORE.pack(request, score) for index, score in ranking})


def _unpacked(value: object) -> tuple[bytes, float] | None:
    if not isinstance(value, bytes | bytearray | memoryview) or len(value) != _SCORE.size:
        return None
    request, score = _SCORE.unpack(value)
    return (request, score) if math.isfinite(score) else None
