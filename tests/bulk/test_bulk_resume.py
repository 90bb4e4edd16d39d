"""Jobs that are killed, stopped or begun otherwise: nothing is lost, nothing is there or paid twice."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bulk_runs import (
    TEXT,
    Command,
    D,
    Socket,
    ended,
    errors,
    paid_twice,
    rows,
    texts,
    vectors,
    wait_for,
    write_lines,
)

from volc_dashscope import Client, ConfigError, InputError
from volc_dashscope.bulk import embed_file, open_source
from volc_dashscope.bulk._journal import ERROR, VECTOR, Journal
from volc_dashscope.emulator import Emulator, Fault
from volc_dashscope.results import Usage

COUNT, WIDTH, BATCH = 400, 4, 10
OPTIONS = ("-m", TEXT, "-d", D, "--concurrency", WIDTH, "--group-rows", 70, "--quiet")
# For each point a child that kills itself when a file is opened, renamed or removed; forked, to save time.
KILLED_AT = """
import json, os, signal, sys
import volc_dashscope.bulk, volc_dashscope.cli._app
from volc_dashscope.cli import main
points = json.loads(sys.argv.pop(1))
for number, (event, part) in enumerate(points):
    child = os.fork()
    if not child:
        def hook(name, arguments):
            if name == event and arguments and part in str(arguments[0]):
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        os.chdir(str(number))
        main()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
POINTS = {
    "begun": ("os.rename", "manifest.json.new"),
    "before the first row is saved": ("open", "group-000000.journal"),
    "a group is complete": ("open", "group-000001.json.new"),
    "a group is written": ("os.rename", "group-000001.parquet.new"),
    "a group is in its place": ("os.remove", "group-000001.journal"),
    "all is written": ("open", "out.parquet.new"),
    "the output is written": ("os.rename", "out.parquet.new"),
    "the output is in its place": ("os.rename", "out.parquet.partial"),
    "cleaning up": ("os.remove", "group-000000.parquet"),
}


def _expected(mount: Any, items: list[str]) -> Any:
    with mount.client(TEXT, dimensions=D) as client:
        return client.embed(items).vectors


def test_killed_again_and_again_it_loses_nothing_and_pays_only_what_was_in_flight(slow_command):
    ledger = slow_command.mount.emulator.ledger
    write_lines(slow_command.folder / "t.txt", texts(COUNT))
    line = ("embed", "t.txt", "-o", "out.parquet", *OPTIONS)
    marks = (1, 20)
    for mark in marks:
        process = slow_command.start(*line)
        wait_for(lambda mark=mark: len(ledger) >= mark, process)
        process.kill()
        ended(process)

    with slow_command.mount.client(TEXT, dimensions=D, max_concurrency=WIDTH) as client:
        report = embed_file(slow_command.folder / "t.txt", slow_command.folder / "out.parquet", model=client)

    assert ("done", COUNT, 0) == (report.state, report.rows, report.failed)
    assert paid_twice(slow_command.mount) <= len(marks) * WIDTH * BATCH
    assert list(range(COUNT)) == [row["row"] for row in rows(slow_command.folder / "out.parquet")]
    assert np.array_equal(
        _expected(slow_command.mount, texts(COUNT)), vectors(slow_command.folder / "out.parquet")
    )


def test_rows_behind_a_slow_request_are_saved_before_it_ends(command):
    """Otherwise a kill would pay once more for all that waits for the oldest request."""
    command.mount.emulator.fail(Fault("slow", seconds=2.5))
    write_lines(command.folder / "t.txt", texts(COUNT))
    process = command.start("embed", "t.txt", "-o", "out.parquet", *OPTIONS)
    wait_for(lambda: len(command.mount.emulator.ledger) >= 14, process)
    process.kill()
    ended(process)

    with command.mount.client(TEXT, dimensions=D) as client:
        embed_file(command.folder / "t.txt", command.folder / "out.parquet", model=client)

    assert paid_twice(command.mount) <= WIDTH * BATCH


