"""The benchmarks' own arithmetic, and what the client does for an item, counted so that a busy machine is no excuse."""

from __future__ import annotations

import subprocess
import sys

import pytest
from source import ROOT

from benchmarks.instructions import grown, of_all_threads
from benchmarks.waits import ROWS, Row, at_least, at_most, at_most_times, served, table


def test_no_path_runs_more_lines_than_are_written_down():
    command = [sys.executable, "-m", "benchmarks.instructions", "--lines", "--check"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert 0 == done.returncode, f"{done.stdout}{done.stderr}\nif it is worth it: {' '.join(command[1:-1])}"


def test_a_count_that_grew_by_more_than_a_twentieth_is_named():
    before = {"plan": 100.0, "read": 100.0, "gone": 100.0}

    assert ["read"] == grown({"plan": 105.0, "read": 106.0, "new": 900.0}, before)


def test_the_instructions_of_all_threads_count():
    output = "PID 9: python\n  Totals:        Ir \n   Th 1     602,137 \n   Th 12  94,868,228 \n"

    assert 95_470_365 == of_all_threads(output)


@pytest.mark.parametrize(
    ("goal", "reached", "missed"),
    [
        (at_most(10), (20, 10), (20, 10.1)),
        (at_least(400), (90, 400), (90, 399)),
        (at_most_times(0.6), (100, 60), (100, 61)),
    ],
    ids=["at most", "at least", "at most times"],
)
def test_a_goal_is_reached_or_missed(goal, reached, missed):
    assert goal.reached(*reached)
    assert not goal.reached(*missed)


def test_a_row_shows_both_runs_and_is_reached_only_in_both():
    rows = [
        Row(1, "items", lambda seen: seen["cache"]["us"], ("cache",), at_most(10)),
        Row(2, "rows", lambda seen: seen["bulk"]["us"], ("bulk",)),
    ]
    runs = [
        {
            ("items", "before"): 13.54,
            ("items", "after"): 9.5,
            ("rows", "before"): 1234.5,
            ("rows", "after"): 8.125,
        },
        {
            ("items", "before"): 13.46,
            ("items", "after"): 10.5,
            ("rows", "before"): 1300.4,
            ("rows", "after"): 8.0,
        },
    ]

    lines = list(table(rows, runs))

    assert "| 1 | items | 13.5 · 13.5 | 9.5 · 10.5 | ≤ 10 | no |" == lines[2]
    assert "| 2 | rows | 1,234 · 1,300 | 8.12 · 8 |  |  |" == lines[3]


def test_each_row_has_words_of_its_own():
    assert len(ROWS) == len({row.words for row in ROWS})


@pytest.mark.parametrize(
    ("command", "label", "start"),
    [
        (["benchmarks.stub", "--dimension", "4"], "", ""),
        (["volc_dashscope.emulator", "--port", "0"], "ARK_BASE_URL=", "http://127.0.0.1:"),
    ],
    ids=["stub", "emulator"],
)
def test_a_server_of_the_measurements_says_where_it_is(command, label, start):
    with served(command, label) as place:
        port = place.removeprefix(start).removesuffix("/api/v3")

    assert port.isdigit()
