"""`upload=True`: files and bytes go into DashScope's temporary storage, and requests name them by URL."""

from __future__ import annotations

import asyncio
import re
from hashlib import sha256

import httpx
import numpy as np
import pytest
from files import mp4
from paintings import painted

from volc_dashscope import (
    AuthError,
    BadReplyError,
    BulkError,
    Client,
    ConfigError,
    Frames,
    Fused,
    Image,
    InputError,
    RequestError,
    Video,
)
from volc_dashscope._limits.rate_limiter import RateLimiter
from volc_dashscope._limits.retry import Retry
from volc_dashscope._request.exchange import RetryContext
from volc_dashscope._request.temporary_storage import Storage
from volc_dashscope._request.upload import stored
from volc_dashscope._types import Batch, Reply, RequestSpec, Send
from volc_dashscope.emulator import Fault
from volc_dashscope.models import get_model_info

ALONE = "qwen2.5-vl-embedding"
SHARED = "qwen3-vl-embedding"
SNAPSHOT = "tongyi-embedding-vision-plus-2026-03-06"
POLICY, STORE = "/api/v1/uploads", "/upload"


def paths(emulator):
    return [entry.path.rpartition("/")[2] for entry in emulator.ledger]


def to(emulator, path):
    return [entry for entry in emulator.ledger if entry.path == path]


def contents(emulator):
    return emulator.ledger[-1].body["input"]["contents"]


def bodies_of(emulator, path):
    """Keep the raw bodies that reach a path; the ledger has JSON only."""
    seen = []
    emulator.reply_with(lambda request, response: seen.append(request.body) if request.path == path else None)
    return seen


def alter_policy(emulator, **changes):
    def hook(request, response):
        if request.path != POLICY or response.status != 200:
            return None
        return {**response.json, "data": {**response.json["data"], **changes}}

    emulator.reply_with(hook)


def embed(mount, items, *, asynchronous=False, model=SHARED, **settings):
    if not asynchronous:
        with mount.client(model, upload=True, **settings) as client:
            return client.embed(items)

    async def run():
        async with mount.async_client(model, upload=True, **settings) as client:
            return await client.embed(items)

    return asyncio.run(run())


twins = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@twins
def test_a_stored_picture_has_the_vector_of_the_same_bytes_sent_inline(mount, asynchronous):
    image = Image.from_bytes(painted())
    with mount.client(SHARED) as client:
        inline = client.embed([image]).vectors
    result = embed(mount, [image], asynchronous=asynchronous)

    assert np.allclose(inline, result.vectors)
    assert ["uploads", "upload", "multimodal-embedding"] == paths(mount.emulator)[1:]
    assert contents(mount.emulator)[0]["image"].startswith("oss://")
    assert "enable" == mount.emulator.ledger[-1].headers["x-dashscope-ossresourceresolve"]


@twins
def test_the_storage_host_gets_neither_the_key_nor_the_default_headers(mount, asynchronous):
    embed(
        mount,
        [Image.from_bytes(painted())],
        asynchronous=asynchronous,
        default_headers={"X-Gateway": "secret"},
        workspace="ws-1",
    )
    policy, form = to(mount.emulator, POLICY)[0].headers, to(mount.emulator, STORE)[0].headers

    assert ("secret", "ws-1") == (policy["x-gateway"], policy["x-dashscope-workspace"])
    assert "authorization" in policy
    assert {"authorization", "x-gateway", "x-dashscope-workspace", "cookie"}.isdisjoint(form)


class Signing(httpx.Auth):
    def auth_flow(self, request):
        request.headers["X-Signed"] = "1"
        yield request


def test_the_storage_host_gets_nothing_of_a_client_that_was_handed_in(inside):
    transport = inside.emulator.http_client()._transport
    given = httpx.Client(
        transport=transport,
        headers={"Authorization": "Bearer theirs", "X-Own": "1"},
        cookies={"session": "1"},
        auth=Signing(),
    )
    Client(SHARED, api_key="k", http_client=given, upload=True).embed([Image.from_bytes(painted())])
    policy, form = to(inside.emulator, POLICY)[0].headers, to(inside.emulator, STORE)[0].headers

    assert {"authorization", "x-own", "cookie", "x-signed"} <= set(policy)
    assert {"authorization", "x-own", "cookie", "x-signed"}.isdisjoint(form)


def test_the_form_has_the_documented_order_and_a_name_made_of_the_content(mount, tmp_path):
    path = tmp_path / "my secret name.png"
    path.write_bytes(painted())
    seen = bodies_of(mount.emulator, STORE)
    embed(mount, [Image.from_path(path)])
    names = [found.decode() for found in re.findall(rb'form-data; name="([^"]+)"', seen[0])]
    digest = sha256(painted()).hexdigest()

    assert [
        "OSSAccessKeyId",
        "Signature",
        "policy",
        "key",
        "x-oss-object-acl",
        "x-oss-forbid-overwrite",
        "success_action_status",
        "x-oss-content-type",
        "file",
    ] == names
    assert b"secret" not in seen[0]
    assert contents(mount.emulator)[0]["image"].endswith(f"/{digest}.png")


