"""Dense and sparse halves of one text cost one request."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from lc_local_stores import FLAT, Milvus
from paintings import painted
from samples import ARK, V4

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings, MediaDocument, media
from volc_dashscope import BulkError, Image, InputError
from volc_dashscope.inputs import label

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Qdrant's packages warn about themselves on import
    from langchain_qdrant import QdrantVectorStore, RetrievalMode
    from qdrant_client import QdrantClient
    from qdrant_client.models import Distance, SparseVectorParams, VectorParams

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the stores' packages
    pytest.mark.filterwarnings("ignore:.*ORM-style PyMilvus API"),  # langchain-milvus 0.3 uses it
]
SERVICES = {"ark": (ArkEmbeddings, ARK), "dashscope": (DashScopeEmbeddings, V4)}
# Qdrant adds 64 documents at a time, Milvus all; a DashScope request holds ten texts, an Ark request one.
EXPECTED = {
    ("qdrant", "ark"): 150 + 1,
    ("qdrant", "dashscope"): 7 + 7 + 3 + 1,
    ("milvus", "ark"): 150 + 1,
    ("milvus", "dashscope"): 15 + 1,
}
TEXTS = [
    f"note {number} about the {colour} boat" for number in range(50) for colour in ("red", "blue", "old")
]


def _qdrant(embed_model: Any, folder: Path, *, hybrid: bool) -> Any:
    client = QdrantClient(":memory:")  # on disk it commits every point by itself, which takes seconds
    client.create_collection(
        "notes",
        VectorParams(size=embed_model.dimension, distance=Distance.COSINE),
        sparse_vectors_config={"langchain-sparse": SparseVectorParams()},
    )
    halves = (
        {"sparse_embedding": embed_model.qdrant_sparse(), "retrieval_mode": RetrievalMode.HYBRID}
        if hybrid
        else {}
    )
    return QdrantVectorStore(client, "notes", embed_model, validate_collection_config=False, **halves)


def _milvus(embed_model: Any, folder: Path, *, hybrid: bool) -> Any:
    sparse = {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "IP", "params": {"drop_ratio_build": 0.0}}
    # Milvus Lite keeps every entry of a sparse vector; langchain-milvus asks for less by default.
    fields: dict[str, Any] = {"vector_field": ["dense", "sparse"], "index_params": [FLAT, sparse]}
    return Milvus(
        [embed_model, embed_model.milvus_sparse()] if hybrid else embed_model,
        auto_id=True,
        connection_args={"uri": str(folder / "milvus.db")},
        collection_name="notes",
        enable_dynamic_field=True,
        **(fields if hybrid else {"index_params": FLAT}),
    )


STORES: dict[str, Callable[..., Any]] = {"qdrant": _qdrant, "milvus": _milvus}
MILVUS_SEARCH = [{"metric_type": "COSINE"}, {"metric_type": "IP", "params": {"drop_ratio_search": 0.0}}]


def _search(store: Any, query: str) -> list[Document]:
    hybrid_milvus = isinstance(store, Milvus) and isinstance(store.embedding_func, list)
    settings = {"param": MILVUS_SEARCH} if hybrid_milvus else {}
    found: list[Document] = store.similarity_search(query, k=3, **settings)
    return found


def _requests(mount: Any) -> int:
    return len(mount.emulator.ledger)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("kind", STORES)
def test_hybrid_sends_exactly_as_many_requests_as_dense_alone(
    emulate, embed_model_of, tmp_path, service, kind
):
    counts, best = {}, {}
    for hybrid in (False, True):
        mount = emulate()
        embeddings, model = SERVICES[service]
        embed_model = embed_model_of(embeddings, mount, model=model, dimensions=1024)
        folder = tmp_path / f"{hybrid}"
        folder.mkdir()
        store = STORES[kind](embed_model, folder, hybrid=hybrid)
        store.add_documents([Document(text) for text in TEXTS])
        best[hybrid] = _search(store, TEXTS[7])[0].page_content
        counts[hybrid] = _requests(mount)
        store.client.close()

    assert 150 == len(TEXTS)
    assert {False: TEXTS[7], True: TEXTS[7]} == best
    assert counts[False] == counts[True]
    assert EXPECTED[kind, service] == counts[True]


@pytest.fixture(params=SERVICES)
def halves(request, inside, embed_model_of):
    """Return an integration, its sparse half for Qdrant, and what counts requests."""
    embeddings, model = SERVICES[request.param]
    embed_model = embed_model_of(embeddings, inside, model=model)
    return embed_model, embed_model.qdrant_sparse(), lambda: _requests(inside)


def test_both_halves_are_those_of_a_request_each(halves, emulate, embed_model_of):
    embed_model, sparse, _ = halves
    alone = embed_model_of(type(embed_model), emulate(), model=embed_model.model)

    dense_rows, sparse_rows = embed_model.embed_documents(["a", "b c"]), sparse.embed_documents(["a", "b c"])
    only_sparse = alone.qdrant_sparse().embed_documents(["a", "b c"])

    assert alone.embed_documents(["a", "b c"]) == dense_rows
    assert only_sparse == sparse_rows
    assert all(row.values for row in sparse_rows)


@pytest.mark.parametrize("first", ["dense", "sparse"])
@pytest.mark.parametrize("role", ["document", "query"])
def test_either_half_may_come_first(halves, first, role):
    embed_model, sparse, requests = halves
    asks = [embed_model, sparse] if first == "dense" else [sparse, embed_model]

    for half in asks:
        half.embed_documents(["a"]) if role == "document" else half.embed_query("a")

    assert 1 == requests()


@pytest.mark.parametrize("role", ["document", "query"])
async def test_halves_are_shared_between_sync_and_async(halves, role):
    embed_model, sparse, requests = halves

    if role == "document":
        await embed_model.aembed_documents(["a"])
        sparse.embed_documents(["a"])
        embed_model.embed_documents(["b"])
        await sparse.aembed_documents(["b"])
    else:
        await embed_model.aembed_query("a")
        sparse.embed_query("a")
        embed_model.embed_query("b")
        await sparse.aembed_query("b")

    assert 2 == requests()


def test_a_half_is_consumed_on_read(halves):
    embed_model, sparse, requests = halves

    embed_model.embed_documents(["a"])
    sparse.embed_documents(["a"])
    sparse.embed_documents(["a"])

    assert 2 == requests()


def test_halves_are_parked_by_role_and_text(halves):
    embed_model, sparse, requests = halves

    embed_model.embed_documents(["a"])
    sparse.embed_query("a")
    sparse.embed_documents(["b"])

    assert 3 == requests()


def test_the_same_text_twice_in_one_call_has_two_halves(halves):
    embed_model, sparse, _ = halves

    rows, parts = embed_model.embed_documents(["a", "a"]), sparse.embed_documents(["a", "a"])

    assert rows[0] == rows[1]
    assert parts[0] == parts[1]


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_parked_is_bounded_and_falls_back_to_a_request(inside, embed_model_of, service):
    embeddings, model = SERVICES[service]
    embed_model = embed_model_of(embeddings, inside, model=model, partial_results_bytes=1024)
    texts = [f"text {number}" for number in range(5)]

    embed_model.embed_documents(texts)
    dense_only = _requests(inside)
    rows = embed_model.qdrant_sparse().embed_documents(texts)

    assert 2 * dense_only == _requests(inside)
    assert all(row.values for row in rows)


@pytest.mark.parametrize("service", SERVICES)
def test_threads_do_not_take_each_others_halves(emulate, embed_model_of, service):
    embeddings, model = SERVICES[service]
    mount, plain = emulate(), emulate()
    embed_model, alone = (
        embed_model_of(embeddings, mount, model=model),
        embed_model_of(embeddings, plain, model=model),
    )
    sparse, expected = embed_model.qdrant_sparse(), alone.qdrant_sparse()
    texts = [f"text {number}" for number in range(12)]

    with ThreadPoolExecutor(len(texts)) as pool:
        found = list(pool.map(lambda text: (embed_model.embed_query(text), sparse.embed_query(text)), texts))

    assert [(alone.embed_query(text), expected.embed_query(text)) for text in texts] == found
    assert len(texts) == _requests(mount)


async def test_tasks_do_not_take_each_others_halves(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside)
    sparse = embed_model.milvus_sparse()

    async def work(text: str) -> tuple[str, dict[int, float]]:
        await embed_model.aembed_query(text)
        return text, await sparse.aembed_query(text)

    found = dict(await asyncio.gather(*(work(f"text {number}") for number in range(12))))

    assert 12 == _requests(inside)
    assert [sparse.embed_query(text) for text in found] == list(found.values())


def test_both_shapes_hold_the_same_numbers(halves):
    embed_model, sparse, _ = halves

    of_qdrant, of_milvus = (
        sparse.embed_query("a red boat"),
        embed_model.milvus_sparse().embed_query("a red boat"),
    )

    assert of_milvus == dict(zip(of_qdrant.indices, of_qdrant.values, strict=True))
    assert {int} == {type(index) for index in of_milvus}
    assert {float} == {type(value) for value in of_milvus.values()}


def test_media_are_found_by_the_words_of_their_caption(inside, embed_model_of, tmp_path):
    embed_model = embed_model_of(ArkEmbeddings, inside, dimensions=1024)
    store = _qdrant(embed_model, tmp_path, hybrid=True)
    picture = MediaDocument(Image.from_bytes(painted("red")), caption="a zeppelin")

    store.add_documents([picture, Document("a boat")])
    store.retrieval_mode = RetrievalMode.SPARSE  # words only
    found = store.similarity_search("zeppelin", k=1)
    store.client.close()

    assert ["media_kind"] == [key for key in found[0].metadata if key.startswith("media")]
    # The picture, its caption's words, both halves of the text, and the query.
    assert 4 == _requests(inside)


def test_media_without_words_have_an_empty_half_and_no_request(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside)
    picture = Image.from_bytes(painted("red"))

    rows = embed_model.qdrant_sparse().embed_documents(
        [media(picture), str.__str__(media(picture, label(picture)))]
    )

    assert [[], []] == [row.indices for row in rows]
    assert 0 == _requests(inside)


@pytest.mark.parametrize("method", ["qdrant_sparse", "milvus_sparse"])
@pytest.mark.parametrize("model", ["qwen3-vl-embedding", "text-embedding-v2"])
def test_a_model_without_sparse_vectors_says_so(inside, embed_model_of, method, model):
    embed_model = embed_model_of(DashScopeEmbeddings, inside, model=model)

    with pytest.raises(InputError, match="does not support sparse vectors"):
        getattr(embed_model, method)()
    assert 0 == _requests(inside)


def test_errors_name_items_by_their_place_among_media_and_texts(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside, max_retries=0, max_concurrency=1)
    embed_model.qdrant_sparse()
    inside.emulator.fail(None, "500")

    with pytest.raises(BulkError) as caught:
        embed_model.embed_documents([Image.from_bytes(painted("red")), "a", "b"])

    assert [2] == list(caught.value.failures)


def test_the_sparse_half_is_not_of_another_model_than_the_dense_one(inside, embed_model_of):
    """Rows of a call that got replies of two models are not kept for the call that asks for the other half."""
    embed_model = embed_model_of(ArkEmbeddings, inside, max_concurrency=1)
    sparse = embed_model.qdrant_sparse()
    names = iter(["m0", *["m1"] * 5])
    inside.emulator.reply_with(lambda request, response: {**response.json, "model": next(names)})

    with pytest.raises(BulkError, match="are from two models"):
        embed_model.embed_documents(TEXTS[:3])
    sparse.embed_documents(TEXTS[:3])

    assert 2 + 3 == len(inside.emulator.ledger)
