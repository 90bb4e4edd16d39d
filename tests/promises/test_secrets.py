"""
A key appears in nothing that is printed, logged, dumped, raised or reported of a crash; what is embedded, in no log,
message or dump. The variables of a frame, which some reports of crashes show, may hold the caller's own texts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import pprint
import re
import signal
import traceback
import warnings
from base64 import b64encode
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import orjson
import pytest
from langchain_core.load import dumps as langchain_dumps
from listener import Listener
from llama_index.core.callbacks import CallbackManager
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from paintings import painted
from promise import ARK, MEDIA, ROOT, TEXT, Breakage

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from llama_index_ext import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding
from volc_dashscope import (
    AsyncClient,
    Client,
    ConfigError,
    EmbeddingError,
    Frames,
    Fused,
    Image,
    InputError,
)
from volc_dashscope.bulk import embed_file
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.emulator import Fault

KEY = "sk-canary-5f1d7e40c2"
WORDS = "canary words nobody may read in a log"
NOISE = b"canary-bytes-of-a-picture-000000000"
PLACES = ("volc_dashscope", "langchain_volc_dashscope", "llama_index_ext", "httpx", "httpcore", "h11")
BREAKAGES = [
    Breakage(
        "volc_dashscope/_types.py",
        'return "Secret(**********)"',
        "return self._value",
        "test_no_view_of_a_client_shows_the_key",
    ),
    Breakage(
        "volc_dashscope/client.py",
        "        api_key = _config.sealed(api_key)\n        arguments = locals()",
        "        arguments = locals()",
        "test_a_bad_key_is_refused_without_being_shown",
    ),
    Breakage(
        "volc_dashscope/providers/error_table.py",
        "reported = _without_echo(refusal.message, refusal.batch, spec)",
        "reported = refusal.message",
        "test_no_error_tells_key_or_content_and_no_report_the_key",
    ),
    Breakage(
        "volc_dashscope/_http/drivers.py",
        "            outcome = await _asend(step, transport, scope)",
        "            headers = transport.channel._build.named(step.request)\n            outcome = await _asend(step, transport, scope)",
        "test_no_report_of_a_call_given_up_shows_the_key",
    ),
    Breakage(
        "volc_dashscope/_http/drivers.py",
        '"%s %s -> %d in %.3f s, request id %s",\n                request.method,',
        '"%s %s -> %d in %.3f s, request id %s",\n                self_ if (self_ := request.body) else request.method,',
        "test_no_log_shows_key_or_content",
    ),
    Breakage(
        "volc_dashscope/_config/environment.py",
        "return (os.environ if environ is None else environ).get(variable)",
        "return dict(os.environ if environ is None else environ)[variable + '_']",
        "test_the_environment_is_not_in_a_report",
    ),
    Breakage(
        "volc_dashscope/providers/error_table.py",
        "key is not None and len(key) >= _ECHO_OF_KEY and",
        "key is None and",
        "test_no_error_tells_key_or_content_and_no_report_the_key",
    ),
    Breakage(
        "volc_dashscope/_media/_urls.py",
        '{path}"\n    return shown',
        '{path}?{parts.query}"\n    return shown',
        "test_no_view_of_an_item_shows_its_content",
    ),
    Breakage(
        "volc_dashscope/providers/error_table.py",
        'return line if line and " " not in line else None',
        "return line or None",
        "test_no_view_of_a_result_shows_what_was_embedded",
    ),
    Breakage(
        "volc_dashscope/_request/validation.py",
        'f"text of {size:,} bytes; {_who_accepts',
        'f"text {text[:80]} of {size:,} bytes; {_who_accepts',
        "test_no_error_of_bad_input_tells_content",
    ),
    Breakage(
        "volc_dashscope/_config/keys.py",
        "    key = Secret(key.reveal().strip())\n",
        "",
        "test_white_space_around_a_key_is_dropped",
    ),
    Breakage(
        "llama_index_ext/embeddings.py",
        'return {**settings, "nonce": uuid4().hex}',
        'return {**settings, "nonce": self.api_key.get_secret_value()}',
        "test_no_dump_of_an_integration_shows_the_key",
    ),
    Breakage(
        "llama_index_ext/events.py",
        "payload = model.to_payload()",
        'payload = {**model.to_payload(), "key": model.api_key.get_secret_value()}',
        "test_no_event_holds_key_or_image",
    ),
    Breakage(
        "volc_dashscope/_request/upload.py",
        '{"Content-Type": kind, "Accept": "*/*"}, body, keyless=True)',
        '{"Content-Type": kind, "Accept": "*/*"}, body)',
        "test_the_key_goes_to_the_service_only",
    ),
    Breakage(
        "volc_dashscope/_lifecycle.py",
        "        return (self._settings,)",
        "        return (__import__('dataclasses').replace(self._settings, api_key=self._spec.key),)",
        "test_a_pickled_client_that_found_its_key_itself_does_not_carry_it",
    ),
    Breakage(
        "tests/cassettes/docs/dashscope-text-v3.yaml",
        "interactions:\n- request:\n",
        "interactions:\n- request:\n    headers:\n      Authorization: Bearer sk-0123456789abcdef\n",
        "test_no_cassette_holds_a_key",
    ),
    Breakage(
        "volc_dashscope/_request/row_cache.py",
        'f"{shape}:{digest(item)}"',
        'f"{shape}:{item}"',
        "test_no_file_holds_a_key_and_no_cache_a_text",
    ),
]


PICTURE = painted() + NOISE
SIGNED = Image.from_url("https://example.com/red.png?Signature=canary-of-a-signature")
CANARIES = {
    "key": re.escape(KEY),
    "half of the key": re.escape(KEY[8:]),
    "text": re.escape(WORDS),
    "image": re.escape(NOISE.decode()),
    "signature": "canary-of-a-signature",
    "image in base64": re.escape(b64encode(PICTURE).decode()[-40:-4]),
}


def _found(shown: object) -> list[str]:
    text = shown if isinstance(shown, str) else repr(shown)
    return [name for name, pattern in CANARIES.items() if re.search(pattern, text)]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error with its causes, each once."""
    found: list[BaseException] = []
    left = [error]
    while left:
        error = left.pop()
        if error is not None and error not in found:
            found.append(error)
            left += [error.__cause__, error.__context__]
    yield from found


