"""Queries are seen by callbacks, dispatcher and spans as documents are, and what an LLM reads of them is words."""

from __future__ import annotations

import copy
import pickle
from typing import Any, ClassVar

import pytest
from canary import KEY
from li_recorder import EventRecorder, recorded
from li_samples import GREEN, RED, samples
from listener import Listener
from llama_index.core import Settings, VectorStoreIndex
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.embeddings.loading import load_embed_model
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import QueryFusionRetriever, RouterRetriever
from llama_index.core.schema import TextNode
from llama_index.core.selectors import EmbeddingSingleSelector, LLMSingleSelector
from llama_index.core.tools import RetrieverTool, ToolMetadata
from llama_index.vector_stores.qdrant import QdrantVectorStore
from paintings import data_uri, painted
from pydantic import Field
from qdrant_client import QdrantClient
from samples import LLAMA_INDEX, V4, settings_of

from llama_index_ext import (
    ArkMultiModalEmbedding,
    ArkSparseEmbedding,
    DashScopeMultiModalEmbedding,
    DashScopeSparseEmbedding,
    MultiModalNodeEmbedder,
    UsageCountingHandler,
    aquery_bundle,
    milvus_sparse_function,
    qdrant_sparse_fns,
    query_bundle,
)
from volc_dashscope import Fused, Image, InputError, Video
from volc_dashscope.inputs import label

EACH_MODE = pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
VIDEO = "https://example.com/cat.mp4"


class Spans(SimpleSpanHandler):
    """Keeps the arguments of every span, which the simple handler drops."""

    seen: ClassVar[list[Any]] = []

    def new_span(self, id_: str, bound_args: Any, **kwargs: Any) -> Any:
        self.seen.append((id_, str(bound_args.arguments)))
        return super().new_span(id_=id_, bound_args=bound_args, **kwargs)


class Watch:
    """Records core's callbacks, dispatcher events and spans."""

    def __init__(self, recorder: EventRecorder) -> None:
        self.recorder = recorder
        self.callbacks = Listener(CBEventType.EMBEDDING)
        self.manager = CallbackManager([self.callbacks])
        self.spans = Spans()

    @property
    def events(self) -> list[str]:
        return [type(event).__name__ for event in self.recorder.events]

    @property
    def chunks(self) -> list[list[str]]:
        return [payload[EventPayload.CHUNKS] for payload in self.callbacks.heard[1::2]]

    def everything(self) -> str:
        return f"{self.callbacks.heard} {self.recorder.events} {Spans.seen}"


@pytest.fixture
def watch(monkeypatch):
    with recorded("Embedding") as recorder:
        root, one = get_dispatcher(), Watch(recorder)
        Spans.seen.clear()
        root.add_span_handler(one.spans)
        before = Settings.callback_manager
        Settings.callback_manager = one.manager
        yield one
        Settings.callback_manager = before
        root.span_handlers.remove(one.spans)


def data() -> str:
    return data_uri(painted())


async def asked(awaited: bool, embed_model: Any, text: str | None = None, **media: Any) -> Any:
    return (
        await aquery_bundle(text, embed_model=embed_model, **media)
        if awaited
        else query_bundle(text, embed_model=embed_model, **media)
    )


QUERIES = {
    "text": ({"text": "a chair"}, "a chair"),
    "picture": ({"image": data()}, label(Image.from_url(data()))),
    "video": ({"video": VIDEO}, label(Video.from_url(VIDEO))),
    "both": ({"text": "a chair", "image": data()}, label(Fused("a chair", Image.from_url(data())))),
}


@EACH_MODE
@pytest.mark.parametrize(("given", "called"), QUERIES.values(), ids=QUERIES)
async def test_a_query_bundle_is_announced_like_a_document(
    inside, embed_model_of, watch, given, called, awaited
):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, callback_manager=watch.manager)

    bundle = await asked(awaited, embed_model, **given)

    assert ["EmbeddingStartEvent", "EmbeddingEndEvent"] == watch.events
    assert [[bundle.embedding]] == [
        payload[EventPayload.EMBEDDINGS] for payload in watch.callbacks.heard[1::2]
    ]
    assert [[called]] == watch.chunks
    assert ["ArkMultiModalEmbedding.embed"] == [id_.split("-")[0] for id_, _ in Spans.seen]


