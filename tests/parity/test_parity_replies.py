"""The vendors' SDKs read the emulator's replies into their own types, for every model row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from canary import KEY
from capture import Socket
from dashscope.api_entities.dashscope_response import DashScopeAPIResponse
from dashscope.v2.resources.embeddings import Embedding, EmbeddingResponse
from intent_types import DATA, LINK, PICTURE, TEXT, Intent
from intents import INTENTS
from vendors import Vendors
from volcenginesdkarkruntime.types.create_embedding_response import CreateEmbeddingResponse
from volcenginesdkarkruntime.types.multimodal_embedding import (
    MultimodalEmbedding,
    MultimodalEmbeddingResponse,
)

from volc_dashscope import Client
from volc_dashscope.models import list_models

CONTENTS = [{"text": TEXT}, {"image": LINK}]
READ = [
    (intent, api)
    for intent in INTENTS
    for api in intent.apis
    if intent.claim.removeprefix("openai ")
    in ("text", "texts", "fused", "image data uri", "multi images", "video url")
    or any(intent.claim.endswith(f"dimensions {end(intent.model_info.dimensions)}") for end in (min, max))
]


def names(pairs: list[tuple[Intent, str]]) -> list[str]:
    return [f"{intent.model_info.name}-{intent.claim}-{api}".replace(" ", "_") for intent, api in pairs]


def lengths(intent: Intent) -> list[int]:
    """Return the length of every vector that the SDK's calls should bring, by the model's row."""
    row, found = intent.model_info, []
    for said in intent.theirs:
        one = intent.door == "ark.multimodal" or said.get("enable_fusion")
        one = one or (intent.door == "dashscope.media" and row.fusion == "always")
        asked = said.get("dimension") or said.get("dimensions")
        length = asked if row.reduces == "server" and asked else row.default_dimension
        found += [length] * (1 if one else len(said["input"]))
    return found


def vectors(reply: Any) -> list[list[float]]:
    """Return the vectors of a reply as the SDK read them, after a look at the types it made."""
    if isinstance(reply, MultimodalEmbeddingResponse):
        assert isinstance(reply.data, MultimodalEmbedding)
        return [reply.data.embedding]
    if isinstance(reply, CreateEmbeddingResponse):
        assert list(range(len(reply.data))) == [row.index for row in reply.data]
        return [row.embedding for row in reply.data]
    if isinstance(reply, EmbeddingResponse):
        assert all(isinstance(row, Embedding) for row in reply.embeddings)
        assert list(range(len(reply.embeddings))) == [row.index for row in reply.embeddings]
        return [row.embedding for row in reply.embeddings]
    if isinstance(reply, DashScopeAPIResponse):
        assert (200, "", "") == (reply.status_code, reply.code, reply.message)
        rows = reply.output["embeddings"]
        assert list(range(len(rows))) == [row.get("index", row.get("text_index")) for row in rows]
        return [row["embedding"] for row in rows]
    # The openai package, where it is installed.
    return [row.embedding for row in reply.data]


@pytest.mark.parametrize(("intent", "api"), READ, ids=names(READ))
def test_the_sdk_reads_vectors_of_the_rows_length(vendors: Vendors, intent: Intent, api: str) -> None:
    replies = [vendors.call(api, intent.door, said) for said in intent.theirs]
    found = [vector for reply in replies for vector in vectors(reply)]

    assert lengths(intent) == [len(vector) for vector in found]
    assert {float} == {type(number) for vector in found for number in vector}


@pytest.mark.parametrize("name", [row.name for row in list_models() if row.ready and row.endpoint != "async"])
def test_the_sdk_and_we_read_the_same_vectors(socket: Socket, vendors: Vendors, name: str) -> None:
    intent = next(each for each in INTENTS if each.model_info.name == name and each.claim == "texts")
    replies = [vendors.call(intent.apis[0], intent.door, said) for said in intent.theirs]
    expected = np.array([vector for reply in replies for vector in vectors(reply)], dtype=np.float32)
    with Client(name, api_key=KEY, base_url=socket.emulator.url, normalize=False) as client:
        actual = client.embed(intent.items).vectors

    assert np.array_equal(expected, actual)


# The `type` of a vector (same page, 5.2): alone, then fused; "-" where the model has no such vector.
TYPES = {
    "qwen3-vl-embedding": (["vl", "vl"], ["fusion"]),
    "qwen2.5-vl-embedding": (["fusion"], ["fusion"]),
    "tongyi-embedding-vision-plus-2026-03-06": (["text", "image"], ["fused"]),
    "tongyi-embedding-vision-flash-2026-03-06": (["text", "image"], ["fused"]),
    "tongyi-embedding-vision-plus": (["text", "image"], None),
    "tongyi-embedding-vision-flash": (["text", "image"], None),
    "multimodal-embedding-v1": (["text", "image"], None),
}


@pytest.mark.parametrize("name", TYPES)
def test_types_of_vectors_are_the_models(vendors: Vendors, name: str) -> None:
    alone, fused = TYPES[name]
    reply = vendors.call("v2", "dashscope.media", {"model": name, "input": CONTENTS})
    intent = next((each for each in INTENTS if (each.model_info.name, each.claim) == (name, "fused")), None)

    assert alone == [row.type for row in reply.embeddings]
    assert (fused is None) == (intent is None)
    if intent is not None:
        together = vendors.call("v2", "dashscope.media", intent.theirs[0])
        assert fused == [row.type for row in together.embeddings]


@pytest.mark.parametrize("output", ["dense", "sparse", "dense&sparse"])
def test_a_text_has_the_halves_that_were_asked_for(vendors: Vendors, output: str) -> None:
    reply = vendors.call(
        "classic", "dashscope.text", {"model": "text-embedding-v4", "input": [TEXT], "output_type": output}
    )
    expected = {"embedding" if half == "dense" else "sparse_embedding" for half in output.split("&")}

    assert expected | {"text_index"} == reply.output["embeddings"][0].keys()


def test_an_uploaded_picture_and_its_data_uri_are_one_to_the_emulator(vendors: Vendors) -> None:
    calls = [{"model": "qwen3-vl-embedding", "input": [{"image": url}]} for url in (str(PICTURE), DATA)]
    uploaded, inline = (vectors(vendors.call("v2", "dashscope.media", said)) for said in calls)

    assert inline == uploaded
