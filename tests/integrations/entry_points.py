"""Every way to have texts embedded by Ark: each returns the rows it got and what it said of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow.parquet as pq
from llama_index.core.schema import TextNode

from langchain_volc_dashscope import ArkEmbeddings
from llama_index_ext import ArkMultiModalEmbedding, MultiModalNodeEmbedder, qdrant_sparse_fns
from volc_dashscope import BulkError, Client, EmbeddingError
from volc_dashscope.bulk import embed_file
from volc_dashscope.ray import Embedder

TEXTS = ["red", "blue", "green"]


@dataclass
class Answer:
    """What an entry point gave: rows, and the reasons for those it did not give."""

    rows: list[Any]
    reasons: list[str]


Call = Callable[[dict[str, Any], Path], Answer]


def _client(settings: dict[str, Any]) -> Client:
    return Client(**settings)


def _listed(found: Iterable[tuple[int, Any]]) -> Answer:
    answer = Answer([], [])
    for _, outcome in found:
        if isinstance(outcome, EmbeddingError):
            answer.reasons.append(str(outcome))
        else:
            answer.rows.append(outcome)
    return answer


def _result(result: Any) -> Answer:
    rows = [row for index, row in enumerate(result.vectors) if index not in result.errors]
    return Answer(rows, [str(error) for error in result.errors.values()])


async def _astream(settings: dict[str, Any]) -> Answer:
    return _listed([pair async for pair in _client(settings).aio.stream(TEXTS)])


def _chain(settings: dict[str, Any], **more: Any) -> ArkEmbeddings:
    return ArkEmbeddings(**settings, **more)


def _index(settings: dict[str, Any]) -> ArkMultiModalEmbedding:
    return ArkMultiModalEmbedding(**settings)


def _nodes() -> list[TextNode]:
    return [TextNode(text=text) for text in TEXTS]


def _skipping(settings: dict[str, Any]) -> Answer:
    embedder = MultiModalNodeEmbedder(embed_model=_index(settings), on_error="skip")
    done = embedder(_nodes())
    return Answer([node.embedding for node in done], [str(error) for error in embedder.skipped.values()])


def _chain_hybrid(settings: dict[str, Any]) -> Answer:
    chain = _chain(settings)
    chain.qdrant_sparse()
    return Answer(chain.embed_documents(TEXTS), [])


def _index_hybrid(settings: dict[str, Any]) -> Answer:
    index = _index(settings)
    qdrant_sparse_fns(index)[0](TEXTS)
    return Answer(index.get_text_embedding_batch(TEXTS), [])


def _bulk(settings: dict[str, Any], folder: Path) -> Answer:
    source, output = folder / "texts.txt", folder / "out.parquet"
    source.write_text("\n".join(TEXTS), "utf-8")
    report = embed_file(source, output, model=_client(settings), restart=True)
    failed = report.failed_file.read_bytes().splitlines() if report.failed_file else []
    rows = [row for row in pq.read_table(output)["vector"].to_pylist() if row is not None]
    return Answer(rows, [orjson.loads(line)["error"] for line in failed])


def _ray(settings: dict[str, Any]) -> Answer:
    out = Embedder(**settings, text_column="text")({"text": np.array(TEXTS, dtype=object)})
    whole = ~np.isnan(out["vector"]).all(axis=1)
    return Answer(list(out["vector"][whole]), [reason for reason in out["error"].to_pylist() if reason])


def _given(rows: Callable[[dict[str, Any]], Any]) -> Call:
    return lambda settings, _: Answer(list(rows(settings)), [])


ENTRY_POINTS: dict[str, Call] = {
    "embed": _given(lambda settings: _client(settings).embed(TEXTS).vectors),
    "embed, skipping": lambda settings, _: _result(_client(settings).embed(TEXTS, on_error="skip")),
    "async embed": _given(lambda settings: asyncio.run(_client(settings).aio.embed(TEXTS)).vectors),
    "stream": lambda settings, _: _listed(_client(settings).stream(TEXTS)),
    "async stream": lambda settings, _: asyncio.run(_astream(settings)),
    "LangChain documents": _given(lambda settings: _chain(settings).embed_documents(TEXTS)),
    "LangChain async documents": _given(
        lambda settings: asyncio.run(_chain(settings).aembed_documents(TEXTS))
    ),
    "LangChain query": _given(lambda settings: [_chain(settings).embed_query(text) for text in TEXTS]),
    "LangChain hybrid": lambda settings, _: _chain_hybrid(settings),
    "LlamaIndex batch": _given(lambda settings: _index(settings).get_text_embedding_batch(TEXTS)),
    "LlamaIndex async batch": _given(
        lambda settings: asyncio.run(_index(settings).aget_text_embedding_batch(TEXTS))
    ),
    "LlamaIndex query": _given(
        lambda settings: [_index(settings).get_query_embedding(text) for text in TEXTS]
    ),
    "LlamaIndex items": lambda settings, _: _result(_index(settings).embed_items(TEXTS)),
    "LlamaIndex hybrid": lambda settings, _: _index_hybrid(settings),
    "node embedder": _given(
        lambda settings: [
            node.embedding for node in MultiModalNodeEmbedder(embed_model=_index(settings))(_nodes())
        ]
    ),
    "node embedder, skipping": lambda settings, _: _skipping(settings),
    "bulk": _bulk,
    "Ray": lambda settings, _: _ray(settings),
}


def answer_of(call: Call, settings: dict[str, Any], folder: Path) -> Answer:
    """Return what an entry point gave; of an error that it raised, the rows in it and its reasons."""
    try:
        return call(settings, folder)
    except BulkError as error:
        return _result(error.result)
    except EmbeddingError as error:
        return Answer([], [str(error)])
