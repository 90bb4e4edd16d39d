"""Where a client talks to and as whom."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest
from canary import KEY
from specs import row_named

from volc_dashscope import AsyncClient, Client, ConfigError, ModelInfo
from volc_dashscope._config import find_key, find_model_info, find_proxy, find_url
from volc_dashscope._http import find_headers
from volc_dashscope._types import Secret

VARIABLES = {"ark": "ARK_API_KEY", "dashscope": "DASHSCOPE_API_KEY"}


ARK, TEXT = row_named("doubao-embedding-vision-251215"), row_named("text-embedding-v4")
EVERYWHERE = replace(TEXT, regions=("cn-beijing", "eu-central-1", "us-east-1"))


def _url(
    row: ModelInfo,
    base_url: str | None = None,
    *,
    route: Any = "native",
    region: str | None = None,
    workspace: str | None = None,
    environ: dict[str, str] | None = None,
) -> tuple[str, str]:
    found = find_url(
        row, route=route, base_url=base_url, region=region, workspace=workspace, environ=environ or {}
    )
    return found.url, found.place


# Keys.


@pytest.mark.parametrize(("provider", "variable"), VARIABLES.items(), ids=VARIABLES)
def test_a_missing_key_names_the_variable(provider: Any, variable: str) -> None:
    with pytest.raises(ConfigError, match=f"pass api_key or set the environment variable {variable}"):
        find_key(provider, None, {})


@pytest.mark.parametrize(("provider", "variable"), VARIABLES.items(), ids=VARIABLES)
def test_a_key_comes_from_the_services_own_variable(provider: Any, variable: str) -> None:
    environ = {**dict.fromkeys(VARIABLES.values(), "another"), variable: KEY}

    assert KEY == find_key(provider, None, environ).reveal()


def test_the_argument_wins_over_the_variable() -> None:
    assert KEY == find_key("ark", KEY, {"ARK_API_KEY": "another"}).reveal()


@pytest.mark.parametrize(
    "key",
    [f"{KEY}\n", f"{KEY}\r\n", f"  {KEY}\t", KEY],
    ids=["newline", "carriage return", "blanks", "clean"],
)
def test_white_space_around_a_key_is_mended(key: str) -> None:
    assert KEY == find_key("ark", key, {}).reveal()


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(f"{KEY}\n{KEY}", id="newline inside"),
        pytest.param(f"{KEY}\r\nX-Evil: 1", id="header injection"),
        pytest.param(f"{KEY} {KEY}", id="space inside"),
        pytest.param(f"{KEY}\0", id="nul"),
        pytest.param(f"{KEY}\x1b[31m", id="escape"),
        pytest.param(f"{KEY}é", id="latin"),
        pytest.param(f"{KEY}密钥", id="chinese"),
        pytest.param(f"\ufeff{KEY}", id="byte order mark"),
    ],
)
@pytest.mark.parametrize("given", [True, False], ids=["argument", "variable"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_without_being_shown(key: str, given: bool) -> None:
    with pytest.raises(ConfigError, match="not allowed in a header") as caught:
        find_key("ark", key if given else None, {"ARK_API_KEY": key})

    assert "canary" not in str(caught.value)
    assert ("api_key" if given else "ARK_API_KEY") in str(caught.value)


@pytest.mark.parametrize("key", ["", "   ", "\n"], ids=["empty", "blank", "newline"])
def test_a_key_of_nothing_is_no_key(key: str) -> None:
    with pytest.raises(ConfigError, match="no API key"):
        find_key("dashscope", key, {})


def test_without_a_key_the_message_says_how_to_try_it() -> None:
    with pytest.raises(ConfigError) as caught:
        find_key("ark", None, {})

    assert (
        "no API key: pass api_key or set the environment variable ARK_API_KEY; "
        "to try without a key, start `volc-dashscope emulator` and set the variables it prints"
    ) == str(caught.value)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_never_shows_its_key(kind: Any) -> None:
    client = kind("text-embedding-v4", api_key=KEY)

    assert "canary" not in f"{client!r} {client} {vars(client)!r}"


def test_a_secret_shows_nothing_and_compares() -> None:
    secret = Secret(KEY)

    assert "canary" not in f"{secret!r} {secret}"
    assert (True, False) == (secret == Secret(KEY), secret == Secret("another"))


def test_a_secret_has_no_attributes_to_dump() -> None:
    with pytest.raises(TypeError):
        vars(Secret(KEY))


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_key_from_the_environment_does_not_travel(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)

    dumped = pickle.dumps(kind("text-embedding-v4"))

    assert b"canary" not in dumped


# URLs.


@pytest.mark.parametrize(
    ("row", "settings", "url", "place"),
    [
        pytest.param(ARK, {}, "https://ark.cn-beijing.volces.com/api/v3", "region cn-beijing", id="ark"),
        pytest.param(
            row_named("skylark-embedding-vision-251215"),
            {},
            "https://ark.ap-southeast.bytepluses.com/api/v3",
            "region ap-southeast-1",
            id="byteplus by its row",
        ),
        pytest.param(
            row_named("doubao-embedding-vision"),
            {},
            "https://ark.cn-beijing.volces.com/api/plan/v3",
            "region cn-beijing",
            id="plan gateway by its row",
        ),
        pytest.param(TEXT, {}, "https://dashscope.aliyuncs.com/api/v1", "region cn-beijing", id="dashscope"),
        pytest.param(
            TEXT,
            {"region": "ap-southeast-1"},
            "https://dashscope-intl.aliyuncs.com/api/v1",
            "region ap-southeast-1",
            id="singapore",
        ),
        pytest.param(
            TEXT,
            {"region": "cn-hongkong"},
            "https://cn-hongkong.dashscope.aliyuncs.com/api/v1",
            "region cn-hongkong",
            id="hong kong",
        ),
        pytest.param(
            TEXT,
            {"region": "cn-beijing-finance"},
            "https://dashscope-finance.aliyuncs.com/api/v1",
            "region cn-beijing-finance",
            id="finance",
        ),
        pytest.param(
            EVERYWHERE,
            {"region": "eu-central-1", "workspace": "ws-1"},
            "https://ws-1.eu-central-1.maas.aliyuncs.com/api/v1",
            "region eu-central-1",
            id="workspace host",
        ),
        pytest.param(
            TEXT,
            {"workspace": "ws-1"},
            "https://ws-1.cn-beijing.maas.aliyuncs.com/api/v1",
            "region cn-beijing",
            id="workspace alone",
        ),
        pytest.param(
            TEXT,
            {"environ": {"DASHSCOPE_WORKSPACE": "ws-1", "DASHSCOPE_REGION": "cn-hongkong"}},
            "https://ws-1.cn-hongkong.maas.aliyuncs.com/api/v1",
            "region cn-hongkong",
            id="the vendor SDK's variables",
        ),
        pytest.param(
            TEXT,
            {"region": "cn-beijing-finance", "workspace": "ws-1"},
            "https://dashscope-finance.aliyuncs.com/api/v1",
            "region cn-beijing-finance",
            id="a region without workspace hosts",
        ),
        pytest.param(
            TEXT,
            {"route": "openai"},
            "https://dashscope.aliyuncs.com/compatible-mode/v1",
            "region cn-beijing",
            id="compatible",
        ),
        pytest.param(
            EVERYWHERE,
            {"route": "openai", "region": "us-east-1", "workspace": "ws-1"},
            "https://ws-1.us-east-1.maas.aliyuncs.com/compatible-mode/v1",
            "region us-east-1",
            id="compatible on a workspace host",
        ),
    ],
)
def test_a_region_has_a_host(row: ModelInfo, settings: dict[str, Any], url: str, place: str) -> None:
    assert (url, place) == _url(row, **settings)


HOST = "https://gateway.example"


@pytest.mark.parametrize(
    ("given", "route", "url"),
    [
        pytest.param(HOST, "native", f"{HOST}/api/v1", id="host"),
        pytest.param(f"{HOST}/", "native", f"{HOST}/api/v1", id="host and slash"),
        pytest.param(f" {HOST}\n", "native", f"{HOST}/api/v1", id="white space around"),
        pytest.param(f"{HOST}:8443", "native", f"{HOST}:8443/api/v1", id="port"),
        pytest.param(f"{HOST}/api/v1", "native", f"{HOST}/api/v1", id="whole"),
        pytest.param(f"{HOST}/api/v1/", "native", f"{HOST}/api/v1", id="whole and slash"),
        pytest.param(f"{HOST}/proxy", "native", f"{HOST}/proxy", id="own path"),
        pytest.param(f"{HOST}/compatible-mode/v1", "native", f"{HOST}/api/v1", id="the other route's"),
        pytest.param(HOST, "openai", f"{HOST}/v1", id="compatible, host"),
        pytest.param(f"{HOST}/api/v1", "openai", f"{HOST}/api/v1", id="compatible, own path"),
        pytest.param(
            f"{HOST}/compatible-mode/v1", "openai", f"{HOST}/compatible-mode/v1", id="compatible, whole"
        ),
        pytest.param(
            f"{HOST}/compatible-mode/v1/", "openai", f"{HOST}/compatible-mode/v1", id="compatible, slash"
        ),
        pytest.param(f"{HOST}/v1", "openai", f"{HOST}/v1", id="compatible, v1"),
        pytest.param(f"{HOST}/engines/x/", "openai", f"{HOST}/engines/x", id="compatible, engine"),
        pytest.param(f"{HOST}/embeddings", "openai", HOST, id="compatible, an endpoint behind the host"),
        pytest.param(f"{HOST}/v1/embeddings", "openai", f"{HOST}/v1", id="compatible, an endpoint"),
        pytest.param(f"{HOST}/v1/chat/completions", "openai", f"{HOST}/v1", id="compatible, chat"),
        pytest.param(f"{HOST}/v1/models", "openai", f"{HOST}/v1", id="compatible, the list of models"),
        pytest.param(f"{HOST}//v1//", "openai", f"{HOST}/v1", id="compatible, slashes"),
        pytest.param(
            f"{HOST}/api/v1/services/embeddings/text-embedding/text-embedding",
            "native",
            f"{HOST}/api/v1",
            id="an endpoint",
        ),
        pytest.param(
            f"{HOST}/compatible-mode/v1/embeddings",
            "native",
            f"{HOST}/api/v1",
            id="the other route's endpoint",
        ),
        pytest.param("HTTPS://Gateway.Example", "native", f"{HOST}/api/v1", id="capitals"),
    ],
)
def test_a_base_url_is_completed_for_its_route(given: str, route: str, url: str) -> None:
    assert (url, "host gateway.example") == _url(TEXT, given, route=route)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8765", "http://localhost:8765", "http://[::1]:8765", "https://127.0.0.1"],
    ids=["address", "name", "IPv6", "https"],
)
def test_plain_http_is_for_this_machine(url: str) -> None:
    assert f"{url}/api/v3" == _url(ARK, url)[0]


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://gateway.example", id="http"),
        pytest.param("http://127.0.0.1.evil.example", id="looks like loopback"),
        pytest.param("http://10.0.0.1", id="private network"),
        pytest.param("ftp://127.0.0.1", id="other scheme"),
        pytest.param("gateway.example", id="no scheme"),
        pytest.param("file:///etc/passwd", id="file"),
    ],
)
def test_a_url_that_others_can_read_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="must start with https://"):
        _url(ARK, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://bailian.console.aliyun.com/",
        "https://help.aliyun.com/zh/model-studio/text-embedding-synchronous-api",
        "https://www.alibabacloud.com/help/en/model-studio",
        "https://dashscope.console.aliyun.com/apiKey",
        "https://console.volcengine.com/ark/region:ark+cn-beijing/apikey",
        "https://www.volcengine.com/docs/82379/1409291",
        "https://console.byteplus.com/ark",
    ],
)
@pytest.mark.parametrize("route", ["native", "openai"])
def test_a_page_of_the_vendor_is_no_base_url(url: str, route: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"web page of the vendor, not an API address.*dashscope\.aliyuncs\.com"
    ):
        _url(TEXT, url, route=route)


@pytest.mark.parametrize("route", ["native", "openai"])
@pytest.mark.parametrize(
    "host", ["dashscope.aliyuncs.com.", "DashScope.Aliyuncs.com", "dashscope.aliyuncs.com.:443"]
)
def test_a_vendors_host_is_known_however_it_is_written(host: str, route: Any) -> None:
    usual = find_url(TEXT, route=route, base_url=None, region=None, workspace=None, environ={})

    found = find_url(TEXT, route=route, base_url=f"https://{host}", region=None, workspace=None, environ={})

    assert (usual.url, False) == (found.url.replace(":443", ""), found.foreign)


@pytest.mark.parametrize(
    ("row", "host"),
    [
        (TEXT, "bucket.oss-cn-beijing.aliyuncs.com"),
        (TEXT, "dashscope.oss-cn-beijing.aliyuncs.com"),
        (TEXT, "1234.cn-beijing.pai-eas.aliyuncs.com"),
        (TEXT, "dashscope.aliyuncs.com.evil.example"),
        (TEXT, "dashscope-aliyuncs.com"),
        (TEXT, "evildashscope.aliyuncs.com"),
        (ARK, "bucket.tos-cn-beijing.volces.com"),
        (ARK, "ark.cn-beijing.volces.com.evil.example"),
        (ARK, "noark.cn-beijing.volces.com"),
    ],
)
@pytest.mark.parametrize("route", ["native", "openai"])
def test_a_host_that_others_can_have_is_foreign(row: ModelInfo, host: str, route: Any) -> None:
    """Buckets and services of other customers live below the vendors' domains."""
    found = find_url(row, route=route, base_url=f"https://{host}", region=None, workspace=None, environ={})

    assert found.foreign


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://", id="no host"),
        pytest.param("https://user:canary@gateway.example", id="credentials"),
        pytest.param("https://canary@gateway.example", id="a user"),
        pytest.param("http://localhost@evil.example", id="loopback as a user"),
        pytest.param("https://@gateway.example", id="an empty user"),
        pytest.param(f"https://{'a' * 64}.example", id="a label too long"),
        pytest.param("https://" + ".".join(["a" * 60] * 5), id="a name too long"),
        pytest.param("https://a..b", id="an empty label"),
        pytest.param("https://.example", id="a dot first"),
        pytest.param("https://-a.example", id="a hyphen first"),
        pytest.param("https://a%20b.example", id="an escape in a host"),
        pytest.param("https://127.1", id="half an IPv4 address"),
        pytest.param("https://1.2.3.400", id="a number too large"),
        pytest.param("https://[1:2]", id="a short IPv6 address"),
        pytest.param("https://网关.example", id="not ASCII"),
        pytest.param("https://gateway.example:0", id="port 0"),
        pytest.param("https://gateway.example:", id="no port"),
        pytest.param("https://gateway.example/v1?", id="an empty query"),
        pytest.param("https://gateway.example/../v1", id="dots"),
        pytest.param("https://gateway.example/%2e%2e/v1", id="escaped dots"),
        pytest.param("https://gateway.example\\v1", id="backslash"),
        pytest.param('"https://gateway.example"', id="quotes"),
        pytest.param("https://${HOST}/v1", id="variable"),
        pytest.param("https://<your-host>/v1", id="placeholder"),
        pytest.param(
            "https://{WorkspaceId}.cn-beijing.maas.aliyuncs.com/api/v1", id="the page's placeholder"
        ),
        pytest.param("https://gateway.example?key=canary", id="query"),
        pytest.param("https://gateway.example#canary", id="fragment"),
        pytest.param("https://[::1", id="half an address"),
        pytest.param("https://gateway.example:port", id="port is a word"),
        pytest.param("https://gateway.example:99999", id="port too large"),
        pytest.param("https://gateway.example/a b", id="space"),
        pytest.param("https://gateway.example/a\nb", id="newline"),
        pytest.param("https://gateway.example/\x00", id="nul"),
    ],
)
@pytest.mark.parametrize("given", [True, False], ids=["argument", "variable"])
def test_a_url_that_is_no_host_and_path_is_refused_without_being_shown(url: str, given: bool) -> None:
    with pytest.raises(ConfigError, match="base_url") as caught:
        _url(TEXT, url if given else None, environ={"DASHSCOPE_BASE_URL": url})

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "environ", "url"),
    [
        pytest.param(ARK, {"ARK_BASE_URL": HOST}, f"{HOST}/api/v3", id="ark"),
        pytest.param(TEXT, {"DASHSCOPE_BASE_URL": HOST}, f"{HOST}/api/v1", id="dashscope"),
        pytest.param(
            TEXT, {"DASHSCOPE_HTTP_BASE_URL": f"{HOST}/api/v1"}, f"{HOST}/api/v1", id="the SDK's name"
        ),
        pytest.param(
            TEXT,
            {"DASHSCOPE_HTTP_BASE_URL": "https://other.example", "DASHSCOPE_BASE_URL": HOST},
            f"{HOST}/api/v1",
            id="ours first",
        ),
        pytest.param(TEXT, {"ARK_BASE_URL": HOST}, "https://dashscope.aliyuncs.com/api/v1", id="another's"),
    ],
)
def test_a_url_comes_from_the_services_own_variables(
    row: ModelInfo, environ: dict[str, str], url: str
) -> None:
    assert url == _url(row, environ=environ)[0]


