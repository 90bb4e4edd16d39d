"""
`examples/scenarios`: each is run as a reader runs it, against an emulator on a socket whose ledger is read.

What is asserted holds by construction (counts, roles, failures, what was billed) or by pixels and colour words,
which the emulator does understand. Rankings of texts are printed and not asserted: its vectors are stand-ins.
"""

from __future__ import annotations

import csv
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import forked
import pytest

from volc_dashscope.emulator import Emulator

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples" / "scenarios"
SUPPORT = {"service", "ranking", "retrieval", "drawings", "tables"}
SCENARIOS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SUPPORT)


@dataclass(frozen=True)
class Played:
    """What an example printed, and the emulator it asked."""

    lines: list[str]
    emulator: Emulator

    def after(self, title: str) -> list[str]:
        """Return the labels of the ranking under a title."""
        start = self.lines.index(title) + 1
        found = (re.fullmatch(r" {2}\d+\. -?\d\.\d{3} {2}(.+)", line) for line in self.lines[start:])
        labels = []
        for match in found:
            if match is None:
                break
            labels.append(match[1])
        return labels

    @property
    def bodies(self) -> list[dict]:
        return [entry.body for entry in self.emulator.ledger.requests]

    @property
    def roles(self) -> set[str | None]:
        """The `text_type` of every request to DashScope's text endpoint."""
        return {body["parameters"].get("text_type") for body in self.bodies}


@pytest.fixture(scope="module")
def play() -> Iterator[Callable[..., Played]]:
    """Return a function that runs one example as a script, once, with keys good for an emulator only."""
    emulators: list[Emulator] = []

    @cache
    def run(name: str, *arguments: str) -> Played:
        emulators.append(emulator := Emulator().start())
        keys = {
            "ARK_BASE_URL": emulator.ark_url,
            "ARK_API_KEY": "emulator-ark-key",
            "DASHSCOPE_BASE_URL": emulator.dashscope_url,
            "DASHSCOPE_API_KEY": "emulator-dashscope-key",
        }
        return Played(_run(name, *arguments, **keys), emulator)

    yield run
    for emulator in emulators:
        emulator.stop()


def _run(name: str, *arguments: str, **keys: str) -> list[str]:
    script = FOLDER / f"{name}.py"
    process = forked.start(forked.SCRIPT, script, *arguments, folder=ROOT, environ=_environ(**keys))
    out, err = process.communicate(timeout=60)
    assert 0 == process.returncode, err
    return out.splitlines()


def _environ(**keys: str) -> dict[str, str]:
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("ARK_", "DASHSCOPE_"))}
    return {**bare, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **keys}


@pytest.mark.parametrize(
    ("name", "model"),
    [("video_by_text", "doubao-embedding-vision-251215"), ("zero_shot", "text-embedding-v4")],
    ids=["ark", "dashscope"],
)
def test_without_a_key_an_emulator_answers_and_says_what_it_is(name, model):
    script = [sys.executable, str(FOLDER / f"{name}.py")]
    done = subprocess.run(script, capture_output=True, encoding="utf-8", env=_environ(), check=True)
    first, second = done.stdout.splitlines()[:2]

    assert f"an emulator of {model} answers" in first
    assert "the rank of a text says nothing" in second


MEANINGS = [
    "anomaly",
    "clustering",
    "dimensions",
    "recommendation",
    "review_search",
    "text_by_text",
    "zero_shot",
]


@pytest.mark.parametrize("name", MEANINGS)
def test_what_stand_ins_cannot_show_is_said_at_the_end(name):
    said, key, shape = _run(name)[-3:]

    assert said.startswith("Stand-ins do not show this: ")
    assert "With DASHSCOPE_API_KEY set" in key
    assert re.match(r"\d+ x [\d,]+ numbers here; ", shape)


def test_the_key_that_the_readme_gives_the_emulator_is_none():
    """Whoever has pasted its lines is still told that the ranks of texts say nothing."""
    (line,) = re.findall(r"^export (DASHSCOPE_API_KEY=.+)$", (ROOT / "README.md").read_text("utf-8"), re.M)
    said = _run("text_by_text", **dict(setting.split("=", 1) for setting in line.split()))

    assert "an emulator of text-embedding-v4 answers" in said[0]
    assert said[-3].startswith("Stand-ins do not show this: ")


