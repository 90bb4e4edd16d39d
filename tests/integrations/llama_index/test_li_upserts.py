"""What is unchanged is not paid again, what was skipped is not lost, and no picture becomes the text around it."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from multiprocessing import get_context
from typing import Any

import pytest
from li_local_stores import ChromaVectorStore, chromadb
from li_samples import BLUE, GREEN, RED, RENT, plain_nodes, samples, uid
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.schema import (
    Document,
    ImageDocument,
    ImageNode,
    MediaResource,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.storage.docstore import SimpleDocumentStore
from samples import V4

from llama_index_ext import (
    ArkMultiModalEmbedding,
    DashScopeMultiModalEmbedding,
    MultiModalNodeEmbedder,
    fingerprint,
)
from volc_dashscope import ConfigError, InputError

UNFUSED = "tongyi-embedding-vision-plus"
EACH_MODE = pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
ELSEWHERE = {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=uid(99))}

KINDS = {
    "picture": lambda path: ImageDocument(id_=RED, image_path=str(path)),
    "captioned picture": lambda path: ImageDocument(
        id_=RED, image_path=str(path), text="a chair", metadata={"shop": "north"}
    ),
    "document with a picture": lambda path: Document(id_=RED, image_resource=MediaResource(path=path)),
    "text": lambda path: Document(id_=RED, text="a chair"),
    "image node": lambda path: ImageNode(id_=RED, image_path=str(path)),
    "image node of a document": lambda path: ImageNode(
        id_=RED, image_path=str(path), relationships=dict(ELSEWHERE)
    ),
    "node of a document": lambda path: Node(
        id_=RED, image_resource=MediaResource(path=path), relationships=dict(ELSEWHERE)
    ),
    "text of a document": lambda path: TextNode(id_=RED, text="a chair", relationships=dict(ELSEWHERE)),
}
EACH_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.fixture(scope="module")
def chroma() -> Iterator[Any]:
    """One Chroma in memory: a database in files takes longer to make than a test of a pipeline to run."""
    client = chromadb.EphemeralClient(settings=chromadb.Settings(anonymized_telemetry=False))
    yield client
    client.close()


@pytest.fixture
def chroma_store(chroma: Any) -> Iterator[ChromaVectorStore]:
    """An empty collection of it."""
    collection = chroma.create_collection("upserts", metadata={"hnsw:space": "cosine"})
    yield ChromaVectorStore(chroma_collection=collection)
    chroma.delete_collection("upserts")


async def run(pipeline: IngestionPipeline, nodes: list[Any], awaited: bool) -> list[Any]:
    return list(await pipeline.arun(nodes=nodes) if awaited else pipeline.run(nodes=nodes))


@EACH_MODE
@EACH_KIND
@pytest.mark.parametrize("model", ["fused", "averaged"])
@pytest.mark.parametrize("marked", [False, True], ids=["as it is", "fingerprint"])
@pytest.mark.parametrize("start", ["empty", "from_documents", "nodes"])
async def test_a_refresh_pays_nothing_for_the_unchanged(
    inside, embed_model_of, pictures, start, marked, model, kind, awaited
):
    """`from_documents` notes the document's hash; core then wrote the hash of the embedded copy over it."""
    made, settings = (
        (ArkMultiModalEmbedding, {})
        if model == "fused"
        else (DashScopeMultiModalEmbedding, {"model": UNFUSED})
    )
    embed_model = embed_model_of(made, inside, **settings)
    embedder = MultiModalNodeEmbedder(embed_model=embed_model)
    common: dict[str, Any] = {"embed_model": embed_model, "transformations": [embedder]}

    def documents() -> list[Any]:
        nodes = [kind(pictures["red"])]
        return fingerprint(nodes) if marked else nodes

    async def refresh() -> list[bool]:
        given = documents()
        return await index.arefresh_ref_docs(given) if awaited else index.refresh_ref_docs(given)

    if start == "from_documents":
        index = VectorStoreIndex.from_documents(documents(), **common)
    else:
        index = VectorStoreIndex(embedder(documents()) if start == "nodes" else [], **common)
        await refresh()
    inside.emulator.ledger.clear()

    assert [[False], [False]] == [await refresh(), await refresh()]
    assert 0 == len(inside.emulator.ledger)


