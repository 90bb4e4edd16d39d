"""Settings are written once: what derives from them agrees, and one key says what shapes a vector."""

from __future__ import annotations

import inspect
import os
import pickle
import re
import subprocess
import sys
import traceback
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, Unpack, get_type_hints

import click
import httpx
import pytest

import langchain_volc_dashscope
import llama_index_ext
import volc_dashscope
import volc_dashscope.bulk
import volc_dashscope.cache
import volc_dashscope.emulator
import volc_dashscope.errors
import volc_dashscope.inputs
import volc_dashscope.jobs
import volc_dashscope.models
import volc_dashscope.ray
import volc_dashscope.search
from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings
from llama_index_ext import (
    ArkMultiModalEmbedding,
    ArkSparseEmbedding,
    DashScopeMultiModalEmbedding,
    DashScopeSparseEmbedding,
    MultiModalNodeEmbedder,
)
from volc_dashscope import (
    AsyncClient,
    Client,
    ClientSettings,
    ConfigError,
    estimate_cost,
    estimate_rerank_cost,
    get_model_info,
)
from volc_dashscope._config import argument_docs
from volc_dashscope._options import ClientOptions
from volc_dashscope.bulk import preview, preview_rerank
from volc_dashscope.cli._app import app
from volc_dashscope.cli._folder import FolderOptions
from volc_dashscope.cli._options import EmbedOptions
from volc_dashscope.cli._rerank import RerankOptions
from volc_dashscope.integrations.rerank import RerankFields
from volc_dashscope.integrations.settings import ClientFields
from volc_dashscope.jobs import AsyncBatchJobs, AsyncFileJobs, BatchJobs, FileJobs
from volc_dashscope.ray import Embedder, RateBudget
from volc_dashscope.rerank import AsyncReranker, Reranker
from volc_dashscope.settings import documentation

ARK, TEXT, PLUS = (
    "doubao-embedding-vision-251215",
    "text-embedding-v4",
    "tongyi-embedding-vision-plus-2026-03-06",
)
ROOT = Path(__file__).parents[2]
OURS = ("volc_dashscope", "langchain_volc_dashscope", "llama_index_ext")
ROOMS = (
    volc_dashscope.bulk,
    volc_dashscope.cache,
    volc_dashscope.emulator,
    volc_dashscope.errors,
    volc_dashscope.inputs,
    volc_dashscope.jobs,
    volc_dashscope.models,
    volc_dashscope.ray,
    volc_dashscope.search,
)
KEY = "sk-canary-5f1d7e40c2"
DEFAULTS = {
    each.name: inspect.Parameter.empty if each.default is MISSING else each.default
    for each in fields(ClientSettings)
}
TYPES = {name: kind for name, kind in get_type_hints(ClientSettings).items() if name != "_"}
INTEGRATIONS = (
    ArkEmbeddings,
    DashScopeEmbeddings,
    ArkMultiModalEmbedding,
    DashScopeMultiModalEmbedding,
    ArkSparseEmbedding,
    DashScopeSparseEmbedding,
)
RERANKERS = (langchain_volc_dashscope.DashScopeRerank, llama_index_ext.DashScopeRerank)
JOBS = (BatchJobs, AsyncBatchJobs, FileJobs, AsyncFileJobs)


# Everything that derives from the settings agrees with them.


def test_every_setting_is_documented():
    assert list(DEFAULTS) == list(documentation())


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_the_signature_of_a_client_is_the_settings(kind):
    signature = inspect.signature(kind).parameters
    types = get_type_hints(kind.__init__)
    del types["return"]

    assert {name: each.default for name, each in signature.items()} == DEFAULTS
    assert types == TYPES
    assert [] == [text for text in documentation().values() if text not in " ".join(kind.__doc__.split())]


def test_keyword_options_are_the_settings_but_the_model():
    assert get_type_hints(ClientOptions) == {name: TYPES[name] for name in TYPES if name != "model"}


@pytest.mark.parametrize("kind", INTEGRATIONS)
def test_the_fields_of_an_integration_are_the_settings(kind):
    """But the model and the key, which have their framework's names, and the provider, which is the class."""
    others = {"model", "provider", "api_key"}
    expected = {name: (DEFAULTS[name], TYPES[name]) for name in DEFAULTS if name not in others}
    # Integrations keep the rows of a failed call: their frameworks give what is done away with the error.
    expected["partial_results_bytes"] = (64 * 1024 * 1024, int)
    types = get_type_hints(ClientFields)

    shared = {name: (kind.model_fields[name].default, types[name]) for name in expected}
    assert expected == shared
    assert {name: text for name, text in documentation().items() if name in expected} == {
        name: kind.model_fields[name].description for name in expected
    }


