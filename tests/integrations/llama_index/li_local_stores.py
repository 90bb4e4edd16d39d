"""Embedded stores that are closed and opened again, each in a folder of its own."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, ClassVar

from llama_index.core.vector_stores import SimpleVectorStore

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the stores' packages warn about themselves on import
    import chromadb
    from llama_index.vector_stores.chroma import ChromaVectorStore
    from llama_index.vector_stores.milvus import MilvusVectorStore
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from milvus_lite.server_manager import server_manager_instance
    from qdrant_client import AsyncQdrantClient, QdrantClient


class StoreSetup:
    """
    A store in a folder.

    Args:
        awaited: The store is used through its async twin; the embedded ones have no client that does both.
    """

    name: ClassVar[str]
    keeps_text: ClassVar[bool] = True

    def __init__(self, folder: Path, dimension: int, *, awaited: bool = False) -> None:
        self.folder, self.dimension, self.awaited = folder, dimension, awaited
        folder.mkdir(exist_ok=True)

    def open(self, name: str = "nodes", **settings: Any) -> Any:
        raise NotImplementedError

    def reopen(self, name: str = "nodes", **settings: Any) -> Any:
        return self.open(name, **settings)

    async def close(self) -> None:
        """Close the files of the folder."""


class Simple(StoreSetup):
    """Core's own store, persisted with the storage context."""

    name = "SimpleVectorStore"
    keeps_text = False

    def open(self, name: str = "nodes", **settings: Any) -> Any:
        return SimpleVectorStore()

    def reopen(self, name: str = "nodes", **settings: Any) -> Any:
        return None  # the storage context reads it from the folder


class Qdrant(StoreSetup):
    """Qdrant, embedded."""

    name = "Qdrant"
    _client: Any = None

    def open(self, name: str = "nodes", **settings: Any) -> Any:
        if self._client is None:
            kind = AsyncQdrantClient if self.awaited else QdrantClient
            self._client = kind(path=str(self.folder / "qdrant"))
        side = {"aclient": self._client} if self.awaited else {"client": self._client}
        return QdrantVectorStore(name, **side, **settings)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            closing = client.close()
            if self.awaited:
                await closing


class Chroma(StoreSetup):
    """Chroma, embedded."""

    name = "Chroma"
    _client: Any = None

    def open(self, name: str = "nodes", **settings: Any) -> Any:
        if self._client is None:
            quiet = chromadb.Settings(anonymized_telemetry=False)
            self._client = chromadb.PersistentClient(str(self.folder / "chroma"), settings=quiet)
        kept = self._client.get_or_create_collection(name, metadata={"hnsw:space": "cosine"})
        return ChromaVectorStore(chroma_collection=kept)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


class Milvus(StoreSetup):
    """Milvus Lite."""

    name = "Milvus Lite"

    def __init__(self, folder: Path, dimension: int, *, awaited: bool = False) -> None:
        super().__init__(folder, dimension, awaited=awaited)
        self._stores: list[Any] = []

    def open(self, name: str = "nodes", **settings: Any) -> Any:
        store = MilvusVectorStore(
            uri=str(self.folder / "milvus.db"),
            collection_name=name,
            dim=self.dimension,
            consistency_level="Strong",  # a search sees what was just written
            use_async_client=self.awaited,
            **settings,
        )
        self._stores.append(store)
        return store

    def reopen(self, name: str = "nodes", **settings: Any) -> Any:
        store = self.open(name, **settings)
        store.client.load_collection(name)  # Milvus Lite forgets that it was loaded
        return store

    async def close(self) -> None:
        stores, self._stores = self._stores, []
        for store in stores:
            store.client.close()
            if store.aclient is not None:
                await store.aclient.close()
        server_manager_instance.release_server(str(self.folder / "milvus.db"))


STORE_SETUPS = {kind.name: kind for kind in (Simple, Qdrant, Chroma, Milvus)}
