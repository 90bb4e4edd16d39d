"""`ArkMultiModalEmbedding` and `DashScopeMultiModalEmbedding`."""

from __future__ import annotations

import asyncio
import pickle
from io import BytesIO
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest
from canary import KEY
from llama_index.core import Settings, VectorStoreIndex
from llama_index.core.embeddings import MultiModalEmbedding
from llama_index.core.schema import TextNode
from paintings import data_uri, painted
from samples import ARK, LLAMA_INDEX, PICTURE_URL, V4, VL, picture, settings_of

from llama_index_ext import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding
from volc_dashscope import ConfigError, Image, InputError, get_model_info

HOOKS = {
    "_get_query_embedding": ("query", "one"),
    "_aget_query_embedding": ("query", "one"),
    "_get_text_embedding": ("document", "one"),
    "_aget_text_embedding": ("document", "one"),
    "_get_text_embeddings": ("document", "many"),
    "_aget_text_embeddings": ("document", "many"),
    "_get_image_embedding": ("image", "one"),
    "_aget_image_embedding": ("image", "one"),
    "_get_image_embeddings": ("image", "many"),
    "_aget_image_embeddings": ("image", "many"),
}
TEXTS = [f"text {number}" for number in range(64)]


async def _await(made: Any) -> Any:
    return await made if asyncio.iscoroutine(made) else made


@pytest.mark.parametrize("kind", LLAMA_INDEX)
@pytest.mark.parametrize(
    ("hook", "role", "number"), [(hook, *what) for hook, what in HOOKS.items()], ids=list(HOOKS)
)
async def test_each_hook_gives_what_the_core_gives(inside, embed_model_of, kind, hook, role, number):
    embed_model, client = embed_model_of(kind, inside), inside.client(kind.model_fields["model_name"].default)
    given = [data_uri(painted("red")), data_uri(painted("blue"))] if role == "image" else ["red", "blue"]
    items = [Image.from_url(uri) for uri in given] if role == "image" else given
    expected = client.embed(items, text_type="query" if role == "query" else "document").vectors.tolist()

    actual = await _await(getattr(embed_model, hook)(given if number == "many" else given[1]))

    assert (expected if number == "many" else expected[1]) == actual


@pytest.mark.parametrize("kind", LLAMA_INDEX)
def test_every_hook_of_the_base_class_is_our_own(kind):
    """A default of the base class would loop over items, one request at a time."""
    assert issubclass(kind, MultiModalEmbedding)
    assert [] == [hook for hook in HOOKS if getattr(kind, hook) is getattr(MultiModalEmbedding, hook)]


@pytest.mark.parametrize("kind", LLAMA_INDEX)
@pytest.mark.parametrize("method", ["get_text_embedding_batch", "get_image_embedding_batch"])
def test_nothing_in_is_nothing_out_and_no_request(inside, embed_model_of, kind, method):
    assert [] == getattr(embed_model_of(kind, inside), method)([])
    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("kind", LLAMA_INDEX)
def test_vectors_are_python_floats_in_order(inside, embed_model_of, kind):
    embed_model = embed_model_of(kind, inside)

    rows = embed_model.get_text_embedding_batch(TEXTS[:30])

    assert rows == [embed_model.get_text_embedding(text) for text in TEXTS[:30]]
    assert {float} == {type(number) for row in rows for number in row}


@pytest.mark.parametrize("socket", [False, True], ids=["in-process", "socket"])
def test_the_sync_path_overlaps_requests(emulate, embed_model_of, socket):
    mount = emulate(latency=0.05, socket=socket)
    embed_model = embed_model_of(ArkMultiModalEmbedding, mount, max_concurrency=4)

    embed_model.get_text_embedding_batch(TEXTS)

    assert (64, 4) == (len(mount.emulator.ledger), mount.emulator.ledger.in_flight_max)


async def test_the_async_path_keeps_to_max_concurrency_over_all_batches(emulate, embed_model_of):
    mount = emulate(latency=0.02)
    embed_model = embed_model_of(ArkMultiModalEmbedding, mount, max_concurrency=4, embed_batch_size=8)

    rows = await embed_model.aget_text_embedding_batch(TEXTS)

    assert 64 == len({tuple(row) for row in rows})
    assert 4 == mount.emulator.ledger.in_flight_max


