"""Texts as they are sent: surrogate pairs joined, lone halves refused, long ones refused or cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
import pytest
from canary import KEY
from langchain_core.documents import Document
from llama_index.core.schema import NodeWithScore, TextNode

import langchain_volc_dashscope
import llama_index_ext
from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from llama_index_ext import (
    ArkMultiModalEmbedding,
    DashScopeMultiModalEmbedding,
    DashScopeSparseEmbedding,
    MultiModalNodeEmbedder,
    qdrant_sparse_fns,
)
from volc_dashscope import AsyncReranker, Client, Fused, Image, InputError, Reranker, estimate_cost
from volc_dashscope.emulator import Emulator
from volc_dashscope.jobs import BatchJobs, FileJobs
from volc_dashscope.models import get_model_info
from volc_dashscope.models.tokens import cut_to_tokens, text_tokens
from volc_dashscope.ray import Embedder

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


ARK = "doubao-embedding-vision-251215"
INSTRUCTIONS = {
    "instruct": (V4, "instruct"),
    "instruct of Ark": (ARK, "instruct"),
    "query_instructions": (ARK, "query_instructions"),
    "target_modality": (ARK, "target_modality"),
}
every_instruction = pytest.mark.parametrize(("model", "name"), INSTRUCTIONS.values(), ids=INSTRUCTIONS)


def _client(inside: Any, model: str, settings: dict[str, Any]) -> Any:
    return inside.client(model, **settings)


def _langchain(inside: Any, model: str, settings: dict[str, Any]) -> Any:
    kind = ArkEmbeddings if model == ARK else DashScopeEmbeddings
    return kind(model=model, **inside.settings(kind.provider_name), **settings)


def _llama_index(inside: Any, model: str, settings: dict[str, Any]) -> Any:
    kind = ArkMultiModalEmbedding if model == ARK else DashScopeMultiModalEmbedding
    return kind(model=model, **inside.settings(kind.provider_name), **settings)


@every_instruction
@pytest.mark.parametrize("make", [_client, _langchain, _llama_index])
def test_half_of_a_pair_in_an_instruction_is_refused_by_its_name(inside, make, model: str, name: str) -> None:
    with pytest.raises(InputError, match=rf"^{name}: .*position 3.*replace"):
        make(inside, model, {name: "abc\ud83d"})


@every_instruction
def test_the_two_halves_of_a_pair_in_an_instruction_are_joined(inside, model: str, name: str) -> None:
    inside.client(model, **{name: PAIR}).embed(["a"], text_type="query")

    assert WHOLE in json.dumps(inside.emulator.ledger[0].body, ensure_ascii=False)
    assert (
        inside.client(model, **{name: PAIR}).fingerprint == inside.client(model, **{name: WHOLE}).fingerprint
    )


@pytest.mark.parametrize("own", [True, False], ids=["of the reranker", "of the call"])
@pytest.mark.parametrize("kind", [Reranker, AsyncReranker])
def test_the_instruction_of_a_reranker_is_a_text_like_others(inside, own: bool, kind: Any) -> None:
    def rerank(text: str) -> Any:
        reranker = kind("qwen3-rerank", instruct=text if own else None, **inside.settings("dashscope"))
        found = reranker.rerank("a", ["b"], instruct=None if own else text)
        return asyncio.run(found) if kind is AsyncReranker else found

    rerank(PAIR)
    with pytest.raises(InputError, match=r"^instruct: .*position 3"):
        rerank("abc\ud83d")

    assert [WHOLE] == [entry.body["parameters"]["instruct"] for entry in inside.emulator.ledger]


def _reranked(query: str, document: str) -> dict[str, Callable[[dict[str, Any]], Any]]:
    nodes = [NodeWithScore(node=TextNode(text=document))]
    return {
        "sync": lambda settings: Reranker("qwen3-rerank", **settings).rerank(query, [document]),
        "async": lambda settings: asyncio.run(
            AsyncReranker("qwen3-rerank", **settings).rerank(query, [document])
        ),
        "langchain": lambda settings: langchain_volc_dashscope.DashScopeRerank(
            model="qwen3-rerank", **settings
        ).compress_documents([Document(document)], query),
        "llama index": lambda settings: llama_index_ext.DashScopeRerank(
            model="qwen3-rerank", **settings
        ).postprocess_nodes(nodes, query_str=query),
    }


@pytest.mark.parametrize("way", ["sync", "async", "langchain", "llama index"])
@pytest.mark.parametrize(
    ("query", "document", "whose"), [("abc\ud83d", "b", "the query"), ("a", "abc\ud83d", "document 0")]
)
def test_half_of_a_pair_is_refused_when_reranking(
    inside, way: str, query: str, document: str, whose: str
) -> None:
    with pytest.raises(InputError, match=f"{whose}: .*position 3"):
        _reranked(query, document)[way](inside.settings("dashscope"))

    assert 0 == len(inside.emulator.ledger)


WAYS_OF_TEXT: dict[str, Callable[[dict[str, Any], str], Any]] = {
    "langchain documents": lambda settings, text: DashScopeEmbeddings(model=V4, **settings).embed_documents(
        [text]
    ),
    "langchain query": lambda settings, text: DashScopeEmbeddings(model=V4, **settings).embed_query(text),
    "langchain sparse": lambda settings, text: (
        DashScopeEmbeddings(model=V4, **settings).qdrant_sparse().embed_documents([text])
    ),
    "llama index texts": lambda settings, text: DashScopeMultiModalEmbedding(
        model=V4, **settings
    ).get_text_embedding_batch([text]),
    "llama index query": lambda settings, text: DashScopeMultiModalEmbedding(
        model=V4, **settings
    ).get_query_embedding(text),
    "llama index nodes": lambda settings, text: MultiModalNodeEmbedder(
        embed_model=DashScopeMultiModalEmbedding(model=V4, **settings)
    )([TextNode(text=text)]),
    "llama index sparse": lambda settings, text: DashScopeSparseEmbedding(
        **settings
    ).get_text_embedding_batch([text]),
    "llama index qdrant": lambda settings, text: qdrant_sparse_fns(
        DashScopeMultiModalEmbedding(model=V4, **settings)
    )[0]([text]),
    "ray": lambda settings, text: Embedder(V4, text_column="text", **settings)(
        {"text": np.array([text], dtype=object)}
    ),
}


@pytest.mark.parametrize("send", WAYS_OF_TEXT.values(), ids=WAYS_OF_TEXT)
def test_every_way_joins_pairs_and_sends_no_half(inside, send: Callable[..., Any]) -> None:
    settings = inside.settings("dashscope")
    send(settings, PAIR)
    assert {WHOLE} == set(inside.emulator.ledger.texts)
    sent = len(inside.emulator.ledger)

    try:
        refused = str(send(settings, "abc\ud83d")["error"])  # Ray's embedder notes it in the row
    except InputError as error:
        refused = str(error)

    assert "surrogate at position" in refused
    assert sent == len(inside.emulator.ledger)


class Shade(str, Enum):  # noqa: UP042 - of a StrEnum, `str` is the text
    """As settings and labels often are: `str` of a member is its name."""

    RED = "a red shoe"


@pytest.mark.parametrize("send", WAYS_OF_TEXT.values(), ids=WAYS_OF_TEXT)
def test_every_way_sends_the_text_of_an_enumeration(inside, send: Callable[..., Any]) -> None:
    send(inside.settings("dashscope"), Shade.RED)

    assert {"a red shoe"} == set(inside.emulator.ledger.texts)


def test_files_of_texts_hold_the_text_of_an_enumeration(tmp_path) -> None:
    BatchJobs(V4, api_key=KEY).write([Shade.RED], tmp_path / "t.jsonl")
    FileJobs("text-embedding-async-v2", api_key=KEY).write([Shade.RED], tmp_path / "t.txt")

    assert "a red shoe" == json.loads((tmp_path / "t.jsonl").read_bytes())["body"]["input"]
    assert "a red shoe\n" == (tmp_path / "t.txt").read_text(encoding="utf-8")


def test_an_instruction_of_an_enumeration_is_its_text(inside) -> None:
    model = "doubao-embedding-large-text-250515"
    with inside.client(model, instruct=Shade.RED) as client:
        client.embed([Shade.RED], text_type="query")
        client.embed([Shade.RED])

    assert ["Instruct: a red shoe\nQuery: a red shoe", "a red shoe"] == inside.emulator.ledger.texts