def test_nothing_is_stored_unless_asked(inside):
    inside.client(SHARED).embed([Image.from_bytes(painted())])

    assert ["multimodal-embedding"] == paths(inside.emulator)


def test_urls_and_texts_go_as_they_are(inside):
    embed(inside, ["red", Image.from_url("https://example.com/red.png")])

    assert ["multimodal-embedding"] == paths(inside.emulator)
    assert [{"text": "red"}, {"image": "https://example.com/red.png"}] == contents(inside.emulator)


def test_a_local_video_reaches_a_model_that_takes_video_by_url_only(inside):
    video = Video.from_bytes(mp4(size=2_000), fps=0.5)
    with pytest.raises(InputError, match="upload=True"):
        inside.client(SHARED).embed([video])
    embed(inside, [video])

    assert re.fullmatch(r"oss://.+/[0-9a-f]{64}\.mp4", contents(inside.emulator)[0]["video"])
    assert 0.5 == inside.emulator.ledger[-1].body["parameters"]["fps"]


def test_the_limits_of_the_model_still_hold_for_what_is_stored(inside):
    rule = get_model_info(SHARED).video
    with pytest.raises(InputError, match="accepts at most"):
        embed(inside, [Video.from_bytes(mp4(size=rule.max_bytes + 1))])

    assert [] == inside.emulator.ledger.requests


def test_a_picture_larger_than_a_data_uri_may_be_can_be_stored(inside):
    rule = get_model_info(SNAPSHOT).image
    image = Image.from_bytes(painted().ljust(rule.max_bytes, b"\0"))
    with pytest.raises(InputError, match="data URI"):
        inside.client(SNAPSHOT).embed([image])
    embed(inside, [image], model=SNAPSHOT)

    assert contents(inside.emulator)[0]["image"].startswith("oss://")


def test_parts_of_a_fused_item_and_frames_are_stored(inside):
    red, blue = Image.from_bytes(painted()), Image.from_bytes(painted("blue"))
    embed(inside, [Fused("a shoe", red)], model=SNAPSHOT)
    fused = contents(inside.emulator)
    embed(inside, [Frames([red, blue])], model=SNAPSHOT)
    frames = contents(inside.emulator)

    assert ("a shoe", "oss://") == (fused[0]["text"], fused[0]["image"][:6])
    assert ["oss://"] * 2 == [url[:6] for url in frames[0]["multi_images"]]


@twins
def test_one_content_is_stored_once_however_many_requests_need_it(mount, asynchronous):
    """Eight requests in flight together, each for the same picture."""
    embed(mount, [Image.from_bytes(painted())] * 8, asynchronous=asynchronous, model=ALONE)

    assert 1 == len(to(mount.emulator, STORE))
    assert 8 == paths(mount.emulator).count("multimodal-embedding")


def test_a_policy_serves_until_it_ends(inside):
    embed(inside, [Image.from_bytes(painted(color)) for color in ("red", "green", "blue")])

    assert (1, 3) == (len(to(inside.emulator, POLICY)), len(to(inside.emulator, STORE)))


def test_the_retry_of_a_failed_call_stores_nothing_again(inside):
    items = [Image.from_bytes(painted())]
    inside.emulator.fail(Fault("400", path="/multimodal-embedding"))
    with inside.client(SHARED, upload=True) as client:
        with pytest.raises(RequestError):
            client.embed(items)
        client.embed(items)

    assert 1 == len(to(inside.emulator, STORE))


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def storage_at(clock):
    return Storage(RetryContext(Retry(0, 10.0, lambda: 0.0), RateLimiter(None, None), clock, "dashscope"))


def test_a_stored_file_is_forgotten_well_before_it_expires():
    clock = Clock()
    storage = storage_at(clock)
    storage.keep_url("a.png", "oss://a.png")
    clock.now = 23 * 3600.0
    early = storage.find("a.png")
    clock.now = 25 * 3600.0

    assert ("oss://a.png", None) == (early, storage.find("a.png"))


def test_what_is_remembered_is_bounded():
    storage = storage_at(Clock())
    for number in range(10_001):
        storage.keep_url(f"{number}.png", f"oss://{number}.png")

    assert (None, "oss://1.png") == (storage.find("0.png"), storage.find("1.png"))


def test_a_flow_that_is_dropped_gives_its_claim_back(inside):
    """A worker that is told to stop must not keep others waiting for a file nobody stores."""
    storage = storage_at(Clock())
    spec = RequestSpec(
        model_info=get_model_info(SHARED),
        model=SHARED,
        base_url="https://x/api/v1",
        place="here",
        upload=True,
    )
    image = Image.from_bytes(painted())
    flow = stored(Batch((0,), (image,)), spec, storage)
    first = next(flow)
    name = f"{image.digest}.png"
    claimed = storage.claim(name)
    flow.close()

    assert isinstance(first, Send)
    assert (False, True) == (claimed, storage.claim(name))


