"""What a new user gets wrong on the shell: one line that says what to do, and nothing half-made."""

from __future__ import annotations

import pytest
from paintings import painted

from volc_dashscope.cache import SQLiteCache
from volc_dashscope.cli._output import most_frequent, shell_spelling

V4 = "text-embedding-v4"
PNG = b"\x89PNG\r\n\x1a\n"
WRONG = {
    "wrong column": (("embed", "t.csv", "--text-column", "nope"), "has no column 'nope'"),
    "text model for pictures": (("embed", "pics"), "embeds text only"),
    "output of another kind": (
        ("embed", "t.csv", "--text-column", "标题", "-o", "out.csv"),
        "call it 'out.parquet'",
    ),
    "output in no folder": (
        ("embed", "t.csv", "--text-column", "标题", "-o", "no/out.parquet"),
        "does not exist",
    ),
    "a single picture": (("embed", "banana.png"), "pass a folder or a table"),
    "unknown encoding": (("embed", "t.csv", "--encoding", "klingon"), "'klingon' is not a text encoding"),
    "unknown option": (("embed", "t.csv", "--nope"), "--nope"),
    "unknown command": (("embeddd",), "embeddd"),
}


@pytest.mark.parametrize(("line", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_mistake_is_one_line_and_leaves_nothing_behind(cli, services, tmp_path, line, words):
    (tmp_path / "t.csv").write_bytes("标题,价格\n红色的椅子,3\n蓝色的大海,4\n".encode("gb18030"))
    (tmp_path / "banana.png").write_bytes(PNG)
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "a.png").write_bytes(PNG)
    output = () if "-o" in line or line[0] != "embed" else ("-o", "out.parquet")

    done = cli(*line, *(("-m", V4) if line[0] == "embed" else ()), *output)

    assert 2 == done.code
    assert words in next(each for each in done.err.splitlines() if each.startswith("error: "))
    assert 0 == len(services.ledger)
    assert ["banana.png", "pics", "t.csv"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("embed", "t.csv", "-m", V4, "-o", "out.parquet"), id="embed"),
        pytest.param(("search", "empty", "sea", "-m", "qwen3-vl-embedding"), id="search"),
    ],
)
def test_plain_http_beyond_the_own_network_is_asked_for_by_an_option(cli, services, tmp_path, command):
    (tmp_path / "t.csv").write_text("text\n")
    (tmp_path / "empty").mkdir()
    where = ("--base-url", "http://embeddings.example/api/v1")

    refused, allowed = cli(*command, *where), cli(*command, *where, "--insecure-http")

    assert 2 == refused.code
    assert "--insecure-http" in refused.err
    assert "--insecure-http" not in allowed.err


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8", "utf-8-sig", "utf-16"])
def test_a_csv_of_a_chinese_excel_is_read(cli, services, tmp_path, encoding):
    (tmp_path / "t.csv").write_bytes("标题,价格\n红色的椅子,3\n蓝色的大海,4\n".encode(encoding))

    done = cli("embed", "t.csv", "--text-column", "标题", "-m", V4, "-o", "out.parquet", "-q")

    assert (0, ["红色的椅子", "蓝色的大海"]) == (done.code, list(services.ledger.texts))


def test_another_encoding_is_not_taken_for_gbk(cli, services, tmp_path):
    (tmp_path / "t.csv").write_bytes("text\ndéjà vu\ncafé noir\nnaïve\n".encode("latin-1"))

    done = cli("embed", "t.csv", "-m", V4, "-o", "out.parquet", "-q")

    assert (1, 0) == (done.code, len(services.ledger))
    assert "3 rows, 3 failed" in done.err


def test_the_most_frequent_reasons_are_shown(cli, services, tmp_path):
    (tmp_path / "t.txt").write_text("a\n\n\nb\n\n", encoding="utf-8")

    done = cli("embed", "t.txt", "-m", V4, "-o", "out.parquet", "-q")

    assert 1 == done.code
    assert "3 x the line is empty" in done.err


def test_reasons_that_differ_in_numbers_and_names_are_one():
    errors = ["row 1: image 'a.png' is 5x6", "row 2: image 'b.png' is 7x8", "row 3: empty"]

    assert [("image 'a.png' is 5x6", 2), ("empty", 1)] == most_frequent(errors)


