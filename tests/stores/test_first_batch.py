"""What the first batch fixes in a store, and how texts and pictures come into it one after the other."""

from __future__ import annotations

import lancedb
import pytest
from langchain_community.vectorstores import LanceDB
from langchain_core.documents import Document
from paintings import data_uri, painted

from langchain_volc_dashscope import ArkEmbeddings, MediaDocument, media
from volc_dashscope import Image

RED = Image.from_url(data_uri(painted("red")))


def _store(folder, embeddings) -> LanceDB:
    return LanceDB(
        connection=lancedb.connect(folder), embedding=embeddings, table_name="goods", mode="append"
    )


def test_lancedb_takes_texts_after_a_picture(inside, embed_model_of, tmp_path):
    store = _store(tmp_path, embed_model_of(ArkEmbeddings, inside))
    store.add_documents([MediaDocument(RED, metadata={"shelf": "a"})])

    store.add_documents([Document("the blue sea", metadata={"shelf": "b"})])

    assert "the blue sea" == store.similarity_search("blue sea", k=1)[0].page_content
    assert "image" == store.similarity_search(media(RED), k=1)[0].metadata["media_kind"]


def test_lancedb_takes_a_picture_after_texts_that_have_its_fields(inside, embed_model_of, tmp_path):
    store = _store(tmp_path, embed_model_of(ArkEmbeddings, inside))
    picture = MediaDocument(RED)
    store.add_documents([Document("the blue sea", metadata=dict.fromkeys(picture.metadata, ""))])

    store.add_documents([picture])

    assert "image" == store.similarity_search(media(RED), k=1)[0].metadata["media_kind"]


def test_lancedb_refuses_a_picture_after_texts_without_fields(inside, embed_model_of, tmp_path):
    store = _store(tmp_path, embed_model_of(ArkEmbeddings, inside))
    store.add_documents([Document("the blue sea", metadata={"shelf": "b"})])

    with pytest.raises(ValueError, match="media_kind"):
        store.add_documents([MediaDocument(RED, metadata={"shelf": "a"})])


def test_lancedbs_own_method_for_images(inside, embed_model_of, tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(painted("red"))
    store = _store(tmp_path / "lance", embed_model_of(ArkEmbeddings, inside))

    store.add_images([str(path)], metadatas=[{"colour": "red"}])

    assert [("image_url",)] == [
        tuple(part["type"] for part in request.body["input"]) for request in inside.emulator.ledger.requests
    ]
    assert "red" == store.similarity_search(media(RED), k=1)[0].metadata["colour"]
