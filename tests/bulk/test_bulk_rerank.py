"""`rerank_file` and `volc-dashscope rerank`: a query is one request, and nothing finished is paid twice."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bulk_runs import ended, rows, wait_for
from canary import KEY
from paintings import painted

from volc_dashscope import ConfigError, InputError, Reranker
from volc_dashscope.bulk import PairColumns, open_source, preview_rerank, rerank_file
from volc_dashscope.emulator import Emulator

TEXT, VL = "qwen3-rerank", "qwen3-vl-rerank"
QUERIES, DOCUMENTS = 60, 3


def pairs(queries: int = QUERIES, documents: int = DOCUMENTS) -> list[dict[str, str]]:
    """Return rows of which no two queries are alike."""
    return [
        {
            "query": f"a blue sea {query}",
            "document": f"{['a blue sea', 'red shoe', 'hat'][number % 3]} {number}",
        }
        for query in range(queries)
        for number in range(documents)
    ]


def write(path: Path, table: list[dict[str, Any]]) -> Path:
    """Write rows as the file's ending says."""
    if path.suffix == ".jsonl":
        path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in table))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(table), path)
    else:
        mark = "\t" if path.suffix == ".tsv" else ","
        lines = [mark.join(table[0]), *(mark.join(row.values()) for row in table)]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def emulator() -> Emulator:
    return Emulator()


@pytest.fixture
def reranker(emulator: Emulator) -> Any:
    """Return a function that makes a reranker."""

    def make(model: str = TEXT, **settings: Any) -> Reranker:
        return Reranker(model, api_key=KEY, http_client=emulator.http_client(), **settings)

    return make


def asked(emulator: Emulator) -> list[str]:
    """Return the query of each request that was answered."""
    found = [entry.body["input"]["query"] for entry in emulator.ledger if entry.status == 200]
    return [query if isinstance(query, str) else query["text"] for query in found]


@pytest.mark.parametrize(
    ("ids", "found"),
    [([101.0, 102.0], ["101", "102"]), ([101.0, None], ["101", "1"]), ([1.5, float("nan")], ["1.5", "1"])],
    ids=["whole", "one missing", "parts"],
)
def test_ids_of_pairs_that_pandas_made_floats_are_kept(tmp_path, reranker, ids, found):
    table = {"id": pa.array(ids, pa.float64()), "query": ["a", "b"], "document": ["c", "d"]}
    pq.write_table(pa.table(table), tmp_path / "t.parquet")

    rerank_file(tmp_path / "t.parquet", tmp_path / "out.parquet", model=reranker())

    assert found == [row["id"] for row in rows(tmp_path / "out.parquet")]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_each_query_is_one_request_and_each_row_has_its_score(tmp_path, emulator, reranker, ending):
    source = write(tmp_path / f"pairs.{ending}", pairs(5))

    report = rerank_file(source, tmp_path / "out.parquet", model=reranker())

    found = rows(tmp_path / "out.parquet")
    alone = {
        query: {
            one.index: one.score
            for one in reranker().rerank(f"a blue sea {query}", [p["document"] for p in pairs(1)])
        }
        for query in range(5)
    }
    assert ("done", 5, 0, 5) == (report.state, report.rows, report.failed, report.usage.requests)
    assert [alone[row["query"]][row["index"]] for row in found] == [row["score"] for row in found]
    assert list(range(15)) == [row["row"] for row in found]
    assert [1, 2, 3] == sorted(row["rank"] for row in found[:3])


def test_a_list_of_documents_is_one_query(tmp_path, emulator, reranker):
    table = [
        {"query": "a", "document": ["b", "c"]},
        {"query": "a", "document": []},
        {"query": "a", "document": ["d"]},
    ]
    source = write(tmp_path / "pairs.jsonl", table)

    report = rerank_file(source, tmp_path / "out.parquet", model=reranker())

    seen = [(row["row"], row["query"], row["index"], row["error"]) for row in rows(tmp_path / "out.parquet")]
    assert (3, 0, 2) == (report.rows, report.failed, len(emulator.ledger))
    assert [(0, 0, 0, None), (0, 0, 1, None), (2, 2, 0, None)] == seen


def test_only_the_best_have_a_rank(tmp_path, reranker):
    source = write(tmp_path / "pairs.csv", pairs(4))

    rerank_file(source, tmp_path / "out.parquet", model=reranker(), top_n=2)

    ranks = [row["rank"] for row in rows(tmp_path / "out.parquet")]
    assert [4, 4, 4] == [ranks.count(rank) for rank in (1, 2, None)]


