"""`DashScopeRerank` for LlamaIndex: any node, in a query engine, announced, with media as labels."""

from __future__ import annotations

import asyncio
import base64
from functools import partial

import pytest
from canary import KEY
from li_recorder import recorded
from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.llms import MockLLM
from llama_index.core.schema import ImageNode, MediaResource, Node, NodeWithScore, QueryBundle, TextNode
from paintings import painted

from llama_index_ext import ArkMultiModalEmbedding, DashScopeRerank, query_bundle
from volc_dashscope import InputError
from volc_dashscope.emulator import Emulator

TEXTS = ["a green forest", "a blue sea view", "red shoes"]


@pytest.fixture
def emulator(inside):
    return inside.emulator


@pytest.fixture
def rerank(inside):
    return partial(DashScopeRerank, **inside.settings("dashscope"))


@pytest.fixture(params=["sync", "async"])
def process(request):
    """Return a function that postprocesses by either method."""
    if request.param == "sync":
        return lambda made, nodes, **query: made.postprocess_nodes(nodes, **query)
    return lambda made, nodes, **query: asyncio.run(made.apostprocess_nodes(nodes, **query))


def found(*nodes):
    return [NodeWithScore(node=node, score=0.1) for node in nodes]


def texts():
    return found(*[TextNode(text=text, id_=str(at)) for at, text in enumerate(TEXTS)])


def picture(colour, **fields):
    return ImageNode(image=base64.b64encode(painted(colour)).decode(), id_=colour, **fields)


def test_nodes_come_back_best_first_as_themselves(rerank, process):
    nodes = texts()

    best = process(rerank(top_n=2), nodes, query_str="a blue sea")

    assert nodes[1].node is best[0].node
    assert best[0].score > best[1].score
    assert [0.1] * 3 == [one.score for one in nodes]


def test_a_picture_is_ranked_by_what_it_shows(rerank, process, emulator):
    nodes = found(picture("red"), picture("blue", text="a caption"), TextNode(text="something else"))

    best = process(rerank(top_n=1), nodes, query_str="blue")

    assert "blue" == best[0].node.node_id
    assert [{"image"}, {"image"}] == [set(one) for one in emulator.ledger[0].body["input"]["documents"][:2]]


def test_a_node_of_media_alone_is_ranked(rerank, process, emulator):
    node = Node(image_resource=MediaResource(url="https://e.com/red-shoe.png"))

    process(rerank(), found(node), query_str="red")

    assert [{"image": "https://e.com/red-shoe.png"}] == emulator.ledger[0].body["input"]["documents"]


def test_a_text_model_ranks_the_text_of_a_picture_and_refuses_a_bare_one(rerank, process, emulator):
    made = rerank(model="qwen3-rerank")
    process(made, found(picture("red", text="a red square")), query_str="red")

    with pytest.raises(InputError, match="document 0"):
        process(made, found(picture("red")), query_str="red")
    assert [["a red square"]] == [entry.body["input"]["documents"] for entry in emulator.ledger]


def test_a_picture_may_be_the_query(rerank, process, tmp_path):
    path = tmp_path / "blue.png"
    path.write_bytes(painted("blue"))
    nodes = found(picture("red"), picture("blue"))

    best = process(rerank(top_n=1), nodes, query_bundle=QueryBundle("", image_path=str(path)))

    assert "blue" == best[0].node.node_id


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("abc", "nodes must be a list, got one str"),
        ({"node": 1}, "nodes must be a list, got one dict"),
        (found(TextNode(text="a"))[0], "nodes must be a list, got one NodeWithScore"),
        ([TextNode(text="a")], "document 0: expected NodeWithScore, got TextNode"),
        ([*found(TextNode(text="a")), "abc"], "document 1: expected NodeWithScore, got str"),
    ],
    ids=["text", "dict", "node", "bare node", "text in a list"],
)
def test_what_is_no_list_of_nodes_is_refused_before_anything_is_sent(rerank, process, emulator, given, words):
    with pytest.raises(InputError, match=words):
        process(rerank(model="qwen3-rerank"), given, query_str="sea")

    assert [] == list(emulator.ledger)


def test_a_query_bundle_ranks_by_its_picture_and_an_llm_reads_its_question(rerank, process, emulator):
    with Emulator() as other:
        model = ArkMultiModalEmbedding(api_key=KEY, base_url=other.ark_url)
        bundle = query_bundle(image=painted("blue"), question="What is this?", embed_model=model)

    best = process(rerank(top_n=1), found(picture("red"), picture("blue")), query_bundle=bundle)

    assert "blue" == best[0].node.node_id
    assert ["image"] == list(emulator.ledger[0].body["input"]["query"])
    assert "What is this?" == bundle.query_str


def test_a_query_of_text_and_picture_is_refused(rerank, process, emulator):
    bundle = QueryBundle("a shoe", image_path="https://e.com/a.png")

    with pytest.raises(InputError, match="accepts one text, image or video"):
        process(rerank(), texts(), query_bundle=bundle)
    assert [] == list(emulator.ledger)


@pytest.mark.parametrize("query", [{}, {"query_str": ""}], ids=["none", "empty"])
def test_a_query_is_needed(rerank, process, query):
    with pytest.raises(InputError, match="query"):
        process(rerank(), texts(), **query)


def test_nothing_found_needs_no_request(rerank, process, emulator):
    assert [] == process(rerank(), [], query_str="a")
    assert [] == list(emulator.ledger)


def test_it_works_in_a_query_engine(rerank, emulator):
    index = VectorStoreIndex([one.node for one in texts()], embed_model=MockEmbedding(8))
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=3, node_postprocessors=[rerank(top_n=1)])

    reply = engine.query("a blue sea")

    assert ["a blue sea view"] == [one.node.text for one in reply.source_nodes]
    assert 1 == len(emulator.ledger)


def test_both_event_systems_hear_labels_and_no_bytes(rerank):
    debug = LlamaDebugHandler(print_trace_on_end=False)
    with recorded() as recorder:
        made = rerank(top_n=1)
        made.callback_manager = CallbackManager([debug])
        made.postprocess_nodes(found(picture("red"), TextNode(text="blue")), query_str="blue")

    kinds = [type(event) for event in recorder.events if isinstance(event, ReRankStartEvent | ReRankEndEvent)]
    data = base64.b64encode(painted("red")).decode()[:40]
    assert [ReRankStartEvent, ReRankEndEvent] == kinds
    assert 1 == len(debug.get_event_pairs(CBEventType.RERANKING))
    assert [] == [event for event in recorder.events if data in event.model_dump_json()]


def test_the_key_is_in_no_dump():
    made = DashScopeRerank(api_key=KEY, model="qwen3-rerank")

    assert "DashScopeRerank" == made.to_dict()["class_name"]
    assert [] == [text for text in (repr(made), str(made.to_dict()), repr(vars(made))) if KEY in text]
