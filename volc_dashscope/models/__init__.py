"""
The table of models, one row each, with the page it was read from and the date.

`get_model_info(name)` looks a row up, `list_models()` lists them all. The README table, the emulator's
limits and the parametrised tests are made from these rows. Adding a model is adding a row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from volc_dashscope import _lazy
from volc_dashscope.models.ark import ROWS as _ARK
from volc_dashscope.models.dashscope import ROWS as _DASHSCOPE
from volc_dashscope.models.info import (
    ANY_MEDIA,
    MIB,
    TEXT,
    TEXT_IMAGE,
    TEXT_IMAGE_VIDEO,
    Endpoint,
    Fusion,
    MediaRule,
    Modality,
    ModelInfo,
    Price,
    Provider,
    Reduction,
    Route,
    Score,
)
from volc_dashscope.models.names import plain

if TYPE_CHECKING:
    from volc_dashscope.models.rerank import RerankModelInfo, get_rerank_model_info, list_rerank_models

__all__ = [
    "ANY_MEDIA",
    "MIB",
    "TEXT",
    "TEXT_IMAGE",
    "TEXT_IMAGE_VIDEO",
    "Endpoint",
    "Fusion",
    "MediaRule",
    "Modality",
    "ModelInfo",
    "Price",
    "Provider",
    "Reduction",
    "RerankModelInfo",
    "Route",
    "Score",
    "get_model_info",
    "get_rerank_model_info",
    "list_models",
    "list_rerank_models",
]

_ROWS = {row.name: row for row in (*_ARK, *_DASHSCOPE)}
# Loaded at their first use: a client of embeddings does not need the rerank models.
_NAMES = {"rerank": ("RerankModelInfo", "get_rerank_model_info", "list_rerank_models")}


def __getattr__(name: str) -> object:
    return _lazy.load(__name__, _NAMES, name)


def __dir__() -> list[str]:
    return _lazy.listed(__name__, _NAMES)


def list_models() -> tuple[ModelInfo, ...]:
    """Return every row, Ark first, in the order of the table."""
    return tuple(_ROWS.values())


def get_model_info(name: str) -> ModelInfo | None:
    """
    Return the row of a model id, or None for a name the table does not have.

    Capitals, white space, full-width letters and a vendor in front (`dashscope/text-embedding-v4`) are accepted.
    """
    return _ROWS.get(name) or _ROWS.get(plain(name))
