"""`MultiModalNodeEmbedder` in `IngestionPipeline`: what core does to pictures, and what is done about it."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from li_local_stores import STORE_SETUPS, Milvus
from li_samples import BLUE, GREEN, RED, RENT, RICE, plain_nodes, samples
from llama_index.core import VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionCache, IngestionPipeline
from llama_index.core.schema import Document, ImageNode, MediaResource, Node, TextNode, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from paintings import painted
from samples import PICTURE_URL, V4, VL

from llama_index_ext import (
    ArkMultiModalEmbedding,
    DashScopeMultiModalEmbedding,
    MultiModalNodeEmbedder,
    fingerprint,
    query_bundle,
)
from volc_dashscope import BulkError, ConfigError, ContentError, InputError

UNFUSED = "tongyi-embedding-vision-plus"


def embedder(embed_model: Any, **settings: Any) -> MultiModalNodeEmbedder:
    return MultiModalNodeEmbedder(embed_model=embed_model, **settings)


def run(*transforms: TransformComponent, nodes: list[Any], **settings: Any) -> list[Any]:
    return list(IngestionPipeline(transformations=list(transforms), **settings).run(nodes=nodes))


def pictures_only(paths: dict[str, Any]) -> list[ImageNode]:
    return [ImageNode(image_path=str(paths[colour])) for colour in ("red", "green")]


def test_two_pictures_do_not_collide_in_the_pipelines_cache(inside, embed_model_of, pictures):
    """Core's cache hashes texts, before the transform runs: both nodes are empty to it."""
    pipeline = IngestionPipeline(transformations=[embedder(embed_model_of(ArkMultiModalEmbedding, inside))])
    red, green = pictures_only(pictures)

    first, second = pipeline.run(nodes=[red])[0], pipeline.run(nodes=[green])[0]

    assert [red.node_id, green.node_id] == [first.node_id, second.node_id]
    assert first.embedding != second.embedding


def test_our_cache_pays_for_a_picture_once(inside, embed_model_of, pictures):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, cache={})
    pipeline = IngestionPipeline(transformations=[embedder(embed_model)])

    first = pipeline.run(nodes=pictures_only(pictures))
    again = pipeline.run(nodes=pictures_only(pictures))

    assert 2 == len(inside.emulator.ledger)
    assert [node.embedding for node in first] == [node.embedding for node in again]


def test_the_pipelines_cache_keeps_texts_of_each_server_apart(emulate, embed_model_of, monkeypatch):
    """An address that the environment gives is no setting, and two regions need not give the same vector."""
    mounts = [emulate(socket=True), emulate(socket=True)]
    cache = IngestionCache()

    for mount in (*mounts, *mounts):
        monkeypatch.setenv("DASHSCOPE_BASE_URL", mount.emulator.dashscope_url)
        embed_model = embed_model_of(DashScopeMultiModalEmbedding, mount, model=V4, base_url=None)
        run(embed_model, nodes=[TextNode(text="a red shoe", id_="a")], cache=cache)

    assert [1, 1] == [len(mount.emulator.ledger) for mount in mounts]


def test_no_node_is_embedded_as_an_empty_string(inside, embed_model_of, pictures):
    run(
        embedder(embed_model_of(ArkMultiModalEmbedding, inside)),
        nodes=[*samples(pictures), *plain_nodes(pictures)],
    )

    assert ["invoice for the office rent", "raincoat for children", "recipe with rice and chicken"] == sorted(
        inside.emulator.ledger.texts
    )
    assert 7 == len(inside.emulator.ledger)


@pytest.mark.parametrize("kind", ["ImageNode", "Node"])
def test_image_only_nodes_survive_an_index_once_embedded(inside, embed_model_of, pictures, kind):
    """`VectorStoreIndex` drops nodes without content, also those that have a vector."""
    path = pictures["red"]
    node = (
        ImageNode(image_path=str(path))
        if kind == "ImageNode"
        else Node(image_resource=MediaResource(path=path))
    )
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)

    index = VectorStoreIndex(run(embedder(embed_model), nodes=[node]), embed_model=embed_model)
    found = index.as_retriever().retrieve(query_bundle(image=path, embed_model=embed_model))

    assert [node.node_id] == [hit.node.node_id for hit in found]
    assert [2] == [len(inside.emulator.ledger)]


def test_nodes_handed_in_are_not_changed(inside, embed_model_of, pictures):
    """The docstore hashes them again after the run: a change would make every run the first."""
    nodes = [*samples(pictures), *plain_nodes(pictures)]
    before = [(node.to_dict(), node.hash) for node in nodes]

    run(embedder(embed_model_of(ArkMultiModalEmbedding, inside), fuse="never"), nodes=nodes)

    assert before == [(node.to_dict(), node.hash) for node in nodes]