def test_nothing_more_is_asked_for_until_what_is_finished_was_taken(emulate):
    """What is finished and not yet saved counts as in flight: a kill would pay it once more."""
    mount = emulate(socket=True)

    with mount.client(TEXT, dimensions=D, max_concurrency=WIDTH) as client:
        stream = client.stream(iter(texts(COUNT)), ordered=False)
        next(stream)
        time.sleep(0.3)
        asked = len(mount.emulator.ledger)
        stream.close()

    assert asked <= WIDTH


@pytest.mark.parametrize("ordered", [True, False], ids=["in order", "as finished"])
def test_a_stream_waits_for_the_oldest_only_when_order_is_wanted(emulate, ordered):
    mount = emulate(socket=True)
    mount.emulator.fail(Fault("slow", seconds=0.5))

    with mount.client(TEXT, dimensions=D) as client:
        found = [index for index, _ in client.stream(iter(texts(40)), ordered=ordered)]

    assert (found == list(range(40))) == ordered
    assert list(range(40)) == sorted(found)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: Any) -> Iterator[tuple[Command, dict[str, int]]]:
    """One emulator, and for each point a job that was killed there."""
    command = Command(Socket(Emulator().start()), tmp_path_factory.mktemp("killed"))
    for number, name in enumerate(POINTS):
        (command.folder / str(number)).mkdir()
        write_lines(command.folder / str(number) / "t.txt", [f"{name}: {text}" for text in texts(160)])
    line = ("embed", "t.txt", "-o", "out.parquet", *OPTIONS)
    run = command(json.dumps(list(POINTS.values())), *line, code=KILLED_AT)
    yield command, dict(zip(POINTS, map(int, run.out.split()), strict=True))
    command.mount.emulator.stop()


@pytest.mark.parametrize("name", POINTS)
def test_killed_at_any_step_it_goes_on_from_there(killed, name):
    command, codes = killed
    folder = command.folder / str(list(POINTS).index(name))
    items = [f"{name}: {text}" for text in texts(160)]

    with command.mount.client(TEXT, dimensions=D, max_concurrency=WIDTH) as client:
        report = embed_file(folder / "t.txt", folder / "out.parquet", model=client)

    asked = [text for text in command.mount.emulator.ledger.texts if text.startswith(f"{name}: ")]
    assert (-signal.SIGKILL, "done") == (codes[name], report.state)
    assert len(asked) - 160 <= WIDTH * BATCH
    assert set(items) == set(asked)
    assert list(range(160)) == [row["row"] for row in rows(folder / "out.parquet")]
    assert np.array_equal(_expected(command.mount, items), vectors(folder / "out.parquet"))
    assert ["out.parquet", "t.txt"] == sorted(path.name for path in folder.iterdir())


def test_a_finished_command_costs_nothing_a_second_time(command):
    write_lines(command.folder / "t.txt", [*texts(20), ""])
    line = ("embed", "t.txt", "-o", "out.parquet", *OPTIONS)
    first = command(*line)

    again = command(*line)

    assert (1, 1) == (first.code, again.code)
    assert 2 == len(command.mount.emulator.ledger)
    assert "21 of them finished in an earlier run" in again.err


def test_ctrl_c_finishes_what_is_in_flight_and_says_how_to_resume(slow_command):
    write_lines(slow_command.folder / "t.txt", texts(COUNT))
    line = ("embed", "t.txt", "-o", "out.parquet", *OPTIONS)
    process = slow_command.start(
        *line, code="import sys; sys.argv[0] = 'x'; from volc_dashscope.cli import main; main()"
    )
    wait_for(lambda: len(slow_command.mount.emulator.ledger) >= 6, process)
    process.send_signal(signal.SIGINT)

    stopped = ended(process)
    asked = len(slow_command.mount.emulator.ledger)
    twice = paid_twice(slow_command.mount)
    with slow_command.mount.client(TEXT, dimensions=D) as client:
        report = embed_file(slow_command.folder / "t.txt", slow_command.folder / "out.parquet", model=client)

    assert 130 == stopped.code
    assert f"volc-dashscope embed t.txt -o out.parquet -m {TEXT}" in stopped.err
    assert asked < COUNT // BATCH
    assert (COUNT, COUNT // BATCH * BATCH) == (
        report.rows,
        len(set(slow_command.mount.emulator.ledger.texts)),
    )
    assert 0 == twice == paid_twice(slow_command.mount)
    assert np.array_equal(
        _expected(slow_command.mount, texts(COUNT)), vectors(slow_command.folder / "out.parquet")
    )


