"""Reranking for `search`: a rerank model orders the nearest pictures by vector again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from volc_dashscope._config import find_rerank_model
from volc_dashscope._types import counted
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.cli._folder import FolderOptions
from volc_dashscope.errors import ConfigError
from volc_dashscope.models import get_model_info
from volc_dashscope.rerank import Reranker
from volc_dashscope.search import Found, PictureReranker, Reranked, store_folder


def rerank_summary(reranker: PictureReranker) -> str:
    """Return a line that says what was reranked, and its cost."""
    usage = reranker.usage
    cost = f"{counted(usage.requests, 'requests')}, {counted(usage.total_tokens, 'tokens')}"
    return f"reranked up to {reranker.candidates} nearest images per query: {cost}"


@contextmanager
def reranking(
    model: str | None, folder: Path, options: FolderOptions, kind: str | None = None
) -> Iterator[PictureReranker | None]:
    """
    Yield the reranker, or None if no model is named. Scores are cached with the vectors of the folder.

    Raises:
        ConfigError: The model is unknown, reranks no pictures, or videos are asked for.
    """
    if model is None:
        yield None
        return
    if kind == "video":
        raise ConfigError("--rerank works with images only: no rerank model accepts a local video")
    with ExitStack() as stack:
        reranker = stack.enter_context(_reranker(model, folder, options, stack))
        if reranker.model_info.max_images is None:
            raise ConfigError(f"{model} reranks texts only; use 'qwen3-vl-rerank' for images")
        yield PictureReranker(reranker)


def _reranker(model: str, folder: Path, options: FolderOptions, stack: ExitStack) -> Reranker:
    find_rerank_model(model)
    if options.emulator:
        from volc_dashscope.emulator import Emulator

        url = stack.enter_context(Emulator()).dashscope_url
        return Reranker(
            model, api_key="emulator", base_url=url, cache={}, max_image_pixels=options.max_image_pixels
        )
    store = store_folder(folder, "rerank", root=options.store)
    cache = stack.enter_context(SQLiteCache(store / "scores.sqlite"))
    # The address options are for the embedding model; an Ark model's address is not DashScope's.
    row = get_model_info(options.base_model or options.model or "")
    if options.provider == "ark" or row is None or row.provider == "ark":
        return Reranker(model, cache=cache, max_image_pixels=options.max_image_pixels)
    return Reranker(
        model,
        cache=cache,
        max_image_pixels=options.max_image_pixels,
        base_url=options.base_url,
        region=options.region,
        workspace=options.workspace,
        insecure_http=options.insecure_http,
    )


def vector_rank_of(found: Found) -> int | None:
    """Return the rank by vector of a result that was reranked."""
    return found.vector_rank if isinstance(found, Reranked) else None


def vector_fields(found: Found) -> dict[str, Any]:
    """Return the JSON fields of the ranking by vector."""
    if not isinstance(found, Reranked):
        return {}
    return {"vector_rank": found.vector_rank, "vector_score": found.vector_score}
