"""The command: what it says beforehand, meanwhile and at the end, and its exit codes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from errno import ENOSPC
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from bulk_runs import ARK, TEXT, VL, D, Run, errors, rows, texts, vectors, write_lines
from canary import KEY
from click.testing import CliRunner
from paintings import painted

from volc_dashscope._types import counted
from volc_dashscope.bulk import Progress, embed_file, preview
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.cli._app import app
from volc_dashscope.models import get_model_info
from volc_dashscope.results import Usage

Cli = Callable[..., Run]


@pytest.fixture
def site(emulate: Callable[..., Any]) -> Any:
    return emulate(socket=True)


@pytest.fixture
def cli(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command in this process, which starts faster, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    monkeypatch.setenv("DASHSCOPE_BASE_URL", site.emulator.dashscope_url)
    monkeypatch.setenv("ARK_API_KEY", KEY)
    monkeypatch.setenv("ARK_BASE_URL", site.emulator.ark_url)

    def run(*arguments: object) -> Run:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
        return Run(done.exit_code, done.stdout, done.stderr)

    return run


def test_all_is_well_is_exit_0_and_the_summary_goes_to_stderr(cli, tmp_path):
    write_lines(tmp_path / "t.txt", texts(12))

    done = cli("embed", "t.txt", "-m", TEXT, "-d", D, "-o", "out.parquet")

    assert (0, "") == (done.code, done.out)
    assert "12 rows, 0 failed" in done.err
    assert (12, D) == vectors(tmp_path / "out.parquet").shape


def test_one_row_is_no_rows(cli, tmp_path):
    write_lines(tmp_path / "t.txt", ["a text"])

    done = cli("embed", "t.txt", "-m", TEXT, "-d", D, "-o", "out.parquet")

    assert "1 row, 0 failed, " in done.err


@pytest.mark.parametrize(
    ("number", "plural", "words"),
    [
        (0, "rows", "0 rows"),
        (1, "requests", "1 request"),
        (1, "queries", "1 query"),
        (2_000, "files", "2,000 files"),
    ],
)
def test_a_number_has_its_noun_in_the_right_form(number, plural, words):
    assert words == counted(number, plural)


def test_failed_rows_are_exit_1_and_a_file(cli, tmp_path):
    write_lines(tmp_path / "t.txt", ["first", "", "last"])

    done = cli("embed", "t.txt", "-m", TEXT, "-d", D, "-o", "out.parquet")

    assert 1 == done.code
    assert "3 rows, 1 failed" in done.err
    assert "out.failed.jsonl" in done.err
    assert ["1"] == [
        json.loads(line)["id"] for line in (tmp_path / "out.failed.jsonl").read_text().splitlines()
    ]


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "no source": (("embed", "none.txt", "-m", TEXT, "-o", "o.parquet"), "does not exist"),
    "no output": (("embed", "t.txt", "-m", TEXT), "-o out.parquet"),
    "unknown model": (("embed", "t.txt", "-m", "none", "-o", "o.parquet"), "not in the table"),
    "dimension": (("embed", "t.txt", "-m", TEXT, "-d", "3", "-o", "o.parquet"), "--dimensions 3"),
    "Ark has no jobs": (("embed", "t.txt", "-m", ARK, "-o", "o.parquet", "--route", "batch"), "dashscope"),
    "jobs use no cache": (
        ("embed", "t.txt", "-m", TEXT, "-o", "o.parquet", "--route", "batch", "--cache", "c.db"),
        "leave out --cache",
    ),
    "more rows of a group than memory": (
        ("embed", "t.txt", "-m", TEXT, "-o", "o.parquet", "--group-rows", "99999999999999999999"),
        "group_rows must be at most 1,000,000",
    ),
    "a source that is not set": (("embed", "", "-m", VL, "-o", "o.parquet"), "the path is empty"),
    "a folder that is not set": (("search", "", "red", "-m", VL), "the path is empty"),
    "an output that is not set": (("embed", "t.txt", "-m", TEXT, "-o", ""), "the path is empty"),
    "a root that is not set": (
        ("embed", "t.txt", "-m", VL, "-o", "o.parquet", "--media-root", ""),
        "the path is empty",
    ),
    "prune what": (("cache", "prune", "t.txt"), "--older-than"),
    "no cache": (("cache", "stats", "t.txt"), "cannot be used"),
    "age": (("cache", "prune", "t.txt", "--older-than", "x"), "is not an age"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_command_is_exit_2_and_sends_nothing(cli, site, tmp_path, arguments, words):
    write_lines(tmp_path / "t.txt", texts(3))

    done = cli(*arguments)

    assert (2, 0) == (done.code, len(site.emulator.ledger))
    assert words in done.err
    assert "Traceback" not in done.err


def test_a_refused_key_is_exit_3_and_says_how_to_go_on(cli, site, tmp_path):
    write_lines(tmp_path / "t.txt", texts(3))
    site.emulator.fail(*["401"] * 5)

    done = cli("embed", "t.txt", "-m", TEXT, "-d", D, "-o", "out.parquet")

    assert 3 == done.code
    assert "to continue, run the same command again" in done.err
    assert KEY not in done.err + done.out


def test_json_is_one_object_on_stdout(cli, tmp_path):
    write_lines(tmp_path / "t.txt", ["first", ""])

    done = cli("embed", "t.txt", "-m", TEXT, "-d", D, "-o", "out.parquet", "--json")

    outcome = json.loads(done.out)
    assert 1 == done.code
    assert ("done", 2, 1, "out.parquet", "out.failed.jsonl") == (
        outcome["state"],
        outcome["rows"],
        outcome["failed"],
        outcome["output"],
        outcome["failed_file"],
    )


def test_an_error_is_json_too(cli, tmp_path):
    write_lines(tmp_path / "t.txt", texts(1))

    done = cli("embed", "t.txt", "-m", TEXT, "-d", 3, "-o", "out.parquet", "--json")

    assert (2, "ConfigError") == (done.code, json.loads(done.out)["kind"])


def test_a_dry_run_tells_items_requests_tokens_price_and_time_and_sends_nothing(
    cli, site, tmp_path, monkeypatch
):
    monkeypatch.delenv("DASHSCOPE_API_KEY")
    write_lines(tmp_path / "t.txt", [*texts(25), ""])

    done = cli("embed", "t.txt", "-m", TEXT, "--dry-run", "--requests-per-minute", 3)

    lines = dict(line.split(":", 1) for line in done.out.splitlines())
    assert 0 == done.code
    assert {"rows": "26", "cannot be embedded": "1", "items": "25", "requests": "3"}.items() <= {
        name: value.strip() for name, value in lines.items()
    }.items()
    assert "CNY" in lines["price"]
    assert "at least 1 min 0 s" == lines["time at the limits"].strip()
    assert int(lines["tokens"]) > 0
    assert (0, ["t.txt"]) == (len(site.emulator.ledger), os.listdir(tmp_path))


def test_a_dry_run_says_what_was_asked_in_the_end(cli, site, tmp_path):
    write_lines(tmp_path / "t.txt", [*texts(57), ""])
    outcome = preview(tmp_path / "t.txt", model=TEXT)

    cli("embed", "t.txt", "-m", TEXT, "-d", D, "-o", "out.parquet")

    assert (outcome.requests, outcome.items, outcome.bad) == (len(site.emulator.ledger), 57, 1)


def test_a_dry_run_of_a_half_finished_job_counts_what_is_left(cli, site, tmp_path):
    write_lines(tmp_path / "t.txt", texts(60))
    site.emulator.fail(None, None, *["401"] * 9)
    line = (
        "embed",
        "t.txt",
        "-m",
        TEXT,
        "-d",
        D,
        "-o",
        "out.parquet",
        "--concurrency",
        1,
        "--group-rows",
        15,
    )
    cli(*line)

    outcome = json.loads(cli(*line, "--dry-run", "--json").out)

    assert (60, 20, 40, 4) == (outcome["rows"], outcome["finished"], outcome["items"], outcome["requests"])


def test_a_dry_run_of_a_batch_is_half_the_price(tmp_path):
    source = write_lines(tmp_path / "t.txt", texts(20))

    usual, batch = preview(source, model=TEXT), preview(source, model=TEXT, route="batch")

    assert usual.price is not None
    assert batch.price is not None
    assert batch.price[0] == pytest.approx(usual.price[0] / 2)


def test_a_batch_is_a_route(cli, site, tmp_path):
    write_lines(tmp_path / "t.txt", texts(5))

    done = cli("embed", "t.txt", "-m", TEXT, "-d", D, "-o", "out.parquet", "--route", "batch", "--json")

    outcome = json.loads(done.out)
    assert (0, "done", 5, 1) == (done.code, outcome["state"], outcome["rows"], len(outcome["jobs"]))


def test_a_table_of_text_and_media_columns_is_fused(cli, tmp_path):
    (tmp_path / "shoe.png").write_bytes(painted())
    write_lines(tmp_path / "t.csv", ["sku,title,photo", "s1,red,shoe.png", "s2,blue,gone.png"])
    columns = ("--text-column", "title", "--image-column", "photo", "--id-column", "sku")

    done = cli("embed", "t.csv", "-m", VL, "-o", "out.parquet", *columns)

    assert 1 == done.code
    assert ["s1", "s2"] == [row["id"] for row in rows(tmp_path / "out.parquet")]
    assert "'gone.png' does not exist" in errors(tmp_path / "out.parquet")[1].replace(f"{tmp_path}/", "")


def test_a_cache_is_filled_counted_and_pruned(cli, site, tmp_path):
    write_lines(tmp_path / "t.txt", texts(20))
    line = ("embed", "t.txt", "-m", TEXT, "-d", D, "--cache", "c.sqlite", "-o")
    cli(*line, "one.parquet")
    cli(*line, "two.parquet")

    stats = json.loads(cli("cache", "stats", "c.sqlite", "--json").out)
    words = cli("cache", "stats", "c.sqlite").out
    pruned = json.loads(cli("cache", "prune", "c.sqlite", "--max-size", "1K", "--json").out)

    assert 2 == len(site.emulator.ledger)
    assert (20, 20 * 4 * D) == (stats["entries"], stats["value_bytes"])
    assert "20 vectors" in words
    assert (17, 3) == (pruned["dropped"], pruned["entries"])
    with SQLiteCache(tmp_path / "c.sqlite") as cache:
        assert 3 == len(cache)


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def _shown(to: StringIO, seconds: float) -> str:
    """Return what is written of a job whose first report is followed by another after so many seconds."""
    row = get_model_info(TEXT)
    assert row is not None
    times = iter((0.0, 0.0, seconds))
    bar = Progress(row, 1000, to=to, clock=lambda: next(times))
    bar.show(100, 0, Usage())
    bar.show(500, 3, Usage(50, 2_000_000, 2_000_000))
    bar.close()
    return to.getvalue()


def test_a_terminal_gets_a_bar_with_rate_spend_and_errors():
    said = _shown(_Terminal(), 1.0)

    assert "500/1000" in said
    assert "row/s" in said
    assert "CNY 1.0000, 3 failed" in said


def test_anything_else_gets_plain_lines():
    assert "500 of 1,000 rows, 10 rows/s, CNY 1.0000, 3 failed\n" == _shown(StringIO(), 40.0)


def _closed() -> StringIO:
    stream = StringIO()
    stream.close()
    return stream


class _Full(StringIO):
    """A stream on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(ENOSPC, "No space left on device")


