"""
The five embedded stores, all opened in the same way.

A `StoreSetup` opens a collection, existing or new, in a folder, and returns the arguments of `from_documents`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from lc_samples import MODALITIES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the stores' packages warn about themselves and each other on import
    import chromadb
    import langchain_milvus
    from chromadb.config import Settings
    from langchain_chroma import Chroma
    from langchain_community.docstore.in_memory import InMemoryDocstore
    from langchain_community.vectorstores import FAISS
    from langchain_qdrant import QdrantVectorStore
    from pymilvus import connections
    from qdrant_client import QdrantClient
    from qdrant_client.models import Distance, VectorParams

FLAT = {"index_type": "FLAT", "metric_type": "COSINE"}


class Milvus(langchain_milvus.Milvus):
    """
    Milvus as of langchain-milvus 0.3.3, which does not tell pymilvus >= 2.6.10 of its connection.

    https://github.com/langchain-ai/langchain-milvus/issues/130; the docs give users the same lines.
    """

    def __init__(self, *args: Any, connection_args: dict[str, Any], **settings: Any) -> None:
        self._place = connection_args
        super().__init__(*args, connection_args=connection_args, **settings)

    @property
    def col(self) -> Any:
        if not connections.has_connection(self.alias):
            connections.connect(alias=self.alias, **self._place)
        return super().col


class Memory(InMemoryVectorStore):
    """The store of langchain-core, under the name of the table."""


@dataclass(frozen=True)
class StoreSetup:
    """
    One kind of store.

    Attributes:
        name: Its name in the table of the docs.
        kind: Its class.
        opened: Opens a collection, and creates it if missing.
        made: Returns the arguments of `kind.from_documents` besides documents and embeddings.
        close: Closes the files.
        flush: Writes the collection to the folder.
        loop_bound: Whether its async connections belong to one event loop.
    """

    name: str
    kind: type[VectorStore]
    opened: Callable[[Embeddings, Path, str], VectorStore]
    made: Callable[[Path, str], dict[str, Any]]
    close: Callable[[Any], None] = lambda store: None
    flush: Callable[[Any, Path], None] = lambda store, folder: None
    loop_bound: bool = False

    def __repr__(self) -> str:
        return self.name

    @contextmanager
    def open(self, embed_model: Embeddings, folder: Path, name: str) -> Iterator[Any]:
        """Open a collection and close it after use."""
        store = self.opened(embed_model, folder, name)
        try:
            yield store
        finally:
            self.close(store)


def _length(embed_model: Any) -> int:
    length: int = embed_model.dimension
    return length


def _faiss(embed_model: Embeddings, folder: Path, name: str) -> FAISS:
    if (folder / f"{name}.faiss").exists():
        return FAISS.load_local(str(folder), embed_model, name, allow_dangerous_deserialization=True)
    return FAISS(embed_model, faiss.IndexFlatIP(_length(embed_model)), InMemoryDocstore(), {})


def _no_settings(folder: Path, name: str) -> dict[str, Any]:
    return {}


def _memory(embed_model: Embeddings, folder: Path, name: str) -> Memory:
    dump = folder / f"{name}.json"
    return Memory.load(str(dump), embed_model) if dump.exists() else Memory(embed_model)  # type: ignore[return-value]


def _chroma_settings(folder: Path, name: str) -> dict[str, Any]:
    client = chromadb.PersistentClient(str(folder / "chroma"), Settings(anonymized_telemetry=False))
    return {"client": client, "collection_name": name, "collection_metadata": {"hnsw:space": "cosine"}}


def _chroma(embed_model: Embeddings, folder: Path, name: str) -> Chroma:
    return Chroma(embedding_function=embed_model, **_chroma_settings(folder, name))


def _qdrant(embed_model: Embeddings, folder: Path, name: str) -> QdrantVectorStore:
    client = QdrantClient(path=str(folder / f"qdrant-{name}"))
    if not client.collection_exists(name):
        client.create_collection(name, VectorParams(size=_length(embed_model), distance=Distance.COSINE))
    return QdrantVectorStore(client, name, embed_model, validate_collection_config=False)


def _qdrant_settings(folder: Path, name: str) -> dict[str, Any]:
    return {"path": str(folder / f"qdrant-{name}"), "collection_name": name}


def _milvus_settings(folder: Path, name: str) -> dict[str, Any]:
    return {
        "connection_args": {"uri": str(folder / "milvus.db")},
        "collection_name": name,
        "index_params": FLAT,
        "enable_dynamic_field": True,  # metadata differs from document to document
    }


def _milvus(embed_model: Embeddings, folder: Path, name: str) -> Milvus:
    own_ids = name.startswith("index")
    return Milvus(embed_model, auto_id=not own_ids, **_milvus_settings(folder, name))


STORE_SETUPS = (
    StoreSetup(
        "InMemory",
        Memory,
        _memory,
        _no_settings,
        flush=lambda store, folder: store.dump(str(folder / "memory.json")),
    ),
    StoreSetup("Chroma", Chroma, _chroma, _chroma_settings),
    StoreSetup(
        "FAISS",
        FAISS,
        _faiss,
        _no_settings,
        flush=lambda store, folder: store.save_local(str(folder), "faiss"),
    ),
    StoreSetup(
        "Qdrant", QdrantVectorStore, _qdrant, _qdrant_settings, close=lambda store: store.client.close()
    ),
    StoreSetup(
        "Milvus Lite",
        Milvus,
        _milvus,
        _milvus_settings,
        close=lambda store: store.client.close(),
        loop_bound=True,
    ),
)

LIMITS: dict[tuple[str, str, str], tuple[type[Exception], str]] = {
    **{
        ("Qdrant", 'indexing.index, key_encoder="sha256"', modality): (
            ValueError,
            "Qdrant accepts only UUIDs and integers as ids; use `uuid5_key`",
        )
        for modality in MODALITIES
    },
    ("Chroma", "similarity_search_by_image_with_relevance_score", "image"): (
        ValueError,
        "langchain-chroma passes the whole list that `embed_image` returns instead of its first vector",
    ),
}