def test_workers_keep_role_dimensions_and_key(emulate, embed_model_of, pictures):
    mount = emulate(socket=True)
    embed_model = embed_model_of(
        ArkMultiModalEmbedding, mount, dimensions=1024, document_instructions="D", max_concurrency=2
    )
    nodes = [*samples(pictures), *plain_nodes(pictures)]
    pipeline = IngestionPipeline(transformations=[embedder(embed_model)])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # core warns on a machine with one processor
        done = pipeline.run(nodes=nodes, num_workers=2)

    assert [node.node_id for node in nodes] == [node.node_id for node in done]
    assert [1024] * 7 == [len(node.embedding) for node in done]
    assert {"D"} == {entry.body["instructions"] for entry in mount.emulator.ledger}
    assert 7 == len(mount.emulator.ledger)


def upserting(store: Any, docstore: SimpleDocumentStore, embed_model: Any) -> IngestionPipeline:
    return IngestionPipeline(
        transformations=[embedder(embed_model)],
        vector_store=store,
        docstore=docstore,
        docstore_strategy=DocstoreStrategy.UPSERTS,
    )


@pytest.mark.parametrize("store", [name for name, kind in STORE_SETUPS.items() if kind.keeps_text])
async def test_a_replaced_file_replaces_its_vector(inside, embed_model_of, store_setup_of, pictures, store):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    nodes = samples(pictures) + ([] if store == Milvus.name else plain_nodes(pictures))
    setup = store_setup_of(store, embed_model.dimension).open()
    pipeline = upserting(setup, SimpleDocumentStore(), embed_model)
    pipeline.run(nodes=fingerprint(nodes))
    inside.emulator.ledger.clear()

    pipeline.run(nodes=fingerprint(nodes))
    unchanged = len(inside.emulator.ledger)
    pictures["red"].write_bytes(painted("purple"))
    pipeline.run(nodes=fingerprint(nodes))
    changed = len(inside.emulator.ledger)
    index = VectorStoreIndex.from_vector_store(setup, embed_model=embed_model)
    query = query_bundle(image=painted("purple"), embed_model=embed_model)
    hits = index.as_retriever(similarity_top_k=9).retrieve(query)

    assert (0, 1) == (unchanged, changed)
    assert sorted(node.node_id for node in nodes) == sorted(hit.node.node_id for hit in hits)
    assert RED == hits[0].node.node_id


async def test_core_alone_does_not_notice_a_replaced_file(inside, embed_model_of, store_setup_of, pictures):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    pipeline = upserting(
        store_setup_of("Qdrant", embed_model.dimension).open(), SimpleDocumentStore(), embed_model
    )
    pipeline.run(nodes=samples(pictures))
    inside.emulator.ledger.clear()

    pictures["red"].write_bytes(painted("purple"))
    pipeline.run(nodes=samples(pictures))

    assert 0 == len(inside.emulator.ledger)


def test_a_fingerprint_is_not_part_of_what_is_embedded_or_read_by_an_llm(inside, embed_model_of, pictures):
    (node,) = fingerprint([samples(pictures)[4]])

    (done,) = run(embedder(embed_model_of(ArkMultiModalEmbedding, inside)), nodes=[node])

    assert "media_sha256" in done.metadata
    assert ["raincoat for children"] == inside.emulator.ledger.texts
    assert "raincoat for children" == done.get_content(metadata_mode="llm")


def test_core_loses_the_bytes_of_a_node_it_writes_down_and_that_is_an_error(inside, embed_model_of):
    """`MediaResource.data` is left out of `to_dict`: a cached transform before ours returns an empty picture."""

    class Untouched(TransformComponent):
        def __call__(self, nodes, **kwargs):
            return nodes

    pipeline = IngestionPipeline(
        transformations=[Untouched(), embedder(embed_model_of(ArkMultiModalEmbedding, inside))]
    )
    node = Node(id_=BLUE, image_resource=MediaResource(data=painted("blue")))

    pipeline.run(nodes=[node])

    with pytest.raises(InputError, match=f"node {BLUE}.*drops `data`"):
        pipeline.run(nodes=[node])