class _FullTerminal(_Full):
    def isatty(self) -> bool:
        return True


UNWRITABLE = {"full": _Full, "closed": _closed, "full terminal": _FullTerminal}


@pytest.mark.parametrize("stream", UNWRITABLE.values(), ids=UNWRITABLE)
def test_a_job_goes_on_where_its_progress_cannot_be_shown(inside, tmp_path, stream):
    source = write_lines(tmp_path / "t.txt", texts(200))
    with inside.client(TEXT, dimensions=D) as client:
        seconds = count(step=11.0)
        bar = Progress(client.model_info, 200, to=stream(), clock=lambda: next(seconds))
        bar.scanned("read", 100)
        report = embed_file(source, tmp_path / "out.parquet", model=client, watch=bar.show)
        bar.close()

    assert (200, 0) == (report.rows, report.failed)


PRESSED = """
import io, signal, sys
from volc_dashscope.cli._job import stopped_by_signals

class Pressed(io.RawIOBase):
    pressed = False

    def writable(self):
        return True

    def write(self, data):
        if not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)
        return len(data)

sys.stderr = io.TextIOWrapper(io.BufferedWriter(Pressed()), write_through=True)
with stopped_by_signals() as stop:
    print("1,000 rows", file=sys.stderr, flush=True)
print(sys.stderr.buffer.raw.pressed, stop.is_set())
"""


