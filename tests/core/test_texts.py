"""Texts as they are sent: surrogate pairs joined, lone halves refused, long ones refused or cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from canary import KEY

from volc_dashscope import Client, Fused, Image, InputError, Reranker, estimate_cost
from volc_dashscope.emulator import Emulator
from volc_dashscope.jobs import BatchJobs
from volc_dashscope.models import get_model_info
from volc_dashscope.models.tokens import cut_to_tokens, text_tokens

V4, VL = "text-embedding-v4", "qwen3-vl-embedding"
PAIR, WHOLE = "a \ud83d\ude00 b", "a \U0001f600 b"
LONG = "天" * 30_000
MOST = get_model_info(V4).max_tokens


def _embed(inside: Any, items: list[Any], model: str = V4, **settings: Any) -> Any:
    with inside.client(model, **settings) as client:
        return client.embed(items)


def _stream(inside: Any, items: list[Any], model: str = V4, **settings: Any) -> Any:
    with inside.client(model, **settings) as client:
        return dict(client.stream(items))


def _later(inside: Any, items: list[Any], model: str = V4, **settings: Any) -> Any:
    async def embed() -> Any:
        async with inside.async_client(model, **settings) as client:
            return await client.embed(items)

    return asyncio.run(embed())


WAYS = pytest.mark.parametrize("send", [_embed, _stream, _later])


@WAYS
def test_the_two_halves_of_a_pair_are_sent_as_one_character(inside, send: Callable[..., Any]) -> None:
    """JSON writes a character beyond the first 65,536 as two escapes, and some readers leave them apart."""
    send(inside, [PAIR])

    assert [WHOLE] == inside.emulator.ledger.texts


def test_a_pair_inside_fused_parts_is_joined(inside) -> None:
    _embed(inside, [Fused(PAIR, Image.from_url("https://e.com/a.png"))], VL)

    assert [WHOLE] == inside.emulator.ledger.texts


def test_a_cache_knows_a_mended_text(inside) -> None:
    cache: dict[str, bytes] = {}
    _embed(inside, [PAIR], cache=cache)
    _embed(inside, [WHOLE], cache=cache)

    assert 1 == len(inside.emulator.ledger)


def test_half_of_a_pair_is_refused_with_its_place_and_the_way_out(inside) -> None:
    with pytest.raises(InputError, match=r"item 1: .*position 3.*replace") as caught:
        _embed(inside, ["a", "abc\ud83d"])

    assert 1 == caught.value.index
    assert 0 == len(inside.emulator.ledger)


def test_a_long_text_says_its_length_the_limit_and_how_to_shorten() -> None:
    with pytest.raises(InputError, match=rf"30,000 characters.*at most {MOST:,}.*truncate=True"):
        Client(V4, api_key=KEY).embed([LONG])


@WAYS
def test_truncate_cuts_by_our_estimate(inside, send: Callable[..., Any]) -> None:
    send(inside, ["short", LONG], truncate=True)

    first, second = inside.emulator.ledger.texts
    assert ("short", cut_to_tokens(LONG, MOST)) == (first, second)
    assert MOST == text_tokens(second)


def test_what_was_cut_is_in_the_result(inside) -> None:
    whole = _embed(inside, ["short", LONG, Fused("one part")], truncate=True)

    assert ((1,), 3) == (whole.truncated, len(whole))
    assert () == _embed(inside, ["short"]).truncated


def test_a_cut_text_is_another_entry_of_the_cache(inside) -> None:
    keys = {Client(V4, api_key=KEY, truncate=cut).fingerprint for cut in (False, True)}

    assert 2 == len(keys)


@pytest.mark.parametrize("most", [1, 2, 7, 100])
@pytest.mark.parametrize("text", ["天" * 300, "word " * 300, "天 word " * 100, "a" * 3])
def test_a_cut_is_the_longest_beginning_that_fits(text: str, most: int) -> None:
    cut = cut_to_tokens(text, most)

    assert text.startswith(cut)
    assert text_tokens(cut) <= most
    assert cut == text or text_tokens(text[: len(cut) + 1]) > most


def test_estimates_and_jobs_cut_as_the_client_does(inside, tmp_path) -> None:
    found = estimate_cost([LONG], V4, truncate=True)
    jobs = BatchJobs(V4, api_key=KEY, truncate=True)
    jobs.write([LONG], tmp_path / "lines.jsonl")

    assert MOST == found.text_tokens
    assert cut_to_tokens(LONG, MOST) in (tmp_path / "lines.jsonl").read_text("utf-8")


def test_a_reranker_refuses_a_long_document_or_cuts_it() -> None:
    emulator = Emulator()
    settings = {"api_key": KEY, "http_client": emulator.http_client()}
    with pytest.raises(InputError, match=r"document 1: .*at most 4,000"):
        Reranker("qwen3-rerank", **settings).rerank("a", ["b", LONG])

    found = Reranker("qwen3-rerank", truncate=True, **settings).rerank("a", ["b", LONG])

    assert {"b", LONG} == {one.document for one in found}
    assert 4_000 == len(emulator.ledger[0].body["input"]["documents"][1]) + 1
