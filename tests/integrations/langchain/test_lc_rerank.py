"""`DashScopeRerank` for LangChain: alone, in a `ContextualCompressionRetriever`, and with pictures."""

from __future__ import annotations

import asyncio
import pickle
from functools import partial

import pytest
from canary import KEY
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore
from paintings import painted

from langchain_volc_dashscope import DashScopeEmbeddings, DashScopeRerank, MediaDocument, media
from volc_dashscope import ConfigError, Fused, Image, InputError, Reranker
from volc_dashscope.integrations.rerank import RerankFields

TEXTS = ["a green forest", "a blue sea view", "red shoes"]


@pytest.fixture
def emulator(inside):
    return inside.emulator


@pytest.fixture
def rerank(inside):
    return partial(DashScopeRerank, **inside.settings("dashscope"))


@pytest.fixture
def pictures(tmp_path):
    """Three files and their documents."""
    made = []
    for colour in ("red", "blue", "green"):
        path = tmp_path / f"{colour}.png"
        path.write_bytes(painted(colour))
        made.append(MediaDocument(Image.from_path(path), caption=f"picture {len(made)}", id=colour))
    return made


@pytest.fixture(params=["sync", "async"])
def compress(request):
    """Return a function that compresses by either method."""
    if request.param == "sync":
        return lambda made, documents, query: made.compress_documents(documents, query)
    return lambda made, documents, query: asyncio.run(made.acompress_documents(documents, query))


def test_documents_come_back_best_first_as_scored_copies(rerank, compress):
    documents = [Document(text, metadata={"n": [at]}, id=str(at)) for at, text in enumerate(TEXTS)]

    found = compress(rerank(top_n=2), documents, "a blue sea")

    assert ("1", TEXTS[1], [1]) == (found[0].id, found[0].page_content, found[0].metadata["n"])
    assert found[0].metadata["relevance_score"] > found[1].metadata["relevance_score"]
    assert [{"n": [at]} for at in range(3)] == [document.metadata for document in documents]


def test_a_media_document_is_ranked_by_its_picture(rerank, compress, pictures, emulator):
    found = compress(rerank(top_n=1), [*pictures, Document("something else")], "blue")

    assert ["blue"] == [document.id for document in found]
    assert [{"image"}, {"image"}, {"image"}] == [
        set(document) for document in emulator.ledger[0].body["input"]["documents"][:3]
    ]


def test_a_document_from_a_store_is_ranked_by_the_picture_its_metadata_names(rerank, pictures, emulator):
    stored = [Document("caption ⟦media:sha256:" + "0" * 64 + "⟧", metadata=pictures[1].metadata)]

    rerank().compress_documents(stored, "blue")

    assert {"image"} == set(emulator.ledger[0].body["input"]["documents"][0])


def test_media_root_fences_what_metadata_names(rerank, pictures, tmp_path):
    (tmp_path / "inner").mkdir()

    fenced = rerank(media_root=str(tmp_path / "inner"))

    with pytest.raises(InputError, match="document 0"):
        fenced.compress_documents([Document("x", metadata=pictures[0].metadata)], "blue")


@pytest.mark.parametrize("key", ["image", "url"])
def test_a_block_names_a_file_inside_media_root(rerank, red_png, key):
    uri = red_png.as_uri()
    block = {"image": uri} if key == "image" else {"type": "image", "url": uri}

    fenced = rerank(media_root=red_png.parent)

    assert [0] == [found["index"] for found in fenced.rerank([block], block)]
    for made in (rerank(), rerank(media_root=red_png.parent.parent / "no such folder")):
        with pytest.raises(InputError):
            made.rerank(["red"], block)


