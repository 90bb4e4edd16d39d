"""
The twelve faults of llama-index-embeddings-dashscope 0.6.0 and what this package does: a table in the docs.

Both run against the same emulator, through a socket. Each test shows the fault first; if a later version of
theirs mends it, the test fails and the row goes.
"""

from __future__ import annotations

import pickle
import warnings
from io import BytesIO
from typing import Any

import pytest
from canary import KEY
from li_samples import RED, RENT, samples
from li_tables import committed
from llama_index.core import VectorStoreIndex
from llama_index.core.indices import MultiModalVectorStoreIndex
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.schema import ImageNode, TextNode
from llama_index.core.storage.kvstore import SimpleKVStore
from paintings import data_uri, painted
from samples import PICTURE_URL, V4, VL

from llama_index_ext import DashScopeMultiModalEmbedding, MultiModalNodeEmbedder, query_bundle
from volc_dashscope import AuthError, ConfigError, EmbeddingError, RateLimitError, list_models
from volc_dashscope.models import ModelInfo

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the SDK warns about itself on import
    import dashscope
    from llama_index.embeddings.dashscope import DashScopeEmbedding

# Of requests' sessions, which the SDK leaves open.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

TABLE = "faults"
V3 = "text-embedding-v3"
TITLES = {
    "role": "1. the query's role",
    "dimension": "2. dimensions",
    "batch": "3. batch size",
    "swallowed": "4. 401 and 429",
    "cached": "5. what a failure leaves in the cache",
    "async": "6. async",
    "vision": "7. vision models",
    "stream": "8. a picture as `BytesIO`",
    "endpoint": "9. text for a vision model",
    "uploaded": "10. a text that is a path",
    "pickled": "11. the key after pickling",
    "missing": "12. models that can be used",
}