@pytest.mark.parametrize(
    ("kind", "model", "concurrency", "expected"),
    [
        pytest.param(ArkMultiModalEmbedding, ARK, 8, 4 * 1 * 8, id="one item a request"),
        pytest.param(DashScopeMultiModalEmbedding, V4, 8, 4 * 10 * 8, id="ten"),
        pytest.param(DashScopeMultiModalEmbedding, VL, 2, 4 * 20 * 2, id="twenty, two at once"),
        pytest.param(DashScopeMultiModalEmbedding, VL, 100, 2048, id="core's limit"),
    ],
)
def test_the_default_batch_size_lets_requests_overlap(kind, model, concurrency, expected):
    assert expected == kind(api_key=KEY, model=model, max_concurrency=concurrency).embed_batch_size


def test_a_smaller_batch_size_is_honoured(emulate, embed_model_of):
    mount = emulate(latency=0.02)
    embed_model = embed_model_of(ArkMultiModalEmbedding, mount, embed_batch_size=2)

    embed_model.get_text_embedding_batch(TEXTS[:8])

    assert 2 == embed_model.embed_batch_size
    assert 2 == mount.emulator.ledger.in_flight_max


def test_a_batch_size_set_later_is_honoured(emulate, embed_model_of):
    mount = emulate(latency=0.02)
    embed_model = embed_model_of(ArkMultiModalEmbedding, mount)
    embed_model.embed_batch_size = 2

    embed_model.get_text_embedding_batch(TEXTS[:8])

    assert 2 == mount.emulator.ledger.in_flight_max


@pytest.mark.parametrize("kind", LLAMA_INDEX)
@pytest.mark.parametrize("form", ["str", "Path", "data URI", "BytesIO", "bytes", "bytearray", "PIL", "Image"])
def test_an_image_may_come_in_any_form_core_hands_over(inside, embed_model_of, red_png, kind, form):
    forms = {
        "str": str(red_png),
        "Path": red_png,
        "data URI": data_uri(painted()),
        "BytesIO": BytesIO(painted()),
        "bytes": painted(),
        "bytearray": bytearray(painted()),
        "PIL": picture(),
        "Image": Image.from_bytes(painted()),
    }
    embed_model = embed_model_of(kind, inside)

    assert embed_model.get_image_embedding(data_uri(painted())) == embed_model.get_image_embedding(
        forms[form]
    )


def test_a_stream_that_was_read_is_taken_whole(inside, embed_model_of):
    stream = BytesIO(painted())
    stream.read()

    assert 2048 == len(embed_model_of(ArkMultiModalEmbedding, inside).get_image_embedding(stream))


@pytest.mark.parametrize("scheme", ["https", "oss"])
def test_a_url_is_sent_and_not_opened(inside, embed_model_of, audit, scheme):
    url = PICTURE_URL if scheme == "https" else inside.emulator.publish("a.png", painted())

    embed_model_of(DashScopeMultiModalEmbedding, inside).get_image_embedding(url)

    assert [{"image": url}] == inside.emulator.ledger[0].body["input"]["contents"]
    assert [] == [name for name in audit.files_opened if name.endswith(".png")]


def test_what_is_no_image_is_named_by_its_index_before_anything_is_sent(inside, embed_model_of):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)

    with pytest.raises(InputError, match="item 1: expected an image") as caught:
        embed_model.get_image_embedding_batch([PICTURE_URL, 7])

    assert (1, 0) == (caught.value.index, len(inside.emulator.ledger))


def test_media_root_is_a_fence(inside, embed_model_of, red_png, tmp_path):
    (tmp_path / "in").mkdir()
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside, media_root=str(tmp_path / "in"))

    for given in (str(red_png), red_png, str(tmp_path / "in" / ".." / "red.png")):
        with pytest.raises(InputError, match="outside root"):
            embed_model.get_image_embedding(given)
    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("kind", LLAMA_INDEX)
@pytest.mark.parametrize("way", ["dict", "json"])
def test_settings_survive_a_round_trip_without_the_key(monkeypatch, kind, way):
    embed_model = kind(
        api_key=KEY, dimensions=1024, instruct="Find it", embed_batch_size=7, base_url="https://example.com/v"
    )
    monkeypatch.setenv(f"{kind.provider_name.upper()}_API_KEY", "sk-another")

    twin = kind.from_dict(embed_model.to_dict()) if way == "dict" else kind.from_json(embed_model.to_json())

    assert settings_of(embed_model) == settings_of(twin)
    assert (1024, "Find it", 7) == (twin.dimension, twin.instruct, twin.embed_batch_size)


