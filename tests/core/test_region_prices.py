"""Estimates in the price and currency of the region asked for."""

from __future__ import annotations

import pytest

from volc_dashscope import ConfigError, Reranker, estimate_cost, estimate_rerank_cost
from volc_dashscope.bulk import preview_rerank, rerank_file
from volc_dashscope.emulator import Emulator
from volc_dashscope.jobs import BatchJobs
from volc_dashscope.models import list_models

TEXT = "a" * 4000
# Printed on the pages of reference/models.md, per million text tokens.
PRINTED = {
    "qwen3.7-text-embedding": ("ap-southeast-1", "USD", 0.07),
    "text-embedding-v4": ("ap-southeast-1", "USD", 0.07),
    "text-embedding-v3": ("ap-southeast-1", "CNY", 0.514),
    "tongyi-embedding-vision-plus": ("ap-southeast-1", "USD", 0.09),
    "tongyi-embedding-vision-flash": ("ap-southeast-1", "USD", 0.09),
}


@pytest.mark.parametrize(("model", "printed"), PRINTED.items(), ids=PRINTED)
def test_an_estimate_speaks_of_the_region_asked_for(model, printed):
    region, currency, rate = printed

    found = estimate_cost([TEXT], model, region=region)

    assert found.price is not None
    assert currency == found.currency
    assert found.price[0] == pytest.approx(found.tokens[0] * rate / 1_000_000)
    assert f"published for {region}" in found.rule


def test_hong_kong_has_a_price_of_its_own():
    assert "USD" == estimate_cost([TEXT], "text-embedding-v4", region="cn-hongkong").currency


@pytest.mark.parametrize("region", [None, "cn-beijing"])
def test_beijing_is_the_usual_one(region):
    found = estimate_cost([TEXT], "text-embedding-v4", region=region)

    assert "CNY" == found.currency
    assert "published for cn-beijing" in found.rule


@pytest.mark.parametrize("model", ["qwen3.7-text-embedding-flash", "qwen3-vl-embedding"])
def test_a_price_that_is_printed_nowhere_is_unknown(model):
    found = estimate_cost([TEXT], model, region="ap-southeast-1")

    assert (None, None, None) == (found.price, found.currency, found.as_of)


def test_a_batch_price_is_of_its_own_region_only():
    assert estimate_cost([TEXT], "text-embedding-v4", route="batch", region="ap-southeast-1").price is None


def test_every_region_that_a_model_is_served_in_has_a_price_of_its_own():
    for row in list_models():
        if row.price is None or not row.ready:
            continue

        assert {price.region for price in (row.price, *row.region_prices)} == set(row.regions)


HOSTS: dict[str, tuple[dict[str, str], dict[str, str], tuple[str, float] | None]] = {
    "its variable": ({}, {"DASHSCOPE_REGION": "ap-southeast-1"}, ("USD", 0.07)),
    "the host": ({"base_url": "https://dashscope-intl.aliyuncs.com/api/v1"}, {}, ("USD", 0.07)),
    "the host's variable": (
        {},
        {"DASHSCOPE_BASE_URL": "https://dashscope-intl.aliyuncs.com/api/v1"},
        ("USD", 0.07),
    ),
    "a workspace's host": (
        {"base_url": "https://ws1.ap-southeast-1.maas.aliyuncs.com/api/v1"},
        {},
        ("USD", 0.07),
    ),
    "a host of no region": ({"base_url": "https://dashscope-us.aliyuncs.com/api/v1"}, {}, None),
    "a gateway": ({"base_url": "https://gw.example/api/v1"}, {}, ("CNY", 0.5)),
    "nothing": ({}, {}, ("CNY", 0.5)),
}


@pytest.mark.parametrize(("settings", "environ", "printed"), HOSTS.values(), ids=HOSTS)
def test_a_price_is_that_of_the_host_whatever_chose_it(inside, monkeypatch, settings, environ, printed):
    """A bill in Singapore is not that of Beijing."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with inside.client("text-embedding-v4", **settings) as client:
        price = client.model_info.price
    found = estimate_cost([TEXT], "text-embedding-v4", **settings)

    assert printed == (price and (price.currency, price.text))
    assert (printed and printed[0]) == found.currency


def test_a_reranker_has_the_price_of_its_region_too(tmp_path):
    (tmp_path / "t.csv").write_text("query,document\na,b\n")
    documents = [("a", ["b"])]

    found = estimate_rerank_cost(documents, "qwen3-rerank", region="ap-southeast-1")
    previewed = preview_rerank(tmp_path / "t.csv", model="qwen3-rerank", region="ap-southeast-1")
    with (
        Emulator() as emulator,
        Reranker(
            "qwen3-rerank", api_key="k", region="ap-southeast-1", http_client=emulator.http_client()
        ) as reranker,
    ):
        report = rerank_file(tmp_path / "t.csv", tmp_path / "out.parquet", model=reranker)

    assert ("USD", "USD", "USD") == (found.currency, previewed.currency, report.currency)
    assert report.price == pytest.approx(report.usage.total_tokens * 0.1 / 1_000_000)


@pytest.mark.parametrize("name", ["DASHSCOPE_REGION", "base_url", "region"])
def test_batch_is_refused_where_it_is_not_offered_whatever_chose_the_region(monkeypatch, name):
    settings = {"base_url": {"base_url": "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"}}.get(
        name, {}
    )
    if name == "region":
        settings = {"region": "ap-southeast-1"}
    if name == "DASHSCOPE_REGION":
        monkeypatch.setenv(name, "ap-southeast-1")

    with pytest.raises(ConfigError, match="region 'ap-southeast-1' does not offer Batch"):
        BatchJobs(api_key="k", **settings)
