"""The vendors' own SDKs, as published, work against the emulator on a socket."""

from __future__ import annotations

import asyncio
import warnings

import numpy as np
import pytest
from paintings import data_uri, painted
from sdk_emulator import SDK_KEY, sdk_emulator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import dashscope
    from dashscope.v2 import AsyncClient, Client
    from volcenginesdkarkruntime import Ark, AsyncArk


pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

VISION = "doubao-embedding-vision-251215"
LINK = "https://example.com/red-shoe.png"
DATA = data_uri(painted())


@pytest.fixture
def emulator(monkeypatch):
    with sdk_emulator(monkeypatch) as emulator:
        yield emulator


def part_text(text="red shoe"):
    return {"type": "text", "text": text}


def part_image(url):
    return {"type": "image_url", "image_url": {"url": url}}


ARK_INPUTS = {
    "text": [part_text()],
    "link": [part_image(LINK)],
    "data": [part_image(DATA)],
    "both": [part_image(DATA), part_text()],
}


@pytest.mark.parametrize("parts", ARK_INPUTS.values(), ids=ARK_INPUTS)
def test_ark_sdk_embeds(emulator, parts):
    with Ark(base_url=emulator.ark_url, api_key=SDK_KEY) as client:
        reply = client.multimodal_embeddings.create(model=VISION, input=parts)

    assert (VISION, 2048) == (reply.model, len(reply.data.embedding))
    assert emulator.ledger.tokens == reply.usage["total_tokens"]  # SDK 5.0.54 leaves usage a dict
    assert parts == emulator.ledger[0].body["input"]


@pytest.mark.parametrize("parts", ARK_INPUTS.values(), ids=ARK_INPUTS)
def test_async_ark_sdk_embeds(emulator, parts):
    async def run():
        async with AsyncArk(base_url=emulator.ark_url, api_key=SDK_KEY) as client:
            return await client.multimodal_embeddings.create(model=VISION, input=parts, dimensions=1024)

    reply = asyncio.run(run())

    assert 1024 == len(reply.data.embedding)
    assert 1024 == emulator.ledger[0].body["dimensions"]


def test_ark_sdk_gets_sparse_and_base64(emulator):
    with Ark(base_url=emulator.ark_url, api_key=SDK_KEY) as client:
        reply = client.multimodal_embeddings.create(
            model=VISION,
            input=[part_text()],
            encoding_format="base64",
            sparse_embedding={"type": "enabled"},
        )

    assert isinstance(reply.data.embedding, str)
    assert reply.data.sparse_embedding


def test_ark_sdk_embeds_with_a_text_model(emulator):
    with Ark(base_url=emulator.ark_url, api_key=SDK_KEY) as client:
        reply = client.embeddings.create(model="doubao-embedding-large-text-250515", input=["a", "b"])

    assert [0, 1] == [row.index for row in reply.data]
    assert [2048, 2048] == [len(row.embedding) for row in reply.data]


def test_ark_sdk_reads_the_error_body(emulator):
    from volcenginesdkarkruntime._exceptions import ArkNotFoundError

    with Ark(base_url=emulator.ark_url, api_key=SDK_KEY) as client, pytest.raises(ArkNotFoundError) as caught:
        client.multimodal_embeddings.create(model="no-such-model", input=[part_text()])

    assert "InvalidEndpointOrModel.NotFound" == caught.value.code


def test_ark_sdk_retries_a_throttled_request(emulator):
    emulator.fail("429")
    with Ark(base_url=emulator.ark_url, api_key=SDK_KEY) as client:
        reply = client.multimodal_embeddings.create(model=VISION, input=[part_text()])

    assert 2048 == len(reply.data.embedding)
    assert [429, 200] == emulator.ledger.statuses


DASHSCOPE_INPUTS = {
    "text": [{"text": "red shoe"}],
    "bare": ["red shoe"],
    "link": [{"image": LINK}],
    "data": [{"image": DATA}],
    "both": [{"image": DATA, "text": "red shoe"}],
}


def test_dashscope_sdk_embeds_texts(emulator):
    reply = dashscope.TextEmbedding.call(model="text-embedding-v4", input=["a", "b"], dimension=256)

    assert 200 == reply.status_code
    assert [0, 1] == [row["text_index"] for row in reply.output["embeddings"]]
    assert {256} == {len(row["embedding"]) for row in reply.output["embeddings"]}
    assert {"total_tokens": 2} == reply.usage


