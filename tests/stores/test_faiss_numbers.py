"""Why FAISS is not in the rows of core's multimodal index: two of its stores give the same numbers."""

from __future__ import annotations

import faiss
from llama_index.core.schema import TextNode
from llama_index.vector_stores.faiss import FaissVectorStore


def test_two_stores_number_their_rows_alike():
    stores = [FaissVectorStore(faiss.IndexFlatIP(2)) for _ in range(2)]

    numbers = [store.add([TextNode(text="a", embedding=[1.0, 0.0])]) for store in stores]

    assert [["0"], ["0"]] == numbers