def test_a_second_ctrl_c_stops_at_once_and_loses_nothing_saved(command):
    command.mount.emulator.app.faults.add(*[None] * 5, *[Fault("slow", seconds=1.5)] * 30)
    write_lines(command.folder / "t.txt", texts(COUNT))
    line = ("embed", "t.txt", "-o", "out.parquet", *OPTIONS)
    process = command.start(*line)
    wait_for(lambda: len(command.mount.emulator.ledger) >= 7, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)

    stopped = ended(process)

    assert 130 == stopped.code
    assert time.monotonic() - began < 1.2
    assert "run the same command again" in stopped.err


def test_sigterm_ends_as_well_as_ctrl_c(slow_command):
    write_lines(slow_command.folder / "t.txt", texts(COUNT))
    process = slow_command.start("embed", "t.txt", "-o", "out.parquet", *OPTIONS)
    wait_for(lambda: len(slow_command.mount.emulator.ledger) >= 3, process)
    process.terminate()

    assert 143 == ended(process).code


@pytest.mark.parametrize("ignored", [False, True], ids=["at a terminal", "nohup"])
def test_a_closed_terminal_ends_as_well_as_ctrl_c(slow_command, ignored):
    """The system and the shell send a SIGHUP each; `nohup` lets programs ignore it."""
    write_lines(slow_command.folder / "t.txt", texts(COUNT))
    begun = f"import signal; signal.signal(signal.SIGHUP, signal.{'SIG_IGN' if ignored else 'SIG_DFL'})"
    process = slow_command.start(
        *("embed", "t.txt", "-o", "out.parquet", *OPTIONS),
        code=f"{begun}; from volc_dashscope.cli import main; main()",
    )
    wait_for(lambda: len(slow_command.mount.emulator.ledger) >= 6, process)
    for _ in range(2):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.02)

    stopped = ended(process)
    asked = len(slow_command.mount.emulator.ledger)
    with slow_command.mount.client(TEXT, dimensions=D) as client:
        report = embed_file(slow_command.folder / "t.txt", slow_command.folder / "out.parquet", model=client)

    assert (0 if ignored else 129) == stopped.code
    assert (asked == COUNT // BATCH) == ignored
    assert COUNT == report.rows
    assert 0 == paid_twice(slow_command.mount)


def _half_done(mount: Any, folder: Path) -> Path:
    """Leave a job that the account stopped halfway."""
    output = folder / "out.parquet"
    write_lines(folder / "t.txt", texts(100))
    mount.emulator.fail(None, None, *["401"] * 9)
    with mount.client(TEXT, dimensions=D, max_concurrency=1) as client, pytest.raises(Exception, match="key"):
        embed_file(folder / "t.txt", output, model=client)
    mount.emulator.app.faults._script.clear()
    return output


OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "model": ({"model": "text-embedding-v3"}, {}, "model 'text-embedding-v4', not 'text-embedding-v3'"),
    "dimension": ({"dimensions": 128}, {}, "dimension 64, not 128"),
    "role": ({}, {"text_type": "query"}, "text_type 'document', not 'query'"),
    "instruction": ({"instruct": "find shoes"}, {}, "instruct None, not 'find shoes'"),
    "length": ({"normalize": False}, {}, "normalize True, not False"),
}