@EACH_MODE
@EACH_KIND
@pytest.mark.parametrize("strategy", DocstoreStrategy)
async def test_every_docstore_strategy_leaves_the_unchanged_alone(
    inside, embed_model_of, chroma_store, pictures, strategy, kind, awaited
):
    """Core looks the hash up by the id of the source: a node of another source was new to it on every run."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    pipeline = IngestionPipeline(
        transformations=[MultiModalNodeEmbedder(embed_model=embed_model)],
        vector_store=chroma_store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=strategy,
    )

    counts = [len(await run(pipeline, fingerprint([kind(pictures["red"])]), awaited)) for _ in range(3)]

    assert [1, 0, 0] == counts
    assert 1 == len(inside.emulator.ledger)


def test_the_source_a_node_had_becomes_its_parent(pictures):
    (node,) = fingerprint([KINDS["image node of a document"](pictures["red"])])

    assert (RED, uid(99)) == (node.ref_doc_id, node.parent_node.node_id)


@EACH_MODE
@pytest.mark.parametrize("marked", [False, True], ids=["as it is", "fingerprint"])
async def test_skipped_nodes_are_left_out_of_an_index(inside, embed_model_of, pictures, marked, awaited):
    """Core embeds what has no vector: the failed picture sat there as the text of its metadata."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    skipping = MultiModalNodeEmbedder(embed_model=embed_model, on_error="skip")
    broken = [
        ImageNode(id_=BLUE, image_path="no-such.png", metadata={"file_name": "a.png"}),
        ImageNode(id_=GREEN, image_path="no-such.png", text="a caption"),
    ]
    nodes = [*samples(pictures)[:2], *broken]

    done = await skipping.acall(nodes) if awaited else skipping(nodes)
    index = VectorStoreIndex(fingerprint(done) if marked else done, embed_model=embed_model)

    assert {node.node_id for node in nodes[:2]} == set(index.vector_store.data.embedding_dict)
    assert [BLUE, GREEN] == list(skipping.skipped)


@EACH_MODE
@pytest.mark.parametrize("again", ["same objects", "new objects"])
@pytest.mark.parametrize("marked", [False, True], ids=["as it is", "fingerprint"])
@pytest.mark.parametrize("strategy", DocstoreStrategy)
async def test_a_skipped_node_is_embedded_by_the_next_run(
    inside, embed_model_of, chroma_store, pictures, strategy, marked, again, awaited
):
    """Core notes the hash of whatever went into a run, embedded or not."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, max_concurrency=1, max_retries=0)
    pipeline = IngestionPipeline(
        transformations=[MultiModalNodeEmbedder(embed_model=embed_model, on_error="skip")],
        vector_store=chroma_store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=strategy,
        disable_cache=True,
    )

    def given() -> list[Any]:
        nodes = [*samples(pictures), *plain_nodes(pictures)]
        return fingerprint(nodes) if marked else nodes

    nodes = given()
    inside.emulator.fail(None, None, "500", None, None, "500")
    first = await run(pipeline, nodes, awaited)
    second = await run(pipeline, nodes if again == "same objects" else given(), awaited)
    third = await run(pipeline, nodes if again == "same objects" else given(), awaited)

    assert [5, 2, 0] == [len(first), len(second), len(third)]
    assert {RED, BLUE} == {node.node_id for node in second}
    assert [TextNode, TextNode] == [type(node) for node in nodes[:2]]


@EACH_MODE
async def test_a_document_whose_chunk_was_skipped_is_embedded_by_the_next_run(
    inside, embed_model_of, chroma_store, awaited
):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, max_retries=0)
    skipping = MultiModalNodeEmbedder(embed_model=embed_model, on_error="skip")
    docstore = SimpleDocumentStore()
    pipeline = IngestionPipeline(
        transformations=[SentenceSplitter(), skipping],
        vector_store=chroma_store,
        docstore=docstore,
    )
    inside.emulator.fail("500")
    counts = []

    for _ in range(2):
        counts.append(len(await run(pipeline, [Document(id_=RENT, text="office rent")], awaited)))
        await skipping.aforget_skipped(docstore) if awaited else skipping.forget_skipped(docstore)

    assert [0, 1] == counts


@EACH_MODE
@pytest.mark.parametrize("strategy", [DocstoreStrategy.UPSERTS, DocstoreStrategy.UPSERTS_AND_DELETE])
async def test_worker_processes_do_not_skip(
    emulate, embed_model_of, chroma_store, pictures, strategy, awaited
):
    """The docstore would note a node that a copy in another process left out, and no run would embed it again."""
    mount = emulate(socket=True)
    embed_model = embed_model_of(ArkMultiModalEmbedding, mount, max_concurrency=1, max_retries=0)
    skipping = MultiModalNodeEmbedder(embed_model=embed_model, on_error="skip")
    docstore = SimpleDocumentStore()
    pipeline = IngestionPipeline(
        transformations=[skipping],
        vector_store=chroma_store,
        docstore=docstore,
        docstore_strategy=strategy,
        disable_cache=True,
    )
    nodes = [*samples(pictures)[:2], ImageNode(id_=BLUE, image_path="no-such.png")]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # core warns on a machine with one processor
        with pytest.raises(ConfigError, match=r'worker process.*on_error="raise".*num_workers'):
            await pipeline.arun(nodes=nodes, num_workers=2) if awaited else pipeline.run(
                nodes=nodes, num_workers=2
            )
    sent = len(mount.emulator.ledger)
    done = await run(pipeline, nodes, awaited)
    (tmp := pictures["red"].parent / "now-there.png").write_bytes(pictures["red"].read_bytes())
    nodes[2].image_path = str(tmp)
    later = await run(pipeline, nodes, awaited)

    assert 0 == sent
    assert {node.node_id for node in nodes[:2]} == {node.node_id for node in done}
    assert [BLUE] == [node.node_id for node in later]


def _skipped_in_a_process(embedder: MultiModalNodeEmbedder, nodes: list[Any]) -> list[str]:
    made = MultiModalNodeEmbedder(embed_model=embedder.embed_model, on_error="skip")
    made(nodes)
    return list(made.skipped)


def test_an_embedder_made_in_a_process_may_skip_there(emulate, embed_model_of):
    """A service's own worker runs the whole pipeline, and its docstore asks the very nodes that were skipped."""
    embedder = MultiModalNodeEmbedder(
        embed_model=embed_model_of(ArkMultiModalEmbedding, emulate(socket=True))
    )

    with get_context("spawn").Pool(1) as pool:
        skipped = pool.apply(
            _skipped_in_a_process, (embedder, [ImageNode(id_=BLUE, image_path="no-such.png")])
        )

    assert [BLUE] == skipped


