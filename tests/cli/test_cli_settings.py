"""Keys, addresses and names on the command line: the core's own words, one line, and nothing sent."""

from __future__ import annotations

import re

import pytest
from canary import KEY

MISTAKES = {
    "quotes around the key": (
        {"DASHSCOPE_API_KEY": f'"{KEY}"'},
        (),
        "DASHSCOPE_API_KEY has quotes around it",
    ),
    "a placeholder": ({"DASHSCOPE_API_KEY": "<your-key>"}, (), "DASHSCOPE_API_KEY is a placeholder"),
    "a path for a key": ({"DASHSCOPE_API_KEY": "/run/secrets/key"}, (), "DASHSCOPE_API_KEY is a path"),
    "a page": ({}, ("--base-url", "https://bailian.console.aliyun.com/"), "is a web page of the vendor"),
    "a page in the environment": (
        {"DASHSCOPE_BASE_URL": "https://help.aliyun.com/zh/model-studio"},
        (),
        "base_url (from DASHSCOPE_BASE_URL) is a web page of the vendor",
    ),
    "a wrong path": ({}, ("--base-url", "https://dashscope.aliyuncs.com/v1"), "base_url has the path /v1"),
    "plain http": ({}, ("--base-url", "http://gateway.example"), "--insecure-http allows it"),
    "a label too long": ({}, ("--base-url", f"https://{'a' * 64}.example"), "64 characters"),
    "a region": ({}, ("--region", "us-east-1"), "is not offered in region 'us-east-1'"),
    "a workspace": ({}, ("--workspace", "ws/1"), "workspace must be 1 to 63 letters"),
}


@pytest.mark.parametrize("command", ["embed", "search"])
@pytest.mark.parametrize(("variables", "arguments", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_settings_is_reported_in_one_line(
    cli, tmp_path, monkeypatch, audit, command, variables, arguments, expected
):
    for name, value in {"DASHSCOPE_API_KEY": KEY, **variables}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "texts.txt").write_text("a\n", "utf-8")
    (tmp_path / "pictures").mkdir()
    where = ("texts.txt", "--output", "out.parquet") if command == "embed" else ("pictures", "red")
    model = "text-embedding-v4" if command == "embed" else "qwen3-vl-embedding"

    done = cli(command, *where, "--model", model, *arguments)

    assert 0 != done.code
    assert expected in done.err.replace("\n", " ")
    assert "Traceback" not in done.err
    assert KEY not in done.out + done.err
    assert [] == audit.dialled


RERANK = {
    "a client": ("text-embedding-v4x", "did you mean 'text-embedding-v4'"),
    "reranks": ("qwen3-rerank", "use `volc-dashscope rerank`"),
}


@pytest.mark.parametrize(("model", "expected"), RERANK.values(), ids=RERANK)
def test_the_message_of_a_model_of_another_kind_says_what_it_is(cli, tmp_path, monkeypatch, model, expected):
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    (tmp_path / "texts.txt").write_text("a\n", "utf-8")

    done = cli("embed", "texts.txt", "--output", "out.parquet", "--model", model)

    assert 0 != done.code
    assert expected in done.err.replace("\n", " ")


UUID = "0a1b2c3d-0000-4000-8000-0123456789ab"
OPTIONS = (
    "--model", "--base-model", "--provider", "--region", "--base-url", "--workspace", "--dimensions", "--role",
    "--concurrency", "--requests-per-minute", "--encoding", "--text-column", "--group-rows", "--route",
)  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ("embed", "texts.csv", "-o", "out.parquet", "-m", "text-embedding-v4", option, KEY)
        for option in OPTIONS
    ]
    + [
        ("embed", "texts.csv", "-o", "out.parquet", "-m", "text-embedding-v4", option, UUID)
        for option in OPTIONS
        if option not in ("--encoding", "--text-column")
    ]
    + [
        (KEY,),
        ("models", KEY),
        ("models", UUID),
        ("doctor", KEY),
        ("doctor", UUID),
        ("embed", KEY, "-o", "out.parquet", "-m", "text-embedding-v4"),
        ("rerank", "texts.csv", "-o", "out.parquet", "-m", UUID),
        ("embed", "texts.csv", "--json", f"--{KEY}"),
        ("embed", "texts.csv", "--json", "-d", UUID),
    ],
    ids=" ".join,
)
def test_a_key_in_the_place_of_another_argument_is_not_shown(cli, tmp_path, monkeypatch, audit, arguments):
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    (tmp_path / "texts.csv").write_text("text\na\n", "utf-8")

    done = cli(*arguments)

    assert 2 == done.code
    assert "looks like an API key" in done.err
    assert not {KEY, UUID} & set(re.split(r"[^\w-]+", (done.out + done.err).replace("--", "")))
    assert [] == audit.dialled