def test_a_url_is_left_to_the_service(inside, embed_model_of, audit):
    """Core would download it, and take the page of a 404 for a picture."""
    nodes = [ImageNode(image_url=PICTURE_URL), Node(image_resource=MediaResource(url=PICTURE_URL))]

    run(embedder(embed_model_of(DashScopeMultiModalEmbedding, inside)), nodes=nodes)

    assert [[{"image": PICTURE_URL}, {"image": PICTURE_URL}]] == [
        entry.body["input"]["contents"] for entry in inside.emulator.ledger
    ]
    assert [] == audit.dialled


@pytest.mark.parametrize("fuse", ["auto", "always"])
def test_text_and_picture_are_fused_in_one_request(inside, embed_model_of, pictures, fuse):
    (done,) = run(
        embedder(embed_model_of(ArkMultiModalEmbedding, inside), fuse=fuse), nodes=[samples(pictures)[4]]
    )

    assert [["text", "image_url"]] == [
        [part["type"] for part in entry.body["input"]] for entry in inside.emulator.ledger
    ]
    assert 2048 == len(done.embedding)
    assert {} == done.metadata


@pytest.mark.parametrize(("fuse", "model"), [("auto", UNFUSED), ("never", VL)])
def test_where_nothing_is_fused_the_unit_vectors_are_averaged_and_the_node_says_so(
    inside, embed_model_of, pictures, fuse, model
):
    import numpy as np

    embed_model = embed_model_of(DashScopeMultiModalEmbedding, inside, model=model)
    node = samples(pictures)[4]
    parts = np.array(
        [embed_model.get_text_embedding(node.text), embed_model.get_image_embedding(str(pictures["yellow"]))]
    )
    mean = parts.mean(axis=0)

    (done,) = run(embedder(embed_model, fuse=fuse), nodes=[node])

    assert np.allclose(mean / np.linalg.norm(mean), done.embedding, atol=1e-6)
    assert {"embedding_is": "mean of text and image"} == done.metadata
    assert "raincoat for children" == done.get_content(metadata_mode="embed")


def test_always_is_refused_for_a_model_that_cannot_fuse(inside, embed_model_of):
    with pytest.raises(ConfigError, match="cannot fuse"):
        embedder(embed_model_of(DashScopeMultiModalEmbedding, inside, model=V4), fuse="always")


BAD_NODES = {
    "nothing": (Node(id_=BLUE), "no text, image or video"),
    "blank": (TextNode(id_=BLUE, text=" \n"), "no text, image or video"),
    "audio": (
        Node(id_=BLUE, audio_resource=MediaResource(url="https://h/a.mp3")),
        "audio cannot be embedded",
    ),
    "missing file": (ImageNode(id_=BLUE, image_path="no-such.png"), "no-such.png"),
    "page of a 404": (
        Node(id_=BLUE, image_resource=MediaResource(data=b"<html>404 not found</html>")),
        "not",
    ),
    "not base64": (ImageNode(id_=BLUE, image="&&&"), "not valid base64"),
}


@pytest.mark.parametrize(("node", "says"), BAD_NODES.values(), ids=BAD_NODES)
def test_a_node_that_cannot_be_embedded_is_named_before_anything_is_sent(
    inside, embed_model_of, pictures, node, says
):
    with pytest.raises(InputError, match=f"node {BLUE}: .*{says}"):
        run(embedder(embed_model_of(ArkMultiModalEmbedding, inside)), nodes=[*samples(pictures), node])
    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("node", "says"), BAD_NODES.values(), ids=BAD_NODES)
async def test_a_node_that_cannot_be_embedded_can_be_skipped(
    inside, embed_model_of, pictures, node, says, awaited
):
    skipping = embedder(embed_model_of(ArkMultiModalEmbedding, inside), on_error="skip")
    pipeline = IngestionPipeline(transformations=[skipping])
    nodes = [*samples(pictures)[:2], node, *samples(pictures)[2:]]

    done = await pipeline.arun(nodes=nodes) if awaited else pipeline.run(nodes=nodes)

    assert [BLUE] == list(skipping.skipped)
    assert says in str(skipping.skipped[BLUE])
    assert [item.node_id for item in samples(pictures)] == [item.node_id for item in done]


