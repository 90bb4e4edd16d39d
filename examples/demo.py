"""
Search pictures by text, by picture and by both.

    python examples/demo.py

Draws some fifty pictures, embeds them through the LangChain integration into an embedded Qdrant on disk, asks about
them and writes a gallery page. With ARK_API_KEY or DASHSCOPE_API_KEY set it uses the live service; without a
key it starts the emulator, whose vectors do not come from a model.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias, cast

from draw_pictures import PICTURES, draw_all, save
from langchain_core.documents import Document
from langchain_qdrant import QdrantVectorStore
from pictures.fruit import apple
from pictures.home import chair
from pictures.sheet import Drawing
from pictures.things import boat
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, VectorParams

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings, MediaDocument, media_of
from volc_dashscope import EmbeddingError, Fused, Image
from volc_dashscope.emulator import Emulator
from volc_dashscope.search.gallery import Hit, Ranking, table, words, write_gallery

ARK_MODEL = "doubao-embedding-vision-251215"
DASHSCOPE_MODEL = "qwen3-vl-embedding"
COLLECTION = "pictures"
# Nothing, or what the README and the Quickstart set for the emulator.
NO_KEY = {"", "emulator-takes-any"}
NEEDS_MODEL = "needs the real model: the emulator knows colours and plain shapes only"
OUTPUT = Path("demo-output")
TOP = 3

# A colour and one plain shape: the emulator's vectors can find these, too.
TEXTS = (
    "蓝色海景",
    "blue seascape",
    "香蕉",
    "a red apple",
    "夜空中的月亮",
    "green sofa",
    "黄色的椅子",
)
# A scene, a pattern or a thing of many parts, which only a model recognises.
MODEL_TEXTS = (
    "雪山",
    "sunset over the sea",
    "a bunch of purple grapes",
    "the flag of Sweden",
    "一辆红色的汽车",
)

# Drawn as queries only: none of these is in the store.
NEW_PICTURES: dict[str, Drawing] = {
    "boat_with_red_sails": partial(
        boat, sail=("#f0705a", "#d8443f"), hull=("#f4f1ea", "#c9c2b4"), x=84, size=0.7
    ),
    "small_teal_chair": partial(chair, colour=("#5fc3b8", "#2b8f88"), x=164, size=0.75),
    "yellow_apple": partial(apple, skin=("#fbe36a", "#f2c53c", "#d89a24"), blush="#f0805a"),
}

CHANGES = (("this, but blue", "red_chair"), ("同样的水果，但是绿色的", "red_apple"))

EmbedModel: TypeAlias = ArkEmbeddings | DashScopeEmbeddings


@dataclass(frozen=True, slots=True)
class Query:
    """A text, a picture, or both."""

    text: str = ""
    picture: Path | None = None

    @property
    def value(self) -> str | Image | Fused:
        """What the integration embeds."""
        if self.picture is None:
            return self.text
        image = Image.from_path(self.picture)
        return Fused(self.text, image) if self.text else image


@contextmanager
def open_embed_model() -> Iterator[tuple[EmbedModel, str]]:
    """Open the embed model that the environment has a key for, else one of an emulator; say which in a line."""
    if os.environ.get("ARK_API_KEY", "") not in NO_KEY:
        yield ArkEmbeddings(model=ARK_MODEL), f"ARK_API_KEY is set: using {ARK_MODEL} live"
    elif os.environ.get("DASHSCOPE_API_KEY", "") not in NO_KEY:
        yield (
            DashScopeEmbeddings(model=DASHSCOPE_MODEL),
            f"DASHSCOPE_API_KEY is set: using {DASHSCOPE_MODEL} live",
        )
    else:
        with Emulator() as emulator:
            embed_model = ArkEmbeddings(model=ARK_MODEL, base_url=emulator.ark_url, api_key="emulator")
            where = emulator.ark_url.removesuffix("/api/v3")
            yield (
                embed_model,
                f"no API key: using the emulator at {where}; its vectors do not come from a model",
            )


def build_store(
    client: QdrantClient, *, embed_model: EmbedModel, pictures: Sequence[Path]
) -> QdrantVectorStore:
    """Make the collection anew and fill it. Vectors come from pixels; captions are stored only."""
    if client.collection_exists(COLLECTION):
        client.delete_collection(COLLECTION)
    client.create_collection(COLLECTION, VectorParams(size=embed_model.dimension, distance=Distance.COSINE))
    # The store would check the dimension by embedding "dummy_text", a billed request; it is known already.
    store = QdrantVectorStore(client, COLLECTION, embedding=embed_model, validate_collection_config=False)
    store.add_documents([MediaDocument(Image.from_path(path), caption=words(path)) for path in pictures])
    return store


def make_queries(pictures: Sequence[Path]) -> list[Query]:
    """Return the queries that need no model, and draw their own pictures."""
    stored = {picture.stem: picture for picture in pictures}
    drawn = [save(drawing, OUTPUT / "queries" / f"{name}.png") for name, drawing in NEW_PICTURES.items()]
    return [
        *(Query(text) for text in TEXTS),
        *(Query(picture=picture) for picture in drawn),
        *(Query(text, stored[name]) for text, name in CHANGES),
    ]


def ask(store: QdrantVectorStore, query: Query) -> Ranking:
    """Search the store, which passes the query to `embed_query` unchanged."""
    # Typed str by the store; our integrations take pictures too.
    found = store.similarity_search_with_score(cast("str", query.value), k=TOP)
    hits = [
        Hit(rank, score, path, words(path))
        for rank, (document, score) in enumerate(found, start=1)
        if (path := picture_of(document))
    ]
    return Ranking(query.text, query.picture, hits)


def picture_of(document: Document) -> Path:
    """Return the file of a hit."""
    image = media_of(document, root=OUTPUT)
    assert isinstance(image, Image)
    assert image.path is not None
    return image.path


def run() -> None:
    """Draw the pictures, embed them, search them and print the rankings."""
    with open_embed_model() as (embed_model, note):
        print(note)
        print(f"drawing {len(PICTURES)} pictures ...", flush=True)
        pictures = draw_all(OUTPUT / "pictures")
        print(f"embedding {len(pictures)} pictures ...", flush=True)
        with closing(QdrantClient(path=str(OUTPUT / "qdrant"))) as client:
            store = build_store(client, embed_model=embed_model, pictures=pictures)
            print(f"{len(pictures)} pictures embedded, {embed_model.dimension} dimensions each\n")
            rankings = [ask(store, query) for query in make_queries(pictures)]
            need_model = [ask(store, Query(text)) for text in MODEL_TEXTS]
    print(*table(rankings), f"\n{NEEDS_MODEL}", *table(need_model), sep="\n")
    page = OUTPUT / "gallery.html"
    write_gallery(
        page,
        title="Pictures found by text, by picture, and by both",
        note=f"{note}. The last {len(need_model)} queries: {NEEDS_MODEL}",
        rankings=[*rankings, *need_model],
    )
    print(f"\ngallery: {page}")


def main() -> int:
    """Run the demo; one line and exit code 1 for an error of ours."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        run()
    except EmbeddingError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