# What each leaves out, so that a new setting is decided on everywhere. Vectors are not what a reranker returns; a job's
# limits are the service's own, and its file is written before it is sent; an estimate and a preview send nothing.
VECTORS = {
    "provider", "dimensions", "normalize", "target_modality", "query_instructions", "document_instructions",
    "res_level", "max_video_frames", "upload", "partial_results_bytes",
}  # fmt: skip
LIMITS = {"max_concurrency", "requests_per_minute", "tokens_per_minute", "limiter"}
NOT_FOR_JOBS = (
    VECTORS - {"dimensions", "normalize"}
    | LIMITS
    | {"route", "instruct", "cache", "max_image_pixels", "extra_body"}
)
# Python's own: the key is in the environment, and objects have no text. The others are for programs.
NOT_FOR_A_SHELL = {
    "api_key", "model_info", "target_modality", "query_instructions", "document_instructions", "max_video_frames",
    "limiter", "max_retries", "deadline", "timeout", "partial_results_bytes", "default_headers", "http_client",
    "http_async_client", "extra_body",
}  # fmt: skip
# What means something else for a reranker, or for jobs, and is documented there.
RERANK_WORDS = {"model", "base_model", "route", "api_key", "base_url", "instruct", "cache", "truncate"}
JOB_WORDS = {"model", "api_key", "base_url", "region", "truncate"}


def _as_settings(function, *, but=()):
    """The parameters of a function that are settings: (default, type) by name, `self` and `but` left out."""
    types = get_type_hints(function)
    signature = inspect.signature(function).parameters
    return {
        name: (each.default, types[name])
        for name, each in signature.items()
        if name in DEFAULTS and name not in but
    }


def _expected(names):
    return {name: (DEFAULTS[name], TYPES[name]) for name in DEFAULTS if name in names}


def _documented(kind, name):
    return " ".join(argument_docs(kind)[name].split())


@pytest.mark.parametrize("kind", JOBS)
def test_the_settings_of_jobs_are_a_client_s(kind):
    found = _as_settings(kind.__init__, but={"model"})

    assert _expected(DEFAULTS.keys() - NOT_FOR_JOBS - {"model"}) == found
    assert list(inspect.signature(kind).parameters) == list(argument_docs(kind))
    assert {name: documentation()[name] for name in found.keys() - JOB_WORDS} == {
        name: _documented(kind, name) for name in found.keys() - JOB_WORDS
    }


@pytest.mark.parametrize("kind", [Reranker, AsyncReranker])
def test_the_settings_of_a_reranker_are_a_client_s(kind):
    """But the model, its row and its route, which are rerank's own."""
    own = {"model", "model_info", "route"}
    found = _as_settings(kind.__init__, but=own)

    assert _expected(DEFAULTS.keys() - VECTORS - own) == found
    assert list(inspect.signature(kind).parameters) == list(argument_docs(Reranker))
    assert {name: documentation()[name] for name in found.keys() - RERANK_WORDS} == {
        name: _documented(Reranker, name) for name in found.keys() - RERANK_WORDS
    }


@pytest.mark.parametrize("kind", RERANKERS)
def test_the_fields_of_an_integration_s_reranker_are_a_reranker_s(kind):
    signature, types = inspect.signature(Reranker).parameters, get_type_hints(Reranker.__init__)
    fields_, hints = kind.model_fields, get_type_hints(RerankFields)
    names = set(signature) - {"api_key"}

    assert {name: signature[name].default for name in names} == {
        name: fields_[name].default for name in names
    }
    assert {name: types[name] for name in names} == {name: hints[name] for name in names}
    assert {name: _documented(Reranker, name) for name in names - {"model"}} == {
        name: fields_[name].description for name in names - {"model"}
    }


@pytest.mark.parametrize("kind", [*INTEGRATIONS, *RERANKERS])
def test_the_folder_of_local_files_is_a_path_everywhere(kind, tmp_path):
    assert str(tmp_path) == kind(api_key="k", media_root=tmp_path).media_root
    assert kind.model_fields["media_root"].description


@pytest.mark.parametrize("function", [estimate_rerank_cost, preview_rerank])
def test_a_count_of_a_reranker_takes_its_settings(function):
    signature, types = inspect.signature(Reranker).parameters, get_type_hints(Reranker.__init__)
    names = (set(inspect.signature(function).parameters) & set(signature)) - {"model"}

    assert {"instruct", "truncate"} <= names
    assert {name: (signature[name].default, types[name]) for name in names} == {
        name: (each.default, get_type_hints(function)[name])
        for name, each in inspect.signature(function).parameters.items()
        if name in names
    }


@pytest.mark.parametrize(
    "function", [estimate_cost, preview, Embedder.__init__], ids=["estimate", "preview", "ray"]
)
def test_what_takes_settings_by_keyword_takes_all_of_them(function):
    """The names of `ClientSettings`, not one that is only here; the model may be a `ClientSettings`."""
    types = get_type_hints(function)

    assert Unpack[ClientOptions] == types["settings"]
    assert str | ClientSettings == types["model"]
    assert {} == _as_settings(function, but={"model"})


def test_a_budget_of_ray_has_the_limits_of_a_client():
    assert _expected(LIMITS & _as_settings(RateBudget.__init__).keys()) == _as_settings(RateBudget.__init__)


