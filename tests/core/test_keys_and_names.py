"""Keys and model names as people write them."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest
from canary import KEY

from langchain_volc_dashscope import DashScopeEmbeddings
from llama_index_ext import DashScopeMultiModalEmbedding
from volc_dashscope import (
    AsyncClient,
    Client,
    ConfigError,
    Reranker,
    estimate_cost,
    get_model_info,
    list_models,
)
from volc_dashscope._config import find_key, find_model_info
from volc_dashscope.jobs import BatchJobs, FileJobs
from volc_dashscope.models import ModelInfo

FAULTS = {
    "double quotes": (f'"{KEY}"', "quotes"),
    "single quotes": (f"'{KEY}'", "quotes"),
    "half a pair": (f'"{KEY}', "quotes"),
    "typographic quotes": (f"“{KEY}”", "quotes"),
    "backticks": (f"`{KEY}`", "quotes"),
    "shell variable": ("${DASHSCOPE_API_KEY}", "unexpanded variable"),
    "shell variable with a default": ("${DASHSCOPE_API_KEY:-none}", "unexpanded variable"),
    "bare variable": ("$DASHSCOPE_API_KEY", "unexpanded variable"),
    "windows variable": ("%DASHSCOPE_API_KEY%", "unexpanded variable"),
    "command": ("$(cat key.txt)", "unexpanded variable"),
    "template": ("{{ secrets.KEY }}", "unexpanded variable"),
    "python": ("os.environ['DASHSCOPE_API_KEY']", "unexpanded variable"),
    "angle brackets": ("<your-key>", "placeholder"),
    "angle brackets around the key": (f"<{KEY}>", "brackets"),
    "square brackets": ("[your key]", "placeholder"),
    "chinese brackets": ("【你的密钥】", "placeholder"),
    "dots": ("...", "placeholder"),
    "ellipsis": ("…", "placeholder"),
    "dots behind the prefix": ("sk-...", "placeholder"),
    "your key": ("your-api-key", "placeholder"),
    "your key here": ("YOUR_DASHSCOPE_API_KEY_HERE", "placeholder"),
    "letters x": ("sk-xxxxxxxxxxxxxxxx", "placeholder"),
    "stars": ("********", "placeholder"),
    "none": ("None", "placeholder"),
    "change me": ("changeme", "placeholder"),
    "masked": ("sk-ab12****cd34", "masked"),
    "shortened": ("sk-ab12...cd34", "masked"),
    "scheme": (f"Bearer {KEY}", "Bearer"),
    "header": (f"Authorization: Bearer {KEY}", "Bearer"),
    "assignment": (f"DASHSCOPE_API_KEY={KEY}", "the variable's name"),
    "export": (f"export DASHSCOPE_API_KEY={KEY}", "the variable's name"),
    "json": (f'api_key: "{KEY}', "the variable's name"),
    "comment": (f"{KEY} # mine", "comment"),
    "url": ("https://dashscope.aliyuncs.com", "URL"),
    "round brackets": (f"({KEY})", "brackets"),
    "file uri": ("file:///run/secrets/key", "path"),
    "absolute path": ("/run/secrets/canary", "path"),
    "path from home": ("~/.canary", "path"),
    "windows path": (r"C:\keys\canary.txt", "path"),
    "byte order mark": (f"\ufeff{KEY}", "invisible"),
    "zero-width space inside": (f"{KEY[:5]}\u200b{KEY[5:]}", "invisible"),
    "zero-width space at the end": (f"{KEY}\u200b", "invisible"),
    "chinese placeholder": ("你的API Key", "placeholder"),
    "chinese request": ("sk-请填写", "placeholder"),
    "comma": (f"{KEY},", "comma"),
    "semicolon": (f"{KEY};", "semicolon"),
    "key of a mapping": (f"key: {KEY}", "the variable's name"),
    "basic": (f"Basic {KEY}", "user name"),
    "true": ("True", "placeholder"),
    "prefix alone": ("sk", "placeholder"),
}


@pytest.mark.parametrize(("key", "reason"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("given", [True, False], ids=["argument", "variable"])
def test_a_key_that_is_none_is_refused_by_its_own_reason(key: str, reason: str, given: bool) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        find_key("dashscope", key if given else None, {"DASHSCOPE_API_KEY": key})

    assert ("api_key" if given else "DASHSCOPE_API_KEY") in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("key", [KEY, "k", "sk-1", "0a1b2c3d-0000-4000-8000-0123456789ab", "emulator"])
def test_a_key_is_a_key(key: str) -> None:
    found = find_key("dashscope", key, {})

    assert found is not None
    assert key == found.reveal()


def test_a_key_that_is_no_text_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError, match="api_key must be a str, got bytes") as caught:
        Client("text-embedding-v4", api_key=KEY.encode())  # type: ignore[arg-type]

    assert "canary" not in str(caught.value)


UUID = "0a1b2c3d-0000-4000-8000-0123456789ab"
OWNERS = {
    "client": lambda **given: Client(**{"model": "text-embedding-v4", **given}),
    "estimate": lambda **given: estimate_cost(["a"], **{"model": "text-embedding-v4", **given}),
    "batch jobs": lambda **given: BatchJobs(**{"model": "text-embedding-v4", **given}),
    "reranker": lambda **given: Reranker(**{"model": "qwen3-rerank", **given}),
    "langchain": DashScopeEmbeddings,
    "llama-index": DashScopeMultiModalEmbedding,
}
PLACES = {"model": OWNERS, "region": OWNERS, "workspace": OWNERS, "base_url": OWNERS, "base_model": OWNERS}
REFUSED = [
    pytest.param(OWNERS[owner], name, key, id=f"{owner}-{name}-{kind}")
    for name, owners in PLACES.items()
    for owner in owners
    if owner != "estimate" or name in ("model", "base_model")
    if owner != "batch jobs" or name != "region"
    for kind, key in {"sk": KEY, "uuid": UUID}.items()
]


@pytest.mark.parametrize(("owner", "name", "key"), REFUSED)
def test_a_key_in_the_place_of_another_argument_is_refused_without_being_shown(
    owner: Any, name: str, key: str
) -> None:
    """As a workspace it would be looked up as a host, and as a model it would be sent."""
    api_key = {} if owner is OWNERS["estimate"] else {"api_key": "k"}

    with pytest.raises(ConfigError, match=f"{name} looks like an API key .*not shown") as caught:
        owner(**api_key, **{name: key})

    assert key not in str(caught.value)


@pytest.mark.parametrize("variable", ["DASHSCOPE_WORKSPACE", "DASHSCOPE_REGION"])
def test_a_key_in_another_variable_is_refused_without_being_shown(monkeypatch: Any, variable: str) -> None:
    monkeypatch.setenv(variable, KEY)

    with pytest.raises(ConfigError, match="looks like an API key") as caught:
        Client("text-embedding-v4", api_key="k")

    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", [KEY, UUID], ids=["sk", "uuid"])
@pytest.mark.parametrize(
    "name", ["dimensions", "normalize", "max_concurrency", "timeout", "requests_per_minute"]
)
def test_no_message_about_a_value_shows_a_key(name: str, key: str) -> None:
    with pytest.raises(ConfigError, match="looks like an API key, not shown") as caught:
        Client("qwen3-vl-embedding", api_key="k", **{name: key})

    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "row 3 [request id 0a1b2c3d-0000-4000-8000-0123456789ab]",
        "task-0123456789abcdef01",
        "sk-learn",
        "'sk-photos-of-2026'",
        "'sk-photo-20231105123000123.jpg'",
        f"data/{UUID}.jsonl is empty",
    ],
)
def test_a_message_shows_ids_and_names(words: str) -> None:
    assert words == str(ConfigError(words))


@pytest.mark.parametrize("after", [".", ". Then", ", and", ".example.com", "/v1", ""])
def test_a_message_hides_a_key_whatever_follows(after: str) -> None:
    assert KEY not in str(ConfigError(f"got {KEY}{after}"))


def test_a_model_of_an_own_server_may_be_called_by_a_uuid() -> None:
    info = _info(UUID, route="openai", base_url="http://127.0.0.1:8000/v1")

    assert UUID == info.name


# Names.

SPELLINGS = {
    "white space": " text-embedding-v4\n",
    "capitals": "Text-Embedding-V4",
    "full width": "ｔｅｘｔ－ｅｍｂｅｄｄｉｎｇ－ｖ４",
    "vendor in front": "dashscope/text-embedding-v4",
    "two in front": "openrouter/alibaba/text-embedding-v4",
    "underscores": "text_embedding_v4",
    "spaces": "Text Embedding v4",
    "typographic hyphens": "text\u2011embedding\u2011v4",
    "zero width": "text-embedding-v4\u200b",
    "quotes": '"text-embedding-v4"',
    "no-break space": "text-embedding-v4\u00a0",
    "full stop": "text-embedding-v4.",
    "chinese full stop": "text-embedding-v4。",
    "comma": "text-embedding-v4,",
}


@pytest.mark.parametrize("name", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_known_name_is_known_in_other_spellings(name: str) -> None:
    client = Client(name, api_key=KEY)

    assert get_model_info("text-embedding-v4") == client.model_info
    assert "text-embedding-v4" == client._spec.model


@pytest.mark.parametrize("row", list_models(), ids=lambda row: row.name)
def test_every_row_is_found_by_what_consoles_show(row: ModelInfo) -> None:
    assert row == get_model_info(f" volcengine/{row.name.upper()} ")


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_the_name_sent_is_the_services_own(kind: Any) -> None:
    assert "doubao-embedding-vision-251215" == kind("Doubao-Embedding-Vision-251215", api_key=KEY)._spec.model


def test_jobs_and_estimates_know_the_other_spellings() -> None:
    assert "text-embedding-async-v2" == FileJobs("Text-Embedding-Async-V2", api_key=KEY).model_info.name
    assert "text-embedding-v4" == BatchJobs(" text-embedding-v4 ", api_key=KEY).model_info.name
    assert "text-embedding-v4" == estimate_cost(["a"], "TEXT-EMBEDDING-V4").model_info.name


def _info(model: str, **settings: Any) -> ModelInfo:
    return find_model_info(model, **{"provider": None, "base_model": None, "model_info": None, **settings})


@pytest.mark.parametrize(
    ("name", "provider", "endpoint"),
    [
        ("text-embedding-v5", "dashscope", "text"),
        ("text-embedding-v4-2026-09-01", "dashscope", "text"),
        ("qwen4-text-embedding", "dashscope", "text"),
        ("Qwen4-Text-Embedding", "dashscope", "text"),
        ("doubao-embedding-text-260101", "ark", "text"),
        ("doubao-embedding-large-text-260101", "ark", "text"),
        ("qwen4-vl-embedding", "dashscope", "multimodal"),
        ("multimodal-embedding-v2", "dashscope", "multimodal"),
        ("text-image-embedding-v1", "dashscope", "multimodal"),
        ("doubao-embedding-vision-260101", "ark", "multimodal"),
        ("ep-20260101-text1", "ark", "multimodal"),
    ],
)
def test_a_new_name_goes_to_the_endpoint_it_names(name: str, provider: Any, endpoint: str) -> None:
    assert endpoint == _info(name, provider=provider).endpoint


@pytest.mark.parametrize("model", ["text-embedding-v5", "qwen4-vl-embedding", "tongyi-embedding-vision-pro"])
def test_a_hint_never_names_the_other_vendors_model(model: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _info(model)

    assert not {"doubao", "skylark", "ARK"} & set(
        str(caught.value).replace('"', " ").replace("-", " ").split()
    )


def test_a_hint_for_ark_names_arks() -> None:
    with pytest.raises(ConfigError, match='base_model="doubao-embedding-vision-251215"') as caught:
        _info("ep-2026")

    assert "text-embedding" not in str(caught.value)


def test_a_new_file_model_says_which_to_name() -> None:
    with pytest.raises(ConfigError, match="base_model='text-embedding-async-v2'"):
        FileJobs("text-embedding-async-v3", api_key=KEY)


def test_a_new_text_model_is_asked_for_nothing_it_does_by_itself() -> None:

    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.url.path, orjson.loads(request.content)["parameters"]))
        row = {"text_index": 0, "embedding": [1.0, 0.0]}
        return httpx.Response(200, json={"output": {"embeddings": [row]}, "usage": {}, "request_id": "r"})

    http = httpx.Client(transport=httpx.MockTransport(answer))
    client = Client("text-embedding-v5", provider="dashscope", api_key=KEY, http_client=http)
    client.embed(["a"])
    client.embed(["a"], text_type="query")

    path = "/api/v1/services/embeddings/text-embedding/text-embedding"
    assert [(path, {}), (path, {"text_type": "query"})] == seen
