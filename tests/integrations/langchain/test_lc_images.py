"""The calls stores make for images and queries: Chroma's own, AlloyDB's and PGVectorStore's."""

from __future__ import annotations

from typing import Any

import pytest
from lc_local_stores import STORE_SETUPS
from paintings import data_uri, painted
from samples import LANGCHAIN, PICTURE_URL, VIDEO_URL

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from volc_dashscope import Image, Video

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the stores' packages
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # SQLite files the stores leave to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
CHROMA = next(setup for setup in STORE_SETUPS if setup.name == "Chroma")
COLOURS = ("red", "green", "royalblue", "yellow")


@pytest.fixture
def pictures(tmp_path) -> dict[str, str]:
    """Return paths of pictures by colour."""
    paths = {colour: tmp_path / f"{colour}.png" for colour in COLOURS}
    for colour, path in paths.items():
        path.write_bytes(painted(colour))
    return {colour: str(path) for colour, path in paths.items()}


@pytest.fixture
def chroma(inside, embed_model_of, tmp_path, pictures):
    """Chroma with one picture of each colour, added by its own method."""
    with CHROMA.open(embed_model_of(ArkEmbeddings, inside), tmp_path / "store", "pictures") as store:
        store.add_images(list(pictures.values()), metadatas=[{"colour": colour} for colour in pictures])
        yield store


def test_chroma_finds_its_images_by_text(chroma):
    assert "red" == chroma.similarity_search("a red picture", k=1)[0].metadata["colour"]


def test_adding_images_to_chroma_is_a_request_each(inside, embed_model_of, tmp_path, pictures):
    with CHROMA.open(embed_model_of(ArkEmbeddings, inside), tmp_path / "store", "pictures") as store:
        store.add_images(list(pictures.values()))

    assert ["image_url"] * 4 == [request.body["input"][0]["type"] for request in inside.emulator.ledger]


@pytest.mark.parametrize("kind", LANGCHAIN)
@pytest.mark.parametrize("name", ["embed_image", "embed_images"])
async def test_alloydb_calls_with_a_positional_list(inside, embed_model_of, pictures, kind, name):
    """AsyncAlloyDBVectorStore._images_embedding_helper: `embed_image(uris)` or `embed_images(uris)`."""
    embed_model = embed_model_of(kind, inside)

    rows = getattr(embed_model, name)(list(pictures.values()))
    awaited = await getattr(embed_model, f"a{name}")(list(pictures.values()))

    assert (
        rows == awaited == embed_model.embed_documents([Image.from_path(path) for path in pictures.values()])
    )


@pytest.mark.parametrize("kind", LANGCHAIN)
async def test_pgvectorstore_calls_with_the_keyword_text(inside, embed_model_of, kind):
    """AsyncPGVectorStore: `await embedding_service.aembed_query(text=query)`, and `aembed_documents(texts)`."""
    embed_model = embed_model_of(kind, inside)

    queries = [
        embed_model.embed_query(text="red"),
        await embed_model.aembed_query(text="red"),
        embed_model.embed_query("red"),
    ]
    rows = [await embed_model.aembed_documents(["red"]), embed_model.embed_documents(texts=["red"])]

    assert 1 == len({tuple(query) for query in queries})
    assert rows[0] == rows[1]
    assert not hasattr(
        embed_model, "embed_query_inline"
    )  # PGVectorStore would then embed inside the database


@pytest.mark.parametrize("kind", LANGCHAIN)
async def test_videos_are_embedded_as_documents(inside, embed_model_of, kind):
    embed_model = embed_model_of(kind, inside)

    rows = [embed_model.embed_video([VIDEO_URL]), await embed_model.aembed_video(uris=[VIDEO_URL])]

    assert [embed_model.embed_documents([Video.from_url(VIDEO_URL)])] * 2 == rows


ROLES = {"query": "query", "document": "document", "none": None}


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
async def test_contents_take_the_role_they_are_given(inside, embed_model_of, role):
    embed_model = embed_model_of(DashScopeEmbeddings, inside, model="text-embedding-v4")

    rows = [
        embed_model.embed_contents(["a"], text_type=role),
        await embed_model.aembed_contents(["a"], text_type=role),
    ]

    sent = [request.body.get("parameters", {}).get("text_type") for request in inside.emulator.ledger]
    assert [role] * 2 == sent
    assert rows[0] == rows[1]


def test_mixed_contents_keep_their_order(inside, embed_model_of):
    embed_model = embed_model_of(DashScopeEmbeddings, inside)
    items: list[Any] = [
        "a text",
        Image.from_url(PICTURE_URL),
        {"video": VIDEO_URL},
        ["and", data_uri(painted())],
    ]

    assert [embed_model.embed_contents([item])[0] for item in items] == embed_model.embed_contents(items)