@pytest.mark.parametrize("name", MEANINGS)
def test_with_a_key_nothing_is_said_of_stand_ins(play, name):
    assert [] == [line for line in play(name).lines if "tand-ins" in line]


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_file_is_small_says_how_to_run_it_and_needs_no_key(name):
    text = (FOLDER / f"{name}.py").read_text("utf-8")

    assert len(text.splitlines()) < 80
    assert f"python examples/scenarios/{name}.py" in text
    assert "with open_client(MODEL" in text or "    open_client(MODEL" in text


@pytest.mark.parametrize("name", ["batch", "video_by_text"])
def test_who_waits_at_a_terminal_sees_a_bar(name):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    try:
        script = FOLDER / f"{name}.py"
        process = forked.start(forked.SCRIPT, script, folder=ROOT, environ=_environ(), stderr=theirs)
        process.communicate(timeout=60)
        shown = os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)

    assert 0 == process.returncode
    assert "100%" in shown


def test_with_a_key_the_service_is_asked_and_named(play):
    played = play("zero_shot")

    assert "DASHSCOPE_API_KEY is set: Client('text-embedding-v4'" in played.lines[0]
    assert 1 == len(played.emulator.ledger)


def test_banana_is_found_among_five_fruits_by_its_name_in_chinese(play):
    played = play("picture_by_text")

    assert "banana" == played.after("query: 香蕉")[0]
    assert "grapes" == played.after("query: a bunch of purple grapes")[0]
    assert {"red_apple", "banana", "orange", "grapes", "watermelon"} == set(played.after("query: 香蕉"))


def test_pictures_are_documents_and_texts_are_queries_about_pictures(play):
    played = play("picture_by_text")

    sent = [(body["input"][0]["type"], body["instructions"]) for body in played.bodies]
    query = "Target_modality: image.\nInstruction:Compress the text into one word.\nQuery:"
    document = "Instruction:Compress the image into one word.\nQuery:"
    assert sorted([("image_url", document)] * 5 + [("text", query)] * 2) == sorted(sent)


def test_a_chair_finds_chairs(play):
    found = play("picture_by_picture").after("query: [a small teal chair]")

    assert {"red_chair", "blue_chair", "yellow_chair"} == set(found)


def test_a_colour_in_words_moves_the_query_to_the_chair_of_that_colour(play):
    played = play("picture_and_text")

    assert "red_chair" == played.after("query: [red chair]")[0]
    assert "blue_chair" == played.after("query: [red chair] 深蓝色的")[0]
    assert "yellow_chair" == played.after("query: [red chair] the same in yellow")[0]


def test_a_rerank_is_one_request_for_what_the_vectors_found(play):
    played = play("rerank")
    ranked = [body for body in played.bodies if "query" in body["input"]]

    asked = [(b["model"], len(b["input"]["documents"]), b["parameters"]["top_n"]) for b in ranked]
    assert [("qwen3-rerank", 50, 5), *[("qwen3-vl-rerank", 40, 5)] * 2] == asked
    for step, times in {
        "embed 50 texts": 1,
        "rerank 50 to 5": 1,
        "rerank 40 to 5": 2,
        "embed the question": 3,
    }.items():
        costs = [line for line in played.lines if line.startswith(step)]
        assert times == len(costs)
        assert all(
            re.search(r"[1-9]\d* requests +[1-9]\d* tokens  at most CNY 0\.\d{5}$", line) for line in costs
        )
    first = played.lines[played.lines.index("query: 蓝色海景") + 5]
    assert ["blue_seascape", "blue_seascape"] == first.split()[:2]


def test_a_screenshot_with_words_finds_the_article_with_both(play):
    played = play("knowledge_base")

    assert "网络连接故障" == played.after("query: [screenshot] 无法连接网络")[0]
    assert [["text", "image_url"]] * 5 == [[part["type"] for part in body["input"]] for body in played.bodies]


def test_articles_are_documents_and_questions_are_queries_with_a_task(play):
    played = play("text_by_text")

    asked = {(body["parameters"]["text_type"], "instruct" in body["parameters"]) for body in played.bodies}
    assert {("document", False), ("query", True)} == asked
    assert "16 articles, 3 requests" in played.lines
    assert 2 == len(played.after("query: 如何重置密码"))