@pytest.mark.parametrize(
    ("kind", "left_out"),
    [
        (EmbedOptions, set()),
        (RerankOptions, VECTORS),
        # A folder of pictures has a cache of its own, and is embedded by the native route, at full resolution.
        (FolderOptions, {"cache", "route", "res_level", "normalize"}),
    ],
)
def test_the_command_line_has_the_settings_of_a_client(kind, left_out):
    """With their types, but the cache, which is a path, and the route and model, which may be left to the command."""
    types = {name: hint for name, hint in get_type_hints(kind).items() if name in DEFAULTS}
    same = types.keys() - {"cache", "route", "model"}

    assert DEFAULTS.keys() - NOT_FOR_A_SHELL - left_out == types.keys()
    assert {name: TYPES[name] for name in same} == {name: types[name] for name in same}


COMMANDS = {
    "embed": ["texts.txt", "-m", TEXT],
    "estimate": ["texts.txt", "-m", TEXT],
    "rerank": ["pairs.csv", "-m", "qwen3-rerank"],
    "search": ["."],
    "serve": ["."],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_of_a_setting_is_explained_and_has_its_default(name):
    """One that is left out is None or False, and then the setting's default is not replaced."""
    command = app.get_command(click.Context(app), name)
    given = command.make_context(name, [*COMMANDS[name]]).params
    settings = given.keys() & DEFAULTS.keys() - {"model"}

    assert settings
    assert [] == [
        each.name for each in command.params if each.name in settings and not getattr(each, "help", None)
    ]
    assert {name: DEFAULTS[name] for name in settings} == {
        name: DEFAULTS[name] if given[name] is None else given[name] for name in settings
    }


def test_settings_are_a_value_that_copies_and_pickles():
    settings = ClientSettings(TEXT, api_key=KEY, dimensions=64, default_headers={"X-A": "b"})

    assert settings == pickle.loads(pickle.dumps(settings)) == replace(settings)
    with pytest.raises(AttributeError):
        settings.dimensions = 128


def test_a_client_of_settings_is_the_same_client(inside):
    given = inside.settings("dashscope") | {"dimensions": 64}
    settings = ClientSettings(TEXT, **given)

    vectors = [
        client.embed(["a"]).vectors for client in (Client(TEXT, **given), Client.from_settings(settings))
    ]

    assert vectors[0].tolist() == vectors[1].tolist()
    assert (1, 64) == vectors[0].shape


@pytest.mark.parametrize("show", [repr, str, lambda settings: settings.vector_key(), documentation])
def test_no_view_of_settings_shows_the_key(show):
    settings = ClientSettings(TEXT, api_key=KEY, default_headers={"X-Trace": KEY})

    assert KEY not in str(show(settings) if show is not documentation else show())


# What shapes a vector.


OWN = replace(get_model_info(ARK), name="mine")
SHAPES = {
    "model": ({"model": "ep-1", "base_model": ARK}, {"model": "ep-2", "base_model": ARK}),
    "base model": (
        {"model": "ep-1", "base_model": ARK},
        {"model": "ep-1", "base_model": "doubao-embedding-vision-250615"},
    ),
    "base models of one ability": (
        {"model": "ep-1", "base_model": "doubao-embedding-vision-250615"},
        {"model": "ep-1", "base_model": "doubao-embedding-vision-250328"},
    ),
    "own row": ({"model": "ep-1", "base_model": ARK}, {"model": "ep-1", "model_info": OWN}),
    "own row's content": (
        {"model": "ep-1", "model_info": OWN},
        {"model": "ep-1", "model_info": replace(OWN, instruct=False)},
    ),
    "provider": ({"model": "next", "provider": "ark"}, {"model": "next", "provider": "dashscope"}),
    "route": ({"model": TEXT}, {"model": TEXT, "route": "openai"}),
    "host": ({"model": TEXT}, {"model": TEXT, "base_url": "https://gateway.example/api/v1"}),
    "path": (
        {"model": TEXT, "base_url": "https://gateway.example/a"},
        {"model": TEXT, "base_url": "https://gateway.example/b"},
    ),
    "port": (
        {"model": TEXT, "base_url": "http://127.0.0.1:8000/v1"},
        {"model": TEXT, "base_url": "http://127.0.0.1:8001/v1"},
    ),
    "region": ({"model": TEXT}, {"model": TEXT, "region": "ap-southeast-1"}),
    "dimensions": ({"model": TEXT}, {"model": TEXT, "dimensions": 64}),
    "normalize": ({"model": TEXT}, {"model": TEXT, "normalize": False}),
    "instruct": ({"model": TEXT}, {"model": TEXT, "instruct": "find"}),
    "target modality": ({"model": ARK}, {"model": ARK, "target_modality": "image"}),
    "query instructions": ({"model": ARK}, {"model": ARK, "query_instructions": "x"}),
    "document instructions": ({"model": ARK}, {"model": ARK, "document_instructions": "x"}),
    "res level": ({"model": PLUS}, {"model": PLUS, "res_level": 2}),
    "video frames": ({"model": PLUS}, {"model": PLUS, "max_video_frames": 16}),
    "truncate": ({"model": TEXT}, {"model": TEXT, "truncate": True}),
    "image pixels": ({"model": PLUS}, {"model": PLUS, "max_image_pixels": 1_000_000}),
    "extra body": ({"model": TEXT}, {"model": TEXT, "extra_body": {"parameters": {"new": 1}}}),
}


@pytest.mark.parametrize(("one", "other"), SHAPES.values(), ids=SHAPES)
def test_another_shape_is_another_key_and_another_fingerprint(one, other):
    clients = [Client(**settings, api_key="k") for settings in (one, other)]

    assert 2 == len({ClientSettings(**settings).vector_key() for settings in (one, other)})
    assert 2 == len({client.fingerprint for client in clients})


@pytest.mark.parametrize(("one", "other"), SHAPES.values(), ids=SHAPES)
def test_a_cache_never_serves_a_row_of_another_maker(one, other):
    """The first client's row is in the cache; the second one has to ask."""
    from volc_dashscope.emulator import Emulator

    cache, emulator = {}, Emulator()
    for settings in (one, other):
        client = Client(**settings, api_key="k", cache=cache, http_client=emulator.http_client())
        client.embed(["hello"], on_error="skip")

    assert 2 == len(emulator.ledger)


SAME = {
    "the default spelled out": ({"dimensions": 1024}, {}),
    "a slash": (
        {"base_url": "https://gateway.example/a/"},
        {"base_url": "https://gateway.example/a"},
    ),
    "case of a host": (
        {"base_url": "https://Gateway.example/a"},
        {"base_url": "https://gateway.example/a"},
    ),
    "its own row": ({"base_model": TEXT}, {}),
    "what shapes nothing": (
        {
            "timeout": 5.0,
            "max_retries": 1,
            "api_key": "x",
            "max_concurrency": 2,
            "default_headers": {"A": "b"},
        },
        {},
    ),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_what_shapes_nothing_is_not_in_the_key(one, other):
    assert ClientSettings(TEXT, **one).vector_key() == ClientSettings(TEXT, **other).vector_key()


def test_a_new_price_or_limit_of_a_row_does_not_forget_the_cache():
    corrected = replace(OWN, price=None, batch=3, as_of="2027-01-01", note="new", requests_per_minute=1)

    assert (
        ClientSettings("ep-1", model_info=OWN).vector_key()
        == ClientSettings("ep-1", model_info=corrected).vector_key()
    )


MISLEADING: dict[str, tuple[dict[str, Any], str]] = {
    "no JSON": ({"extra_body": {"x": object()}}, "extra_body must be JSON"),
    "NaN": ({"extra_body": {"x": [float("nan")]}}, "extra_body must be JSON"),
    "no parameters": (
        {"extra_body": {"parameters": None}},
        "parameters in extra_body must be a mapping of fields, got NoneType",
    ),
    "a list of fields": ({"extra_body": [("user", "u")]}, "extra_body must be a mapping of fields, got list"),
    "another model": (
        {"extra_body": {"model": "m"}},
        "must not contain 'model': each call sets it; pass it as model",
    ),
    "another input": (
        {"extra_body": {"input": {"texts": ["b"]}}},
        "must not contain 'input': each call sets it; pass the items",
    ),
    "another length": ({"extra_body": {"dimensions": 64}}, "it is a setting; pass it as dimensions"),
    "another length inside": ({"extra_body": {"parameters": {"dimension": 64}}}, "pass it as dimensions"),
    "a word for False": ({"normalize": "no"}, "normalize must be True or False, got 'no'"),
    "a number for False": ({"truncate": 0}, "truncate must be True or False, got 0"),
    "None for False": ({"upload": None}, "upload must be True or False, got None"),
    "headers in a list": ({"default_headers": [("A", "b")]}, "default_headers must be a mapping, got list"),
    "a length": ({"default_headers": {"content-length": "3"}}, "content-length: each request sets it"),
    "a coding": (
        {"default_headers": {"Transfer-Encoding": "chunked"}},
        "Transfer-Encoding: each",
    ),
    "a host": ({"default_headers": {"host": "example.com"}}, "host: each request sets it"),
    "a workspace": ({"default_headers": {"x-dashscope-workspace": "ws"}}, "pass workspace"),
    "fewer than none": ({"partial_results_bytes": -1}, "partial_results_bytes must be a whole number from 0"),
    "no limiter": ({"limiter": object()}, r"limiter must have acquire\(\) and aacquire\(\)"),
    "a class": ({"http_client": httpx.Client}, "http_client must be a client like httpx.Client, got type"),
}


@pytest.mark.parametrize("kind", [Client, AsyncClient], ids=["sync", "async"])
@pytest.mark.parametrize(("settings", "words"), MISLEADING.values(), ids=MISLEADING)
def test_a_setting_that_would_mislead_a_request_is_refused(kind, settings, words):
    with pytest.raises(ConfigError, match=words):
        kind(TEXT, api_key="k", **settings)


@pytest.mark.parametrize("field", ["model", "query", "documents", "input"])
def test_the_fields_of_a_rerank_call_are_not_replaced(field):
    with pytest.raises(ConfigError, match=f"must not contain '{field}'"):
        Reranker("qwen3-rerank", api_key="k", extra_body={field: "x"})


def test_a_name_of_the_users_own_program_replaces_ours():
    spec = ClientSettings(TEXT, api_key="k", default_headers={"user-agent": "shop/1"}).resolved_spec()

    assert ["shop/1"] == [value for name, value in spec.headers.items() if name.lower() == "user-agent"]


NAMES = {
    "usual": (TEXT, {}, "text_embedding_v4_1024_"),
    "upper case and dots": ("Qwen3.VL/Embed", {"provider": "dashscope"}, "qwen3_vl_embed_"),
    "long": ("m" * 200, {"provider": "ark"}, "m" * 46 + "_"),
    "a digit first": ("360-embed", {"provider": "ark"}, "model_360_embed_"),
    "nothing readable": ("模型", {"provider": "ark"}, "model_"),
}


@pytest.mark.parametrize(("model", "settings", "start"), NAMES.values(), ids=NAMES)
@pytest.mark.parametrize(
    "kind", [Client, ArkEmbeddings, ArkMultiModalEmbedding], ids=lambda kind: kind.__name__
)
def test_a_fingerprint_can_name_a_collection(kind, model, settings, start):
    ours = kind is Client
    if not ours and settings.get("provider") != "ark":
        kind = {ArkEmbeddings: DashScopeEmbeddings}.get(kind, DashScopeMultiModalEmbedding)
    made = kind(model=model, api_key="k", **(settings if ours else {}))

    assert re.fullmatch(r"[a-z][a-z0-9_]{1,61}[a-z0-9]", made.fingerprint)
    assert re.fullmatch(f"{start}[0-9a-f]{{16}}", made.fingerprint)


def test_names_that_differ_only_where_a_database_cuts_stay_different():
    names = [Client("m" * 100 + tail, provider="ark", api_key="k").fingerprint for tail in ("a", "b")]

    assert 2 == len({name[:63] for name in names})


# Functions that take the settings as a value, or by keyword.


SETTINGS = ClientSettings(TEXT, route="batch", instruct=None)


def test_an_estimate_takes_settings_as_a_value():
    assert estimate_cost(["a"], SETTINGS) == estimate_cost(["a"], TEXT, route="batch")


def test_a_preview_takes_settings_as_a_value(tmp_path):
    (tmp_path / "texts.txt").write_text("a\nb\n")
    settings = replace(SETTINGS, requests_per_minute=1)

    by_value = preview(tmp_path / "texts.txt", model=settings)

    assert by_value == preview(tmp_path / "texts.txt", model=TEXT, route="batch", requests_per_minute=1)
    assert 60 <= by_value.seconds


@pytest.mark.parametrize("kind", JOBS)
def test_jobs_take_settings_as_a_value(kind):
    model = "text-embedding-async-v2" if "File" in kind.__name__ else TEXT
    jobs = kind.from_settings(ClientSettings(model, api_key="k", region="cn-beijing"))

    assert repr(kind(model, api_key="k", region="cn-beijing")) == repr(jobs)


TAKEN = {
    "estimate": lambda: estimate_cost(["a"], SETTINGS, dimensions=64),
    "preview": lambda: preview("texts.txt", model=SETTINGS, dimensions=64),
    "ray": lambda: Embedder(SETTINGS, text_column="text", dimensions=64),
}


@pytest.mark.parametrize("given_twice", TAKEN.values(), ids=TAKEN)
def test_settings_beside_settings_are_refused(given_twice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.txt").write_text("a\n")

    with pytest.raises(ConfigError, match="dimensions: pass it in ClientSettings"):
        given_twice()


def test_the_options_of_the_command_line_are_settings():
    """Each option that is named as a setting reaches the client; the cache is opened from its path first."""
    given = {each.name: None for each in fields(EmbedOptions)} | {
        "model": TEXT,
        "dimensions": 64,
        "normalize": False,
        "max_concurrency": 3,
        "region": "cn-beijing",
        "res_level": 0,
        "cache": "vectors.sqlite",
    }

    assert EmbedOptions(**given).settings() == ClientSettings(
        TEXT, dimensions=64, normalize=False, max_concurrency=3, region="cn-beijing", res_level=0
    )


# Types.


WRONG = """
from volc_dashscope import AsyncClient, Client, ClientSettings, estimate_cost, estimate_rerank_cost
from volc_dashscope.bulk import preview, preview_rerank
from volc_dashscope.jobs import AsyncFileJobs, BatchJobs
from volc_dashscope.ray import Embedder, RateBudget
from volc_dashscope.rerank import AsyncReranker, Reranker
from langchain_volc_dashscope import ArkEmbeddings, DashScopeEmbeddings, DashScopeRerank
from llama_index_ext import ArkSparseEmbedding, DashScopeMultiModalEmbedding, MultiModalNodeEmbedder
from llama_index_ext import DashScopeRerank as NodeRerank

Client("m", dimensions="64")
Client("m").embed(["a"], text_type="passage")
AsyncClient("m", normalise=True)
AsyncClient("m", http_client="https://example.com")
ClientSettings("m", max_retries="7")
Client.from_settings("m")
estimate_cost(["a"], "m", route="fast")
estimate_rerank_cost([("a", ["b"])], truncate="yes")
preview("a.txt", model="m", dimensions="64")
preview_rerank("a.csv", model="m", requests_per_minute="60")
BatchJobs("m", region=7)
AsyncFileJobs("m", route="batch")
Reranker("m", route="batch")
Reranker("m", dimensions=64)
AsyncReranker("m", max_concurrency="8")
Embedder("m", text_column="a", timeout="1")
RateBudget(requests_per_minute="600")
ArkEmbeddings(dimensions="64")
DashScopeEmbeddings(cache="rows")
DashScopeRerank(top_n="5")
NodeRerank(timeout="1")
DashScopeMultiModalEmbedding(instruct=7)
ArkSparseEmbedding(max_retries="7")
MultiModalNodeEmbedder(embed_model="m")
ArkEmbeddings(api_key=5)
DashScopeRerank(api_key=5)
ArkSparseEmbedding(api_key=5)
NodeRerank(api_key=5)
DashScopeMultiModalEmbedding().get_image_embedding(5)
"""
RIGHT = """
from pathlib import Path
from pydantic import SecretStr
from volc_dashscope import AsyncClient, Client, ClientSettings, Image, estimate_cost, estimate_rerank_cost
from volc_dashscope.bulk import preview, preview_rerank
from volc_dashscope.jobs import AsyncFileJobs, BatchJobs
from volc_dashscope.ray import Embedder, RateBudget
from volc_dashscope.rerank import AsyncReranker, Reranker
from langchain_volc_dashscope import ArkEmbeddings, DashScopeRerank
from llama_index_ext import ArkSparseEmbedding, DashScopeMultiModalEmbedding, MultiModalNodeEmbedder
from llama_index_ext import DashScopeRerank as NodeRerank

settings = ClientSettings("m", dimensions=64, cache={}, api_key="k")
picture = Image.from_path("a.png")
Client("m").embed(["a"], text_type=None)
Reranker("m", route="openai", cache={}).rerank("a", ["b"], top_n=1)
AsyncReranker("m", extra_body={"user": "u"})
estimate_rerank_cost([("a", ["b"])], truncate=True)
preview_rerank("a.csv", model="m", requests_per_minute=60)
AsyncFileJobs("m", max_retries=2)
RateBudget(requests_per_minute=600)
DashScopeRerank(top_n=5, media_root=Path("pictures"))
NodeRerank(timeout=1, extra_body={"user": "u"})
ArkSparseEmbedding(max_retries=2)
MultiModalNodeEmbedder(embed_model=DashScopeMultiModalEmbedding())
Client("m", dimensions=64, cache={}, extra_body={"user": "u"}, default_headers={"A": "b"})
AsyncClient.from_settings(settings)
estimate_cost(["a"], settings)
estimate_cost(["a"], "m", route="batch")
preview("a.txt", model="m", dimensions=64)
BatchJobs("m", region="cn-beijing")
Embedder(settings, text_column="a")
ArkEmbeddings(dimensions=64, cache={})
DashScopeMultiModalEmbedding(instruct="find")
ArkEmbeddings(api_key="k")
ArkEmbeddings(api_key=SecretStr("k"))
DashScopeRerank(api_key="k")
ArkSparseEmbedding(api_key="k")
NodeRerank(api_key="k")
DashScopeMultiModalEmbedding(api_key="k").get_image_embedding(Path("a.png"))
DashScopeMultiModalEmbedding().get_image_embedding_batch([Path("a.png"), b"", "b.png", picture])
pictures = ["a.png"]
DashScopeMultiModalEmbedding().get_image_embedding_batch(pictures)
DashScopeMultiModalEmbedding().get_video_embeddings(pictures)
"""


def _checked(tmp_path, **programs):
    """What mypy says of programs that use the packages: the lines of its errors, and its words."""
    for name, code in programs.items():
        (tmp_path / f"{name}.py").write_text(code)
    # As `make lint` runs it, so that each takes what the other has found of the packages from the cache.
    command = [sys.executable, "-m", "mypy", *(str(tmp_path / f"{name}.py") for name in programs)]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    found = re.findall(r"(\w+)\.py:(\d+): error", done.stdout)
    return [{int(line) for each, line in found if each == name} for name in programs], done.stdout


def test_a_type_checker_finds_every_wrong_setting(tmp_path):
    """One error for each call of the sample, and none where all is right."""
    calls = {number for number, line in enumerate(WRONG.split("\n"), 1) if "(" in line}

    found, said = _checked(tmp_path, wrong_settings=WRONG, right_settings=RIGHT)

    assert [calls, set()] == found, said


def _public():
    """
    Every public class and function of the packages, and every method of the classes, inherited ones too.

    The special methods are public: `with`, `for`, pipelines and Ray call them.
    """
    for package in (volc_dashscope, langchain_volc_dashscope, llama_index_ext, *ROOMS):
        for name in package.__all__:
            thing = getattr(package, name)
            named = {name: thing}
            if inspect.isclass(thing):
                # `dir` also lists what pydantic takes out of a class.
                named |= {f"{name}.{method}": getattr(thing, method, None) for method in dir(thing)}
            for spelled, member in named.items():
                function = getattr(member, "__func__", getattr(member, "fget", member))
                ours = str(getattr(function, "__module__", "")).split(".")[0] in OURS
                private = re.match(r"_(?!_\w+__$)", spelled.rpartition(".")[2])
                if ours and inspect.isroutine(function) | inspect.isclass(function) and not private:
                    yield f"{package.__name__}.{spelled}", function


def test_type_hints_of_every_public_callable_can_be_read():
    public, unread = dict(_public()), {}
    for name, thing in public.items():
        try:
            get_type_hints(thing)
        except (NameError, TypeError, AttributeError, SyntaxError) as error:
            unread[name] = error

    assert {} == unread
    assert len(public) > 500


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_keeping_rows_for_the_other_half_is_not_public(kind):
    assert "keep" not in inspect.signature(kind.embed).parameters


# Names of other packages.


EVERYWHERE = (
    Client,
    AsyncClient,
    ClientSettings,
    BatchJobs,
    AsyncFileJobs,
    Reranker,
    AsyncReranker,
    *INTEGRATIONS,
    langchain_volc_dashscope.DashScopeRerank,
    llama_index_ext.DashScopeRerank,
)
FOREIGN = {
    "dimension": "dimensions=",
    "output_dimension": "dimensions=",
    "api_base": "base_url=",
    "request_timeout": "timeout=",
    "max_attempts": "max_retries=",
    "driver": "http_client=",
    "chunk_size": "max_concurrency=|embed_batch_size=",
    "batch_size": "max_concurrency=|embed_batch_size=",
    "truncation": "truncate=",
}


def _foreign():
    """Each class with each name it does not know, where it has the setting under ours."""
    for kind in EVERYWHERE:
        taken = set(getattr(kind, "model_fields", None) or inspect.signature(kind).parameters)
        if kind.__module__.startswith("llama_index_ext"):
            taken.add("api_base")  # its framework's own name, which is understood
        for name, ours in FOREIGN.items():
            if name not in taken and taken & set(re.findall(r"\w+", ours)):
                yield pytest.param(kind, name, ours, id=f"{kind.__module__}.{kind.__name__}-{name}")


# What makes each, but the argument in question; pydantic's classes are refused by pydantic for what nobody has.
MAKERS = {
    "Client": lambda **given: Client(TEXT, api_key="k", **given),
    "AsyncClient": lambda **given: AsyncClient(TEXT, api_key="k", **given),
    "ClientSettings": lambda **given: ClientSettings(TEXT, **given),
    "Reranker": lambda **given: Reranker(api_key="k", **given),
    "AsyncReranker": lambda **given: AsyncReranker(api_key="k", **given),
    "BatchJobs": lambda **given: BatchJobs(api_key="k", **given),
    "AsyncBatchJobs": lambda **given: AsyncBatchJobs(api_key="k", **given),
    "FileJobs": lambda **given: FileJobs(api_key="k", **given),
    "AsyncFileJobs": lambda **given: AsyncFileJobs(api_key="k", **given),
    "Embedder": lambda **given: Embedder(TEXT, text_column="a", api_key="k", **given),
    "RateBudget": RateBudget,
    "estimate_cost": lambda **given: estimate_cost(["a"], TEXT, **given),
    "preview": lambda **given: preview("texts.txt", model=TEXT, **given),
}
STRANGE = {
    "temperature": "has no temperature=",
    "http_clients": "has no http_clients=",
    "time_out": "has no time_out=",
    "kafka": "has no kafka=",
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize(("name", "reason"), STRANGE.items(), ids=STRANGE)
def test_an_argument_that_nobody_has_is_an_error_of_ours(make, name, reason):
    with pytest.raises(ConfigError, match=f"{reason}; (did you mean|allowed are )"):
        make(**{name: KEY})


def _node_embedder(**given):
    return MultiModalNodeEmbedder(embed_model=DashScopeMultiModalEmbedding(api_key="k"), **given)


NOT_THERE = [
    *[
        (MAKERS[kind], name)
        for kind in ("Reranker", "AsyncReranker")
        for name in ("keep_failed_bytes", "dimension")
    ],
    *[(MAKERS[kind], "keep_failed_bytes") for kind in ("BatchJobs", "AsyncFileJobs", "RateBudget")],
    (langchain_volc_dashscope.DashScopeRerank, "keep_failed_bytes"),
    (llama_index_ext.DashScopeRerank, "output_dimension"),
    (_node_embedder, "dimension"),
]


@pytest.mark.parametrize(("make", "name"), NOT_THERE)
def test_a_name_of_another_package_without_a_setting_here_is_refused(make, name):
    with pytest.raises(ConfigError, match=f"has no {name}="):
        make(**{name: 5})


@pytest.mark.parametrize("kind", [Client, AsyncClient, Reranker, BatchJobs, Embedder])
def test_a_second_argument_without_a_name_is_refused_without_being_shown(kind):
    with pytest.raises(ConfigError, match=r"accepts only model by position, got 2 .*api_key=") as caught:
        kind(TEXT, KEY)

    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    assert (
        KEY not in f"{caught.value} {[frame.locals for frame in frames if '/tests/' not in frame.filename]}"
    )


SUBCLASSED = {
    "Client": (Client, {"model": TEXT, "api_key": "k"}),
    "AsyncClient": (AsyncClient, {"model": TEXT, "api_key": "k"}),
    "ClientSettings": (ClientSettings, {"model": TEXT, "dimensions": 64}),
    "Reranker": (Reranker, {"api_key": "k"}),
    "FileJobs": (FileJobs, {"api_key": "k"}),
    "Embedder": (Embedder, {"model": TEXT, "text_column": "a", "api_key": "k"}),
    "RateBudget": (RateBudget, {"requests_per_minute": 60}),
    "LangChain": (ArkEmbeddings, {"api_key": "k"}),
    "LlamaIndex": (llama_index_ext.DashScopeMultiModalEmbedding, {"api_key": "k"}),
}


@pytest.mark.parametrize(("kind", "given"), SUBCLASSED.values(), ids=SUBCLASSED)
def test_a_subclass_may_pass_on_what_it_is_given(kind, given):
    """As Ray makes one of an `Embedder`."""

    class Wrapped(kind):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)

    class Renamed(Wrapped):
        pass

    for wrapped in (Wrapped, Renamed):
        wrapped(**given)
        with pytest.raises(ValueError, match="http_clients") as caught:
            wrapped(**given, http_clients=5)
        assert isinstance(caught.value, ConfigError)


@pytest.mark.parametrize(("kind", "name", "ours"), list(_foreign()))
def test_a_name_of_another_package_is_answered_with_ours(kind, name, ours):
    given = {} if hasattr(kind, "model_fields") else {"model": TEXT}

    with pytest.raises(ConfigError, match=f"{kind.__name__} .*({ours})"):
        kind(**given, **{name: 5})


KEYS = {
    "another vendor's": (Client, {"model": TEXT, "dashscope_api_key": KEY}),
    "another class's": (ArkEmbeddings, {"dashscope_api_key": KEY}),
    "jobs": (BatchJobs, {"dashscope_api_key": KEY}),
    "settings": (ClientSettings, {"model": TEXT, "ark_api_key": KEY}),
    "ray": (Embedder, {"model": TEXT, "text_column": "a", "dashscope_api_key": KEY}),
    "ray, another mistake": (Embedder, {"model": TEXT, "text_column": "a", "api_key": KEY, "dimensions": 65}),
    "estimate": (estimate_cost, {"items": ["a"], "model": TEXT, "dashscope_api_key": KEY}),
    "estimate, another mistake": (
        estimate_cost,
        {"items": ["a"], "model": TEXT, "api_key": KEY, "dimensions": 65},
    ),
    "LlamaIndex": (DashScopeMultiModalEmbedding, {"dashscope_api_key": KEY}),
}


@pytest.mark.parametrize(("kind", "given"), KEYS.values(), ids=KEYS)
def test_a_key_under_another_name_is_refused_without_being_shown(kind, given):
    with pytest.raises(ConfigError) as caught:
        kind(**given)

    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    shown = [str(frame.locals) for frame in frames if "/tests/" not in frame.filename]
    assert "dimension" in str(caught.value) or "api_key=" in str(caught.value)
    assert KEY not in f"{caught.value} {shown}"


@pytest.mark.parametrize("kind", [*INTEGRATIONS, langchain_volc_dashscope.DashScopeRerank])
def test_a_model_given_by_two_names_is_refused(kind):
    with pytest.raises(ConfigError, match="model and model_name are the same setting"):
        kind(model=TEXT, model_name=TEXT, api_key="k")


def test_a_client_knows_its_model_by_one_name():
    with pytest.raises(ConfigError, match=r"Client has no model_name=; use model="):
        Client(model_name=TEXT, api_key="k")


def test_an_argument_of_other_packages_that_has_no_use_here_names_both_spellings():
    words = r"^Client has no top_k= \(top_n= in other classes of this library\); leave it out$"

    with pytest.raises(ConfigError, match=words):
        Client(TEXT, api_key="k", top_k=3)


LLAMA_INDEX = (
    ArkMultiModalEmbedding,
    DashScopeMultiModalEmbedding,
    ArkSparseEmbedding,
    DashScopeSparseEmbedding,
    llama_index_ext.DashScopeRerank,
)


@pytest.mark.parametrize("kind", LLAMA_INDEX)
def test_llama_index_knows_the_address_as_api_base(kind):
    url = "https://gateway.example/base"
    made = kind(api_base=url, api_key="k")

    assert url == made.base_url
    with pytest.raises(ConfigError, match="api_base and base_url are the same setting"):
        kind(api_base=url, base_url=url, api_key="k")


def test_an_argument_nobody_has_is_a_type_error_too():
    with pytest.raises(TypeError, match="nonsense"):
        Client(TEXT, nonsense=1)