def test_ctrl_c_during_a_line_of_progress_stops_the_job_and_does_not_break_it(command):
    run = command(code=PRESSED)

    assert (0, "True True\n") == (run.code, run.out)


def _scanned(to: StringIO) -> str:
    """Return what is written of a scan, and of the first row after it."""
    row = get_model_info(VL)
    assert row is not None
    times = iter((0.0, 0.01, 20.0, 20.01, 20.02, 60.0))
    bar = Progress(row, 30_000, unit="file", to=to, clock=lambda: next(times))
    for number in (100, 12_300, 12_400):
        bar.scanned("read", number)
    bar.show(100, 0, Usage())
    bar.scanned("found", 500)
    bar.close()
    return to.getvalue()


def test_a_bar_shows_a_scan_until_the_first_row():
    _, begun, scanned, *_, first = _scanned(_Terminal()).split("\r")

    assert begun.startswith("  0%|")
    assert scanned.startswith("read 12,300 files:   0%|")
    assert first.startswith("  0%|")
    assert "100/30000" in first


def test_a_log_has_lines_of_a_scan_until_the_first_row():
    assert "read 12,300 files …\n" == _scanned(StringIO())


MAIN = "from volc_dashscope.cli import main; main()"
FULL = "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), {0}); " + MAIN
# Python has None for a stream that was closed before it started.
CLOSED = "import os, sys; os.close({0}); sys.{1} = None; " + MAIN
SILENT = {
    "stderr is full": FULL.format(2),
    "stderr is closed": CLOSED.format(2, "stderr"),
    "stdin is closed": CLOSED.format(0, "stdin"),
    "stdout is closed": CLOSED.format(1, "stdout"),
}