def test_names_of_columns_and_ids(tmp_path, reranker):
    source = write(tmp_path / "p.csv", [{"q": "a", "key": "x1", "d": "b"}, {"q": "a", "key": "x2", "d": "c"}])
    opened = open_source(source, columns=PairColumns(query="q", document="d", id="key"))

    rerank_file(opened, tmp_path / "out.parquet", model=reranker())

    assert ["x1", "x2"] == [row["id"] for row in rows(tmp_path / "out.parquet")]


def test_pictures_are_read_from_the_folder_and_from_nowhere_else(tmp_path, emulator, reranker):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "red.png").write_bytes(painted("red"))
    (folder / "blue.png").write_bytes(painted("blue"))
    (tmp_path / "outside.png").write_bytes(painted("red"))
    table = [
        {"query": "red", "photo": "blue.png"},
        {"query": "red", "photo": "red.png"},
        {"query": "outside", "photo": "../outside.png"},
        {"query": "gone", "photo": "gone.png"},
    ]
    opened = open_source(
        write(tmp_path / "p.jsonl", table), columns=PairColumns(image=("photo",)), media_root=folder
    )

    report = rerank_file(opened, tmp_path / "out.parquet", model=reranker(VL))

    found = rows(tmp_path / "out.parquet")
    assert (3, 2, 1) == (report.rows, report.failed, len(emulator.ledger))
    assert [2, 1, None, None] == [row["rank"] for row in found]
    assert "outside" in found[2]["error"]
    assert "gone.png" in found[3]["error"]


def test_bytes_and_a_query_that_is_a_picture(tmp_path, emulator, reranker):
    red, blue = painted("red"), painted("blue")
    table = [{"ask": red, "text": None, "shot": blue}, {"ask": red, "text": None, "shot": red}]
    opened = open_source(
        write(tmp_path / "p.parquet", table), columns=PairColumns(query_image="ask", image=("shot",))
    )

    rerank_file(opened, tmp_path / "out.parquet", model=reranker(VL))

    assert [2, 1] == [row["rank"] for row in rows(tmp_path / "out.parquet")]
    assert ["image"] == list(emulator.ledger[0].body["input"]["query"])


BAD = {
    "over the limit": (
        [{"query": "b", "document": f"d{n}"} for n in range(501)],
        "501 documents; .*at most 500",
    ),
    "an empty document": (
        [{"query": "b", "document": "x"}, {"query": "b", "document": ""}],
        "row 4: there is no doc",
    ),
    "a long document": ([{"query": "b", "document": "天" * 13_000}], "row 3: .*at most 4,000"),
    "no query": ([{"query": "", "document": "x"}], "there is no query: query is empty"),
}


@pytest.mark.parametrize(("more", "words"), BAD.values(), ids=BAD)
def test_a_query_that_cannot_be_ranked_fails_whole_and_alone(tmp_path, emulator, reranker, more, words):
    source = write(tmp_path / "p.csv", [*pairs(1), *more, {"query": "c", "document": "x"}])

    report = rerank_file(source, tmp_path / "out.parquet", model=reranker())

    found = rows(tmp_path / "out.parquet")
    bad = [row for row in found if row["error"] is not None]
    assert (3, 1, 2) == (report.rows, report.failed, len(emulator.ledger))
    assert len(more) == len(bad)
    assert all(re.search(words, row["error"]) for row in bad)
    lines = [json.loads(line) for line in (tmp_path / "out.failed.jsonl").read_text("utf-8").splitlines()]
    assert [(line["row"], line.get("document", "")) for line in lines] == [
        (3 + n, row["document"]) for n, row in enumerate(more)
    ]


def test_failed_queries_are_a_source_again(tmp_path, emulator, reranker):
    source = write(tmp_path / "p.csv", pairs(3))
    emulator.fail("400")
    first = rerank_file(source, tmp_path / "out.parquet", model=reranker(max_concurrency=1))

    again = rerank_file(first.failed_file, tmp_path / "again.parquet", model=reranker())

    assert (1, 1, 0) == (first.failed, again.rows, again.failed)
    assert pairs(1) == [
        {name: row[name] for name in ("query", "document")}
        for row in map(json.loads, (tmp_path / "out.failed.jsonl").read_text("utf-8").splitlines())
    ]