@pytest.mark.parametrize("way", ["dict", "json"])
def test_a_card_of_ones_own_survives_a_round_trip(monkeypatch, way):
    row = get_model_info(ARK).renamed("ep-1")
    monkeypatch.setenv("ARK_API_KEY", "sk-another")
    embed_model = ArkMultiModalEmbedding(model="ep-1", model_info=row)

    kind = ArkMultiModalEmbedding
    twin = kind.from_dict(embed_model.to_dict()) if way == "dict" else kind.from_json(embed_model.to_json())

    assert row == twin.model_info


@pytest.mark.parametrize("kind", LLAMA_INDEX)
def test_the_class_name_is_the_class_s_own(kind):
    assert kind.__name__ == kind.class_name() == kind(api_key=KEY).to_dict()["class_name"]


def test_the_model_goes_by_either_name():
    made = [DashScopeMultiModalEmbedding(api_key=KEY, **{name: V4}) for name in ("model", "model_name")]

    assert [V4, V4] == [embed_model.model_name for embed_model in made]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({"dimensions": 7}, ConfigError, id="dimension"),
        pytest.param({"api_key": ""}, ConfigError, id="key"),
        pytest.param({"model": V4}, ConfigError, id="another service's model"),
        pytest.param({"instruct": " "}, InputError, id="instruct"),
    ],
)
def test_bad_settings_are_errors_of_this_library(settings, expected):
    with pytest.raises(expected) as caught:
        ArkMultiModalEmbedding(**{"api_key": KEY, **settings})

    assert type(caught.value) is expected


@pytest.mark.parametrize("kind", LLAMA_INDEX)
def test_an_index_finds_the_node_that_was_asked_for(inside, embed_model_of, kind):
    nodes = [TextNode(text=text) for text in ("a red shoe", "the blue sea", "a green tree")]
    index = VectorStoreIndex(nodes, embed_model=embed_model_of(kind, inside))

    found = index.as_retriever(similarity_top_k=1).retrieve("green tree")

    assert ["a green tree"] == [hit.node.get_content() for hit in found]


@pytest.mark.parametrize("kind", LLAMA_INDEX)
async def test_an_index_finds_the_node_through_its_async_twins(inside, embed_model_of, kind):
    nodes = [TextNode(text=text) for text in ("a red shoe", "the blue sea", "a green tree")]
    index = VectorStoreIndex(nodes, embed_model=embed_model_of(kind, inside), use_async=False)

    found = await index.as_retriever(similarity_top_k=1).aretrieve("red shoe")

    assert ["a red shoe"] == [hit.node.get_content() for hit in found]


def test_settings_take_it_as_the_embed_model(inside, embed_model_of, monkeypatch):
    embed_model = embed_model_of(ArkMultiModalEmbedding, inside)
    monkeypatch.setattr(Settings, "_embed_model", None)
    Settings.embed_model = embed_model

    index = VectorStoreIndex([TextNode(text="a red shoe")])

    assert embed_model is Settings.embed_model
    assert ["a red shoe"] == [hit.node.get_content() for hit in index.as_retriever().retrieve("shoe")]


def test_the_copy_made_by_pickle_is_apart_from_the_live_object():
    embed_model = ArkMultiModalEmbedding(api_key=KEY, dimensions=1024)
    client = embed_model.__pydantic_private__["_client"]

    twin = pickle.loads(pickle.dumps(embed_model))

    assert (1024, settings_of(embed_model)) == (twin.dimension, settings_of(twin))
    assert client is embed_model.__pydantic_private__["_client"]
    assert client is not twin.__pydantic_private__["_client"]


def _embed_in_worker(embed_model: Any) -> list[list[float]]:
    rows = embed_model.get_text_embedding_batch(["a", "b"])
    embed_model.close()
    return rows


def test_it_works_in_a_spawned_worker(emulate, embed_model_of):
    """`IngestionPipeline(num_workers=...)` sends the embedding to processes made by spawn."""
    embed_model = embed_model_of(ArkMultiModalEmbedding, emulate(socket=True))
    with get_context("spawn").Pool(1) as pool:
        rows = pool.apply(_embed_in_worker, (embed_model,))

    assert np.array_equal(embed_model.get_text_embedding_batch(["a", "b"]), rows)
