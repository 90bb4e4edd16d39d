"""Both clients against the emulator: order, requests, concurrency, and what happens when some items fail."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from itertools import chain, count, repeat
from random import Random
from typing import Any

import numpy as np
import pytest
from files import clip, picture, png
from paintings import data_uri, painted

from volc_dashscope import (
    AsyncClient,
    AuthError,
    BadReplyError,
    BulkError,
    Client,
    ConfigError,
    ContentError,
    EmbeddingError,
    EmbeddingResult,
    Frames,
    Fused,
    Image,
    InputError,
    Item,
    QuotaError,
    RateLimitError,
    ServiceUnavailableError,
    TransportError,
    Usage,
    get_model_info,
)
from volc_dashscope.bulk import embed_file
from volc_dashscope.emulator import Emulator, Fault, Request, Response

ARK, TEXT, MEDIA = (
    "doubao-embedding-vision-251215",
    "text-embedding-v4",
    "tongyi-embedding-vision-plus-2026-03-06",
)
BAD_KEY = {ARK: Fault("401", code="AuthenticationError"), TEXT: Fault("401", code="InvalidApiKey")}
BLOCKED = {ARK: "SensitiveContentDetected", TEXT: "DataInspectionFailed"}

both_services = pytest.mark.parametrize("model", [ARK, TEXT], ids=["ark", "dashscope"])
both_mounts = pytest.mark.parametrize("socket", [False, True], ids=["in-process", "socket"])
both_clients = pytest.mark.parametrize("embed", ["sync", "async"])


def _embed(mount: Any, embed: str, model: str, items: Any, **settings: Any) -> EmbeddingResult:
    """Embed through one of the two clients; settings of the call are passed by name."""
    call = {
        name: settings.pop(name)
        for name in ("on_error", "text_type", "output_type", "progress")
        if name in settings
    }
    if embed == "sync":
        with mount.client(model, **settings) as client:
            return client.embed(items, **call)

    async def awaited() -> EmbeddingResult:
        async with mount.async_client(model, **settings) as client:
            return await client.embed(items, **call)

    return asyncio.run(awaited())


def _texts(number: int) -> list[str]:
    return [f"text number {index}" for index in range(number)]


def _refusing(model: str, *culprits: str) -> Callable[[Request, Response], Response | None]:
    """Return a hook that refuses every request with one of these texts for its content."""

    def hook(request: Request, response: Response) -> Response | None:
        body = request.body.decode()
        if not any(f'"{culprit}"' in body for culprit in culprits):
            return None
        code = BLOCKED[model]
        answer = f'{{"error": {{"code": "{code}"}}}}' if model == ARK else f'{{"code": "{code}"}}'
        return Response(status=400, headers={"content-type": "application/json"}, body=answer.encode())

    return hook


# Rows.


@both_clients
@pytest.mark.parametrize(
    ("model", "dimension"), [(ARK, 2048), (TEXT, 1024), (MEDIA, 1152)], ids=["ark", "dashscope", "media"]
)
def test_rows_are_unit_vectors_of_float32_one_for_each_item(mount, embed, model, dimension) -> None:
    result = _embed(mount, embed, model, _texts(7))

    assert (7, (7, dimension), np.float32) == (len(result), result.vectors.shape, result.vectors.dtype)
    assert np.allclose(np.linalg.norm(result.vectors, axis=1), 1.0, atol=1e-5)


@both_clients
@both_services
def test_rows_are_in_the_order_of_the_items(mount, embed, model) -> None:
    items = _texts(23)
    with mount.client(model) as client:
        alone = [client.embed([item]).vectors[0].tobytes() for item in items]

    together = _embed(mount, embed, model, items)

    assert alone == [row.tobytes() for row in together]


@both_clients
@both_services
def test_order_survives_replies_out_of_turn(inside, embed, model) -> None:
    items = _texts(16)
    expected = _embed(inside, embed, model, items).vectors.tobytes()

    def earlier_is_later(request: Request, response: Response) -> Response:
        return replace(response, delay=0.1 if f'"{items[0]}"' in request.body.decode() else 0.0)

    inside.emulator.reply_with(earlier_is_later)

    assert expected == _embed(inside, embed, model, items).vectors.tobytes()


@both_clients
def test_order_survives_shuffled_replies(mount, embed) -> None:
    items = _texts(20)
    expected = _embed(mount, embed, TEXT, items).vectors.tobytes()
    mount.emulator.fail("shuffled", "shuffled")

    assert expected == _embed(mount, embed, TEXT, items).vectors.tobytes()


@both_clients
@pytest.mark.parametrize(
    ("model", "dimension"), [(ARK, 2048), (TEXT, 1024), ("multimodal-embedding-v1", 1024)]
)
def test_no_items_make_no_request(mount, embed, model, dimension) -> None:
    result = _embed(mount, embed, model, [])

    assert ((0, dimension), 0) == (result.vectors.shape, len(mount.emulator.ledger))


@pytest.mark.parametrize(("model", "dimensions"), [(ARK, 1024), (TEXT, 256), (MEDIA, 64)])
def test_a_shorter_vector_is_asked_of_the_server(mount, model, dimensions) -> None:
    with mount.client(model, dimensions=dimensions) as client:
        result = client.embed(["a", "b"])

    assert ((2, dimensions), dimensions) == (result.vectors.shape, client.dimension)


def _mix(number: int) -> list[Item]:
    makers: list[Callable[[int], Item]] = [
        lambda index: f"text number {index}",
        picture,
        lambda index: Image.from_bytes(png(32 + index, 32)),
        lambda index: clip(index, fps=0.5 if index % 2 else None),
        lambda index: Frames([picture(index), picture(index + 1)]),
        lambda index: Fused(f"red {index}", picture(index)),
    ]
    return [makers[index % len(makers)](index) for index in range(number)]


def test_both_clients_return_the_same_bytes(inside) -> None:
    items = [item for item in _mix(150) if not (isinstance(item, Image) and item.inline)][:100]

    results = [_embed(inside, embed, MEDIA, items) for embed in ("sync", "async")]

    assert 100 == len(results[0])
    assert results[0].vectors.tobytes() == results[1].vectors.tobytes()
    assert results[0].usage == results[1].usage


# Requests.


@both_clients
def test_ark_takes_one_request_for_each_item(mount, embed) -> None:
    _embed(mount, embed, ARK, _texts(9))

    assert sorted(_texts(9)) == sorted(mount.emulator.ledger.texts)
    assert [200] * 9 == mount.emulator.ledger.statuses


@both_clients
@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        ("text-embedding-v4", [10, 10, 3]),
        ("text-embedding-v2", [23]),
        ("qwen3.7-text-embedding", [20, 3]),
        ("doubao-embedding-large-text-250515", [4, 4, 4, 4, 4, 3]),
        ("qwen3-vl-embedding", [20, 3]),
        ("qwen2.5-vl-embedding", [1] * 23),
    ],
)
def test_texts_go_in_batches_of_the_card(mount, embed, model, sizes) -> None:
    _embed(mount, embed, model, _texts(23))

    assert sizes == sorted((len(entry.texts) for entry in mount.emulator.ledger), reverse=True)


@both_services
def test_the_usage_of_a_client_is_that_of_its_calls(mount, model) -> None:
    with mount.client(model) as client:
        first, second = client.embed(_texts(3)).usage, client.embed(_texts(12)).usage

    assert first + second == client.usage
    assert mount.emulator.ledger.tokens == client.usage.total_tokens
    assert len(mount.emulator.ledger) == client.usage.requests


def test_the_usage_of_a_call_of_many_requests_is_whole(inside) -> None:
    """However many bills it takes to add up."""
    row = get_model_info(TEXT)
    assert row is not None
    with inside.client(TEXT, model_info=replace(row, batch=1), dimensions=64) as client:
        usage = client.embed(_texts(600)).usage

    assert (600, inside.emulator.ledger.tokens) == (usage.requests, usage.total_tokens)


def test_a_failed_call_is_in_the_usage_too(inside) -> None:
    inside.emulator.reply_with(_refusing(TEXT, "text number 15"))
    client = inside.client(TEXT)

    with pytest.raises(BulkError) as caught:
        client.embed(_texts(20))

    assert client.usage == caught.value.result.usage
    assert client.usage.requests > 0


@both_clients
def test_every_request_asks_the_limiter(mount, embed) -> None:
    class Counter:
        asked = 0

        def acquire(self) -> None:
            self.asked += 1

        async def aacquire(self) -> None:
            self.asked += 1

    limiter = Counter()

    _embed(mount, embed, TEXT, _texts(35), limiter=limiter)

    assert 4 == limiter.asked


def test_text_that_looks_like_a_path_is_embedded_as_text(mount, audit) -> None:
    """A chunk reading '/etc/passwd' must not open anything."""
    texts = [
        "/etc/passwd",
        "file:///etc/passwd",
        "https://i.example/a.png",
        "data:image/png;base64,AAAA",
        __file__,
    ]
    with mount.client(TEXT) as client:
        client.embed(["warm up"])
        audit.files_opened.clear()
        mount.emulator.ledger.clear()

        client.embed(texts)

    assert texts == mount.emulator.ledger.texts
    assert [] == audit.files_opened


@both_clients
@pytest.mark.parametrize("size", [50_000, 500_000])
def test_a_body_arrives_whole_however_large(emulate, embed, size) -> None:
    """A large one is written piece by piece."""
    mount = emulate(socket=True)
    large = painted() + Random(size).randbytes(size)

    _embed(mount, embed, ARK, [Image.from_bytes(large)])

    (asked,) = mount.emulator.ledger
    (part,) = [part for part in asked.body["input"] if part["type"] == "image_url"]
    assert data_uri(large) == part["image_url"]["url"]


@both_clients
def test_a_call_is_finished_where_its_progress_cannot_be_shown(emulate, embed, monkeypatch) -> None:
    mount = emulate()

    with open("/dev/full", "w", buffering=1) as full:
        monkeypatch.setattr("sys.stderr", full)
        result = _embed(mount, embed, ARK, _texts(3), progress=True)
        with suppress(OSError):
            full.close()

    assert 3 == len(result.vectors)


# Concurrency.


@both_mounts
@both_clients
def test_as_many_requests_as_allowed_are_in_flight_and_no_more(emulate, embed, socket) -> None:
    mount = emulate(socket=socket, latency=0.05)

    _embed(mount, embed, ARK, _texts(20), max_concurrency=5)

    assert 5 == mount.emulator.ledger.in_flight_max


def test_calls_of_one_client_share_its_concurrency(emulate) -> None:
    mount = emulate(latency=0.03)
    client = mount.client(ARK, max_concurrency=4)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(client.embed, [_texts(8)] * 3))

    assert (24, 4) == (len(mount.emulator.ledger), mount.emulator.ledger.in_flight_max)


def test_async_calls_of_one_client_share_its_concurrency(emulate) -> None:
    mount = emulate(latency=0.03)

    async def calls() -> None:
        async with mount.async_client(ARK, max_concurrency=4) as client:
            await asyncio.gather(*(client.embed(_texts(8)) for _ in range(3)))

    asyncio.run(calls())

    assert (24, 4) == (len(mount.emulator.ledger), mount.emulator.ledger.in_flight_max)


@both_clients
def test_the_first_requests_of_a_call_do_not_leave_together(emulate, embed) -> None:
    """Counted from the call's begin: a slow machine can only make them later."""
    arrived: list[float] = []
    mount = emulate(latency=0.05, faults=lambda request: arrived.append(time.monotonic()))
    client, items = mount.client(ARK, max_concurrency=4), _texts(4)

    async def awaited() -> float:
        await client.aio.embed(items[:1])
        arrived.clear()
        began = time.monotonic()
        await client.aio.embed(items)
        return began

    if embed == "sync":
        client.embed(items[:1])
        arrived.clear()
        began = time.monotonic()
        client.embed(items)
    else:
        began = asyncio.run(awaited())

    assert 4 == len(arrived)
    assert max(arrived) - began > 0.015


