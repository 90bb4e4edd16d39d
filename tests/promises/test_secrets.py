"""A key, and what is embedded, appear in nothing that is printed, logged, dumped or raised."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import pprint
import re
import traceback
import warnings
from base64 import b64encode
from io import BytesIO
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from PIL import Image as Pillow
from promise import ARK, MEDIA, ROOT, TEXT, Breakage

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from llama_index_ext import ArkMultiModalEmbedding, DashScopeMultiModalEmbedding
from volc_dashscope import AsyncClient, Client, ConfigError, EmbeddingError, Fused, Image, InputError
from volc_dashscope.emulator import Fault

KEY = "sk-canary-5f1d7e40c2"
WORDS = "canary words nobody may read in a log"
NOISE = b"canary-bytes-of-a-picture-000000000"
PLACES = ("volc_dashscope", "langchain_volc_dashscope", "llama_index_ext", "httpx", "httpcore", "h11")
BREAKAGES = [
    Breakage(
        "volc_dashscope/_wire.py",
        'return "Secret(**********)"',
        "return self._value",
        "test_no_view_of_a_client_shows_the_key",
    ),
    Breakage(
        "volc_dashscope/client.py",
        "secret, api_key = _config.sealed(api_key), None",
        "secret = _config.sealed(api_key)",
        "test_a_bad_key_is_refused_without_being_shown",
    ),
    Breakage(
        "volc_dashscope/client.py",
        "        given, items = Unseen(items), ()\n        call, ask = self._call(given, text_type, output_type, on_error, keep)\n        with Progress(call.count, shown=progress) as bar:\n            for number",
        "        given = Unseen(items)\n        call, ask = self._call(given, text_type, output_type, on_error, keep)\n        with Progress(call.count, shown=progress) as bar:\n            for number",
        "test_no_report_of_a_crash_shows_key_or_content",
    ),
    Breakage(
        "volc_dashscope/_check.py",
        "fault.__cause__ = error.with_traceback(None)",
        "fault.__cause__ = error",
        "test_no_report_of_a_crash_shows_key_or_content",
    ),
    Breakage(
        "volc_dashscope/providers/_verdict.py",
        'told = "" if verdict is BAD_KEY else _unechoed(message, batch)',
        "told = message",
        "test_no_report_of_a_crash_shows_key_or_content",
    ),
    Breakage(
        "volc_dashscope/_http.py",
        '"%s %s -> %d in %.3f s, request id %s",\n            request.method,',
        '"%s %s -> %d in %.3f s, request id %s",\n            self_ if (self_ := request.body) else request.method,',
        "test_no_log_shows_key_or_content",
    ),
    Breakage(
        "volc_dashscope/_config.py",
        "return (os.environ if environ is None else environ).get(variable)",
        "return dict(os.environ if environ is None else environ)[variable + '_']",
        "test_the_environment_is_not_in_a_report",
    ),
]


def _png() -> bytes:
    buffer = BytesIO()
    Pillow.new("RGB", (32, 32), "red").save(buffer, "PNG")
    return buffer.getvalue() + NOISE


PICTURE = _png()
CANARIES = {
    "key": re.escape(KEY),
    "half of the key": re.escape(KEY[8:]),
    "text": re.escape(WORDS),
    "image": re.escape(NOISE.decode()),
    "image in base64": re.escape(b64encode(PICTURE).decode()[-40:-4]),
}


def _found(shown: object) -> list[str]:
    text = shown if isinstance(shown, str) else repr(shown)
    return [name for name, pattern in CANARIES.items() if re.search(pattern, text)]


def _report(error: BaseException) -> str:
    """What a crash reporter sends: the whole chain, with the local variables of every frame that is not a test's."""
    pieces, seen = [], set()

    def add(error: BaseException | None) -> None:
        if error is None or id(error) in seen:
            return
        seen.add(id(error))
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        pieces.extend(told.format_exception_only())
        pieces.append(f"{error!r} {error} {vars(error)}")
        for frame in told.stack:
            if any(f"/{place}/" in frame.filename for place in PLACES):
                pieces.append(f"{frame.filename}:{frame.name} {frame.locals}")
        add(error.__cause__)
        add(error.__context__)

    add(error)
    return "\n".join(pieces)


def _client(kind: type = Client, model: str = TEXT, **settings: Any) -> Any:
    return kind(model, api_key=KEY, **settings)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("show", [repr, str, vars, lambda thing: pprint.pformat(vars(thing), depth=6)])
def test_no_view_of_a_client_shows_the_key(kind, show) -> None:
    client = _client(kind)
    inner = [client, client._home, client._terms, client._ask, client._given, client.usage, client.card]

    assert [] == [
        thing
        for thing in inner
        if not isinstance(thing, dict) and hasattr(thing, "__dict__") and _found(show(thing))
    ]
    assert [] == _found([repr(thing) for thing in inner])


@pytest.mark.parametrize(
    "item", [Image.from_bytes(PICTURE), Fused(WORDS, Image.from_bytes(PICTURE))], ids=["image", "fused"]
)
def test_no_view_of_an_item_shows_its_content(item) -> None:
    assert [] == _found(f"{item} {item!r} {item.label()} {pprint.pformat(item)}")