@EACH_MODE
async def test_embed_items_is_announced_once_with_labels(inside, embed_model_of, watch, awaited):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, callback_manager=watch.manager)
    picture = Image.from_bytes(painted())
    items = ["a chair", picture, Fused("a chair", picture), Video.from_url(VIDEO)]

    result = await embed_model.aembed_items(items) if awaited else embed_model.embed_items(items)

    assert ["EmbeddingStartEvent", "EmbeddingEndEvent"] == watch.events
    assert (4, result.vectors.tolist()) == (len(watch.chunks[0]), watch.recorder.events[-1].embeddings)
    assert 1 == len(Spans.seen)


@EACH_MODE
async def test_items_that_failed_are_not_in_an_event(inside, embed_model_of, watch, awaited):
    embed_model = embed_model_of(
        ArkMultiModalEmbedding, inside, callback_manager=watch.manager, max_concurrency=1, max_retries=0
    )
    inside.emulator.fail(None, "500")

    if awaited:
        await embed_model.aembed_items(["a", "b", "c"], on_error="skip")
    else:
        embed_model.embed_items(["a", "b", "c"], on_error="skip")

    assert [["a", "c"]] == watch.chunks
    assert 2 == len(watch.recorder.events[-1].embeddings)


async def test_texts_of_core_are_still_announced_once(inside, embed_model_of, watch):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, callback_manager=watch.manager)

    embed_model.get_text_embedding("a")
    embed_model.get_query_embedding("b")
    await embed_model.aget_text_embedding_batch(["c"])
    await embed_model.aget_query_embedding("d")

    assert [["a"], ["b"], ["c"], ["d"]] == watch.chunks


@EACH_MODE
@pytest.mark.parametrize("kind", [ArkSparseEmbedding, DashScopeSparseEmbedding])
async def test_sparse_classes_raise_callbacks_events_and_spans(inside, embed_model_of, watch, kind, awaited):
    sparse = embed_model_of(kind, inside)

    if awaited:
        await sparse.aget_query_embedding("chair")
        await sparse.aget_text_embedding_batch(["lamp"])
    else:
        sparse.get_query_embedding("chair")
        sparse.get_text_embedding_batch(["lamp"])

    assert [["chair"], ["lamp"]] == watch.chunks
    assert ["SparseEmbeddingStartEvent", "SparseEmbeddingEndEvent"] * 2 == watch.events
    names = {id_.split("-")[0].rpartition(".")[2].removeprefix("a") for id_, _ in Spans.seen}
    assert {"get_query_embedding", "get_text_embedding_batch"} <= names


async def test_sparse_functions_raise_callbacks_events_and_spans(inside, embed_model_of, watch):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, callback_manager=watch.manager)
    documents, queries = qdrant_sparse_fns(embed_model)
    milvus = milvus_sparse_function(embed_model)

    documents(["one"])
    queries(["two"])
    milvus.encode_documents(["three"])
    await milvus.async_encode_queries(["four"])

    assert [["one"], ["two"], ["three"], ["four"]] == watch.chunks
    assert ["SparseEmbeddingStartEvent", "SparseEmbeddingEndEvent"] * 4 == watch.events
    assert 4 == len(Spans.seen)


@EACH_MODE
async def test_no_event_or_span_of_a_query_holds_bytes_or_the_key(inside, embed_model_of, watch, awaited):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, callback_manager=watch.manager)

    for image in (data(), painted(), Image.from_bytes(painted())):
        await asked(awaited, embed_model, image=image)

    logged = watch.everything()
    assert "base64," not in logged
    assert repr(painted()[:20])[2:-1] not in logged
    assert KEY not in logged