def test_a_document_that_is_missing_in_a_list_is_missing_in_the_next_run_too(tmp_path, reranker):
    source = write(tmp_path / "p.jsonl", [{"query": "a", "document": ["x", None]}])
    first = rerank_file(source, tmp_path / "out.parquet", model=reranker())

    again = rerank_file(first.failed_file, tmp_path / "again.parquet", model=reranker())

    assert (1, 1) == (first.failed, again.failed)


def test_a_row_that_cannot_be_read_parts_no_query(tmp_path, emulator, reranker):
    path = tmp_path / "p.jsonl"
    lines = [orjson.dumps(row) for row in pairs(2)]
    path.write_bytes(b"\n".join([lines[0], b"{broken", *lines[1:]]))

    report = rerank_file(path, tmp_path / "out.parquet", model=reranker())

    seen = [(row["row"], row["query"], row["error"] is None) for row in rows(tmp_path / "out.parquet")]
    assert (3, 1, 2) == (report.rows, report.failed, len(emulator.ledger))
    assert [
        (0, 0, True),
        (2, 0, True),
        (3, 0, True),
        (1, 1, False),
        *[(n, 2, True) for n in (4, 5, 6)],
    ] == seen


REFUSED = {
    "no query column": (
        [{"q": "a", "document": "b"}],
        PairColumns(),
        "no column 'query'; it has 'q', 'document'",
    ),
    "no document column": ([{"query": "a", "d": "b"}], PairColumns(), "no column 'document'"),
    "no such column": ([{"query": "a", "document": "b"}], PairColumns(image=("photo",)), "no column 'photo'"),
    "a query in two places": (
        [{"query": "a", "document": "b"}, {"query": "c", "document": "d"}, {"query": "a", "document": "e"}],
        PairColumns(),
        "rows 0 and 2 of .* have the same query",
    ),
}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(("table", "columns", "words"), REFUSED.values(), ids=REFUSED)
def test_a_table_that_will_not_do_is_refused_before_anything_is_written(
    tmp_path, emulator, reranker, ending, table, columns, words
):
    opened = open_source(write(tmp_path / f"p.{ending}", table), columns=columns)

    with pytest.raises(InputError, match=words):
        rerank_file(opened, tmp_path / "out.parquet", model=reranker())

    assert [f"p.{ending}"] == [path.name for path in tmp_path.iterdir()]
    assert 0 == len(emulator.ledger)


def test_a_stopped_job_goes_on_and_pays_nothing_twice(tmp_path, emulator, reranker):
    source = write(tmp_path / "p.csv", pairs())
    stop = threading.Event()

    def watch(finished: int, failed: int, usage: object) -> None:
        if finished == 20:
            stop.set()

    first = rerank_file(
        source, tmp_path / "out.parquet", model=reranker(), watch=watch, stop=stop, group_rows=7
    )
    again = rerank_file(source, tmp_path / "out.parquet", model=reranker(), group_rows=7)

    assert ("interrupted", "done", first.rows) == (first.state, again.state, again.resumed)
    assert (QUERIES, QUERIES) == (len(emulator.ledger), again.usage.requests)
    assert QUERIES * DOCUMENTS == len(rows(tmp_path / "out.parquet"))


def test_an_account_error_ends_the_job_and_fails_no_query(tmp_path, emulator, reranker):
    source = write(tmp_path / "p.csv", pairs())
    emulator.fail(None, None, *["401"] * 30)
    with pytest.raises(Exception, match="key"):
        rerank_file(source, tmp_path / "out.parquet", model=reranker(max_concurrency=1))
    emulator.app.faults._script.clear()

    report = rerank_file(source, tmp_path / "out.parquet", model=reranker())

    assert (QUERIES, 0, 2) == (report.rows, report.failed, report.resumed)
    assert QUERIES == len(asked(emulator)) == len(set(asked(emulator)))


OTHERS = {
    "model": ({"model": "qwen3.7-text-rerank"}, {}, "model"),
    "instruction": ({"instruct": "Find facts."}, {}, "instruct"),
    "best": ({}, {"top_n": 2}, "top_n None, not 2"),
    "truncate": ({"truncate": True}, {}, "truncate"),
}


@pytest.mark.parametrize(("settings", "call", "words"), OTHERS.values(), ids=OTHERS)
def test_going_on_with_other_settings_is_refused(tmp_path, emulator, reranker, settings, call, words):
    source = write(tmp_path / "p.csv", pairs(2))
    rerank_file(source, tmp_path / "out.parquet", model=reranker())

    with pytest.raises(ConfigError, match=words):
        rerank_file(source, tmp_path / "out.parquet", model=reranker(**settings), **call)

    assert 2 == len(emulator.ledger)