QUERIES = {
    "text": lambda image: "something blue",
    "media token": lambda image: media(image, "what is like this"),
    "flattened token": lambda image: str.__str__(media(image, "what is like this")),
    "item": lambda image: image,
    "block": lambda image: {"type": "text", "text": "something blue"},
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_may_be_all_that_can_be_embedded(rerank, compress, pictures, query):
    asked = query(Image.from_bytes(painted("blue")))

    assert "blue" == compress(rerank(top_n=1), pictures, asked)[0].id


def test_a_retriever_narrows_what_the_store_found(rerank, emulator):
    embeddings = DashScopeEmbeddings(
        model="text-embedding-v4", api_key=KEY, http_client=emulator.http_client()
    )
    store = InMemoryVectorStore(embeddings)
    store.add_texts([*TEXTS, "a blue whale in the sea", "a yellow sun"])
    retriever = ContextualCompressionRetriever(
        base_compressor=rerank(top_n=2), base_retriever=store.as_retriever(search_kwargs={"k": 4})
    )

    found = retriever.invoke("a blue sea")

    assert 2 == len(found)
    assert 4 == len(emulator.ledger[-1].body["input"]["documents"])


def test_rerank_speaks_as_the_cohere_class_does(rerank, pictures):
    made = rerank(top_n=1)

    one, all_of_them = made.rerank(TEXTS, "a blue sea"), made.rerank(TEXTS, "a blue sea", top_n=None)

    assert [{"index", "relevance_score"}] == [set(found) for found in one]
    assert (1, [1, 0, 2]) == (one[0]["index"], [1, *sorted(one["index"] for one in all_of_them[1:])])
    assert asyncio.run(made.arerank(TEXTS, "a blue sea")) == one
    assert 1 == made.rerank([{"type": "text", "text": "green"}, pictures[1]], "blue")[0]["index"]


def test_nothing_found_needs_no_request(rerank, compress, emulator):
    assert [] == compress(rerank(), [], "a")
    assert [] == list(emulator.ledger)


def test_a_fused_document_is_refused_by_its_index(rerank):
    fused = MediaDocument(Fused("a", Image.from_url("https://e.com/a.png")))

    with pytest.raises(InputError, match="document 1: several fused parts"):
        rerank().compress_documents([Document("b"), fused], "a")


@pytest.mark.parametrize("given", ["one", {"a": 1}, Document("a")], ids=["str", "dict", "document"])
def test_one_thing_where_a_list_belongs_is_refused(rerank, given):
    with pytest.raises(InputError, match="documents must be a list"):
        rerank().compress_documents(given, "a")


def test_settings_are_those_of_the_core():
    own = {"model", "api_key", "top_n", "media_root"}
    signature = Reranker.__init__.__annotations__

    assert set(RerankFields.model_fields) - own == set(signature) - {"model", "api_key", "return"}
    with pytest.raises(ConfigError, match="DashScopeRerank has no top_k=; use top_n="):
        DashScopeRerank(api_key=KEY, top_k=3)
    with pytest.raises(ConfigError):
        DashScopeRerank(api_key=KEY, nobody_has_this=3)
    with pytest.raises(ConfigError, match="use qwen3-rerank"):
        DashScopeRerank(api_key=KEY, model="gte-rerank")


def test_the_key_is_nowhere_and_the_object_travels():
    made = DashScopeRerank(dashscope_api_key=KEY, model="qwen3-rerank", top_n=3)
    again = pickle.loads(pickle.dumps(made))

    assert (made.model, 3) == (again.model, again.top_n)
    assert [] == [text for text in (repr(made), str(made.model_dump()), repr(vars(made))) if KEY in text]


@pytest.mark.parametrize(
    "given", [["abc"], [Document("abc"), {"type": "text", "text": "abc"}]], ids=["text", "block"]
)
@pytest.mark.parametrize(
    "compress",
    [
        lambda compressor, given: compressor.compress_documents(given, "sea"),
        lambda compressor, given: asyncio.run(compressor.acompress_documents(given, "sea")),
    ],
    ids=["sync", "async"],
)
def test_only_documents_are_compressed_and_nothing_is_paid_for_others(rerank, emulator, given, compress):
    words = rf"document {len(given) - 1}: expected a Document, got .*pass other items to rerank\(\)"

    with pytest.raises(InputError, match=words):
        compress(rerank(model="qwen3-rerank"), given)

    assert [] == list(emulator.ledger)