SPELLINGS = {
    "no value": ("pass base_model= or provider=", "pass --base-model or --provider"),
    "value": (
        '(base_model="ab-1"), or (provider="ark" or "x")',
        '(--base-model ab-1), or (--provider ark or "x")',
    ),
    "no value known": ('same abilities (base_model="...")', "same abilities (--base-model ...)"),
    "single quotes": ("use route='native'; more", "use --route native; more"),
    "value to be quoted": ("instruct='find it'", "--instruct 'find it'"),
    "flag": ("upload=True sends it", "--upload sends it"),
    "number": ("dimensions=1024.", "--dimensions 1024."),
    "another name": ("max_concurrency=4", "--concurrency 4"),
    "a shorter name": ("max_image_pixels=900", "--max-pixels 900"),
    "a key": ("no API key: pass api_key or set the variable K", "no API key: set the variable K"),
    "a command": (
        "'m' is a rerank model and cannot embed; use Reranker",
        "'m' is a rerank model and cannot embed; use `volc-dashscope rerank`",
    ),
    "part of a URL": ("https://h/x?model=a&region=b", "https://h/x?model=a&region=b"),
    "part of a name": ("my_model='a'", "my_model='a'"),
}


@pytest.mark.parametrize(("python", "shell"), SPELLINGS.values(), ids=SPELLINGS.keys())
def test_settings_are_named_as_the_shell_spells_them(python, shell):
    assert shell == shell_spelling(python)


@pytest.mark.parametrize("name", ["text-embedding-v9", "zzz"])
def test_an_unknown_model_is_answered_in_options(cli, services, tmp_path, name):
    (tmp_path / "t.txt").write_text("a\n", encoding="utf-8")

    done = cli("embed", "t.txt", "-m", name, "-o", "out.parquet")

    assert (2, False) == (done.code, "base_model=" in done.err or "provider=" in done.err)
    assert "--base-model" in done.err
    assert "; Else" not in done.err
    assert '"' not in done.err


def test_a_time_too_short_to_be_seen_is_no_zero(cli, tmp_path):
    (tmp_path / "t.txt").write_text("a\n", encoding="utf-8")

    printed = cli("estimate", "t.txt", "-m", "doubao-embedding-vision-251215")

    assert "time at the limits: under 0.1 s" in printed.out


@pytest.mark.parametrize("group", [(), ("cache",)], ids=["app", "cache"])
def test_no_arguments_show_the_help_and_no_error(cli, group):
    done = cli(*group)

    assert (2, "") == (done.code, done.out)
    assert done.err.startswith("Usage: ")
    assert "error:" not in done.err


def test_a_price_too_small_to_be_seen_is_no_zero(cli, services, tmp_path):
    (tmp_path / "t.txt").write_text("a\n", encoding="utf-8")

    printed = cli("estimate", "t.txt", "-m", V4)
    done = cli("embed", "t.txt", "-m", V4, "-o", "out.parquet", "-q")

    assert ("under CNY 0.0001" in printed.out, "under CNY 0.0001" in done.err) == (True, True)


def test_a_folder_is_priced_without_a_promise(cli, services, tmp_path):
    """What a service adds to a picture is billed and on no page, so no price is the most."""
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "a.png").write_bytes(painted(size=(512, 512)))

    printed = cli("search", "pics", "sea", "-m", "doubao-embedding-vision-251215").err

    assert "1 file: embedding the new and changed ones with " in printed
    assert "embedding all would cost about" in printed
    assert "at most" not in printed


@pytest.mark.parametrize("line", [("embed", "t.csv", "-m", V4), ("rerank", "t.csv", "-m", "qwen3-rerank")])
def test_a_wrong_output_is_refused_before_a_key_is_asked_for(cli, tmp_path, line):
    (tmp_path / "t.csv").write_text("text,query,document\na,b,c\n", encoding="utf-8")

    done = cli(*line, "-o", "out.csv")

    assert 2 == done.code
    assert "call it 'out.parquet'" in done.err


def test_a_cache_too_small_for_megabytes_is_no_zero(cli, tmp_path):
    with SQLiteCache(tmp_path / "vectors.sqlite") as cache:
        cache["a"] = bytes(4096)

    done = cli("cache", "stats", "vectors.sqlite")

    assert "1 vector, 4.1 kB" in done.out
