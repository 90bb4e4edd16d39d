"""`volc-dashscope models`."""

from __future__ import annotations

import pytest
from wcwidth import wcswidth

from volc_dashscope import list_models


def test_every_model_is_a_line_of_eighty_columns_at_most(cli):
    done = cli("models")

    lines = done.out.splitlines()
    assert 0 == done.code
    assert [row.name for row in list_models()] == [
        line.split()[0] for line in lines[1:] if not line.endswith(":")
    ]
    assert [] == [line for line in [*lines, *done.err.splitlines()] if wcswidth(line) > 100]
    assert [] == [line for line in lines if wcswidth(line) > 80]


FILTERS = {
    "service": (("--provider", "ark"), lambda row: row.provider == "ark"),
    "kinds": (
        ("--embeds", "image", "--embeds", "fused"),
        lambda row: "image" in row.modalities and row.fusion is not None,
    ),
    "length": (("--dimension", 64), lambda row: 64 in row.dimensions),
    "region": (("--region", "cn-hongkong"), lambda row: "cn-hongkong" in row.regions),
    "sparse": (("--sparse",), lambda row: row.sparse),
    "price of text": (("--max-price", 0.5), lambda row: row.price is not None and row.price.text <= 0.5),
    "price of media": (
        ("--embeds", "video", "--max-price", 0.9),
        lambda row: "video" in row.modalities and row.price is not None and row.price.image <= 0.9,
    ),
}


@pytest.mark.parametrize(("arguments", "fits"), FILTERS.values(), ids=FILTERS.keys())
def test_a_filter_leaves_the_models_that_fit(cli, arguments, fits):
    printed = cli("models", *arguments, "--json").json

    expected = [row.name for row in list_models() if fits(row)]
    assert expected
    assert expected == [row["name"] for row in printed["models"]]


def test_nothing_fits_is_said(cli):
    done = cli("models", "--provider", "ark", "--dimension", 3)

    assert (0, "") == (done.code, done.out)
    assert "no model matches all filters" in done.err


def test_one_model_is_shown_with_its_source(cli):
    done = cli("models", "text-embedding-v4")

    assert 0 == done.code
    for fact in (
        "2048, 1536, 1024",
        "default 1024",
        "10 items",
        "CNY 0.5",
        "as a batch job",
        "help.aliyun.com",
        "cn-hongkong",
    ):
        assert fact in done.out


def test_one_model_as_json_is_its_row(cli):
    printed = cli("models", "qwen3-vl-embedding", "--json").json

    assert ("dashscope", 2560, ["image", "text", "video"]) == (
        printed["provider"],
        printed["default_dimension"],
        printed["modalities"],
    )


def test_a_name_that_is_not_there_is_answered_with_near_ones(cli):
    done = cli("models", "v4")

    assert 2 == done.code
    assert "did you mean text-embedding-v4?" in done.err
    assert {"error", "kind"} <= cli("models", "v4", "--json").json.keys()


@pytest.mark.parametrize("name", ["text-embeding-v4", "text-embedding-v9"])
def test_a_name_with_a_typing_error_is_answered_with_the_one_meant(cli, name):
    done = cli("models", name)

    assert (2, "") == (done.code, done.out)
    assert "did you mean text-embedding-v" in done.err