@pytest.mark.parametrize("code", SILENT.values(), ids=SILENT)
def test_a_job_goes_on_where_nothing_can_be_said(command, code):
    write_lines(command.folder / "t.txt", texts(30))
    run = command("embed", "t.txt", "-m", TEXT, "-o", "out.parquet", "--cache", "c.sqlite", code=code)

    assert 0 == run.code
    assert 30 == len(vectors(command.folder / "out.parquet"))
    with SQLiteCache(command.folder / "c.sqlite") as cache:
        assert 30 == len(cache)


def test_programs_of_tests_have_the_buffered_streams_of_users(command):
    assert "False\n" == command(code="import sys; print(sys.stdout.write_through)").out


@pytest.mark.parametrize("arguments", [["models"], ["--help"], ["models", "--json"]], ids=" ".join)
def test_a_result_that_cannot_be_written_is_one_line(command, arguments):
    run = command(*arguments, code=FULL.format(1))

    assert (1, "error: the output cannot be written: No space left on device\n") == (run.code, run.err)


def test_the_module_is_the_command(command):
    write_lines(command.folder / "t.txt", texts(3))

    done = command.anew(
        "embed",
        "t.txt",
        "-m",
        TEXT,
        "-o",
        "out.parquet",
        code="import runpy; runpy.run_module('volc_dashscope', run_name='__main__')",
    )

    assert 0 == done.code
    assert 3 == len(rows(command.folder / "out.parquet"))


@pytest.mark.parametrize("missing", ["pyarrow"])
def test_without_an_optional_package_it_names_the_purpose_and_the_extra(command, missing):
    write_lines(command.folder / "t.txt", texts(3))
    code = f"import sys; sys.modules[{missing!r}] = None; from volc_dashscope.cli import main; main()"

    done = command.anew("embed", "t.txt", "-m", TEXT, "-o", "out.parquet", code=code)

    assert 2 == done.code
    assert 'writing Parquet needs pyarrow: pip install "volc-dashscope[bulk]"' in done.err
    assert "Traceback" not in done.err


def test_help_and_version_are_there(cli):
    assert "--dry-run" in cli("embed", "--help").out
    assert cli("--version").out.startswith("volc-dashscope, version ")