def _everything_shown(error: BaseException) -> str:
    """What the errors of a chain say, and hold."""
    return "\n".join(f"{each!r} {each} {vars(each)}" for each in _chain(error))


def _report(error: BaseException) -> str:
    """What a crash reporter sends: the whole chain, with the local variables of every frame that is not a test's."""
    pieces = []
    for each in _chain(error):
        reported = traceback.TracebackException.from_exception(each, capture_locals=True)
        pieces += [*reported.format_exception_only(), f"{each!r} {each} {vars(each)}"]
        for frame in reported.stack:
            if any(f"/{place}/" in frame.filename for place in PLACES):
                pieces.append(f"{frame.filename}:{frame.name} {frame.locals}")
    return "\n".join(pieces)


def _keys_in(report: str) -> list[str]:
    return [name for name in _found(report) if "key" in name]


def _client(kind: type = Client, model: str = TEXT, **settings: Any) -> Any:
    return kind(model, api_key=KEY, **settings)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("show", [repr, str, vars, lambda thing: pprint.pformat(vars(thing), depth=6)])
def test_no_view_of_a_client_shows_the_key(kind, show) -> None:
    client = _client(kind)
    inner = [
        client,
        client._pool,
        client._context,
        client._spec,
        client._settings,
        client.usage,
        client.model_info,
    ]

    assert [] == [
        thing
        for thing in inner
        if not isinstance(thing, dict) and hasattr(thing, "__dict__") and _found(show(thing))
    ]
    assert [] == _found([repr(thing) for thing in inner])


@pytest.mark.parametrize(
    "item",
    [Image.from_bytes(PICTURE), Fused(WORDS, Image.from_bytes(PICTURE)), SIGNED, Frames([SIGNED])],
    ids=["image", "fused", "signed", "frames"],
)
def test_no_view_of_an_item_shows_its_content(item) -> None:
    assert [] == _found(f"{item} {item!r} {item.label()} {pprint.pformat(item)} {[item]} {(item,)!s}")


def test_no_view_of_a_result_shows_what_was_embedded(inside) -> None:
    """Nor what a service says in the place of an id or of the model's name."""
    inside.emulator.reply_with(
        lambda request, response: orjson.dumps({**response.json, "request_id": WORDS, "model": WORDS})
    )
    result = inside.client(TEXT, api_key=KEY).embed([WORDS])

    assert [] == _found(f"{result} {result!r} {result.usage} {result.request_ids}")


FAULTS = {
    "bad key": Fault("401", code="InvalidApiKey", message=f"Incorrect API key provided: {KEY}"),
    "key in another refusal": Fault("403", code="AccessDenied", message=f"{KEY} may not do this"),
    "key as a code": Fault("400", code=KEY, message=f"no: {KEY[:12]}..."),
    "content as a code": Fault("400", code=WORDS, message=WORDS[:20]),
    "content echoed": Fault("400", code="DataInspectionFailed", message=f"refused: {WORDS}"),
    "server error": Fault("500"),
    "gateway": Fault("502"),
    "throttle": Fault("429", retry_after_ms=1),
    "reset": Fault("reset"),
    "cut off": Fault("short"),
    "malformed": Fault("missing"),
    "slow": Fault("slow", seconds=0.6),
    "content in a reply": Fault("reply", body={"output": {"embeddings": WORDS}, "request_id": "r"}),
    "content as an id": Fault("reply", body={"output": {"embeddings": []}, "request_id": WORDS}),
}