def test_no_view_of_a_result_shows_what_was_embedded(inside) -> None:
    result = inside.client(TEXT, api_key=KEY).embed([WORDS])

    assert [] == _found(f"{result} {result!r} {result.usage} {result.request_ids}")


FAULTS = {
    "bad key": Fault("401", code="InvalidApiKey", message=f"Incorrect API key provided: {KEY}"),
    "content echoed": Fault("400", code="DataInspectionFailed", message=f"refused: {WORDS}"),
    "server error": Fault("500"),
    "gateway": Fault("502"),
    "throttle": Fault("429", retry_after_ms=1),
    "reset": Fault("reset"),
    "cut off": Fault("short"),
    "malformed": Fault("missing"),
    "slow": Fault("slow", seconds=0.6),
    "content in a reply": Fault("reply", body={"output": {"embeddings": WORDS}, "request_id": "r"}),
}


@pytest.mark.parametrize("kind", ["sync", "async", "many"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_no_report_of_a_crash_shows_key_or_content(emulate, fault, kind) -> None:
    mount = emulate(socket=True)
    mount.emulator.fail(*[fault] * 60)
    settings = {"api_key": KEY, "max_attempts": 2, "timeout": 0.3}

    with mount.client(TEXT, **settings) as client, pytest.raises(EmbeddingError) as caught:
        if kind == "async":
            asyncio.run(client.aio.embed([WORDS]))
        else:
            client.embed([WORDS] if kind == "sync" else [f"{WORDS} {number}" for number in range(15)])

    assert [] == _found(_report(caught.value))


@pytest.mark.parametrize(
    "items",
    [[WORDS, ""], WORDS, [WORDS, 7], [WORDS, "x" * 10**6], [WORDS, Image.from_bytes(PICTURE)]],
    ids=["empty", "bare text", "type", "too long", "modality"],
)
def test_no_report_of_bad_input_shows_content(inside, items) -> None:
    client = inside.client("doubao-embedding-large-text-250515", api_key=KEY)

    with pytest.raises(InputError) as caught:
        client.embed(items)

    assert [] == _found(_report(caught.value))


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

    told = "\n".join(line for line in _report(caught.value).splitlines() if "pydantic" not in line)
    assert [] == _found(told)


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


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_no_log_shows_key_or_content(emulate, caplog, kind) -> None:
    """DEBUG logs of ours, httpx, httpcore, asyncio and whatever else logs, over a real socket."""
    mount = emulate(socket=True)
    soon = [Fault(kind, retry_after_ms=1) for kind in ("500", "429", "503")]
    mount.emulator.fail(*soon, "reset", Fault("401", message=f"bad key {KEY}"))
    items = [Fused(WORDS, Image.from_bytes(PICTURE))]
    caplog.set_level(logging.DEBUG)
    for name in ("volc_dashscope", "httpx", "httpcore", "httpcore.http11", "httpcore.connection", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with mount.client(ARK, api_key=KEY) as client:
            for _ in range(2):
                with contextlib.suppress(EmbeddingError):
                    client.embed(items) if kind == "sync" else asyncio.run(client.aio.embed(items))

    assert {"volc_dashscope", "httpcore"} <= {record.name.partition(".")[0] for record in caplog.records}
    shown = [f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records]
    assert [] == [line for line in shown if _found(line)]
    assert [] == [str(warning.message) for warning in warned if _found(str(warning.message))]


FACES = (ArkEmbeddings, DashScopeEmbeddings, ArkMultiModalEmbedding, DashScopeMultiModalEmbedding)
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


@pytest.mark.parametrize("kind", FACES)
def test_no_dump_of_a_face_shows_the_key(kind) -> None:
    face = kind(api_key=KEY)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown = {name: repr(getattr(face, name)()) for name in DUMPS if hasattr(face, name)}

    assert {} == {name: text for name, text in shown.items() if _found(text)}
    assert [] == _found(f"{vars(face)} {face.__pydantic_private__}")


class _Listener(BaseCallbackHandler):
    def __init__(self) -> None:
        super().__init__([], [])
        self.heard: list[object] = []

    def on_event_start(self, event_type, payload=None, event_id="", parent_id="", **kwargs):
        self.heard.append(payload)
        return event_id

    def on_event_end(self, event_type, payload=None, event_id="", **kwargs):
        self.heard.append(payload)

    def start_trace(self, trace_id=None):
        pass

    def end_trace(self, trace_id=None, trace_map=None):
        pass


@pytest.mark.parametrize("kind", FACES[2:])
def test_no_event_holds_key_or_image(inside, kind) -> None:
    listener = _Listener()
    settings = {**inside.settings(kind.provider_name), "api_key": KEY}
    face = kind(**settings, callback_manager=CallbackManager([listener]))

    face.get_text_embedding_batch(["text"])
    face.get_image_embedding_batch([BytesIO(PICTURE)])

    assert listener.heard
    assert [] == _found(repr(listener.heard))


def test_no_cassette_holds_a_key() -> None:
    tapes = sorted((ROOT / "tests" / "cassettes").rglob("*.yaml"))
    secret = re.compile(r"(?i)^\s*-?\s*(authorization|x-api-key|cookie|set-cookie)\b|\bsk-\w{8,}", re.M)

    assert tapes
    assert [] == [path.name for path in tapes if secret.search(path.read_text("utf-8"))]


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