def test_an_embedded_copy_travels_with_its_hash(inside, embed_model_of, pictures):
    node = ImageDocument(image_path=str(pictures["red"]))
    (done,) = MultiModalNodeEmbedder(embed_model=embed_model_of(ArkMultiModalEmbedding, inside))([node])

    twin = pickle.loads(pickle.dumps(done))

    assert {node.hash} == {done.hash, twin.hash, done.model_copy().hash}
    assert (done.to_dict(), "ImageDocument") == (twin.to_dict(), twin.class_name())


@EACH_MODE
@pytest.mark.parametrize("way", ["pipeline", "call"])
async def test_the_embedding_itself_embeds_the_pictures_of_nodes(
    inside, embed_model_of, pictures, way, awaited
):
    """Core's `__call__` embeds the text and metadata around a picture."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    nodes = [
        ImageNode(id_=RED, image_path=str(pictures["red"]), metadata={"file_name": "a.png"}),
        ImageNode(id_=GREEN, image_path=str(pictures["green"]), metadata={"file_name": "a.png"}),
        TextNode(id_=RENT, text="office rent"),
    ]
    pipeline = IngestionPipeline(transformations=[embed_model])

    done = []
    for node in nodes:  # one run each: core's cache must not take one picture for the other
        if way == "pipeline":
            done.extend(await run(pipeline, [node], awaited))
        else:
            done.extend(await embed_model.acall([node]) if awaited else embed_model([node]))

    assert [embed_model.get_image_embedding(str(pictures[name])) for name in ("red", "green")] == [
        node.embedding for node in done[:2]
    ]
    assert ["office rent"] == inside.emulator.ledger.texts
    assert [node.embedding for node in nodes] == [node.embedding for node in done]


@EACH_MODE
@pytest.mark.parametrize("kind", [ArkMultiModalEmbedding, DashScopeMultiModalEmbedding])
async def test_what_a_splitter_left_of_a_picture_is_refused_and_not_embedded_as_its_metadata(
    inside, embed_model_of, pictures, kind, awaited
):
    document = Document(
        image_resource=MediaResource(path=pictures["red"]), metadata={"file_name": "a.png"}, id_=RED
    )
    model = embed_model_of(kind, inside)
    pipeline = IngestionPipeline(transformations=[SentenceSplitter(), model])

    with pytest.raises(InputError, match=r"has no text, image or video; a node parser keeps only text"):
        await run(pipeline, [document], awaited)
    assert 0 == len(inside.emulator.ledger)


@EACH_MODE
async def test_pictures_are_embedded_as_transformations_of_an_index(
    inside, embed_model_of, pictures, awaited
):
    model = embed_model_of(ArkMultiModalEmbedding, inside)
    document = ImageDocument(image_path=str(pictures["red"]), metadata={"file_name": "a.png"})

    VectorStoreIndex.from_documents(
        [document],
        embed_model=model,
        transformations=[MultiModalNodeEmbedder(embed_model=model)],
        storage_context=StorageContext.from_defaults(),
        use_async=awaited,
    )

    assert [["image_url"]] == [
        [part["type"] for part in request.body["input"]] for request in inside.emulator.ledger
    ]


@EACH_MODE
async def test_a_captioned_picture_is_not_served_from_a_run_over_the_caption(
    inside, embed_model_of, pictures, awaited
):
    pipeline = IngestionPipeline(transformations=[embed_model_of(ArkMultiModalEmbedding, inside)])

    await run(pipeline, [TextNode(text="a chair")], awaited)
    (done,) = await run(pipeline, [ImageNode(text="a chair", image_path=str(pictures["red"]))], awaited)

    assert isinstance(done, ImageNode)
    assert ["text", "image_url"] == [part["type"] for part in inside.emulator.ledger[-1].body["input"]]


@EACH_MODE
async def test_a_text_model_refuses_a_picture_and_names_its_node(inside, embed_model_of, pictures, awaited):
    pipeline = IngestionPipeline(
        transformations=[embed_model_of(DashScopeMultiModalEmbedding, inside, model=V4)]
    )
    nodes = [ImageNode(id_=RED, text="a chair", image_path=str(pictures["red"]))]

    # Which of the parts of the node it is has no number that the caller knows.
    with pytest.raises(InputError, match=f"^node {RED}: {V4} embeds text, not image"):
        await run(pipeline, nodes, awaited)
    assert 0 == len(inside.emulator.ledger)


@EACH_MODE
async def test_cores_cache_still_serves_texts_of_a_text_model(inside, embed_model_of, awaited):
    pipeline = IngestionPipeline(
        transformations=[embed_model_of(DashScopeMultiModalEmbedding, inside, model=V4)]
    )

    for _ in range(2):
        await run(pipeline, [TextNode(text="a chair")], awaited)

    assert 1 == len(inside.emulator.ledger)


@EACH_MODE
@pytest.mark.parametrize("kind", ["ImageNode", "ImageDocument", "Node"])
async def test_an_index_refuses_the_fingerprint_in_the_place_of_a_picture(
    inside, embed_model_of, pictures, kind, awaited
):
    """An index hands the embedding texts only: here the line that keeps the node from being empty."""
    path = pictures["red"]
    made: dict[str, Any] = {
        "ImageNode": ImageNode(image_path=str(path)),
        "ImageDocument": ImageDocument(image_path=str(path)),
        "Node": Node(image_resource=MediaResource(path=path), metadata={"shop": "north"}),
    }
    index = VectorStoreIndex(
        [],
        embed_model=embed_model_of(ArkMultiModalEmbedding, inside),
        storage_context=StorageContext.from_defaults(),
        use_async=awaited,
    )

    with pytest.raises(InputError, match="MultiModalNodeEmbedder"):
        index.insert_nodes(fingerprint([made[kind]]))
    assert 0 == len(inside.emulator.ledger)


HELD = {
    "audio": (
        Node(text_resource=MediaResource(text="x"), audio_resource=MediaResource(url="https://h/a.mp3")),
        "audio",
    ),
    "text file": (
        Node(
            text_resource=MediaResource(url="https://h/a.txt"),
            image_resource=MediaResource(url="https://h/a.png"),
        ),
        "text that was not loaded",
    ),
    "text of a picture": (
        Node(image_resource=MediaResource(url="https://h/a.png", text="a chair")),
        "the text of its image resource",
    ),
}


@EACH_MODE
@pytest.mark.parametrize("whole", [False, True], ids=["embedding", "node embedder"])
@pytest.mark.parametrize(("node", "left"), HELD.values(), ids=HELD)
async def test_what_a_node_holds_and_is_not_embedded_is_said(
    inside, embed_model_of, caplog, node, left, whole, awaited
):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    embedder = MultiModalNodeEmbedder(embed_model=embed_model) if whole else embed_model

    (done,) = await embedder.acall([node]) if awaited else embedder([node])

    assert left == done.metadata["not_embedded"]
    assert left in caplog.text
    assert (
        node.get_content(metadata_mode="embed")
        == done.get_content(metadata_mode="embed").split("media_sha256")[0]
    )


def test_a_skipped_node_is_logged(inside, embed_model_of, caplog):
    skipping = MultiModalNodeEmbedder(
        embed_model=embed_model_of(ArkMultiModalEmbedding, inside), on_error="skip"
    )

    skipping([ImageNode(id_=BLUE, image_path="no-such.png")])

    assert f"left out: node {BLUE}" in caplog.text