@pytest.mark.parametrize("kind", ["sync", "async", "many"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_no_error_tells_key_or_content_and_no_report_the_key(emulate, fault, kind) -> None:
    mount = emulate(socket=True)
    mount.emulator.fail(*[fault] * 60)
    settings = {"api_key": KEY, "max_retries": 1, "timeout": 0.3}

    with mount.client(TEXT, **settings) as client, pytest.raises(EmbeddingError) as caught:
        if kind == "async":
            asyncio.run(client.aio.embed([WORDS]))
        else:
            client.embed([WORDS] if kind == "sync" else [f"{WORDS} {number}" for number in range(15)])

    assert [] == _keys_in(_report(caught.value))
    assert [] == _found(_everything_shown(caught.value))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_no_report_of_a_call_given_up_shows_the_key(emulate, kind) -> None:
    """By Ctrl-C or by cancelling, while the reply is awaited: then the report begins deep below."""
    mount = emulate(socket=True, latency=5)

    def ring(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    async def cancelled(client: Client) -> None:
        task = asyncio.create_task(client.aio.embed([WORDS]))
        await asyncio.sleep(0.3)
        task.cancel()
        await task

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with (
            mount.client(TEXT, api_key=KEY) as client,
            pytest.raises((KeyboardInterrupt, asyncio.CancelledError)) as caught,
        ):
            if kind == "async":
                asyncio.run(cancelled(client))
            else:
                signal.setitimer(signal.ITIMER_REAL, 0.3)
                client.embed([WORDS])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    report = _report(caught.value)
    assert "/client.py" in report
    assert [] == _keys_in(report)


@pytest.mark.parametrize(
    "items",
    [[WORDS, ""], WORDS, [WORDS, 7], [WORDS, WORDS * 30_000], [WORDS, Image.from_bytes(PICTURE)]],
    ids=["empty", "bare text", "type", "too long", "modality"],
)
def test_no_error_of_bad_input_tells_content(inside, items) -> None:
    client = inside.client("doubao-embedding-large-text-250515", api_key=KEY)

    with pytest.raises(InputError) as caught:
        client.embed(items)

    assert [] == _found(_everything_shown(caught.value))
    assert [] == _keys_in(_report(caught.value))


BAD_KEYS = {
    "line break": f"{KEY}\n{KEY}",
    "non-ascii": f"{KEY}密",
    "space": f"{KEY} x",
    "control": f"{KEY}\x00",
}


@pytest.mark.parametrize("kind", [Client, AsyncClient, ArkEmbeddings, ArkMultiModalEmbedding])
@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_bad_key_is_refused_without_being_shown(kind, key) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - ours or pydantic's, both are ValueErrors
        kind(**({"model": ARK} if kind in (Client, AsyncClient) else {}), api_key=key)

    reported = "\n".join(line for line in _report(caught.value).splitlines() if "pydantic" not in line)
    assert [] == _found(reported)


@pytest.mark.parametrize("key", [f"{KEY}\n", f"  {KEY}", f"\t{KEY}\r\n"])
def test_white_space_around_a_key_is_dropped(inside, key) -> None:
    inside.client(TEXT, api_key=key).embed(["text"])

    assert f"Bearer {KEY}" == inside.emulator.ledger[0].headers["authorization"]


@pytest.mark.parametrize("settings", [{"base_url": "ftp://x"}, {"dimensions": -1}, {"region": "mars"}])
def test_the_environment_is_not_in_a_report(monkeypatch, settings) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)

    with pytest.raises(ConfigError) as caught:
        Client(TEXT, **settings)

    assert [] == _found(_report(caught.value))


@pytest.mark.parametrize("kind", ["sync", "async", "given"])
def test_no_log_shows_key_or_content(emulate, caplog, kind) -> None:
    """DEBUG logs of ours, httpx, httpcore, asyncio and whatever else logs, over a real socket."""
    mount = emulate(socket=True)
    soon = [Fault(kind, retry_after_ms=1) for kind in ("500", "429", "503")]
    mount.emulator.fail(*soon, "reset", Fault("401", message=f"bad key {KEY}"))
    items = [Fused(WORDS, Image.from_bytes(PICTURE), SIGNED)]
    caplog.set_level(logging.DEBUG)
    for name in ("volc_dashscope", "httpx", "httpcore", "httpcore.http11", "httpcore.connection", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)

    with warnings.catch_warnings(record=True) as warned, contextlib.ExitStack() as closing:
        warnings.simplefilter("always")
        given = {"http_client": closing.enter_context(httpx.Client())}
        with mount.client(ARK, api_key=KEY, **(given if kind == "given" else {})) as client:
            for _ in range(2):
                with contextlib.suppress(EmbeddingError):
                    asyncio.run(client.aio.embed(items)) if kind == "async" else client.embed(items)

    loud = {"volc_dashscope", "httpx", "httpcore"} if kind == "given" else {"volc_dashscope"}
    assert loud <= {record.name.partition(".")[0] for record in caplog.records}
    shown = [f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records]
    assert [] == [line for line in shown if _found(line)]
    assert [] == [str(warning.message) for warning in warned if _found(str(warning.message))]


INTEGRATIONS = (ArkEmbeddings, DashScopeEmbeddings, ArkMultiModalEmbedding, DashScopeMultiModalEmbedding)
DUMPS = (
    "model_dump",
    "model_dump_json",
    "to_dict",
    "to_json",
    "to_payload",
    "dict",
    "json",
    "__repr__",
    "__str__",
)


@pytest.mark.parametrize("kind", INTEGRATIONS)
def test_no_dump_of_an_integration_shows_the_key(kind) -> None:
    embed_model = kind(api_key=KEY)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown = {name: repr(getattr(embed_model, name)()) for name in DUMPS if hasattr(embed_model, name)}
        shown["langchain_core.load"] = langchain_dumps(embed_model)

    assert {} == {name: text for name, text in shown.items() if _found(text)}
    assert [] == _found(f"{vars(embed_model)} {embed_model.__pydantic_private__}")


class _Handler(BaseEventHandler):
    """Core's other event system."""

    heard: list[object] = []  # noqa: RUF012 - a field of pydantic's

    def handle(self, event, **kwargs):
        self.heard.append(event.model_dump())


@pytest.fixture
def handler() -> Iterator[_Handler]:
    added = _Handler()
    get_dispatcher().add_event_handler(added)
    yield added
    get_dispatcher().event_handlers.remove(added)


@pytest.mark.parametrize("kind", INTEGRATIONS[2:])
def test_no_event_holds_key_or_image(inside, handler, kind) -> None:
    listener = Listener()
    settings = {**inside.settings(kind.provider_name), "api_key": KEY}
    embed_model = kind(**settings, callback_manager=CallbackManager([listener]))

    embed_model.get_text_embedding_batch(["text"])
    embed_model.get_image_embedding_batch([BytesIO(PICTURE), SIGNED.url])

    assert listener.heard
    assert handler.heard
    assert [] == _found(f"{listener.heard} {handler.heard}")


def test_no_cassette_holds_a_key() -> None:
    tapes = sorted((ROOT / "tests" / "cassettes").rglob("*.yaml"))
    secret = re.compile(r"(?i)^\s*-?\s*(authorization|x-api-key|cookie|set-cookie)\b|\bsk-\w{8,}", re.M)

    assert tapes
    assert [] == [path.name for path in tapes if secret.search(path.read_text("utf-8"))]


def test_no_file_holds_a_key_and_no_cache_a_text(emulate, tmp_path) -> None:
    """What a bulk job writes beside its output, on the way and in the end, and a cache of vectors."""
    mount = emulate(socket=True)
    (tmp_path / "texts.txt").write_text(f"first\n{'x' * 500_000}\n{WORDS}\n", "utf-8")
    seen = {}

    def look(rows, failed, usage) -> None:
        seen.update({path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()})

    with mount.client(TEXT, api_key=KEY, cache=SQLiteCache(tmp_path / "cache.db")) as client:
        embed_file(tmp_path / "texts.txt", tmp_path / "out.parquet", model=client, watch=look)
    look(0, 0, None)

    assert len(seen) >= 4
    assert [] == [path.name for path, data in seen.items() if KEY.encode() in data]
    assert [] == [path.name for path, data in seen.items() if "cache" in path.name and WORDS.encode() in data]


def test_the_key_goes_to_the_service_only(emulate) -> None:
    """Temporary storage is another host: what is uploaded there carries no key."""
    mount = emulate(socket=True)
    with mount.client(MEDIA, api_key=KEY, upload=True) as client:
        client.embed([Image.from_bytes(PICTURE)])

    keyed = {entry.path: "authorization" in entry.headers for entry in mount.emulator.ledger}
    assert keyed.pop("/upload") is False
    assert {True} == set(keyed.values())


def test_a_pickled_client_that_found_its_key_itself_does_not_carry_it(monkeypatch) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)

    assert KEY.encode() not in pickle.dumps(Client(TEXT))