def test_an_expired_policy_is_replaced_once(inside):
    """The first policy serves the first picture; it ends before the second."""
    words = b"Invalid according to Policy: Policy expired."
    gone = b"<Error><Code>AccessDenied</Code><Message>" + words + b"</Message></Error>"
    with inside.client(SHARED, upload=True) as client:
        client.embed([Image.from_bytes(painted())])
        inside.emulator.fail(Fault("reply", status=403, body=gone, path=STORE))
        client.embed([Image.from_bytes(painted("blue"))])

    assert [200, 403, 200] == [entry.status for entry in to(inside.emulator, STORE)]
    assert 2 == len(to(inside.emulator, POLICY))


def test_a_fresh_policy_that_is_refused_is_an_error_of_that_item_and_no_account_error(inside):
    gone = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    inside.emulator.fail(None, Fault("reply", status=403, body=gone, path=STORE))
    with pytest.raises(RequestError) as caught:
        embed(inside, [Image.from_bytes(painted())])

    assert ("AccessDenied", 403, 0, False) == (
        caught.value.code,
        caught.value.status,
        caught.value.index,
        caught.value.account,
    )
    assert "the upload of image/png 32x32" in str(caught.value)


def test_a_storage_in_trouble_is_tried_again(inside):
    inside.emulator.fail(None, Fault("503", path=STORE), Fault("reset", path=STORE))
    result = embed(inside, [Image.from_bytes(painted())])

    assert (1, 2560) == result.vectors.shape
    assert [503, 0, 200] == [entry.status for entry in to(inside.emulator, STORE)]


def test_a_file_that_is_there_already_after_a_lost_reply_counts_as_stored(inside):
    there = b"<Error><Code>FileAlreadyExists</Code><Message>exists</Message></Error>"

    def hook(request, response):
        lost = request.path == STORE and len(to(inside.emulator, STORE)) == 1
        return None if not lost else type(response)(status=409, body=there)

    inside.emulator.fail(None, Fault("reset", path=STORE))
    inside.emulator.reply_with(hook)
    result = embed(inside, [Image.from_bytes(painted())])

    assert (1, 2560) == result.vectors.shape
    assert [0, 409] == [entry.status for entry in to(inside.emulator, STORE)]


def test_a_refused_policy_is_the_error_of_the_key(mount):
    with pytest.raises(AuthError, match="A key is valid in one region only"):
        embed(mount, [Image.from_bytes(painted())], api_key="sk-invalid")

    assert ["uploads"] == paths(mount.emulator)


@pytest.mark.parametrize(
    "changes",
    [
        {"upload_host": "http://storage.example/"},
        {"upload_host": "ftp://127.0.0.1/"},
        {"upload_dir": 'a"\r\nb'},
        {"signature": None},
        {"signature": "a\r\nX-Evil: 1"},
        {"max_file_size_mb": "many"},
    ],
    ids=["plain http", "ftp", "line break", "no signature", "a header", "no number"],
)
def test_a_policy_that_cannot_be_trusted_is_a_bad_reply(inside, changes):
    alter_policy(inside.emulator, **changes)
    with pytest.raises(BadReplyError, match="the upload policy"):
        embed(inside, [Image.from_bytes(painted())], max_retries=0)

    assert [] == to(inside.emulator, STORE)


def test_a_file_larger_than_the_storage_takes_fails_alone(inside):
    alter_policy(inside.emulator, max_file_size_mb="1")
    large = Image.from_bytes(painted("blue").ljust(1_100_000, b"\0"))
    with pytest.raises(BulkError) as caught:
        embed(inside, [Image.from_bytes(painted()), large, "text"])

    assert [1] == list(caught.value.failures)
    assert isinstance(caught.value.failures[1], InputError)
    assert "temporary storage accepts at most 1,048,576" in str(caught.value.failures[1])
    assert [True, False, True] == np.isfinite(caught.value.result.vectors).all(axis=1).tolist()


@pytest.mark.parametrize("model", ["doubao-embedding-vision-251215", "text-embedding-v4"])
def test_upload_is_for_media_of_dashscope_only(inside, model):
    with pytest.raises(ConfigError, match="upload=True"):
        inside.client(model, upload=True)


def test_an_upload_reply_is_read_without_trusting_it():
    """A gateway's page in place of the policy is our error, not a KeyError."""
    storage = storage_at(Clock())
    spec = RequestSpec(
        model_info=get_model_info(SHARED),
        model=SHARED,
        base_url="https://x/api/v1",
        place="here",
        upload=True,
    )
    flow = stored(Batch((0,), (Image.from_bytes(painted()),)), spec, storage)
    next(flow)
    with pytest.raises(BadReplyError):
        flow.send(Reply(200, {}, b"[]"))