@pytest.fixture
def service(emulate, monkeypatch):
    """An emulator that both packages talk to."""
    mount = emulate(socket=True)
    monkeypatch.setattr(dashscope, "base_http_api_url", mount.emulator.dashscope_url)
    monkeypatch.setattr(dashscope, "api_key", None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return mount


@pytest.fixture
def add_result(result_tables):
    """Return a function that adds a row to the table; the columns are theirs and ours."""
    return lambda name, theirs, ours: result_tables.put(
        TABLE, TITLES[name], **{"that package, 0.6.0": theirs, "this package": ours}
    )


def theirs(model: str = V3, **settings: Any) -> DashScopeEmbedding:
    return DashScopeEmbedding(model_name=model, api_key=KEY, **settings)


def index(model: Any, count: int = 2) -> VectorStoreIndex:
    return VectorStoreIndex([TextNode(text=f"text {number}") for number in range(count)], embed_model=model)


def bodies(service: Any) -> list[dict[str, Any]]:
    """Return the bodies seen so far, and forget them."""
    found = [entry.body for entry in service.emulator.ledger]
    service.emulator.ledger.clear()
    return found


def test_text_type_reaches_the_service(service, embed_model_of, add_result):
    index(theirs()).as_retriever().retrieve("shoe")
    before = bodies(service)
    index(embed_model_of(DashScopeMultiModalEmbedding, service, model=V3)).as_retriever().retrieve("shoe")
    after = bodies(service)

    assert [{"kwargs": {"text_type": "document"}}, {"kwargs": {"text_type": "query"}}] == [
        body["parameters"] for body in before
    ]
    assert [{"text_type": "document"}, {"text_type": "query"}] == [body["parameters"] for body in after]
    add_result(
        "role", "`text_type` nested under `kwargs`, where the service ignores it", "`parameters.text_type`"
    )


def test_dimensions_are_asked_for(service, embed_model_of, add_result):
    before = index(theirs(dimensions=512))
    asked_before = bodies(service)
    after = index(embed_model_of(DashScopeMultiModalEmbedding, service, model=V3, dimensions=512))
    asked_after = bodies(service)

    assert ({1024}, {512}) == (lengths(before), lengths(after))
    assert "dimension" not in str(asked_before)
    assert 512 == asked_after[0]["parameters"]["dimension"]
    add_result("dimension", "accepted, never sent: 1024 numbers for `dimensions=512`", "512 numbers")


def lengths(made: VectorStoreIndex) -> set[int]:
    return {len(row) for row in made.vector_store.data.embedding_dict.values()}  # type: ignore[attr-defined]


def test_batches_fit_the_model(service, embed_model_of, add_result):
    with pytest.raises(ValueError, match="valid list"):
        index(theirs(V4), 25)
    refused = [entry.status for entry in service.emulator.ledger]
    before = bodies(service)
    index(embed_model_of(DashScopeMultiModalEmbedding, service, model=V4), 25)
    after = bodies(service)

    assert ([400], [25]) == (refused, [len(body["input"]["texts"]) for body in before])
    assert [5, 10, 10] == sorted(len(body["input"]["texts"]) for body in after)
    add_result(
        "batch", "25 texts per request for every model: `text-embedding-v4` replies 400", "10, 10 and 5"
    )


@pytest.mark.parametrize(("status", "ours"), [("401", AuthError), ("429", RateLimitError)])
def test_refusals_are_errors(service, embed_model_of, add_result, status, ours):
    service.emulator.fail(status)
    before = index(theirs(), 0).as_retriever()
    asked = before._embed_model.get_agg_embedding_from_queries  # what the retriever calls
    empty = asked(["shoe"])
    embed_model = embed_model_of(DashScopeMultiModalEmbedding, service, model=V3, max_retries=0)
    service.emulator.fail(status)

    assert [] == empty
    with pytest.raises(ours):
        index(embed_model, 0).as_retriever().retrieve("shoe")
    add_result("swallowed", "logged; the vector is `[]`", "`AuthError`; `RateLimitError` after the retries")


def test_a_failure_is_not_cached(service, embed_model_of, add_result):
    broken = theirs(embeddings_cache=SimpleKVStore())
    service.emulator.fail("429")
    first = index(broken, 0)._embed_model.get_query_embedding("shoe")
    bodies(service)
    again = broken.get_query_embedding("shoe")
    sent = len(bodies(service))
    embed_model = embed_model_of(DashScopeMultiModalEmbedding, service, model=V3, cache={}, max_retries=0)
    service.emulator.fail("429")
    with pytest.raises(RateLimitError):
        index(embed_model, 1)

    assert ([], [], 0) == (first, again, sent)
    assert {1024} == lengths(index(embed_model, 1))
    with pytest.raises(ConfigError, match="cache="):
        DashScopeMultiModalEmbedding(api_key=KEY, embeddings_cache=SimpleKVStore())
    add_result(
        "cached",
        "`[]`, returned from `embeddings_cache` from then on",
        "nothing; `embeddings_cache` is refused in favour of `cache=`",
    )


async def test_async_is_concurrent(emulate, service, embed_model_of, monkeypatch, add_result):
    slow = emulate(socket=True, latency=0.05)
    monkeypatch.setattr(dashscope, "base_http_api_url", slow.emulator.dashscope_url)
    nodes = [TextNode(text=f"text {number}") for number in range(30)]

    await IngestionPipeline(transformations=[theirs()]).arun(nodes=nodes)
    before = (len(slow.emulator.ledger), slow.emulator.ledger.in_flight_max)
    bodies(slow)
    embed_model = embed_model_of(DashScopeMultiModalEmbedding, slow, model=V3)
    await IngestionPipeline(transformations=[embed_model]).arun(nodes=nodes)
    await embed_model._client.aio.close()

    assert (30, 1) == before
    assert (3, 3) == (len(slow.emulator.ledger), slow.emulator.ledger.in_flight_max)
    add_result(
        "async",
        "30 texts: 30 requests, one after the other, the loop blocked",
        "3 requests, all in flight at once",
    )


def test_vision_models_work(service, embed_model_of, add_result):
    def made(model: Any) -> Any:
        nodes = [ImageNode(image_path=PICTURE_URL, metadata={"caption": "shoe"})]
        return MultiModalVectorStoreIndex(nodes, embed_model=model, image_embed_model=model)

    with pytest.raises(KeyError, match="embedding"):
        made(theirs(VL))
    billed = service.emulator.ledger.tokens
    bodies(service)
    made(embed_model_of(DashScopeMultiModalEmbedding, service))

    assert billed > 0
    assert [200] == service.emulator.ledger.statuses
    add_result(
        "vision", "`KeyError: 'embedding'` on every current one, after the request was billed", "a vector"
    )


def test_a_stream_is_an_image(service, embed_model_of, pictures, add_result):
    """Core passes `ImageNode(image=...)` as `BytesIO`."""
    from base64 import b64encode

    nodes = [ImageNode(id_=RED, image=b64encode(painted()).decode(), metadata={"caption": "red"})]
    embed_model = embed_model_of(DashScopeMultiModalEmbedding, service)

    with pytest.raises(AttributeError, match="startswith"):
        MultiModalVectorStoreIndex(nodes, embed_model=theirs(VL), image_embed_model=theirs(VL))
    found: Any = MultiModalVectorStoreIndex(
        nodes, embed_model=embed_model, image_embed_model=embed_model
    ).as_retriever()

    assert [RED] == [hit.node.node_id for hit in found.image_to_image_retrieve(data_uri(painted()))]
    assert isinstance(nodes[0].resolve_image(), BytesIO)
    add_result("stream", "`AttributeError`", "recognised by its bytes")


def test_text_for_a_vision_model_goes_to_its_endpoint(service, embed_model_of, add_result):
    empty = index(theirs(VL), 0)._embed_model.get_query_embedding("shoe")
    before = [(entry.path.rsplit("/", 1)[1], entry.status) for entry in service.emulator.ledger]
    bodies(service)
    index(embed_model_of(DashScopeMultiModalEmbedding, service), 1)
    after = [(entry.path.rsplit("/", 1)[1], entry.status) for entry in service.emulator.ledger]

    assert ([], [("text-embedding", 400)]) == (empty, before)
    assert [("multimodal-embedding", 200)] == after
    add_result("endpoint", "sent to `text-embedding`: 400, and `[]`", "sent to `multimodal-embedding`")


def test_a_text_that_is_a_path_stays_a_text(service, embed_model_of, tmp_path, audit, add_result):
    secret = tmp_path / "secret.txt"
    secret.write_text("not for anybody")

    with pytest.raises(KeyError):
        theirs(VL).get_multimodal_embedding([{"text": str(secret)}])
    uploads = [entry.path for entry in service.emulator.ledger if "upload" in entry.path]
    bodies(service)
    audit.files_opened.clear()
    embed_model = embed_model_of(DashScopeMultiModalEmbedding, service)
    IngestionPipeline(transformations=[MultiModalNodeEmbedder(embed_model=embed_model)]).run(
        nodes=[TextNode(text=str(secret))]
    )

    assert ["/api/v1/uploads", "/upload"] == uploads
    assert [str(secret)] == service.emulator.ledger.texts
    assert str(secret) not in audit.files_opened
    add_result("uploaded", "the file is read and uploaded", "embedded as the text it is")


def test_an_explicit_key_survives_pickling(service, embed_model_of, add_result):
    before = pickle.loads(pickle.dumps(theirs()))
    after = pickle.loads(pickle.dumps(embed_model_of(DashScopeMultiModalEmbedding, service, model=V3)))

    with pytest.raises(Exception, match="No api key"):
        index(before)
    index(after)
    after.close()

    assert f"Bearer {KEY}" == service.emulator.ledger[-1].headers["authorization"]
    add_result(
        "pickled",
        "lost: workers fail with “No api key provided”",
        "kept; a key from the environment is read again",
    )


def usable(row: ModelInfo, make: Any) -> bool:
    """Whether a picture, or for a text model 30 texts, can be put into an index and something be found."""
    try:
        model = make(row.name)
        if not row.multimodal:
            return bool(index(model, 30).as_retriever().retrieve("text 1"))
        nodes = [ImageNode(image_path=PICTURE_URL, metadata={"caption": "shoe"})]
        made: Any = MultiModalVectorStoreIndex(nodes, embed_model=model, image_embed_model=model)
        return bool(made.as_retriever().text_to_image_retrieve("shoe"))
    except (EmbeddingError, KeyError, ValueError, TypeError):
        return False


def test_every_model_of_the_table_can_be_used(service, embed_model_of, add_result):
    rows = [
        row for row in list_models() if row.provider == "dashscope" and row.ready and "native" in row.routes
    ]

    before = [row.name for row in rows if usable(row, theirs)]
    after = [
        row.name
        for row in rows
        if usable(row, lambda name: embed_model_of(DashScopeMultiModalEmbedding, service, model=name))
    ]

    assert [row.name for row in rows] == after
    assert [row.name for row in rows if not row.multimodal and row.batch >= 25] == before
    add_result(
        "missing", f"{len(before)} of {len(rows)} ({', '.join(before)})", f"{len(after)} of {len(rows)}"
    )


def test_a_fused_node_is_beyond_theirs(service, embed_model_of, pictures):
    """Not one of the twelve: what the package is for."""
    embed_model = embed_model_of(DashScopeMultiModalEmbedding, service)
    embedder = MultiModalNodeEmbedder(embed_model=embed_model)

    made = VectorStoreIndex(embedder(samples(pictures)), embed_model=embed_model)
    hits = made.as_retriever(similarity_top_k=1).retrieve(
        query_bundle("office rent", embed_model=embed_model)
    )

    assert [RENT] == [hit.node.node_id for hit in hits]


def test_the_committed_table_of_faults_is_what_passed(result_tables, write_tables):
    write_tables()
    whole = committed(TABLE)

    assert set(TITLES.values()) == set(whole)
    assert {row: whole[row] for row in result_tables.cells.get(TABLE, {})} == result_tables.cells.get(
        TABLE, {}
    )
