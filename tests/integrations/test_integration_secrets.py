"""A key is in no text that an integration gives out."""

from __future__ import annotations

import copy
import pickle

import pytest
from canary import KEY
from listener import Listener
from llama_index.core.callbacks import CallbackManager
from samples import INTEGRATIONS, LANGCHAIN, LLAMA_INDEX, documents, images

import langchain_volc_dashscope as lc
import llama_index_ext as li
from langchain_volc_dashscope import ArkEmbeddings
from volc_dashscope import ConfigError

SHOWN = {
    "repr": repr,
    "str": str,
    "vars": vars,
    "model_dump": lambda embed_model: embed_model.model_dump(),
    "model_dump_json": lambda embed_model: embed_model.model_dump_json(),
    "private": lambda embed_model: embed_model.__pydantic_private__,
}
SHOWN_BY_LLAMA_INDEX = {
    "to_dict": lambda embed_model: embed_model.to_dict(),
    "to_json": lambda embed_model: embed_model.to_json(),
    "to_payload": lambda embed_model: embed_model.to_payload(),
    "dict": lambda embed_model: embed_model.dict(),
}


@pytest.mark.parametrize("kind", INTEGRATIONS)
@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_no_view_of_an_integration_shows_the_key(kind, show):
    embed_model = kind(api_key=KEY, default_headers={"X-Trace": KEY})

    if show is vars:  # the user's own headers are an attribute; the key is not
        embed_model.default_headers = None

    assert KEY not in f"{show(embed_model)} {show(embed_model)!r}"


@pytest.mark.parametrize("kind", LLAMA_INDEX)
@pytest.mark.parametrize("show", SHOWN_BY_LLAMA_INDEX.values(), ids=SHOWN_BY_LLAMA_INDEX)
def test_no_serialized_form_holds_the_key(kind, show):
    embed_model = kind(api_key=KEY)

    assert KEY not in str(show(embed_model))
    assert "api_key" not in str(show(embed_model))


MISTAKES = {
    "misspelt": {"apikey": KEY},
    "wrong type": {"api_key": {"key": KEY}},
    "line break": {"api_key": f"{KEY}\n{KEY}"},
    "with a wrong setting": {"api_key": KEY, "max_concurrency": KEY},
}


@pytest.mark.parametrize("kind", INTEGRATIONS)
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_no_error_shows_the_key(kind, mistake):
    with pytest.raises(ConfigError) as caught:
        kind(**mistake)

    error = caught.value
    texts = [str(error), repr(error), str(error.__cause__), str(error.__context__)]
    assert KEY not in " ".join(texts)


@pytest.mark.parametrize("kind", INTEGRATIONS)
def test_an_unknown_setting_is_refused_by_name(kind):
    with pytest.raises(ConfigError, match="dimension_count"):
        kind(api_key=KEY, dimension_count=5)


@pytest.mark.parametrize("kind", INTEGRATIONS)
def test_a_copy_made_by_pickle_works_and_keeps_the_explicit_key(emulate, embed_model_of, kind):
    mount = emulate(socket=True)
    embed_model = embed_model_of(kind, mount)
    twin = pickle.loads(pickle.dumps(embed_model))

    expected, actual = documents(embed_model, ["a"]), documents(twin, ["a"])
    twin.close()

    assert expected == actual
    assert f"Bearer {KEY}" == mount.emulator.ledger[-1].headers["authorization"]


@pytest.mark.parametrize("kind", INTEGRATIONS)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickle.dumps], ids=["deepcopy", "pickle"])
def test_an_integration_with_a_client_handed_in_refuses_to_be_copied(inside, kind, duplicate):
    """Without the client the copy would dial the live service."""
    embed_model = kind(**inside.settings(kind.provider_name))

    with pytest.raises(ConfigError, match=r"your own HTTP client"):
        duplicate(embed_model)


class Unlimited:
    """A limiter that lets everything pass."""

    def acquire(self):
        return True

    async def aacquire(self):
        return True


def test_a_limiter_or_header_is_not_dumped():
    embed_model = ArkEmbeddings(api_key=KEY, default_headers={"X-Trace": "1"}, limiter=Unlimited())

    assert {"limiter", "default_headers", "http_client", "ark_api_key"}.isdisjoint(embed_model.model_dump())


@pytest.mark.parametrize("kind", LLAMA_INDEX)
def test_events_do_not_hold_the_key(inside, embed_model_of, kind):
    listener = Listener()
    embed_model = embed_model_of(kind, inside, callback_manager=CallbackManager([listener]))

    documents(embed_model, ["a"])
    images(embed_model, ["https://example.com/a.png"])

    assert 4 == len(listener.heard)
    assert KEY not in str(listener.heard)


@pytest.mark.parametrize("kind", LANGCHAIN)
@pytest.mark.parametrize("spelling", ["api_key", "own"])
def test_the_key_goes_by_either_name(inside, embed_model_of, kind, spelling):
    name = "api_key" if spelling == "api_key" else f"{kind.provider_name}_api_key"
    settings = inside.settings(kind.provider_name) | {"api_key": None}
    del settings["api_key"]

    kind(**settings, **{name: f" {KEY}\n"}).embed_query("a")

    assert f"Bearer {KEY}" == inside.emulator.ledger[0].headers["authorization"]


@pytest.mark.parametrize("kind", INTEGRATIONS)
def test_the_key_comes_from_the_environment(inside, monkeypatch, kind):
    settings = inside.settings(kind.provider_name)
    del settings["api_key"]
    monkeypatch.setenv(f"{kind.provider_name.upper()}_API_KEY", "sk-from-environment")

    documents(kind(**settings), ["a"])

    assert "Bearer sk-from-environment" == inside.emulator.ledger[0].headers["authorization"]


@pytest.mark.parametrize("kind", INTEGRATIONS)
def test_a_missing_key_names_the_variable(kind):
    with pytest.raises(ConfigError, match=f"{kind.provider_name.upper()}_API_KEY"):
        kind()


CLASSES = {
    f"{kind.__module__.partition('.')[0]}.{kind.__name__}": kind
    for kind in (
        *INTEGRATIONS,
        lc.DashScopeRerank,
        li.DashScopeRerank,
        li.ArkSparseEmbedding,
        li.DashScopeSparseEmbedding,
        li.MultiModalNodeEmbedder,
    )
}


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_a_class_has_a_json_schema_without_the_key(kind, monkeypatch):
    """Forms and servers are made from it; some fields are objects, for which pydantic knows none."""
    monkeypatch.setenv("ARK_API_KEY", KEY)
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)

    schema = kind.model_json_schema()

    assert KEY not in str(schema)
    assert kind.model_fields.keys() - schema["properties"].keys() <= set(_aliased(kind))


def _aliased(kind):
    return [name for name, field in kind.model_fields.items() if field.alias or field.validation_alias]