@pytest.mark.parametrize(("settings", "call", "words"), OTHERS.values(), ids=OTHERS.keys())
def test_going_on_with_other_settings_is_refused(inside, tmp_path, settings, call, words):
    output = _half_done(inside, tmp_path)
    asked = len(inside.emulator.ledger)
    changed = {"model": TEXT, "dimensions": D, **settings}

    with inside.client(**changed) as client, pytest.raises(ConfigError, match=words):
        embed_file(tmp_path / "t.txt", output, model=client, **call)

    assert asked == len(inside.emulator.ledger)


def test_going_on_with_a_changed_source_is_refused(inside, tmp_path):
    output = _half_done(inside, tmp_path)
    write_lines(tmp_path / "t.txt", [*texts(99), "another"])

    with inside.client(TEXT, dimensions=D) as client, pytest.raises(ConfigError, match="source has changed"):
        embed_file(tmp_path / "t.txt", output, model=client)


def test_a_finished_output_of_another_model_is_not_overwritten(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", texts(10))
    with inside.client(TEXT, dimensions=D) as client:
        embed_file(source, tmp_path / "out.parquet", model=client)

    with inside.client("text-embedding-v3", dimensions=D) as client, pytest.raises(ConfigError, match="v4"):
        embed_file(source, tmp_path / "out.parquet", model=client)


def test_a_file_of_somebody_else_is_not_overwritten(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", texts(10))
    other = write_lines(tmp_path / "out.parquet", ["precious"])

    with (
        inside.client(TEXT, dimensions=D) as client,
        pytest.raises(ConfigError, match="was not written by volc-dashscope"),
    ):
        embed_file(source, other, model=client)

    assert "precious\n" == other.read_text()


def test_restart_begins_anew(inside, tmp_path):
    output = _half_done(inside, tmp_path)

    with inside.client(TEXT, dimensions=128) as client:
        report = embed_file(tmp_path / "t.txt", output, model=client, restart=True)

    assert (100, 0) == (report.rows, report.resumed)
    assert (100, 128) == vectors(output).shape


def test_an_account_error_is_no_error_of_a_row(inside, tmp_path):
    output = _half_done(inside, tmp_path)

    with inside.client(TEXT, dimensions=D) as client:
        report = embed_file(tmp_path / "t.txt", output, model=client)

    assert ("done", 100, 0, 20) == (report.state, report.rows, report.failed, report.resumed)
    assert np.array_equal(_expected(inside, texts(100)), vectors(output))


def test_two_processes_do_not_work_on_one_output(slow_command):
    # The first is at it until it is killed, however long the second takes to start.
    slow_command.mount.emulator.fail(Fault("slow", seconds=8))
    write_lines(slow_command.folder / "t.txt", texts(COUNT))
    line = ("embed", "t.txt", "-o", "out.parquet", *OPTIONS)
    process = slow_command.start(*line)
    wait_for(lambda: len(slow_command.mount.emulator.ledger) >= 1, process)

    second = slow_command(*line)
    process.kill()
    ended(process)

    assert 2 == second.code
    assert "another process is working" in second.err


def test_usage_counts_earlier_runs(inside, tmp_path):
    output = _half_done(inside, tmp_path)

    with inside.client(TEXT, dimensions=D) as client:
        report = embed_file(tmp_path / "t.txt", output, model=client)

    assert (10, inside.emulator.ledger.tokens) == (report.usage.requests, report.usage.total_tokens)


def test_a_service_that_is_down_stops_the_job_and_fails_no_row(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", texts(1000))
    inside.emulator.app.faults.add(*[None] * 3, *["503"] * 1000)
    with (
        inside.client(TEXT, dimensions=D, max_retries=0, max_concurrency=1) as client,
        pytest.raises(Exception, match=r"in a row failed .*; the job stopped\. The last error: dashscope "),
    ):
        embed_file(source, tmp_path / "out.parquet", model=client)
    asked = len(inside.emulator.ledger)
    inside.emulator.app.faults._script.clear()

    with inside.client(TEXT, dimensions=D) as client:
        report = embed_file(source, tmp_path / "out.parquet", model=client)

    assert asked < 40
    assert (1000, 0) == (report.rows, report.failed)


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_torn_entry_of_a_journal_is_cut_off_and_the_rest_is_kept(tmp_path, cut):
    path = tmp_path / "group-000000.journal"
    journal = Journal(path)
    journal.write(VECTOR, [(3, b"\1" * 256)], Usage(1, 10, 10))
    journal.write(ERROR, [(4, b"too long" * 40)], Usage(1, 10, 10))
    journal.close()
    path.write_bytes(path.read_bytes()[:-cut])

    again = Journal(path)
    kept = list(again.entries())
    again.write(ERROR, [(5, b"later")], Usage(2, 20, 20))
    offsets = [offset for offset, *_ in again.entries()]
    again.close()

    assert [(3, VECTOR, b"\1" * 256, Usage(1, 10, 10))] == kept
    assert [3, 5] == offsets


def test_of_entries_written_together_those_before_a_cut_are_kept(tmp_path):
    path = tmp_path / "group-000000.journal"
    journal = Journal(path)
    journal.write(VECTOR, [(offset, bytes([offset]) * 256) for offset in (3, 4, 5)], Usage(1, 30, 30))
    journal.close()
    path.write_bytes(path.read_bytes()[:-1])

    again = Journal(path)
    kept = list(again.entries())
    again.close()

    assert [(offset, VECTOR, bytes([offset]) * 256, Usage(1, 30, 30)) for offset in (3, 4)] == kept


def test_an_entry_of_a_journal_that_the_disk_has_spoilt_is_not_believed(tmp_path):
    path = tmp_path / "group-000000.journal"
    journal = Journal(path)
    journal.write(VECTOR, [(3, b"\1" * 256)], Usage(1, 10, 10))
    journal.write(VECTOR, [(4, b"\2" * 256)], Usage(1, 10, 10))
    journal.close()
    path.write_bytes(path.read_bytes().replace(b"\2\2\2", b"\2\3\2", 1))

    again = Journal(path)
    kept = [offset for offset, *_ in again.entries()]
    again.close()

    assert [3] == kept


def test_rows_that_failed_stay_failed_when_it_goes_on(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", ["", *texts(50)])
    inside.emulator.fail(None, *["401"] * 9)
    with (
        inside.client(TEXT, dimensions=D, max_concurrency=1) as client,
        pytest.raises(Exception, match="key"),
    ):
        embed_file(open_source(source), tmp_path / "out.parquet", model=client)
    inside.emulator.app.faults._script.clear()

    with inside.client(TEXT, dimensions=D) as client:
        embed_file(open_source(source), tmp_path / "out.parquet", model=client)

    assert {0: "row 0: the line is empty"} == errors(tmp_path / "out.parquet")


def test_the_wish_to_stop_is_heard_between_rows(emulate, tmp_path):
    inside = emulate(latency=0.01)
    source = write_lines(tmp_path / "t.txt", texts(300))
    stop = threading.Event()
    seen: list[int] = []

    def watch(finished: int, failed: int, usage: Usage) -> None:
        seen.append(finished)
        if finished >= 40:
            stop.set()

    with Client(TEXT, dimensions=D, max_concurrency=2, **inside.settings("dashscope")) as client:
        report = embed_file(source, tmp_path / "out.parquet", model=client, watch=watch, stop=stop)

    assert "interrupted" == report.state
    assert 40 <= report.rows < 300
    assert list(range(1, report.rows + 1)) == seen


def test_a_block_of_rows_that_need_no_request_is_no_success(inside):
    """Else a failure that may be the service's would count as the row's own."""
    seen: list[Any] = []

    with inside.client(TEXT, dimensions=D) as client:
        client._embed_each(
            [""] * 400, lambda where, outcome: seen.append(outcome), text_type="document", idle=lambda: None
        )

    assert 400 == len(seen)
    assert {InputError} == {type(outcome) for outcome in seen}
