"""The second ranking of `search`: the nearest pictures by vector, ordered again by a rerank model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from volc_dashscope.cli._folder import FolderOptions
from volc_dashscope.emulator import Emulator
from volc_dashscope.errors import ConfigError
from volc_dashscope.inputs import Image, Item
from volc_dashscope.models import get_model_info
from volc_dashscope.rerank import Reranker
from volc_dashscope.search import Album, Found

# Enough for what a vector puts a little too low; a request is billed by the tokens of each.
_CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class Reranked(Found):
    """A result with the rank and score that its vector gave it."""

    vector_rank: int
    vector_score: float


class PictureReranker:
    """Orders the nearest pictures of an album again, one request a question."""

    def __init__(self, reranker: Reranker) -> None:
        self._reranker = reranker
        most = reranker.model_info.max_images
        self.candidates = _CANDIDATES if most is None else min(_CANDIDATES, most)

    def best(self, question: Item, nearest: Sequence[Found], album: Album, *, top: int) -> list[Found]:
        """Return the best of the nearest, best first."""
        pictures = [Image.from_path(album.path(one.entry), root=album.folder) for one in nearest]
        found = self._reranker.rerank(question, pictures, top_n=min(top, len(pictures)) or None)
        ranked = [(nearest[one.index], one.score) for one in found]
        return [
            Reranked(rank, score, one.place, one.entry, one.rank, one.score)
            for rank, (one, score) in enumerate(ranked, start=1)
        ]

    def told(self) -> str:
        """Return what it was done with, and what it cost."""
        usage = self._reranker.usage
        cost = f"{usage.requests:,} requests, {usage.total_tokens:,} tokens"
        return f"reranked up to {self.candidates} nearest pictures a question: {cost}"


@contextmanager
def reranking(model: str | None, options: FolderOptions, kind: str | None) -> Iterator[PictureReranker | None]:
    """
    Lend what reranks, or None where no model is named.

    Raises:
        ConfigError: The model is unknown, reranks no pictures, or videos are asked for.
    """
    if model is None:
        yield None
        return
    if kind == "video":
        raise ConfigError("--rerank orders pictures: a local video can be sent to no rerank model")
    with ExitStack() as stack:
        reranker = stack.enter_context(_reranker(model, options, stack))
        if reranker.model_info.max_images is None:
            raise ConfigError(f"{model} reranks texts only; use 'qwen3-vl-rerank' for pictures")
        yield PictureReranker(reranker)


def _reranker(model: str, options: FolderOptions, stack: ExitStack) -> Reranker:
    if options.emulator:
        return Reranker(model, api_key="emulator", base_url=stack.enter_context(Emulator()).dashscope_url)
    # Address options are those of the model that embeds; for Ark's they are another service's.
    row = get_model_info(options.base_model or options.model or "")
    if options.provider == "ark" or row is None or row.provider == "ark":
        return Reranker(model)
    return Reranker(
        model,
        base_url=options.base_url,
        region=options.region,
        workspace=options.workspace,
        insecure_http=options.insecure_http,
    )


def vector_rank_of(found: Found) -> int | None:
    """Return the rank by vector of a result that was reranked."""
    return found.vector_rank if isinstance(found, Reranked) else None


def vector_told(found: Found) -> dict[str, Any]:
    """Return what JSON says of the first ranking."""
    if not isinstance(found, Reranked):
        return {}
    return {"vector_rank": found.vector_rank, "vector_score": found.vector_score}