def test_videos_travel_as_urls_with_their_sampling(play):
    played = play("video_by_text", "https://example.com/one.mp4", "https://example.com/two.mp4")

    sent = [
        body["input"][0]["video_url"] for body in played.bodies if body["input"][0]["type"] == "video_url"
    ]
    assert [("https://example.com/one.mp4", 0.5), ("https://example.com/two.mp4", 0.5)] == sorted(
        (video["url"], video["fps"]) for video in sent
    )
    assert {"one.mp4", "two.mp4"} == set(played.after("query: 城市夜景"))


def test_with_a_key_the_videos_asked_about_exist(play):
    played = play("video_by_text")

    assert {"ark_vlm_video_input.mp4", "new+video.mp4"} == set(played.after("query: 城市夜景"))


def test_reviews_are_documents_and_topics_are_queries(play):
    played = play("review_search")

    assert {"document", "query"} == played.roles
    assert 5 == sum(line.startswith("query: ") for line in played.lines)
    assert 2 == len(played.after("query: pet food"))


def test_nothing_that_was_read_is_recommended(play):
    played = play("recommendation")
    start, end = played.lines.index("has read:"), played.lines.index("recommended:")

    read = {line.strip() for line in played.lines[start + 1 : end]}
    assert 3 == len(read)
    assert 5 == len(set(played.after("recommended:")) - read)
    assert {None} == played.roles


def test_every_headline_is_in_one_of_three_groups(play):
    played = play("clustering")

    assert 3 == sum(line.startswith("group ") for line in played.lines)
    assert 18 == len({line for line in played.lines if line.startswith("  ")})
    assert {None} == played.roles


def test_labels_and_texts_go_in_one_request_without_a_role(play):
    played = play("zero_shot")

    assert "4 texts, 4 labels, 1 request" == played.lines[-1]
    assert {None} == played.roles


def test_each_new_text_is_judged_against_the_normal_ones(play):
    played = play("anomaly")
    found = re.search(r"threshold (\d\.\d{3})", "\n".join(played.lines))
    judged = [re.fullmatch(r"  (odd   |normal) (-?\d\.\d{3})  .+", line) for line in played.lines]

    assert found is not None
    assert 3 == sum(match is not None for match in judged)
    assert [] == [
        match[0]
        for match in judged
        if match and (match[1] == "odd   ") != (float(match[2]) < float(found[1]))
    ]


def test_the_curve_has_a_line_for_each_length(play):
    played = play("dimensions")
    rows = [line.split("|") for line in played.lines if re.match(r" +\d+ \|", line)]

    assert [16, 32, 64, 128, 256, 512, 1024, 2048] == [int(row[0]) for row in rows]
    assert [4 * int(row[0]) for row in rows] == [int(row[1]) for row in rows]
    assert [] == [row for row in rows if not 0 < float(row[3].split()[0]) <= 1]


@pytest.mark.parametrize("path", sorted((FOLDER / "data").glob("*.csv")), ids=lambda path: path.stem)
def test_no_comma_of_a_text_cuts_it(path):
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)

    assert rows
    assert [] == [row for row in rows if len(row) != len(head)]


def test_both_halves_of_a_text_come_with_one_request(play):
    played = play("hybrid")

    assert "8 texts, both vectors of each, 2 requests" in played.lines
    assert {"dense&sparse"} == {body["parameters"]["output_type"] for body in played.bodies}
    assert "降噪耳机 WH-1000XM4，银色，可折叠" == played.after("query: XM4 (sparse)")[0]


def test_one_broken_picture_costs_no_other_its_row(play):
    played = play("batch")
    said = "\n".join(played.lines)

    assert '"skip": 7 of 8 rows, 7 requests paid' in played.lines
    assert "  item 3 (cut short in the middle): " in said
    assert '"raise": BulkError with 7 finished rows, failed: [3]' in played.lines
    assert " at item 3" in played.lines[-1]
    assert "refused at reading, nothing sent" in played.lines[0]


def test_the_second_day_sends_nothing_and_the_third_only_what_is_new(play):
    played = play("cached")
    days = [
        re.match(r"day \d: texts (\d+), requests (\d+), tokens billed (\d+)", line) for line in played.lines
    ]
    texts, requests, tokens = zip(*(map(int, day.groups()) for day in days if day), strict=True)

    assert (18, 18, 20) == texts
    assert (2, 0, 1) == requests
    assert 0 == tokens[1] < tokens[2] < tokens[0]
    assert 18 + 2 + 1 == len(played.emulator.ledger.texts)