@pytest.mark.parametrize("name", ["base_url", "region"])
@pytest.mark.parametrize("value", ["", " ", "\n"], ids=["empty", "blank", "newline"])
def test_an_empty_name_is_refused_and_does_not_mean_the_vendor(name: str, value: str) -> None:
    """Such as "$GATEWAY" of a shell in which it is not set: texts went to the public host, past the variable."""
    with pytest.raises(ConfigError, match=f"{name} is empty"):
        _url(TEXT, **{name: value}, environ={"DASHSCOPE_BASE_URL": HOST})


def test_a_region_given_wins_over_the_variable() -> None:
    url, _ = _url(TEXT, region="ap-southeast-1", environ={"DASHSCOPE_BASE_URL": HOST})

    assert "https://dashscope-intl.aliyuncs.com/api/v1" == url


def test_a_base_url_given_wins_over_the_region() -> None:
    assert f"{HOST}/api/v1" == _url(TEXT, HOST, region="ap-southeast-1")[0]


@pytest.mark.parametrize(
    ("row", "settings", "reason"),
    [
        pytest.param(
            ARK, {"region": "mars-1"}, "not known for ark; known are ap-southeast-1, cn-beijing", id="ark"
        ),
        pytest.param(
            TEXT, {"region": "mars-1"}, "not known for dashscope; known are .*us-east-1", id="dashscope"
        ),
        pytest.param(ARK, {"region": "eu-central-1"}, "not known for ark", id="the other's region"),
        pytest.param(EVERYWHERE, {"region": "eu-central-1"}, "pass workspace=", id="no shared host"),
        pytest.param(
            EVERYWHERE,
            {"region": "eu-central-1", "workspace": "evil.example/"},
            "letters, digits",
            id="workspace as host",
        ),
        pytest.param(TEXT, {"workspace": ""}, "letters, digits", id="no workspace"),
        pytest.param(TEXT, {"workspace": "a" * 64}, "1 to 63", id="workspace too long"),
        pytest.param(ARK, {"workspace": "ws-1"}, "is a setting of DashScope", id="a workspace of Ark"),
        pytest.param(
            row_named("qwen3-vl-embedding"),
            {"region": "ap-southeast-1"},
            "not offered in region 'ap-southeast-1'; its regions are cn-beijing .*tongyi-embedding-vision-plus",
            id="not offered there",
        ),
        pytest.param(
            ARK,
            {"region": "ap-southeast-1"},
            "its regions are cn-beijing .*skylark-embedding-vision-251215",
            id="ark abroad",
        ),
        pytest.param(
            row_named("qwen3-vl-embedding"),
            {"base_url": "https://dashscope-intl.aliyuncs.com"},
            "not offered in region 'ap-southeast-1'",
            id="not offered at that host",
        ),
        pytest.param(
            row_named("qwen3-vl-embedding"),
            {"environ": {"DASHSCOPE_REGION": "ap-southeast-1"}},
            "not offered in region 'ap-southeast-1'",
            id="not offered in the variable's region",
        ),
        pytest.param(
            ARK,
            {"base_url": "https://dashscope.aliyuncs.com"},
            "is a host of dashscope",
            id="the other's host",
        ),
        pytest.param(
            TEXT,
            {"base_url": "https://dashscope.aliyuncs.com/apps/anthropic"},
            "path /apps/anthropic, where dashscope serves no embeddings",
            id="another product's path",
        ),
        pytest.param(
            ARK,
            {"base_url": "https://ark.cn-beijing.volces.com/v1"},
            "its paths are /api/v3, /api/plan/v3",
            id="a path of nobody",
        ),
    ],
)
def test_a_region_that_cannot_be_reached_is_refused(
    row: ModelInfo, settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        _url(row, **settings)


# Cards.


def _model_info(model: str, **settings: Any) -> ModelInfo:
    return find_model_info(model, **{"provider": None, "base_model": None, "model_info": None, **settings})


def test_a_known_name_has_its_row() -> None:
    assert TEXT == _model_info("text-embedding-v4")


def test_an_endpoint_is_like_a_model() -> None:
    assert ARK.renamed("ep-2026") == _model_info("ep-2026", base_model=ARK.name)


def test_a_card_of_ones_own_wins() -> None:
    own = replace(TEXT, batch=3)

    assert own == _model_info("text-embedding-v4", model_info=own, base_model=ARK.name)


@pytest.mark.parametrize("provider", ["ark", "dashscope"])
def test_an_unknown_name_with_a_provider_is_one_item_a_request_of_unknown_length(provider: str) -> None:
    row = _model_info("tomorrow", provider=provider)

    assert ("tomorrow", provider, 1, (), None, False) == (
        row.name,
        row.provider,
        row.batch,
        row.dimensions,
        row.default_dimension,
        row.known,
    )


@pytest.mark.parametrize(
    ("model", "settings", "reason"),
    [
        pytest.param(
            "tomorrow", {}, "pass the known model with the same abilities .*or its provider", id="unknown"
        ),
        pytest.param("text-embedding-v5", {}, "did you mean 'text-embedding-v4'", id="another version"),
        pytest.param(
            "text-embeding-v4",
            {"provider": "dashscope"},
            "did you mean 'text-embedding-v4'",
            id="a typing error",
        ),
        pytest.param(
            "doubao-embeding-vision-251215",
            {"provider": "ark"},
            "did you mean 'doubao-embedding-vision-251215'",
            id="a typing error, ark",
        ),
        pytest.param(
            "ep-1",
            {"base_model": "text-embeding-v4"},
            "did you mean 'text-embedding-v4'",
            id="base_model misspelt",
        ),
        pytest.param(
            "text-embedding\x00v4",
            {"provider": "dashscope"},
            "a character that is not allowed in a model id",
            id="nul",
        ),
        pytest.param(
            "ep-1",
            {"base_model": "tomorrow"},
            "base_model='tomorrow' is not in the table .*text-embedding-v4",
            id="base_model",
        ),
        pytest.param("tomorrow", {"provider": "openai"}, '"ark" or "dashscope"', id="provider"),
        pytest.param(
            "text-embedding-v4", {"provider": "ark"}, "served by dashscope, not by 'ark'", id="the other"
        ),
        pytest.param(
            "ep-1",
            {"base_model": "text-embedding-v4", "provider": "ark"},
            "served by dashscope",
            id="like the other",
        ),
        pytest.param("multimodal-embedding-one-peace-v1", {}, "cannot be used: legacy", id="not ready"),
        pytest.param(
            "ep-1",
            {"base_model": "multimodal-embedding-one-peace-v1"},
            "cannot be used",
            id="like one not ready",
        ),
        pytest.param("", {}, "must be a model", id="empty"),
        pytest.param("  ", {}, "must be a model", id="blank"),
        pytest.param(None, {}, "must be a model", id="none"),
        pytest.param(ARK, {}, "must be a model", id="a card as name"),
    ],
)
def test_a_model_nobody_knows_is_refused(model: Any, settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        _model_info(model, **settings)


# Headers and numbers.


@pytest.mark.parametrize("given", [" ws-1\n", "\tws-1", "ws-1\r\n"])
def test_white_space_around_a_workspace_is_dropped(given: str) -> None:
    assert "https://ws-1.cn-beijing.maas.aliyuncs.com/api/v1" == _url(TEXT, workspace=given)[0]
    assert "ws-1" == find_headers("dashscope", given, None)["X-DashScope-WorkSpace"]


def test_a_workspace_is_sent_to_dashscope_only() -> None:
    sent = {provider: find_headers(provider, "ws-1", None) for provider in VARIABLES}  # type: ignore[arg-type]

    assert "ws-1" == sent["dashscope"]["X-DashScope-WorkSpace"]
    assert "ws-1" not in sent["ark"].values()


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-A": "b\r\nX-Evil: 1"}, id="injection by value"),
        pytest.param({"X-A\r\nX-Evil": "1"}, id="injection by name"),
        pytest.param({"X-A": "é"}, id="not ASCII"),
        pytest.param({"X-A": "\0"}, id="nul"),
        pytest.param({"X A": "b"}, id="space in a name"),
        pytest.param({"X-A:": "b"}, id="colon in a name"),
        pytest.param({"": "b"}, id="no name"),
        pytest.param({"X-A": 7}, id="number"),
        pytest.param({"X-A": None}, id="none"),
        pytest.param({7: "b"}, id="number as name"),
        pytest.param({"Authorization": "Bearer canary"}, id="key"),
        pytest.param({"aUTHORIZATION": "Bearer canary"}, id="key, other letters"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_at_once(headers: dict[Any, Any]) -> None:
    with pytest.raises(ConfigError, match="default_headers") as caught:
        find_headers("ark", None, headers)

    assert "canary" not in str(caught.value)


def test_headers_given_are_not_kept_by_reference() -> None:
    given = {"X-A": "b"}
    kept = find_headers("ark", None, given)

    given["X-A"] = "c"

    assert "b" == kept["X-A"]


NUMBERS: dict[str, list[Any]] = {
    "max_concurrency": [0, -1, 1.5, "8", True, None],
    "max_retries": [-1, 1.5, "8", True, None],
    "deadline": [0, -1, float("nan"), "180", None],
    "timeout": [0, -1, float("nan"), "60", None],
    "requests_per_minute": [0, -1, float("nan"), "60"],
    "tokens_per_minute": [0, -1, float("nan"), "60"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in NUMBERS.items() for value in values], ids=str
)
def test_a_number_that_bounds_nothing_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        Client("text-embedding-v4", api_key=KEY, **{name: value})


@pytest.mark.parametrize("name", ["deadline", "timeout", "requests_per_minute"])
def test_patience_without_end_is_allowed(name: str) -> None:
    client = Client("text-embedding-v4", api_key=KEY, **{name: float("inf")})

    assert 1024 == client.dimension


# Proxies.

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "10.1.2.3",
        "172.16.0.9",
        "192.168.1.20",
        "[fd00::1]",
        "vllm",
        "gpu.local",
        "tei.internal",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_of_the_own_network_is_reached_without_the_proxy(
    monkeypatch: pytest.MonkeyPatch, host: str, scheme: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, PROXY)

    assert find_proxy(f"{scheme}://{host}:8000/v1") is None


@pytest.mark.parametrize(
    "host", ["gateway.example", "8.8.8.8", "172.32.0.1", "169.254.169.254", "dashscope.aliyuncs.com"]
)
def test_other_hosts_are_reached_through_the_proxy_unless_no_proxy_names_them(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)

    assert PROXY == find_proxy(f"https://{host}/v1")
    monkeypatch.setenv("NO_PROXY", host)
    assert find_proxy(f"https://{host}/v1") is None


@pytest.mark.parametrize(
    ("exceptions", "url", "direct"),
    [
        ("8.8.8.0/24", "https://8.8.8.8", True),
        ("8.8.8.8/24", "https://8.8.8.8", True),
        ("other.example, 8.8.0.0/16 ", "https://8.8.8.8:8443/v1", True),
        ("8.8.4.0/24", "https://8.8.8.8", False),
        ("8.8.8.0/99,8.8.8.0/,/24", "https://8.8.8.8", False),
        ("8.8.8.0/24", "https://gateway.example", False),
        ("2001:db8::/32", "https://[2001:db8::7]:8443", True),
        ("2001:db8::7", "https://[2001:db8::7]:8443", True),
        ("[2001:db8::7]:8443", "https://[2001:db8::7]:8443", True),
        ("0.0.0.0/0", "https://[2001:db8::7]", False),
        ("8.8.8.8:8443", "https://8.8.8.8:8443", True),
        ("8.8.8.8:8443", "https://8.8.8.8", False),
        ("gateway.example:443", "https://gateway.example/v1", True),
        ("gateway.example:443", "https://gateway.example:8443/v1", False),
    ],
)
def test_no_proxy_may_name_ports_and_networks(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, url: str, direct: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", exceptions)

    assert (None if direct else PROXY) == find_proxy(url)