def test_a_query_that_is_written_down_holds_no_bytes(inside, embed_model_of):
    """A tracer may write the query itself; its vector is enough to retrieve by it again."""
    query = query_bundle(
        "a chair", image=painted(), embed_model=embed_model_of(ArkMultiModalEmbedding, inside)
    )

    written = query.to_json()
    again = type(query).from_json(written)

    assert "parts" not in query.to_dict()
    assert len(written) < 30 * len(query.embedding)
    assert ("a chair", query.embedding, ()) == (again.query_str, again.embedding, again.parts)


@EACH_MODE
async def test_a_failed_query_drops_its_span(inside, embed_model_of, watch, awaited):
    embed_model = embed_model_of(
        ArkMultiModalEmbedding, inside, callback_manager=watch.manager, max_retries=0
    )
    inside.emulator.fail("500")

    with pytest.raises(Exception, match="500"):
        await asked(awaited, embed_model, "a chair")

    assert 1 == len(watch.spans.dropped_spans)
    assert 2 == len(watch.callbacks.heard)


@EACH_MODE
@pytest.mark.parametrize("kind", LLAMA_INDEX)
async def test_the_usage_counter_counts_what_was_billed(inside, embed_model_of, pictures, kind, awaited):
    embed_model = embed_model_of(kind, inside, cache={})
    counter = UsageCountingHandler(embed_model, tokenizer=str.split)
    embed_model.callback_manager = CallbackManager([counter])
    embedder = MultiModalNodeEmbedder(embed_model=embed_model)

    for _ in range(2):  # the second time everything comes from the cache
        await embedder.acall(samples(pictures)) if awaited else embedder(samples(pictures))
        embed_model.get_query_embedding("a chair")
        await asked(awaited, embed_model, image=pictures["red"])

    assert embed_model.usage.total_tokens == counter.total_embedding_token_count > 0
    assert [0, 0, 0] == [event.total_token_count for event in counter.embedding_token_counts[3:]]


@EACH_MODE
@pytest.mark.parametrize("kind", [ArkSparseEmbedding, DashScopeSparseEmbedding])
async def test_the_usage_counter_counts_sparse_vectors(inside, embed_model_of, watch, kind, awaited):
    sparse = embed_model_of(kind, inside)
    counter = UsageCountingHandler(sparse, tokenizer=str.split)
    Settings.callback_manager = CallbackManager([counter])

    if awaited:
        await sparse.aget_query_embedding("chair")
        await sparse.aget_text_embedding_batch(["lamp", "boat"])
    else:
        sparse.get_query_embedding("chair")
        sparse.get_text_embedding_batch(["lamp", "boat"])

    assert sparse.usage.total_tokens == counter.total_embedding_token_count > 0
    assert 2 == len(counter.embedding_token_counts)


class Fixed(MockLLM):
    """Answers the same whatever it is asked, and remembers what it was asked."""

    answer: str = ""
    asked: list[str] = Field(default_factory=list)

    def __init__(self, answer: str) -> None:
        super().__init__()
        self.answer = answer

    def complete(self, prompt: str, *args: Any, **kwargs: Any) -> Any:
        from llama_index.core.llms import CompletionResponse

        self.asked.append(prompt)
        return CompletionResponse(text=self.answer)

    async def acomplete(self, prompt: str, *args: Any, **kwargs: Any) -> Any:
        return self.complete(prompt)


def readers(index: VectorStoreIndex) -> dict[str, tuple[Any, Fixed]]:
    """Return whatever in core reads the words of a query, with the LLM it asks."""
    plain = index.as_retriever(similarity_top_k=1)
    fusing, choosing, answering = (
        Fixed("chair"),
        Fixed('[{"choice": 1, "reason": "r"}]'),
        Fixed("yes"),
    )
    return {
        "fusion": (QueryFusionRetriever([plain], llm=fusing, num_queries=2, use_async=False), fusing),
        "router": (
            RouterRetriever(
                LLMSingleSelector.from_defaults(llm=choosing),
                [RetrieverTool.from_defaults(plain, description=name) for name in ("pictures", "notes")],
                llm=choosing,
            ),
            choosing,
        ),
        "query engine": (RetrieverQueryEngine.from_args(plain, llm=answering), answering),
    }


