"""
A text is embedded whole, or the caller knows: what is too long or cannot be sent is refused, or cut where that is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from promise import TEXT, Breakage

from langchain_volc_dashscope import DashScopeEmbeddings
from llama_index_ext import DashScopeMultiModalEmbedding
from volc_dashscope import InputError, get_model_info
from volc_dashscope.models.tokens import cut_to_tokens

BREAKAGES = [
    Breakage(
        "volc_dashscope/_request/items.py",
        "cut = _cut(text, spec.model_info) if spec.truncate else text",
        "cut = _cut(text, spec.model_info)",
        "test_a_text_that_is_too_long_is_refused_unless_it_may_be_cut",
    ),
    Breakage(
        "volc_dashscope/_request/items.py",
        "return cut, cut is not text",
        "return cut, False",
        "test_what_was_cut_is_listed",
    ),
    Breakage(
        "volc_dashscope/_request/items.py",
        "text = mend_surrogates(item if type(item) is str else str.__str__(item))\n",
        "text = item\n",
        "test_the_halves_of_a_character_are_joined",
    ),
    Breakage(
        "volc_dashscope/_request/validation.py",
        "raise InputError(lone_surrogate(error.start)) from error",
        "size = len(text)",
        "test_half_of_a_character_is_refused_with_its_place",
    ),
]
LONG = "天" * 30_000
PAIR, WHOLE, HALF = "a \ud83d\ude00 b", "a \U0001f600 b", "abc\ud83d"


def _chain(mount: Any, texts: list[str], settings: dict[str, Any]) -> Any:
    return DashScopeEmbeddings(model=TEXT, **mount.settings("dashscope"), **settings).embed_documents(texts)


def _index(mount: Any, texts: list[str], settings: dict[str, Any]) -> Any:
    model = DashScopeMultiModalEmbedding(model=TEXT, **mount.settings("dashscope"), **settings)
    return model.get_text_embedding_batch(texts)


WAYS: dict[str, Callable[..., Any]] = {
    "sync": lambda mount, texts, settings: mount.client(TEXT, **settings).embed(texts),
    "async": lambda mount, texts, settings: asyncio.run(mount.client(TEXT, **settings).aio.embed(texts)),
    "LangChain": _chain,
    "LlamaIndex": _index,
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@every_way
def test_a_text_that_is_too_long_is_refused_unless_it_may_be_cut(inside, way) -> None:
    most = get_model_info(TEXT).max_tokens

    with pytest.raises(InputError, match=r"30,000 characters.*truncate=True"):
        way(inside, [LONG], {})
    assert 0 == len(inside.emulator.ledger)
    way(inside, [LONG], {"truncate": True})

    assert [cut_to_tokens(LONG, most)] == inside.emulator.ledger.texts


def test_what_was_cut_is_listed(inside) -> None:
    result = inside.client(TEXT, truncate=True).embed(["short", LONG])

    assert (1,) == result.truncated


@every_way
def test_the_halves_of_a_character_are_joined(inside, way) -> None:
    way(inside, [PAIR], {})

    assert [WHOLE] == inside.emulator.ledger.texts


@every_way
def test_half_of_a_character_is_refused_with_its_place(inside, way) -> None:
    with pytest.raises(InputError, match=r"lone surrogate at position 3.*replace"):
        way(inside, [HALF], {})

    assert 0 == len(inside.emulator.ledger)