def test_a_wrong_best_is_refused_first(tmp_path, reranker):
    source = write(tmp_path / "p.csv", pairs(2))

    with pytest.raises(InputError, match="top_n"):
        rerank_file(source, tmp_path / "out.parquet", model=reranker(), top_n=0)

    assert [source] == list(tmp_path.iterdir())


def test_a_preview_counts_what_is_left(tmp_path, emulator, reranker):
    source = write(tmp_path / "p.csv", [*pairs(3), {"query": "x", "document": ""}])

    before = preview_rerank(source, model=TEXT)
    rerank_file(source, tmp_path / "out.parquet", model=reranker())

    assert (4, 1, 9, 3) == (before.rows, before.bad, before.items, before.requests)
    assert before.tokens == (before.tokens[1],) * 2
    assert abs(before.tokens[0] - emulator.ledger.tokens) <= 0.5 * emulator.ledger.tokens
    assert "query tokens x documents" in before.rule


def test_the_command_says_what_it_did(command):
    write(command.folder / "p.csv", [*pairs(2), *[{"query": "x", "document": ""}] * 2])

    run = command("rerank", "p.csv", "-m", TEXT, "-o", "out.parquet", "--top-n", 1, "--json")

    outcome = json.loads(run.out)
    assert (1, 3, 1) == (run.code, outcome["rows"], outcome["failed"])
    assert [1] == [reason["count"] for reason in outcome["reasons"]]
    assert "3 queries, 1 failed" in run.err
    assert 8 == len(rows(command.folder / "out.parquet"))


WRONG = {
    "no output": (("-m", TEXT), "the output is missing: pass -o"),
    "an embedding model": (
        ("-m", "text-embedding-v4", "-o", "o.parquet"),
        "is an embedding model and cannot rerank",
    ),
    "a stopped model": (("-m", "gte-rerank", "-o", "o.parquet"), "use qwen3-rerank"),
    "an instruction": (
        ("-m", "gte-rerank-v2", "--instruct", "x", "-o", "o.parquet"),
        "does not support an instruction",
    ),
    "another ending": (("-m", TEXT, "-o", "o.csv"), "is written as Parquet; call it"),
    "a missing column": (("-m", TEXT, "-o", "o.parquet", "--query-column", "q"), "no column 'q'"),
    "no documents": (("-m", TEXT, "-o", "o.parquet", "--top-n", "0"), "top-n"),
}


@pytest.mark.parametrize(("more", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_before_anything_is_sent_or_written(command, more, words):
    write(command.folder / "p.csv", pairs(2))

    run = command("rerank", "p.csv", *more)

    assert (2, True) == (run.code, words in run.err)
    assert ["p.csv"] == [path.name for path in command.folder.iterdir()]
    assert 0 == len(command.mount.emulator.ledger)


def test_a_dry_run_sends_nothing(command):
    write(command.folder / "p.csv", pairs(2))

    run = command("rerank", "p.csv", "-m", TEXT, "--dry-run")

    assert (0, 0) == (run.code, len(command.mount.emulator.ledger))
    assert ["queries:", "documents:", "requests:", "tokens:", "price:"] == [
        line.split()[0] for line in run.out.splitlines()[:5]
    ]


def test_killed_it_goes_on_and_pays_only_what_was_in_flight(slow_command):
    """What is finished is in the journal when the process dies."""
    ledger, width = slow_command.mount.emulator.ledger, 4
    write(slow_command.folder / "p.csv", pairs(120))
    line = (
        "rerank",
        "p.csv",
        "-m",
        TEXT,
        "-o",
        "out.parquet",
        "--concurrency",
        width,
        "--group-rows",
        7,
        "--quiet",
    )
    marks = (3, 20)
    for mark in marks:
        process = slow_command.start(*line)
        wait_for(lambda mark=mark: len(ledger) >= mark, process)
        process.kill()
        assert -signal.SIGKILL == ended(process).code

    run = slow_command(*line)

    asked_for = Counter(asked(slow_command.mount.emulator))
    found = rows(slow_command.folder / "out.parquet")
    assert 0 == run.code
    assert 120 == len(asked_for)
    assert sum(asked_for.values()) - 120 <= len(marks) * width
    assert list(range(360)) == [row["row"] for row in found]
    assert all(row["score"] is not None for row in found)
    assert ["out.parquet", "p.csv"] == sorted(path.name for path in slow_command.folder.iterdir())