READERS = ("fusion", "router", "query engine")


def pictures_index(embed_model: Any, pictures: Any) -> VectorStoreIndex:
    return VectorStoreIndex(
        MultiModalNodeEmbedder(embed_model=embed_model)(samples(pictures)), embed_model=embed_model
    )


async def put(reader: Any, query: Any, awaited: bool) -> Any:
    if hasattr(reader, "retrieve") and not isinstance(reader, RetrieverQueryEngine):
        return await reader.aretrieve(query) if awaited else reader.retrieve(query)
    return (await reader.aquery(query) if awaited else reader.query(query)).source_nodes


@EACH_MODE
@pytest.mark.parametrize("name", READERS)
async def test_a_picture_without_words_is_refused_where_an_llm_would_read_it(
    inside, embed_model_of, pictures, name, awaited
):
    """From an empty text the LLM invents queries, a route or an answer."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    reader, llm = readers(pictures_index(embed_model, pictures))[name]
    query = await asked(awaited, embed_model, image=pictures["red"])

    with pytest.raises(InputError, match="question="):
        await put(reader, query, awaited)
    assert [] == llm.asked


@EACH_MODE
@pytest.mark.parametrize("name", READERS)
async def test_a_question_is_read_by_the_llm_and_not_embedded(
    inside, embed_model_of, pictures, name, awaited
):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    reader, llm = readers(pictures_index(embed_model, pictures))[name]
    inside.emulator.ledger.clear()

    query = await asked(awaited, embed_model, image=pictures["red"], question="Which chair is this?")
    found = await put(reader, query, awaited)

    assert RED in [hit.node.node_id for hit in found]
    assert ["Which chair is this?" in prompt for prompt in llm.asked] == [True]
    assert "Which chair is this?" not in inside.emulator.ledger.texts


@EACH_MODE
async def test_an_llm_that_repeats_the_question_does_not_hide_the_picture(
    inside, embed_model_of, pictures, awaited
):
    """Core keeps the hits of each query under its words."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    retriever = pictures_index(embed_model, pictures).as_retriever(similarity_top_k=1)
    reader = QueryFusionRetriever([retriever], llm=Fixed("a lamp"), num_queries=2, use_async=False)
    query = await asked(awaited, embed_model, image=pictures["red"], question="a lamp")

    found = await put(reader, query, awaited)

    assert RED in [hit.node.node_id for hit in found]
    assert "a lamp" == query.query_str