def test_an_item_that_does_not_fit_the_model_costs_only_its_own_node_when_skipping(
    inside, embed_model_of, pictures
):
    """The client refuses the first such item of a call before it sends anything."""
    skipping = embedder(embed_model_of(DashScopeMultiModalEmbedding, inside, model=V4), on_error="skip")

    done = run(skipping, nodes=samples(pictures))

    assert [RED, GREEN, samples(pictures)[4].node_id] == list(skipping.skipped)
    assert [RENT, RICE] == [node.node_id for node in done]


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
async def test_a_failed_node_is_named_with_code_and_request_id(inside, embed_model_of, pictures, awaited):
    from volc_dashscope.emulator.faults import Fault

    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, max_concurrency=1)
    inside.emulator.fail(Fault("400", code="InputTextSensitiveContentDetected"))
    pipeline = IngestionPipeline(transformations=[embedder(embed_model)])

    with pytest.raises(BulkError) as caught:
        await (pipeline.arun(nodes=samples(pictures)) if awaited else _run(pipeline, samples(pictures)))

    error = caught.value
    assert [0] == list(error.failures)
    assert isinstance(error.failures[0], ContentError)
    assert error.request_id
    for wanted in (f"node {RENT}", "InputTextSensitiveContentDetected", str(error.request_id)):
        assert wanted in str(error)


async def _run(pipeline: IngestionPipeline, nodes: list[Any]) -> Any:
    return pipeline.run(nodes=nodes)


def test_the_only_node_raises_its_own_error(inside, embed_model_of, pictures):
    from volc_dashscope.emulator.faults import Fault

    inside.emulator.fail(Fault("400", code="InputTextSensitiveContentDetected"))

    with pytest.raises(ContentError, match=f"node {RENT}.*InputTextSensitiveContentDetected.*request id"):
        run(embedder(embed_model_of(ArkMultiModalEmbedding, inside)), nodes=samples(pictures)[:1])


def test_what_was_done_before_a_failure_is_not_paid_twice(inside, embed_model_of, pictures):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, max_concurrency=1, max_retries=0)
    inside.emulator.fail(None, "500")
    with pytest.raises(BulkError):
        run(embedder(embed_model), nodes=samples(pictures))
    inside.emulator.ledger.clear()

    run(embedder(embed_model), nodes=samples(pictures))

    assert 1 == len(inside.emulator.ledger)


async def test_a_skipped_node_is_left_out_of_the_store(inside, embed_model_of, store_setup_of, pictures):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, max_concurrency=1, max_retries=0)
    inside.emulator.fail("500")
    store = store_setup_of("Chroma", embed_model.dimension).open()
    skipping = embedder(embed_model, on_error="skip")

    run(skipping, nodes=samples(pictures), vector_store=store)
    kept = (
        VectorStoreIndex.from_vector_store(store, embed_model=embed_model)
        .as_retriever(similarity_top_k=9)
        .retrieve("rent")
    )

    assert [RENT] == list(skipping.skipped)
    assert {node.node_id for node in samples(pictures)} - {RENT} == {hit.node.node_id for hit in kept}


def test_a_node_embedded_later_is_no_longer_listed(inside, embed_model_of, pictures):
    inside.emulator.fail("500")
    skipping = embedder(embed_model_of(ArkMultiModalEmbedding, inside, max_retries=0), on_error="skip")
    pipeline = IngestionPipeline(transformations=[skipping])
    pipeline.run(nodes=samples(pictures)[:1])
    listed = list(skipping.skipped)

    pipeline.run(nodes=samples(pictures)[:1])

    assert ([RENT], []) == (listed, list(skipping.skipped))


def test_documents_are_embedded_with_the_metadata_core_embeds(inside, embed_model_of):
    document = Document(
        text="shoe", metadata={"colour": "red", "path": "/x"}, excluded_embed_metadata_keys=["path"]
    )

    IngestionPipeline(transformations=[embedder(embed_model_of(ArkMultiModalEmbedding, inside))]).run(
        documents=[document]
    )

    assert ["colour: red\n\nshoe"] == inside.emulator.ledger.texts


def test_media_root_is_a_fence_for_nodes(inside, embed_model_of, pictures, tmp_path):
    (tmp_path / "in").mkdir()
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, media_root=str(tmp_path / "in"))

    for node in (samples(pictures)[2], plain_nodes(pictures)[0]):
        with pytest.raises(InputError, match="outside root"):
            run(embedder(embed_model), nodes=[node])
    assert 0 == len(inside.emulator.ledger)


def test_its_settings_survive_a_round_trip_and_the_nonce_is_new(inside, embed_model_of, monkeypatch):
    monkeypatch.setenv("ARK_API_KEY", "sk-another")
    whole = embedder(ArkMultiModalEmbedding(dimensions=1024), fuse="never", on_error="skip")

    twin = MultiModalNodeEmbedder.from_dict(whole.to_dict())

    assert ("never", "skip", 1024) == (twin.fuse, twin.on_error, twin.embed_model.dimension)
    assert whole.to_dict()["nonce"] != whole.to_dict()["nonce"]
    assert "sk-another" not in str(whole.to_dict())