@pytest.mark.parametrize("number", [1, 30], ids=["one item", "many"])
def test_no_thread_outlives_a_call(mount, workers, number) -> None:
    with mount.client(ARK) as client:
        client.embed(_texts(number))

    assert [] == workers()


def test_no_thread_outlives_a_failed_call(mount, workers) -> None:
    mount.emulator.fail(*[BAD_KEY[ARK]] * 9)
    with mount.client(ARK, max_concurrency=3) as client, pytest.raises(BulkError):
        client.embed(_texts(30))

    assert [] == workers()


def test_one_item_is_embedded_beside_the_callers_thread(inside) -> None:
    """That thread keeps the deadline, and hears Ctrl-C."""
    seen: list[threading.Thread] = []
    inside.emulator.reply_with(lambda request, response: seen.append(threading.current_thread()))

    inside.client(ARK).embed(["a"])

    assert [True] == [thread.daemon and thread is not threading.current_thread() for thread in seen]


# Bad input.


@both_clients
@pytest.mark.parametrize(
    ("items", "reason"),
    [
        pytest.param(["a", "", "b", ""], "item 1: empty text", id="lowest index"),
        pytest.param(["a", picture()], "item 1: text-embedding-v4 embeds text, not image", id="modality"),
        pytest.param(["a", 7], "item 1: expected str", id="type"),
        pytest.param("a text", "items must be a list, got one str", id="bare text"),
        pytest.param(b"bytes", "items must be a list, got one bytes", id="bytes"),
        pytest.param(picture(), "items must be a list, got one Image", id="bare image"),
        pytest.param(None, "items must be a list, got one NoneType", id="none"),
        pytest.param(7, "items must be a list, got one int", id="number"),
        pytest.param(StringIO("a\n\nb\n"), "line 2 of the file is empty", id="empty line"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(mount, embed, items, reason) -> None:
    if isinstance(items, StringIO):
        items.seek(0)

    with pytest.raises(InputError, match=reason):
        _embed(mount, embed, TEXT, items)

    assert 0 == len(mount.emulator.ledger)


@pytest.mark.parametrize(
    "call", [{"on_error": "ignore"}, {"text_type": "passage"}, {"output_type": "colbert"}], ids=str
)
def test_a_bad_argument_is_refused_before_anything_is_sent(inside, call) -> None:
    with pytest.raises(InputError):
        inside.client(TEXT).embed(["a"], **call)

    assert 0 == len(inside.emulator.ledger)


def test_an_open_file_gives_one_item_a_line(mount, tmp_path) -> None:
    (tmp_path / "texts.txt").write_bytes("first\r\nsecond 天\nlast".encode())

    with (tmp_path / "texts.txt").open(encoding="utf-8", newline="") as file, mount.client(TEXT) as client:
        client.embed(file)

    assert ["first", "second 天", "last"] == mount.emulator.ledger.texts


@pytest.mark.parametrize(
    "items",
    [("a", "b"), iter(["a", "b"]), {"a": 1, "b": 2}.keys(), np.array(["a", "b"])],
    ids=["tuple", "iterator", "keys", "array"],
)
def test_anything_that_can_be_gone_through_is_a_list_of_items(inside, items) -> None:
    inside.client(TEXT).embed(items)

    assert ["a", "b"] == inside.emulator.ledger.texts


# Some items fail.


@both_clients
@both_services
def test_a_bulk_error_holds_every_row_that_is_done(mount, embed, model) -> None:
    items = _texts(30)
    expected = _embed(mount, embed, model, items).vectors
    mount.emulator.reply_with(_refusing(model, items[3], items[17]))

    with pytest.raises(BulkError, match="2 of 30 items failed; the first: ") as caught:
        _embed(mount, embed, model, items)

    error = caught.value
    done = [index for index, row in enumerate(error.result) if not np.isnan(row).any()]
    assert [3, 17] == sorted(error.failures)
    assert sorted(set(range(30)) - {3, 17}) == done
    assert expected[done].tobytes() == error.result.vectors[done].tobytes()
    assert error.failures[3] is error.__cause__
    assert {ContentError} == {type(failure) for failure in error.failures.values()}


@both_clients
@both_services
def test_skipped_failures_are_rows_of_nan_and_listed(mount, embed, model) -> None:
    items = _texts(30)
    mount.emulator.reply_with(_refusing(model, items[3], items[17]))

    result = _embed(mount, embed, model, items, on_error="skip")

    assert [3, 17] == list(result.errors)
    assert [3, 17] == np.flatnonzero(np.isnan(result.vectors).all(axis=1)).tolist()
    assert [3, 17] == np.flatnonzero(np.isnan(result.vectors).any(axis=1)).tolist()


@both_clients
@both_services
def test_an_aborted_call_raises_the_first_failure_itself_and_sends_nothing_more(mount, embed, model) -> None:
    mount.emulator.fail(Fault("400"))

    with pytest.raises(EmbeddingError) as caught:
        _embed(mount, embed, model, _texts(50), on_error="abort", max_concurrency=1)

    assert not isinstance(caught.value, BulkError)
    assert 1 == len(mount.emulator.ledger)


def test_an_aborted_call_does_not_wait_for_requests_in_flight(emulate) -> None:
    mount = emulate(faults=lambda request: "400" if b"number 0" in request.body else None)
    mount.emulator.reply_with(
        lambda request, response: replace(response, delay=3.0 * (response.status == 200))
    )
    began = time.monotonic()

    with pytest.raises(EmbeddingError):
        mount.client(ARK).embed(_texts(4), on_error="abort")

    assert time.monotonic() - began < 1.0


@both_clients
@pytest.mark.parametrize("on_error", ["raise", "abort"])
def test_one_item_gets_its_own_error(mount, embed, on_error) -> None:
    mount.emulator.reply_with(_refusing(TEXT, "a"))

    with pytest.raises(ContentError) as caught:
        _embed(mount, embed, TEXT, ["a"], on_error=on_error)

    assert 0 == caught.value.index


@both_clients
def test_splitting_a_refused_batch_isolates_the_culprit(mount, embed) -> None:
    items = _texts(10)
    mount.emulator.reply_with(_refusing(TEXT, items[6]))

    result = _embed(mount, embed, TEXT, items, on_error="skip")

    assert {6: 6} == {index: error.index for index, error in result.errors.items()}
    # 10 -> 5 + 5 -> 2 + 3 -> 1 + 1 (or 1 + 2): at most two for each halving.
    assert len(mount.emulator.ledger) <= 9


def test_a_batch_of_culprits_fails_item_by_item(inside) -> None:
    items = _texts(10)
    inside.emulator.reply_with(_refusing(TEXT, *items))

    result = inside.client(TEXT).embed(items, on_error="skip")

    assert list(range(10)) == [error.index for error in result.errors.values()]


def test_a_file_that_vanished_fails_alone(inside, tmp_path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path in paths:
        path.write_bytes(painted(kind=path.suffix[1:].upper()))
    items = [Image.from_path(path) for path in paths]
    paths[2].unlink()

    result = inside.client(MEDIA).embed(items, on_error="skip")

    assert {2: InputError} == {index: type(error) for index, error in result.errors.items()}


@both_clients
@both_services
def test_nothing_starts_after_an_account_error(mount, embed, model) -> None:
    mount.emulator.fail(None, BAD_KEY[model])
    size = 1 if model == ARK else 10

    with pytest.raises(BulkError) as caught:
        _embed(mount, embed, model, _texts(5 * size), max_concurrency=1)

    error = caught.value
    assert [200, 401] == mount.emulator.ledger.statuses
    assert list(range(size, 5 * size)) == sorted(error.failures)
    assert {AuthError} == {type(failure) for failure in error.failures.values()}
    assert f"item {2 * size} was not sent because of an earlier failure: " in str(error.failures[2 * size])


def test_what_is_in_flight_at_an_account_error_is_kept(emulate) -> None:
    mount = emulate(faults=lambda request: BAD_KEY[ARK] if b"number 0" in request.body else None)
    mount.emulator.reply_with(
        lambda request, response: replace(response, delay=0.3 if response.status == 200 else 0.1)
    )

    result = mount.client(ARK, max_concurrency=3).embed(_texts(20), on_error="skip")

    assert [0, *range(3, 20)] == list(result.errors)


@both_clients
@pytest.mark.parametrize(
    ("model", "variable"), [(ARK, "ARK_API_KEY"), (TEXT, "DASHSCOPE_API_KEY")], ids=["ark", "dashscope"]
)
def test_a_refused_key_names_region_and_variable_and_is_not_shown(inside, embed, model, variable) -> None:
    inside.emulator.fail(BAD_KEY[model])

    with pytest.raises(AuthError) as caught:
        _embed(inside, embed, model, ["a"], region="cn-beijing")

    assert str(caught.value).startswith("authentication failed (401): api_key was rejected by ")
    assert "this one was used with region cn-beijing" in str(caught.value)
    assert "canary" not in f"{caught.value} {vars(caught.value)}"


def test_out_of_quota_is_not_tried_again(mount) -> None:
    mount.emulator.fail(Fault("429", code="QuotaExceeded"))

    with mount.client(ARK) as client, pytest.raises(QuotaError):
        client.embed(["a"])

    assert 1 == len(mount.emulator.ledger)


# Passing faults.

PASSING = ["429", "tpm", "500", "503", "reset", "reset_body", "short", "truncated", "missing", "error_in_200"]


@pytest.mark.parametrize(
    ("embed", "model"), [("sync", ARK), ("async", TEXT)], ids=["ark, sync", "dashscope, async"]
)
@pytest.mark.parametrize("kind", PASSING)
def test_a_passing_fault_is_not_noticed(inside, embed, model, kind) -> None:
    expected = _embed(inside, embed, model, ["a"]).vectors.tobytes()
    inside.emulator.ledger.clear()
    inside.emulator.fail(Fault(kind, retry_after_ms=1))

    result = _embed(inside, embed, model, ["a"])

    assert (expected, 2) == (result.vectors.tobytes(), len(inside.emulator.ledger))


@both_mounts
@both_clients
def test_no_row_is_lost_or_misplaced_among_many_faults(emulate, embed, socket) -> None:
    hinted = {Fault(kind, retry_after_ms=1): 0.1 for kind in ("429", "500", "shuffled", "503")}
    mount = emulate(socket=socket, faults=hinted)
    items = _texts(60)

    result = _embed(mount, embed, TEXT, items)

    plain = _embed(emulate(), "sync", TEXT, items)
    assert plain.vectors.tobytes() == result.vectors.tobytes()


@both_clients
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("500", retry_after_ms=1), ServiceUnavailableError),
        (Fault("429", retry_after_ms=1), RateLimitError),
        (Fault("truncated"), BadReplyError),
        (Fault("missing"), BadReplyError),
        (Fault("reset"), TransportError),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_attempts_run_out_with_the_error_of_the_last(inside, embed, fault, error) -> None:
    inside.emulator.fail(*[fault] * 9)

    with pytest.raises(error):
        _embed(inside, embed, TEXT, ["a"], max_retries=1)

    assert 2 == len(inside.emulator.ledger)


@both_clients
def test_a_slow_reply_is_a_transport_error(emulate, embed) -> None:
    mount = emulate(socket=True, latency=0.5)

    with pytest.raises(TransportError, match="timed out"):
        _embed(mount, embed, TEXT, ["a"], timeout=0.1, max_retries=0)


@both_clients
def test_nobody_listening_is_a_transport_error(embed) -> None:
    class Nobody:
        @staticmethod
        def client(model: str, **settings: Any) -> Client:
            return Client(model, api_key="k", base_url="http://127.0.0.1:9", **settings)

        @staticmethod
        def async_client(model: str, **settings: Any) -> Any:
            return Nobody.client(model, **settings).aio

    with pytest.raises(
        TransportError,
        match=r"to 127.0.0.1:9 \(connection refused\); run volc-dashscope doctor",
    ):
        _embed(Nobody, embed, TEXT, ["a"], max_retries=0)


HOSTILE = {
    "endless retry": {"retry-after": "1e999"},
    "negative retry": {"retry-after": "-5", "retry-after-ms": "nan"},
    "long retry": {"retry-after": "9" * 5000},
    "broken date": {"retry-after": "Fri, 99 Foo 2026 99:99:99 GMT"},
    "long id": {"x-request-id": "r" * 5000},
    "other length": {"x-content-length": "-1"},
    "other encoding": {"content-type": "text/html; charset=utf-7"},
    "redirect": {"location": "http://evil.example/"},
}


@pytest.mark.parametrize("headers", HOSTILE.values(), ids=HOSTILE)
def test_hostile_headers_cost_one_more_attempt(emulate, headers) -> None:
    mount = emulate(socket=True)
    mount.emulator.fail(Fault("503", headers=headers))

    with mount.client(ARK) as client:
        result = client.embed(["a"])

    assert 1 == len(result)
    assert 2 == len(mount.emulator.ledger)


def test_a_redirect_is_not_followed_with_the_key(mount) -> None:
    moved = Response(status=307, headers={"location": "http://127.0.0.1:9/steal"}, body=b"")
    mount.emulator.reply_with(lambda request, response: moved)

    with mount.client(TEXT) as client, pytest.raises(EmbeddingError, match="307"):
        client.embed(["a"])

    assert 1 == len(mount.emulator.ledger)


@both_services
def test_replies_that_name_two_models_are_no_result(inside, model) -> None:
    def renamed(request: Request, response: Response) -> dict[str, Any]:
        return {**response.json, "model": f"m{len(inside.emulator.ledger) % 2}"}

    inside.emulator.reply_with(renamed)

    with pytest.raises(BulkError) as caught:
        inside.client(model, max_concurrency=1).embed(_texts(20))

    assert {BadReplyError} == {type(error) for error in caught.value.failures.values()}
    assert "are from two models, 'm0' and 'm1'" in str(caught.value)


def _naming(mount: Any, *models: str | None) -> None:
    """Let replies name these models one after the other, the last for ever; None is a 503."""
    names = chain(models, repeat(models[-1]))

    def reply(request: Request, response: Response) -> Any:
        name = next(names)
        return Response(status=503, body=b"{}") if name is None else {**response.json, "model": name}

    mount.emulator.ledger.clear()
    mount.emulator.reply_with(reply)


@pytest.mark.parametrize("cached", [False, True], ids=["kept", "cached"])
@both_services
def test_a_retry_does_not_mix_rows_of_two_models(inside, model, cached) -> None:
    """The rows that are kept for a retry are of the first model, and the retry may get the second alone."""
    client = inside.client(
        model, max_concurrency=1, partial_results_bytes=1_000_000, cache={} if cached else None
    )
    _naming(inside, "m0", "m1")

    with pytest.raises(BulkError, match="are from two models, 'm0' and 'm1'") as caught:
        client.embed(_texts(20))
    first = len(inside.emulator.ledger)
    client.embed(_texts(20))

    # With a cache, one more request is ready to be sent. What is in a cache cannot be taken back.
    assert first <= (3 if cached else 2)
    assert cached == ("the cache holds rows of the first, so use another cache" in str(caught.value))
    needed = 20 if model == ARK else 2
    assert needed - (1 if cached else 0) == len(inside.emulator.ledger) - first


@both_services
def test_rows_kept_of_one_model_are_not_completed_by_another(inside, model) -> None:
    client = inside.client(model, max_concurrency=1, max_retries=0, partial_results_bytes=1_000_000)
    _naming(inside, "m0", None)
    with pytest.raises(BulkError, match="503"):
        client.embed(_texts(20))

    _naming(inside, "m1")
    with pytest.raises(BulkError, match="are from two models, 'm0' and 'm1'"):
        client.embed(_texts(20))
    assert 1 == len(inside.emulator.ledger)
    client.embed(_texts(20))

    assert (20 if model == ARK else 2) == len(inside.emulator.ledger) - 1


class _HoldingLimiter:
    """A limiter of the user's, which lets one request go and holds the others until it is told."""

    def __init__(self) -> None:
        self.go, self._asked = threading.Event(), count()
        self.held, self.released = threading.Event(), threading.Event()

    def acquire(self) -> None:
        if next(self._asked):
            self.held.set()
            self.go.wait(10)
            self.released.set()

    async def aacquire(self) -> None:
        raise NotImplementedError


def test_a_request_that_waits_for_the_limiter_is_not_sent_once_nobody_wants_it(inside) -> None:
    """Threads cannot be interrupted in the user's function, which returns after the stream was left."""
    limiter = _HoldingLimiter()
    client = inside.client(ARK, max_concurrency=2, limiter=limiter)
    stream = client.stream(_texts(4))

    next(stream)
    assert limiter.held.wait(10)
    stream.close()
    limiter.go.set()
    assert limiter.released.wait(10)
    time.sleep(0.1)  # in which it would be sent

    assert 1 == len(inside.emulator.ledger)


class _FailingLimiter:
    """A limiter of the user's, which lets two requests go while a third waits, and fails after their replies."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator, self._asked, self._third_waits = emulator, count(1), threading.Event()

    def acquire(self) -> None:
        if next(self._asked) != 3:
            self._third_waits.wait(10)
            return
        self._third_waits.set()
        until = time.monotonic() + 10
        while len(self._emulator.ledger) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1)  # in which both replies are read
        raise OSError("the limiter is gone")

    async def aacquire(self) -> None:
        raise NotImplementedError


@both_services
def test_a_stopped_call_keeps_no_rows_of_two_models(inside, model) -> None:
    """The first two replies name two models while the user's limiter is asked for the third request."""
    settings = {"max_concurrency": 3, "partial_results_bytes": 1_000_000}
    client = inside.client(model, **settings, limiter=_FailingLimiter(inside.emulator))
    _naming(inside, "m0", "m1")

    with pytest.raises(OSError, match="limiter"):
        client.embed(_texts(30))
    result = client.embed(_texts(30))

    assert (30, "m1") == (len(result), result.model)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_block_without_a_request_says_nothing_of_an_unknown_models_rows(inside, kind) -> None:
    """The first 32 items are planned together, and none of them is valid."""
    settings = {"model": "ep-20261121", "provider": "ark"}
    items = [*[""] * 32, "a text"]

    async def awaited() -> list[Any]:
        async with inside.async_client(**settings) as client:
            return [outcome async for _, outcome in client.stream(items)]

    if kind == "sync":
        outcomes = [outcome for _, outcome in inside.client(**settings).stream(items)]
    else:
        outcomes = asyncio.run(awaited())

    assert [InputError] * 32 == [type(outcome) for outcome in outcomes[:32]]
    assert (2048,) == outcomes[32].shape


async def _streamed(client: AsyncClient, outcomes: list[Any]) -> None:
    async with client:
        async for _, outcome in client.stream(_texts(100)):
            outcomes.append(outcome)


@pytest.mark.parametrize("kind", ["sync", "async", "unordered"])
def test_a_second_model_ends_a_stream(inside, kind) -> None:
    """Rows of two models are never mixed, and what would follow is not paid for."""
    _naming(inside, "m0", "m1")
    outcomes: list[Any] = []

    def stream() -> None:
        if kind == "async":
            asyncio.run(_streamed(inside.async_client(TEXT, max_concurrency=1), outcomes))
            return
        client = inside.client(TEXT, max_concurrency=1)
        outcomes.extend(outcome for _, outcome in client.stream(_texts(100), ordered=kind == "sync"))

    with pytest.raises(EmbeddingError, match="are from two models, 'm0' and 'm1'") as caught:
        stream()

    assert [caught.value] * 10 == outcomes[10:]
    assert len(inside.emulator.ledger) <= 3  # one is ready to be sent when the second reply is read


@pytest.mark.parametrize("cached", [False, True], ids=["no cache", "cached"])
def test_a_second_model_ends_a_bulk_job(inside, tmp_path, cached) -> None:
    _naming(inside, "m0", "m1")
    settings = {"max_concurrency": 1, "cache": {}} if cached else {"max_concurrency": 1}
    source = tmp_path / "a.txt"
    source.write_text("\n".join(_texts(100)), encoding="utf-8")

    for requests, words in (
        (2, "are from two models, 'm0' and 'm1'"),
        (3, "vectors of model 'm0'.*--restart"),
    ):
        with pytest.raises(EmbeddingError, match=words) as caught:
            embed_file(source, tmp_path / "a.parquet", model=inside.client(TEXT, **settings))
        assert cached == ("use another cache" in str(caught.value))
        assert requests == len(inside.emulator.ledger)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_second_model_ends_a_call(inside, kind) -> None:
    _naming(inside, "m0", "m1")

    def embed() -> object:
        if kind == "sync":
            return inside.client(TEXT, max_concurrency=1).embed(_texts(100))
        return asyncio.run(inside.async_client(TEXT, max_concurrency=1).embed(_texts(100)))

    with pytest.raises(BulkError, match="are from two models, 'm0' and 'm1'") as caught:
        embed()

    assert 2 == len(inside.emulator.ledger)
    assert [*range(10, 100)] == [*caught.value.failures]
    assert "was not sent because" in str(caught.value.failures[99])


@pytest.mark.parametrize("length", [3, 1], ids=["shorter", "one number"])
def test_replies_of_two_lengths_are_no_result(inside, length) -> None:
    """Of a model whose dimension nobody knows, the first reply says how long a row is."""
    lengths = iter([4, length])
    inside.emulator.reply_with(lambda request, response: {"data": {"embedding": [1.0] * next(lengths)}})

    with pytest.raises(BulkError, match=f"length {length} instead of 4") as caught:
        inside.client("ep-20261121", provider="ark", max_concurrency=1, max_retries=0).embed(_texts(2))

    assert {1: BadReplyError} == {index: type(error) for index, error in caught.value.failures.items()}


def test_the_result_names_the_model_as_the_replies_do(inside) -> None:
    inside.emulator.reply_with(lambda request, response: {**response.json, "model": "m-2026"})

    assert "m-2026" == inside.client(ARK).embed(["a"]).model


def test_an_unknown_model_learns_its_dimension_from_the_first_reply(inside) -> None:
    client = inside.client("ep-20261121", provider="ark")
    before = client.dimension

    client.embed(["a"])

    assert (None, 2048) == (before, client.dimension)


# Streams.


def _stream(mount: Any, embed: str, model: str, items: Any, **settings: Any) -> list[tuple[int, Any]]:
    if embed == "sync":
        with mount.client(model, **settings) as client:
            return list(client.stream(items))

    async def awaited() -> list[tuple[int, Any]]:
        async with mount.async_client(model, **settings) as client:
            return [ended async for ended in client.stream(items)]

    return asyncio.run(awaited())


@both_clients
@both_services
def test_a_stream_yields_the_rows_of_a_call_in_order(mount, embed, model) -> None:
    items = _texts(33)
    expected = _embed(mount, embed, model, items).vectors

    ended = _stream(mount, embed, model, iter(items))

    assert list(range(33)) == [index for index, _ in ended]
    assert expected.tobytes() == np.stack([row for _, row in ended]).tobytes()


@both_clients
@both_services
def test_a_stream_yields_errors_in_their_place(mount, embed, model) -> None:
    items: list[Any] = [*_texts(12), "", *_texts(12), 7]
    mount.emulator.reply_with(_refusing(model, items[3]))

    ended = _stream(mount, embed, model, items)

    errors = {index: type(value) for index, value in ended if isinstance(value, EmbeddingError)}
    assert {3: ContentError, 12: InputError, 16: ContentError, 25: InputError} == errors
    assert list(range(26)) == [index for index, _ in ended]


@both_clients
def test_a_stream_refuses_a_text_of_more_tokens_than_the_model_takes(inside, embed) -> None:
    row = get_model_info(TEXT)
    assert row is not None
    assert row.max_tokens is not None
    # A token has about four characters, and never more than twelve.
    fitting, larger = "a" * (4 * row.max_tokens - 1), "a" * 12 * (row.max_tokens + 1)

    ended = _stream(inside, embed, TEXT, ["short", larger, fitting, "short, too"])

    assert [False, True, False, False] == [isinstance(value, InputError) for _, value in ended]
    assert f"at most {row.max_tokens:,}" in str(ended[1][1])
    assert ["short", fitting, "short, too"] == inside.emulator.ledger.texts


@both_clients
@pytest.mark.parametrize("items", ["a text", b"bytes"], ids=["text", "bytes"])
def test_a_stream_of_a_bare_text_is_refused(inside, embed, items) -> None:
    with pytest.raises(InputError, match="items must be a list"):
        _stream(inside, embed, TEXT, items)

    assert 0 == len(inside.emulator.ledger)


@both_clients
def test_a_stream_of_an_open_file_has_one_item_a_line(inside, embed) -> None:
    ended = _stream(inside, embed, TEXT, StringIO("first\n\nlast\r\n"))

    assert ["first", "last"] == inside.emulator.ledger.texts
    assert [False, True, False] == [isinstance(value, InputError) for _, value in ended]


@both_clients
@both_services
def test_a_stream_ends_with_the_account_error_that_stopped_it(mount, embed, model) -> None:
    mount.emulator.fail(None, BAD_KEY[model])

    with pytest.raises(AuthError):
        _stream(mount, embed, model, _texts(500), max_concurrency=1)

    assert [200, 401] == mount.emulator.ledger.statuses


def test_a_stream_names_no_item_that_waited_while_two_requests_were_refused(emulate) -> None:
    """Each of two requests in flight has an error of the account of its own."""

    def fault(request: Request) -> Fault:
        return (
            Fault("503", headers={"retry-after": "2"})
            if '"0"' in str(request.body).replace("'", '"')
            else Fault("401")
        )

    mount, seen = emulate(latency=0.2, faults=fault), []
    with mount.client(ARK, max_concurrency=3) as client, pytest.raises(AuthError):
        seen.extend(iter(client.stream(["0", "1", "2"], ordered=False)))

    assert [] == [position for position, _ in seen if position == 0]


@both_clients
def test_a_stream_reads_no_further_ahead_than_its_window(inside, embed) -> None:
    """Two workers, four requests each: what waits behind a slow first reply is bounded."""
    read: list[int] = []

    def items() -> Iterator[str]:
        for index in range(200):
            read.append(index)
            yield f"text number {index}"

    def first_is_slow(request: Request, response: Response) -> Response:
        return replace(response, delay=0.3 * (b'"text number 0"' in request.body))

    inside.emulator.reply_with(first_is_slow)
    settings = {"max_concurrency": 2}
    if embed == "sync":
        read_so_far = [len(read) for _ in inside.client(ARK, **settings).stream(items())]
    else:

        async def awaited() -> list[int]:
            client = inside.async_client(ARK, **settings)
            return [len(read) async for _ in client.stream(items())]

        read_so_far = asyncio.run(awaited())

    assert 200 == len(read_so_far)
    assert 2 < read_so_far[0] <= 2 * 4 + 2


def test_a_stream_that_is_left_leaves_no_thread_and_is_billed(mount, workers) -> None:
    with mount.client(ARK, max_concurrency=2) as client:
        stream = client.stream(f"text number {index}" for index in range(10_000))
        next(stream)
        stream.close()
        deadline = time.monotonic() + 2
        while workers() and time.monotonic() < deadline:
            time.sleep(0.01)

    assert [] == workers()
    assert len(mount.emulator.ledger) < 30
    assert client.usage.total_tokens > 0


def test_an_error_of_the_callers_own_items_is_the_callers(inside) -> None:
    def items() -> Iterator[str]:
        yield "a"
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        list(inside.client(ARK).stream(items()))


# Settings that must not turn into failed items.


@both_clients
def test_a_client_of_the_other_kind_is_not_dialled_around(inside, embed, audit) -> None:
    name = "http_async_client" if embed == "sync" else "http_client"
    made = getattr(inside.emulator, name)()
    settings = {"http_client": None, "http_async_client": None, name: made}

    with pytest.raises(
        ConfigError,
        match=r"this call needs http_(async_)?client, but only http_(async_)?client was passed; pass both",
    ):
        _embed(inside, embed, TEXT, _texts(30), on_error="skip", **settings)

    assert [] == audit.dialled


def test_usage_starts_at_nothing(inside) -> None:
    assert Usage() == inside.client(TEXT).usage


def test_equal_items_of_a_hybrid_call_all_get_their_rows_beside_a_cache(emulate: Any) -> None:
    """A call that failed in part leaves rows for its retry; then the items of the next call are looked up too."""
    mount = emulate(faults=[None, Fault("400", code=BLOCKED[TEXT])])
    texts = [f"text {index}" for index in range(11)]
    with mount.client(TEXT, cache={}, partial_results_bytes=1_000_000, max_concurrency=1) as client:
        with pytest.raises(EmbeddingError):
            client.embed(texts)
        result = client.embed(["red", "blue", "red"], output_type="dense&sparse")

    assert not np.isnan(result.vectors).any()
    assert result.vectors[0].tobytes() == result.vectors[2].tobytes()
    assert result.sparse is not None
    assert [True] * 3 == [half is not None for half in result.sparse]
