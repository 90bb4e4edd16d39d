"""A table that is reranked pays for each query once, whole, however often the job is stopped."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import orjson
import pyarrow.parquet as pq
from promise import Breakage, sized

from volc_dashscope import Reranker
from volc_dashscope.bulk import rerank_file
from volc_dashscope.emulator import Emulator

MODEL, DOCUMENTS, OVER = "qwen3-rerank", ["a blue sea", "red shoes", "a green hat"], 600
BREAKAGES = [
    Breakage(
        "volc_dashscope/bulk/_partial.py",
        "wanted = offset not in group.finished",
        "wanted = True",
        "test_a_stopped_rerank_pays_each_query_once",
    ),
    Breakage(
        "volc_dashscope/bulk/_pairs.py",
        "if key is None or key != before:",
        "if key != before or record.row % 2:",
        "test_a_stopped_rerank_pays_each_query_once",
    ),
    Breakage(
        "volc_dashscope/bulk/_rerank.py",
        "scores[result.index] = result.score",
        "scores[result.index - 1] = result.score",
        "test_a_stopped_rerank_pays_each_query_once",
    ),
    Breakage(
        "volc_dashscope/bulk/_rerank.py",
        "if most is not None and len(record.rows) > most:",
        "if False:",
        "test_a_query_over_the_limit_is_not_split",
    ),
]


def _write(path: Path, pairs: list[tuple[str, str]]) -> Path:
    lines = (orjson.dumps({"query": query, "document": document}) for query, document in pairs)
    path.write_bytes(b"\n".join(lines))
    return path


def _reranker(emulator: Emulator) -> Reranker:
    return Reranker(MODEL, api_key="key-of-a-promise", http_client=emulator.http_client())


def test_a_stopped_rerank_pays_each_query_once(tmp_path):
    queries = [f"a sea, number {number}" for number in range(sized(150))]
    source = _write(tmp_path / "pairs.jsonl", [(query, each) for query in queries for each in DOCUMENTS])
    emulator, output = Emulator(), tmp_path / "out.parquet"
    runs, state = 0, "interrupted"

    while state == "interrupted" and runs < len(queries):
        stop, runs = threading.Event(), runs + 1
        goal = runs * len(queries) // 5

        def watch(finished: int, *_: object, goal: int = goal, stop: threading.Event = stop) -> None:
            if finished >= goal:
                stop.set()

        with _reranker(emulator) as reranker:
            state = rerank_file(source, output, model=reranker, watch=watch, stop=stop, group_rows=7).state

    found = pq.read_table(output).to_pylist()
    asked = Counter(entry.body["input"]["query"] for entry in emulator.ledger)
    with _reranker(Emulator()) as reranker:
        alone = {one.index: one.score for one in reranker.rerank(queries[-1], DOCUMENTS)}
    assert runs > 1
    assert dict.fromkeys(queries, 1) == asked
    assert all(DOCUMENTS == entry.body["input"]["documents"] for entry in emulator.ledger)
    assert list(range(3 * len(queries))) == [row["row"] for row in found]
    assert alone == {row["index"]: row["score"] for row in found[-3:]}


def test_a_query_over_the_limit_is_not_split(tmp_path):
    long = [("too long a list", f"document {number}") for number in range(OVER)]
    source = _write(tmp_path / "pairs.jsonl", [*long, *[("a sea", each) for each in DOCUMENTS]])
    emulator = Emulator()

    with _reranker(emulator) as reranker:
        report = rerank_file(source, tmp_path / "out.parquet", model=reranker)

    found = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert (2, 1, ["a sea"]) == (
        report.rows,
        report.failed,
        [e.body["input"]["query"] for e in emulator.ledger],
    )
    assert all("600 documents; qwen3-rerank accepts at most 500" in row["error"] for row in found[:OVER])
