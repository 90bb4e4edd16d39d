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
from typing import get_type_hints

import pytest

import langchain_volc_dashscope
import llama_index_ext
import volc_dashscope
import volc_dashscope.bulk
import volc_dashscope.cache
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
from volc_dashscope import AsyncClient, Client, ClientSettings, ConfigError, estimate_cost, get_model_info
from volc_dashscope.bulk import preview
from volc_dashscope.cli._options import EmbedOptions
from volc_dashscope.integrations.settings import ClientFields
from volc_dashscope.jobs import AsyncBatchJobs, AsyncFileJobs, BatchJobs, FileJobs
from volc_dashscope.ray import Embedder, RateBudget
from volc_dashscope.rerank import AsyncReranker, Reranker
from volc_dashscope.settings import ClientOptions, documentation

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


@pytest.mark.parametrize("kind", JOBS)
def test_the_settings_of_jobs_are_a_client_s(kind):
    signature = inspect.signature(kind).parameters
    types = get_type_hints(kind.__init__)
    names = set(signature) - {"model"}

    assert {name: DEFAULTS[name] for name in names} == {name: signature[name].default for name in names}
    assert {name: TYPES[name] for name in names} == {name: types[name] for name in names}
    assert {name: documentation()[name] for name in names}.items() <= documentation().items()


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


def test_an_extra_body_that_is_no_json_is_refused():
    with pytest.raises(ConfigError, match="extra_body must be JSON"):
        Client(TEXT, api_key="k", extra_body={"x": object()})


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

    with pytest.raises(ConfigError, match="dimensions belongs into ClientSettings"):
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
from volc_dashscope import AsyncClient, Client, ClientSettings, estimate_cost
from volc_dashscope.bulk import preview
from volc_dashscope.jobs import BatchJobs
from volc_dashscope.ray import Embedder
from volc_dashscope.rerank import AsyncReranker, Reranker
from langchain_volc_dashscope import ArkEmbeddings
from llama_index_ext import DashScopeMultiModalEmbedding

Client("m", dimensions="64")
AsyncClient("m", normalise=True)
ClientSettings("m", max_retries="7")
estimate_cost(["a"], "m", route="fast")
preview("a.txt", model="m", dimensions="64")
BatchJobs("m", region=7)
Embedder("m", text_column="a", timeout="1")
ArkEmbeddings(dimensions="64")
DashScopeMultiModalEmbedding(instruct=7)
"""
RIGHT = """
from volc_dashscope import AsyncClient, Client, ClientSettings, estimate_cost
from volc_dashscope.bulk import preview
from volc_dashscope.jobs import BatchJobs
from volc_dashscope.ray import Embedder
from volc_dashscope.rerank import AsyncReranker, Reranker
from langchain_volc_dashscope import ArkEmbeddings
from llama_index_ext import DashScopeMultiModalEmbedding

settings = ClientSettings("m", dimensions=64, cache={}, api_key="k")
Client("m", dimensions=64, cache={}, extra_body={"user": "u"}, default_headers={"A": "b"})
AsyncClient.from_settings(settings)
estimate_cost(["a"], settings)
estimate_cost(["a"], "m", route="batch")
preview("a.txt", model="m", dimensions=64)
BatchJobs("m", region="cn-beijing")
Embedder(settings, text_column="a")
ArkEmbeddings(dimensions=64, cache={})
DashScopeMultiModalEmbedding(instruct="find")
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
    """Every public function of the three packages, and every public method of their classes, inherited ones too."""
    for package in (volc_dashscope, langchain_volc_dashscope, llama_index_ext, *ROOMS):
        for name in package.__all__:
            thing = getattr(package, name)
            named = {name: thing}
            if inspect.isclass(thing):
                named = {f"{name}.{method}": getattr(thing, method) for method in dir(thing)}
            for spelled, member in named.items():
                function = getattr(member, "__func__", getattr(member, "fget", member))
                ours = str(getattr(function, "__module__", "")).split(".")[0] in OURS
                private = spelled.rpartition(".")[2].startswith("_") and not spelled.endswith("__init__")
                if ours and inspect.isfunction(function) and not private:
                    yield f"{package.__name__}.{spelled}", function


PUBLIC = dict(_public())


@pytest.mark.parametrize("thing", PUBLIC.values(), ids=PUBLIC)
def test_type_hints_of_a_public_callable_can_be_read(thing):
    assert isinstance(get_type_hints(thing), dict)


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
    with pytest.raises(ConfigError, match=f"{reason}; (did you mean|it has: )"):
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
    with pytest.raises(ConfigError, match=r"takes model without a name, got 2 .*api_key=") as caught:
        kind(TEXT, KEY)

    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    assert (
        KEY not in f"{caught.value} {[frame.locals for frame in frames if '/tests/' not in frame.filename]}"
    )


@pytest.mark.parametrize(("kind", "name", "ours"), list(_foreign()))
def test_a_name_of_another_package_is_told_ours(kind, name, ours):
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
    with pytest.raises(ConfigError, match="model and model_name are one setting"):
        kind(model=TEXT, model_name=TEXT, api_key="k")


def test_a_client_knows_its_model_by_one_name():
    with pytest.raises(ConfigError, match=r"Client calls it model=, not model_name="):
        Client(model_name=TEXT, api_key="k")


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
    with pytest.raises(ConfigError, match="api_base and base_url are one setting"):
        kind(api_base=url, base_url=url, api_key="k")


def test_an_argument_nobody_has_is_a_type_error_too():
    with pytest.raises(TypeError, match="nonsense"):
        Client(TEXT, nonsense=1)
