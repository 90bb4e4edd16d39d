"""mem0 over a real Qdrant: it embeds memories and questions by `embed_query`, so one role is fixed."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from langchain_volc_dashscope import DashScopeEmbeddings


@pytest.fixture
def memory(inside, embed_model_of, tmp_path, monkeypatch) -> Any:
    """Return a memory that keeps what it is told, word for word: no model is asked."""
    monkeypatch.setenv("MEM0_TELEMETRY", "False")
    monkeypatch.setenv("MEM0_DIR", str(tmp_path / "mem0"))
    from mem0 import Memory

    embeddings = embed_model_of(DashScopeEmbeddings, inside, model="text-embedding-v4", text_type=None)
    settings = {
        "embedder": {"provider": "langchain", "config": {"model": embeddings}},
        "llm": {"provider": "langchain", "config": {"model": FakeListChatModel(responses=["{}"])}},
        "vector_store": {
            "provider": "qdrant",
            "config": {
                "path": str(tmp_path / "qdrant"),
                "embedding_model_dims": embeddings.dimension,
                "collection_name": embeddings.fingerprint,
            },
        },
        "history_db_path": str(tmp_path / "history.sqlite"),
    }
    return Memory.from_config(settings)


def test_what_was_said_is_found_again(inside, memory):
    for text in ("drinks green tea in the morning", "likes the blue sea", "has a black cat"):
        memory.add(text, user_id="ann", infer=False)

    found = memory.search("the blue sea", filters={"user_id": "ann"})["results"]

    assert "likes the blue sea" == found[0]["memory"]
    assert {None} == {entry.body["parameters"].get("text_type") for entry in inside.emulator.ledger}
