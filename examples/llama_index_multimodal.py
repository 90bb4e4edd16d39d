"""
Search pictures, notes and a product catalogue in one LlamaIndex index.

    pip install "volc-dashscope[llama-index,emulator]" llama-index-vector-stores-qdrant
    python examples/llama_index_multimodal.py

Every node gets one vector: a note of its text, a picture of its pixels, a product of both, fused. They lie in one
embedded Qdrant collection beside their sparse halves. Asked are a text, a picture, a picture with a wish, and a
product code in hybrid mode, which the sparse half finds by its letters. With ARK_API_KEY or DASHSCOPE_API_KEY set
the vectors come from the service, else from the emulator, which has no model.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias
from uuid import NAMESPACE_URL, uuid5

from draw_pictures import draw_all, save
from llama_index.core import VectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import BaseNode, ImageNode, MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from llama_index.vector_stores.qdrant import QdrantVectorStore
from pictures.fruit import apple
from qdrant_client import QdrantClient

from llama_index_ext import (
    ArkMultiModalEmbedding,
    DashScopeMultiModalEmbedding,
    MultiModalNodeEmbedder,
    fingerprint,
    qdrant_sparse_fns,
    query_bundle,
)
from volc_dashscope import EmbeddingError
from volc_dashscope.emulator import Emulator

OUTPUT = Path("demo-output/llama-index")
TOP = 3
# Nothing, or what the README and the Quickstart set for the emulator.
NO_KEY = {"", "emulator-takes-any"}

NOTES = (
    "The sailing boat is moored at berth 14 and has to be painted in spring.",
    "Watermelons are on order for the summer party.",
    "Invoices of furniture go to the accounting office.",
)
PRODUCTS = {
    "red_chair": "Chair KX-4711 of painted beech, 49 euros",
    "blue_chair": "Chair KX-4712 of painted beech, 52 euros",
    "green_sofa": "Sofa ZL-0815 for three, 390 euros",
    "table_lamp": "Lamp QR-2000 with a shade of linen, 35 euros",
}

EmbedModel: TypeAlias = ArkMultiModalEmbedding | DashScopeMultiModalEmbedding


@dataclass(frozen=True)
class Question:
    """What is asked, and how the store searches for it."""

    label: str
    query: str | QueryBundle
    hybrid: bool = False


@contextmanager
def open_embed_model() -> Iterator[tuple[EmbedModel, str]]:
    """Open the integration the environment has a key for, else one on an emulator, with a line that says which."""
    if os.environ.get("ARK_API_KEY", "") not in NO_KEY:
        embed_model: EmbedModel = ArkMultiModalEmbedding()
    elif os.environ.get("DASHSCOPE_API_KEY", "") not in NO_KEY:
        embed_model = DashScopeMultiModalEmbedding()
    else:
        with Emulator() as emulator:
            note = "no API key: using the emulator, whose vectors do not come from a model"
            with closing(
                ArkMultiModalEmbedding(api_key="emulator", base_url=emulator.ark_url)
            ) as embed_model:
                yield embed_model, note
        return
    with closing(embed_model):
        yield embed_model, f"using {embed_model.model_name} live"


def nodes(folder: Path) -> list[BaseNode]:
    """Return notes, products (text and picture) and the other pictures, with ids that stay the same."""
    made: list[BaseNode] = [TextNode(id_=_id(note), text=note) for note in NOTES]
    for path in draw_all(folder):
        text = PRODUCTS.get(path.stem, "")
        made.append(ImageNode(id_=_id(path.stem), text=text, image_path=str(path)))
    return made


def build_index(client: QdrantClient, embed_model: EmbedModel, folder: Path) -> VectorStoreIndex:
    """Embed everything and store it; one request brings the dense and the sparse half of a text."""
    settings = {}
    if embed_model.enable_hybrid():
        documents, queries = qdrant_sparse_fns(embed_model)
        settings = {"enable_hybrid": True, "sparse_doc_fn": documents, "sparse_query_fn": queries}
    store = QdrantVectorStore("things", client=client, **settings)
    pipeline = IngestionPipeline(
        transformations=[MultiModalNodeEmbedder(embed_model=embed_model)], vector_store=store
    )
    pipeline.run(nodes=fingerprint(nodes(folder)))
    # Not VectorStoreIndex(nodes): beside image nodes it would hide the notes (docs/en/llama-index.md).
    return VectorStoreIndex.from_vector_store(store, embed_model=embed_model)


def questions(embed_model: EmbedModel, folder: Path) -> list[Question]:
    """Return a text, a new picture, a picture with a wish, and a product code."""
    skin = ("#fbe36a", "#f2c53c", "#d89a24")
    new = save(partial(apple, skin=skin, blush="#f0805a"), OUTPUT / "queries" / "yellow_apple.png")
    wish = query_bundle("this, but blue", image=folder / "red_chair.png", embed_model=embed_model)
    return [
        Question("where is the boat moored?", "where is the boat moored?"),
        Question("a blue seascape", "a blue seascape"),
        Question("[yellow apple]", query_bundle(image=new, embed_model=embed_model)),
        Question("[red chair] + this, but blue", wish),
        Question("QR-2000 (hybrid)", "QR-2000", hybrid=embed_model.enable_hybrid()),
    ]


def ask(index: VectorStoreIndex, question: Question) -> list[NodeWithScore]:
    """Return the best hits."""
    mode = VectorStoreQueryMode.HYBRID if question.hybrid else VectorStoreQueryMode.DEFAULT
    retriever = index.as_retriever(similarity_top_k=TOP, sparse_top_k=TOP, vector_store_query_mode=mode)
    return retriever.retrieve(question.query)


def name_of(node: BaseNode) -> str:
    """Say what a hit is: its text, its picture, or both."""
    picture = Path(node.image_path).name if isinstance(node, ImageNode) and node.image_path else ""
    text = node.get_content(metadata_mode=MetadataMode.NONE)
    return " ".join(part for part in (text, f"[{picture}]" if picture else "") if part)


def run() -> None:
    """Draw, embed, ask, show."""
    folder = OUTPUT / "pictures"
    with open_embed_model() as (embed_model, note), closing(QdrantClient(":memory:")) as client:
        print(note)
        index = build_index(client, embed_model, folder)
        print(f"{client.count('things').count} nodes, {embed_model.usage.requests} requests\n")
        for question in questions(embed_model, folder):
            for rank, hit in enumerate(ask(index, question)[:TOP], start=1):
                shown = question.label if rank == 1 else ""
                print(f"{shown:<28} | {rank} | {hit.score or 0:>6.3f} | {name_of(hit.node)}")
            print(f"{'-' * 28}-+---+--------+{'-' * 40}")


def _id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


def main() -> int:
    """Run the example; one line and exit code 1 for an error of ours."""
    try:
        run()
    except EmbeddingError as error:
        print(f"llama_index_multimodal: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
