"""The constructor and the habits of the integrations: settings, copies, keys, loops."""

from __future__ import annotations

import asyncio
import copy
import pickle
import re
from typing import Any

import numpy as np
import pytest
from langchain_core.rate_limiters import InMemoryRateLimiter
from paintings import painted
from pydantic import SecretStr
from samples import ARK, LANGCHAIN, PICTURE_URL, V4, VL

from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings, media
from volc_dashscope import ConfigError, Image, get_model_info

EXPLICIT, FIRST, SECOND = "sk-explicit-0123456789", "sk-first-0123456789", "sk-second-0123456789"


def _variable(kind: type) -> str:
    return f"{kind.provider_name.upper()}_API_KEY"


def _without_key(mount: Any, kind: type) -> dict[str, Any]:
    return {name: value for name, value in mount.settings(kind.provider_name).items() if name != "api_key"}


def _key_of(embed_model: Any) -> str:
    field = getattr(embed_model, f"{embed_model.provider_name}_api_key")
    return field.get_secret_value()


def _sent_key(mount: Any) -> str:
    return mount.emulator.ledger[-1].headers["authorization"].removeprefix("Bearer ")


COPIES = {"pickle": lambda embed_model: pickle.loads(pickle.dumps(embed_model)), "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("kind", LANGCHAIN)
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_an_explicit_key_travels(emulate, embed_model_of, monkeypatch, kind, copied):
    mount = emulate(socket=True)
    embed_model = embed_model_of(kind, mount, api_key=EXPLICIT)
    monkeypatch.setenv(_variable(kind), SECOND)

    twin = copied(embed_model)
    twin.embed_query("a")
    twin.close()

    assert EXPLICIT == _key_of(twin) == _sent_key(mount)


@pytest.mark.parametrize("kind", LANGCHAIN)
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_key_of_the_environment_is_looked_up_where_the_copy_arrives(emulate, monkeypatch, kind, copied):
    mount = emulate(socket=True)
    monkeypatch.setenv(_variable(kind), FIRST)
    embed_model = kind(**_without_key(mount, kind))
    before = _key_of(embed_model)
    monkeypatch.setenv(_variable(kind), SECOND)

    twin = copied(embed_model)
    twin.embed_query("a")
    twin.close()

    assert FIRST == before == _key_of(embed_model)
    assert SECOND == _key_of(twin) == _sent_key(mount)


@pytest.mark.parametrize("kind", LANGCHAIN)
def test_a_key_of_the_environment_is_not_in_the_pickle(monkeypatch, kind):
    monkeypatch.setenv(_variable(kind), FIRST)
    from_environment, explicit = kind(), kind(api_key=EXPLICIT)

    assert FIRST.encode() not in pickle.dumps(from_environment)
    assert EXPLICIT.encode() in pickle.dumps(explicit)


@pytest.mark.parametrize("kind", LANGCHAIN)
def test_a_pickle_that_arrives_without_a_key_says_so(monkeypatch, kind):
    monkeypatch.setenv(_variable(kind), FIRST)
    pickled = pickle.dumps(kind())
    monkeypatch.delenv(_variable(kind))

    with pytest.raises(ConfigError, match=_variable(kind)):
        pickle.loads(pickled)


@pytest.mark.parametrize("kind", LANGCHAIN)
def test_settings_travel(kind):
    settings = {
        "dimensions": 1024,
        "instruct": "find it",
        "max_concurrency": 3,
        "default_headers": {"X-A": "1"},
    }
    embed_model = kind(api_key=EXPLICIT, base_url="http://127.0.0.1:9/api", **settings)

    twins = [copied(embed_model) for copied in COPIES.values()]

    assert [embed_model.fingerprint] * 2 == [twin.fingerprint for twin in twins]
    assert [settings] * 2 == [{name: getattr(twin, name) for name in settings} for twin in twins]


@pytest.mark.parametrize("kind", LANGCHAIN)
@pytest.mark.parametrize("name", ["api_key", "own"])
@pytest.mark.parametrize("wrapped", [str, SecretStr])
def test_a_key_is_a_secret_under_either_name(kind, name, wrapped):
    field = f"{kind.provider_name}_api_key"

    embed_model = kind(**{"api_key" if name == "api_key" else field: wrapped(EXPLICIT)})

    assert SecretStr is type(getattr(embed_model, field))
    assert EXPLICIT not in f"{embed_model!r} {embed_model}"


@pytest.mark.parametrize("kind", LANGCHAIN)
def test_an_unknown_setting_is_refused(kind):
    with pytest.raises(ConfigError, match="batches_at_once"):
        kind(api_key=EXPLICIT, batches_at_once=5)


def test_default_headers_are_sent(inside, embed_model_of):
    embed_model_of(ArkEmbeddings, inside, default_headers={"X-Trace": "7"}).embed_query("a")

    assert "7" == inside.emulator.ledger[0].headers["x-trace"]


async def test_clients_handed_in_are_used_and_not_closed(inside):
    settings = inside.settings("ark")
    embed_model = ArkEmbeddings(**settings)

    embed_model.embed_query("a")
    await embed_model.aembed_query("a")
    embed_model.close()

    assert 2 == len(inside.emulator.ledger)
    assert (False, False) == (settings["http_client"].is_closed, settings["http_async_client"].is_closed)


async def test_the_kind_of_client_that_was_not_handed_in_does_not_dial(inside, audit):
    settings = inside.settings("ark")
    only_sync = ArkEmbeddings(**{**settings, "http_async_client": None})
    only_async = ArkEmbeddings(**{**settings, "http_client": None})
    audit.dialled.clear()

    with pytest.raises(ConfigError, match="http_async_client"):
        await only_sync.aembed_query("a")
    with pytest.raises(ConfigError, match="http_client"):
        only_async.embed_query("a")

    assert [] == audit.dialled


@pytest.mark.parametrize("shown", [True, False])
def test_a_progress_bar_is_shown_if_asked_for(inside, embed_model_of, capsys, shown):
    embed_model_of(ArkEmbeddings, inside, show_progress_bar=shown).embed_documents(["a", "b", "c"])

    assert shown is ("3/3" in capsys.readouterr().err)


def test_langchains_rate_limiter_is_neither_dumped_nor_shown(inside, embed_model_of):
    limiter = InMemoryRateLimiter(requests_per_second=1000)
    embed_model = embed_model_of(ArkEmbeddings, inside, rate_limiter=limiter)

    embed_model.embed_documents(["a"])

    assert "rate_limiter" not in embed_model.model_dump()
    assert "rate_limiter" not in repr(embed_model)


ARRAYS = {
    "array of str": np.array(["red", "blue"]),
    "array of objects": np.array(["red", "blue"], dtype=object),
    "tuple": ("red", "blue"),
    "list of numpy strings": [np.str_("red"), np.str_("blue")],
    "generator": (text for text in ("red", "blue")),
}


@pytest.mark.parametrize("given", ARRAYS.values(), ids=ARRAYS)
def test_what_numpy_and_python_call_a_list_goes_in_and_floats_come_out(inside, embed_model_of, given):
    embed_model = embed_model_of(DashScopeEmbeddings, inside, model=V4)

    rows = embed_model.embed_documents(given)

    assert embed_model.embed_documents(["red", "blue"]) == rows
    assert {float} == {type(number) for row in rows for number in row}
    assert {float} == {type(number) for number in embed_model.embed_query(np.str_("red"))}


def test_usage_counts_requests_and_tokens(inside, embed_model_of):
    embed_model = embed_model_of(ArkEmbeddings, inside)

    embed_model.embed_documents(["a", media(Image.from_bytes(painted("red")))])
    embed_model.embed_image([PICTURE_URL])

    assert (3, inside.emulator.ledger.tokens) == (embed_model.usage.requests, embed_model.usage.total_tokens)


DESCRIPTIONS = {
    "ark": (
        ArkEmbeddings,
        {},
        "ark/doubao-embedding-vision-251215; dimension=2048; normalize=True; route='native'",
    ),
    "dashscope": (
        DashScopeEmbeddings,
        {},
        "dashscope/qwen3-vl-embedding; dimension=2560; normalize=True; route='native'",
    ),
    "all that shapes a vector": (
        ArkEmbeddings,
        {
            "model": "ep-2025-abc",
            "base_model": ARK,
            "dimensions": 1024,
            "normalize": False,
            "instruct": "find it",
            "target_modality": "image",
            "document_instructions": "as is",
        },
        "ark/ep-2025-abc as doubao-embedding-vision-251215; dimension=1024; document_instructions='as is'; "
        "instruct='find it'; normalize=False; route='native'; target_modality='image'",
    ),
    "a model outside the table": (
        DashScopeEmbeddings,
        {"model": "tomorrow-embedding"},
        "dashscope/tomorrow-embedding; normalize=True; route='native'",
    ),
}


@pytest.mark.parametrize(("kind", "settings", "expected"), DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_what_shapes_a_vector_is_known_before_any_request_and_stays(
    inside, embed_model_of, kind, settings, expected
):
    embed_model = embed_model_of(kind, inside, **settings)
    before = (embed_model.fingerprint, embed_model.describe())
    if get_model_info(embed_model.model) is not None:
        embed_model.embed_query("a")

    assert (embed_model.fingerprint, embed_model.describe()) == before
    assert expected == re.sub(r" endpoint='[^']*';", "", before[1])


def test_what_does_not_shape_a_vector_is_not_in_the_fingerprint():
    plain = ArkEmbeddings(api_key=EXPLICIT)
    other = ArkEmbeddings(api_key=FIRST, timeout=5, max_concurrency=2, default_headers={"X": "1"}, cache={})

    assert plain.fingerprint == other.fingerprint
    assert EXPLICIT not in plain.fingerprint


@pytest.mark.parametrize("kind", LANGCHAIN)
def test_two_event_loops_in_a_row_for_every_async_call(emulate, embed_model_of, kind):
    embed_model = embed_model_of(kind, emulate(socket=True))

    async def every() -> list[Any]:
        return [
            await embed_model.aembed_query("a"),
            await embed_model.aembed_documents(["a"]),
            await embed_model.aembed_image([PICTURE_URL]),
            await embed_model.aembed_contents(["a"], text_type="query"),
        ]

    assert asyncio.run(every()) == asyncio.run(every())


@pytest.mark.parametrize("kind", LANGCHAIN)
async def test_sync_calls_inside_a_running_loop(emulate, embed_model_of, kind):
    embed_model = embed_model_of(kind, emulate(socket=True))

    assert await embed_model.aembed_documents(["a", "b", "c"]) == embed_model.embed_documents(["a", "b", "c"])
    assert await embed_model.aembed_image([PICTURE_URL]) == embed_model.embed_image([PICTURE_URL])


@pytest.mark.parametrize(("kind", "model"), [(ArkEmbeddings, ARK), (DashScopeEmbeddings, VL)])
def test_a_cache_serves_texts_and_media_without_a_request(inside, embed_model_of, kind, model):
    cache: dict[str, bytes] = {}
    given = ["a", media(Image.from_bytes(painted("red"))), {"image": PICTURE_URL}]

    first = embed_model_of(kind, inside, model=model, cache=cache).embed_documents(given)
    paid = len(inside.emulator.ledger)
    second = embed_model_of(kind, inside, model=model, cache=cache).embed_documents(given)

    assert first == second
    assert paid == len(inside.emulator.ledger)