def test_dashscope_sdk_sends_one_string_as_a_list(emulator):
    reply = dashscope.TextEmbedding.call(model="text-embedding-v3", input="a")

    assert (200, ["a"]) == (reply.status_code, emulator.ledger.texts)


@pytest.mark.parametrize("contents", DASHSCOPE_INPUTS.values(), ids=DASHSCOPE_INPUTS)
def test_dashscope_sdk_embeds_media(emulator, contents):
    reply = dashscope.MultiModalEmbedding.call(model="qwen3-vl-embedding", input=list(contents))

    assert 200 == reply.status_code, reply.message
    assert [2560] == [len(row["embedding"]) for row in reply.output["embeddings"]]


@pytest.mark.parametrize("contents", DASHSCOPE_INPUTS.values(), ids=DASHSCOPE_INPUTS)
def test_async_dashscope_sdk_embeds_media(emulator, contents):
    from dashscope.api_entities.aio_session import close_shared_aio_session

    async def run():
        try:
            return await dashscope.AioMultiModalEmbedding.call(
                model="qwen3-vl-embedding", input=list(contents), dimension=1024
            )
        finally:
            await close_shared_aio_session()

    reply = asyncio.run(run())

    assert 200 == reply.status_code, reply.message
    assert [1024] == [len(row["embedding"]) for row in reply.output["embeddings"]]


def test_dashscope_sdk_reads_the_error_body(emulator):
    reply = dashscope.TextEmbedding.call(model="text-embedding-v4", input=["a"] * 11)

    assert (400, "InvalidParameter") == (reply.status_code, reply.code)
    assert "should not be larger than 10." in reply.message


def test_dashscope_sdk_uploads_a_local_file(emulator, tmp_path):
    path = tmp_path / "red.png"
    path.write_bytes(painted())
    local = dashscope.MultiModalEmbedding.call(
        model="qwen3-vl-embedding", input=[{"image": f"file://{path}"}]
    )
    inline = dashscope.MultiModalEmbedding.call(model="qwen3-vl-embedding", input=[{"image": DATA}])

    assert 200 == local.status_code, local.message
    assert np.allclose(
        inline.output["embeddings"][0]["embedding"], local.output["embeddings"][0]["embedding"]
    )
    assert emulator.ledger[2].body["input"]["contents"][0]["image"].startswith("oss://")


def test_dashscope_sdk_waits_for_a_file_job(emulator):
    url = emulator.publish("texts.txt", b"a\nb\n")
    reply = dashscope.BatchTextEmbedding.call(
        dashscope.BatchTextEmbedding.Models.text_embedding_async_v2, url
    )

    assert ("SUCCEEDED", {"total_tokens": 2}) == (reply.output["task_status"], dict(reply.usage))


def test_dashscope_v2_client_embeds(emulator):
    with Client(api_key=SDK_KEY, base_url=emulator.dashscope_url) as client:
        text = client.embeddings.create(model="text-embedding-v4", input=["a", "b"])
        media = client.multimodal.embeddings.create(model="qwen3-vl-embedding", input=[{"image": DATA}])

    assert [0, 1] == [row.index for row in text.embeddings]
    assert (2560, "vl") == (len(media.embeddings[0].embedding), media.embeddings[0].type)


def test_dashscope_v2_async_client_embeds_what_the_sync_one_does(emulator):
    async def run():
        async with AsyncClient(api_key=SDK_KEY, base_url=emulator.dashscope_url) as client:
            items = [{"image": LINK}, {"text": "a"}]
            return await client.multimodal.embeddings.create(model="qwen3-vl-embedding", input=items)

    assert [0, 1] == [row.index for row in asyncio.run(run()).embeddings]


def test_dashscope_v2_client_retries_after_the_hint(emulator):
    from volc_dashscope.emulator import Fault

    emulator.fail(Fault("429", retry_after_ms=10))
    with Client(api_key=SDK_KEY, base_url=emulator.dashscope_url) as client:
        client.embeddings.create(model="text-embedding-v4", input="a")

    assert [429, 200] == emulator.ledger.statuses


def test_dashscope_v2_client_reads_the_job(emulator):
    url = emulator.publish("texts.txt", b"a\n")
    with Client(api_key=SDK_KEY, base_url=emulator.dashscope_url) as client:
        job = client.embeddings.jobs.create(model="text-embedding-async-v2", file_url=url)
        done = client.embeddings.jobs.wait(job, poll_interval=0.01)

    assert ("SUCCEEDED", f"{emulator.url}/results/{job.task_id}.txt.gz") == (done.status, done.result_url)