@EACH_MODE
@pytest.mark.parametrize("question", [None, "Which chair is this?"])
async def test_a_reader_that_embeds_the_words_of_a_picture_asks_for_text(
    inside, embed_model_of, pictures, question, awaited
):
    """A question is for LLMs: with one, the error must not ask for it."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    selector = EmbeddingSingleSelector(embed_model)
    choices = [ToolMetadata(description=words, name=words) for words in ("red chairs", "blue notes")]
    query = await asked(awaited, embed_model, image=pictures["red"], question=question)

    with pytest.raises(InputError, match="text=") as caught:
        await selector.aselect(choices, query) if awaited else selector.select(choices, query)
    assert "question=..." not in str(caught.value)


@EACH_MODE
async def test_an_embedding_selector_chooses_by_the_text_beside_a_picture(
    inside, embed_model_of, pictures, awaited
):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    selector = EmbeddingSingleSelector(embed_model)
    choices = [ToolMetadata(description=words, name=words) for words in ("blue notes", "red chairs")]
    query = await asked(awaited, embed_model, "red chairs", image=pictures["red"], question="Which?")

    chosen = await selector.aselect(choices, query) if awaited else selector.select(choices, query)

    assert 1 == chosen.ind


@EACH_MODE
async def test_a_picture_without_words_finds_pictures(inside, embed_model_of, pictures, awaited):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    retriever = pictures_index(embed_model, pictures).as_retriever(similarity_top_k=1)

    for given in (None, "Which one?"):
        query = await asked(awaited, embed_model, image=pictures["green"], question=given)
        found = await retriever.aretrieve(query) if awaited else retriever.retrieve(query)

        assert [GREEN] == [hit.node.node_id for hit in found]


@EACH_MODE
@pytest.mark.parametrize("text", [None, "lamp"])
async def test_a_question_is_not_in_the_sparse_half(inside, embed_model_of, pictures, text, awaited):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    documents, queries = qdrant_sparse_fns(embed_model)
    store = QdrantVectorStore(
        "notes",
        client=QdrantClient(":memory:"),
        enable_hybrid=True,
        sparse_doc_fn=documents,
        sparse_query_fn=queries,
    )
    index = VectorStoreIndex.from_vector_store(store, embed_model=embed_model)
    index.insert_nodes([TextNode(text="a lamp"), TextNode(text="a chair")])
    inside.emulator.ledger.clear()

    query = await asked(awaited, embed_model, text, image=pictures["red"], question="Which chair?")
    index.as_retriever(vector_store_query_mode="hybrid").retrieve(query)

    assert [text] * bool(text) == [
        found for found in inside.emulator.ledger.texts if found != "lamp" or text
    ][-1:]
    assert "Which chair?" not in inside.emulator.ledger.texts


@pytest.mark.parametrize("way", [copy.deepcopy, lambda query: pickle.loads(pickle.dumps(query))])
def test_a_query_can_be_copied_and_printed(inside, embed_model_of, pictures, way):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)

    for question in (None, "Which?"):
        query = query_bundle(image=pictures["red"], question=question, embed_model=embed_model)
        twin = way(query)

        assert (query.embedding, question or "") == (twin.embedding, twin.query_str)
        assert repr(question or "") in repr(twin)


@EACH_MODE
@pytest.mark.parametrize("kind", LLAMA_INDEX)
async def test_videos_have_their_calls(inside, embed_model_of, kind, awaited):
    embed_model = embed_model_of(kind, inside)
    expected = embed_model.embed_items([Video.from_url(VIDEO)]).vectors.tolist()

    if awaited:
        one = await embed_model.aget_video_embedding(VIDEO)
        many = await embed_model.aget_video_embeddings([VIDEO, Video.from_url(VIDEO)])
    else:
        one, many = embed_model.get_video_embedding(VIDEO), embed_model.get_video_embeddings([VIDEO] * 2)

    assert (expected[0], expected * 2) == (one, many)


@EACH_MODE
async def test_videos_are_a_list_inside_the_fence(inside, embed_model_of, pictures, tmp_path, awaited):
    (tmp_path / "in").mkdir()
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, media_root=str(tmp_path / "in"))

    for given in (VIDEO, [str(pictures["cat"])]):
        with pytest.raises(InputError, match=r"must be a list|outside root"):
            await embed_model.aget_video_embeddings(given) if awaited else embed_model.get_video_embeddings(
                given
            )
    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("kind", LLAMA_INDEX)
def test_core_loads_an_embedding_from_its_dict(monkeypatch, kind):
    monkeypatch.setenv(f"{kind.provider_name.upper()}_API_KEY", "sk-another")
    embed_model = kind(api_key=KEY, dimensions=1024)

    twin = load_embed_model(embed_model.to_dict())

    assert (kind, settings_of(embed_model)) == (type(twin), settings_of(twin))


@pytest.mark.parametrize("whole", [False, True], ids=["embedding", "node embedder"])
def test_a_dict_as_cache_is_said_not_to_reach_other_processes(whole):
    embed_model = DashScopeMultiModalEmbedding(api_key=KEY, model=V4, cache={})
    component = MultiModalNodeEmbedder(embed_model=embed_model) if whole else embed_model

    with pytest.warns(UserWarning, match="SQLiteCache"):
        pickle.dumps(component)
    copy.deepcopy(component)
