"""Saved rows that the disk damaged, disks that are full, and sources that were copied: right, or refused by name."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bounded import alarm
from bulk_runs import TEXT, D, paid_twice, rows, texts, vectors, write_lines
from canary import KEY

from volc_dashscope import Client, ConfigError, EmbeddingError, InputError, Reranker
from volc_dashscope.bulk import (
    embed_batch,
    embed_file,
    is_up_to_date,
    open_source,
    preview,
    preview_rerank,
    rerank_file,
)
from volc_dashscope.bulk._journal import VECTOR, Journal
from volc_dashscope.cache import SQLiteCache
from volc_dashscope.jobs import BatchJobs, FileJobs
from volc_dashscope.results import Usage

ROWS, SAVED, GROUP = 100, 70, 20


def _half_done(mount: Any, folder: Path) -> Path:
    """Leave a job with three finished groups and half a fourth one."""
    output = folder / "out.parquet"
    write_lines(folder / "t.txt", texts(ROWS))
    mount.emulator.fail(*[None] * (SAVED // 10), *["401"] * 9)
    with mount.client(TEXT, dimensions=D, max_concurrency=1) as client, pytest.raises(EmbeddingError):
        embed_file(folder / "t.txt", output, model=client, group_rows=GROUP)
    mount.emulator.app.faults._script.clear()
    mount.emulator.ledger.clear()
    return output


def _paid_again(mount: Any) -> int:
    """Count the texts that were asked for since, beyond those that were not saved."""
    return len(mount.emulator.ledger.texts) - (ROWS - SAVED)


def _go_on(mount: Any, folder: Path, **call: Any) -> Any:
    with mount.client(TEXT, dimensions=D, max_concurrency=1) as client:
        return embed_file(folder / "t.txt", folder / "out.parquet", model=client, **call)


def _flip(path: Path, place: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 0x10
    path.write_bytes(content)


def _right(mount: Any, output: Path) -> bool:
    with mount.client(TEXT, dimensions=D) as client:
        expected = client.embed(texts(ROWS)).vectors
    return np.array_equal(expected, vectors(output))


PLACES = [0.0, 0.001, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.995, 1.0]


@pytest.mark.parametrize("place", PLACES)
def test_a_damaged_group_is_embedded_again_and_named(inside, tmp_path, place):
    output = _half_done(inside, tmp_path)
    _flip(tmp_path / "out.parquet.partial" / "group-000001.parquet", place)

    report = _go_on(inside, tmp_path)

    assert (("group-000001.parquet",), ROWS, 0) == (report.damaged, report.rows, report.failed)
    assert GROUP == _paid_again(inside)
    assert _right(inside, output)


@pytest.mark.parametrize("change", ["cut", "empty", "gone", "another group"])
def test_a_group_that_was_cut_or_swapped_is_embedded_again(inside, tmp_path, change):
    output = _half_done(inside, tmp_path)
    group = tmp_path / "out.parquet.partial" / "group-000001.parquet"
    if change == "gone":
        group.unlink()
    elif change == "another group":
        group.write_bytes(group.with_name("group-000000.parquet").read_bytes())
    else:
        group.write_bytes(group.read_bytes()[: 0 if change == "empty" else -7])

    report = _go_on(inside, tmp_path)

    assert ROWS == report.rows
    assert GROUP == _paid_again(inside)
    assert _right(inside, output)


@pytest.mark.parametrize("name", ["manifest.json", "group-000001.json"])
@pytest.mark.parametrize("place", PLACES)
def test_a_damaged_manifest_or_note_is_refused_by_name(inside, tmp_path, name, place):
    _half_done(inside, tmp_path)
    _flip(tmp_path / "out.parquet.partial" / name, place)

    with pytest.raises(ConfigError, match=name):
        _go_on(inside, tmp_path)

    assert 0 == len(inside.emulator.ledger)


def test_the_way_out_of_a_damaged_note_works(inside, tmp_path):
    output = _half_done(inside, tmp_path)
    (tmp_path / "out.parquet.partial" / "group-000001.json").unlink()

    report = _go_on(inside, tmp_path)

    assert ("group-000001.parquet",) == report.damaged
    assert _right(inside, output)


def test_a_damaged_manifest_gives_way_to_restart(inside, tmp_path):
    output = _half_done(inside, tmp_path)
    (tmp_path / "out.parquet.partial" / "manifest.json").write_text("{")

    report = _go_on(inside, tmp_path, restart=True)

    assert (ROWS, 0) == (report.rows, report.resumed)
    assert _right(inside, output)


@pytest.mark.parametrize("place", PLACES)
def test_a_damaged_entry_of_a_journal_costs_one_row(inside, tmp_path, place):
    output = _half_done(inside, tmp_path)
    _flip(tmp_path / "out.parquet.partial" / "group-000003.journal", place)

    report = _go_on(inside, tmp_path)

    assert (("group-000003.journal",), ROWS) == (report.damaged, report.rows)
    assert 1 == _paid_again(inside)
    assert _right(inside, output)


def test_entries_behind_a_damaged_one_are_kept(tmp_path):
    journal = Journal(tmp_path / "group-000000.journal")
    for offset in range(3):
        journal.write(VECTOR, [(offset, bytes([offset]) * 256)], Usage(1, 10, 10))
    journal.close()
    _flip(journal.path, 0.5)

    again = Journal(journal.path)
    kept = [offset for offset, *_ in again.entries()]
    again.close()

    assert [0, 2] == kept
    assert 0 < again.damaged


def test_a_disk_that_damages_a_group_again_ends_the_job(inside, tmp_path):
    _half_done(inside, tmp_path)
    group = tmp_path / "out.parquet.partial" / "group-000001.parquet"
    _flip(group, 0.5)

    def spoil(rows: int, failed: int, usage: Usage) -> None:
        if group.exists():
            group.write_bytes(b"spoilt")

    with pytest.raises(ConfigError, match=r"group-000001\.parquet .* for the second time"):
        # An odd number of flips leaves it damaged, whenever it is written.
        _go_on(inside, tmp_path, watch=spoil)


def test_a_full_disk_is_an_error_that_names_the_file(inside, tmp_path):
    """A limit on the size of a file fails a write as a full disk does."""
    write_lines(tmp_path / "t.txt", texts(ROWS))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        with pytest.raises(ConfigError, match=r"group-000000\.journal' cannot be written: File too large"):
            _go_on(inside, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    report = _go_on(inside, tmp_path)

    assert ROWS == report.rows
    assert paid_twice(inside) <= 20
    assert _right(inside, tmp_path / "out.parquet")


def test_a_full_disk_at_the_end_keeps_the_groups(inside, tmp_path):
    write_lines(tmp_path / "t.txt", texts(ROWS))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(ConfigError, match=r"out\.parquet' cannot be written"):
            _go_on(inside, tmp_path, group_rows=GROUP)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert not (tmp_path / "out.parquet.new").exists()
    assert ROWS == _go_on(inside, tmp_path).resumed
    assert 0 == paid_twice(inside)


OUTPUTS = {
    "missing folder": ("no/where/out.parquet", "'.*no/where' first"),
    "csv": ("out.csv", "is written as Parquet; call it"),
    "no ending": ("out", "call it 'out.parquet'"),
    "a folder": ("folder.parquet", "is a folder"),
    "a pipe": ("pipe.parquet", "is a pipe or a device"),
    "too long": (f"{'n' * 240}.parquet", "is too long"),
    "not UTF-8": ("\udcff.parquet", "not UTF-8"),
    "no name": ("", "call it"),
    "a zero byte": ("a\0.parquet", "contains a character that is not allowed in file names"),
}


@pytest.mark.parametrize(("name", "words"), OUTPUTS.values(), ids=OUTPUTS.keys())
def test_an_impossible_output_is_refused_before_anything_is_sent(inside, tmp_path, name, words):
    write_lines(tmp_path / "t.txt", texts(3))
    (tmp_path / "folder.parquet").mkdir()
    os.mkfifo(tmp_path / "pipe.parquet")
    # With the other end held open, a pipe that is written to fails the test and does not hang it.
    other_end = os.open(tmp_path / "pipe.parquet", os.O_RDWR | os.O_NONBLOCK)

    with inside.client(TEXT, dimensions=D) as client, pytest.raises(ConfigError, match=words):
        embed_file(tmp_path / "t.txt", tmp_path / name, model=client)
    with pytest.raises(ConfigError, match=words):
        preview(tmp_path / "t.txt", tmp_path / name, model=TEXT)

    with pytest.raises(BlockingIOError):
        os.read(other_end, 1)
    os.close(other_end)
    assert 0 == len(inside.emulator.ledger)
    assert ["folder.parquet", "pipe.parquet", "t.txt"] == sorted(path.name for path in tmp_path.iterdir())


IMPOSSIBLE = {
    "nothing": ("", "empty path"),
    "bytes": (b"t.txt", "must be a str or a Path, got bytes"),
    "a number": (3, "must be a str or a Path, got int"),
    "too long": ("n" * 5_000, "is too long: 5000 characters"),
    "a zero byte": ("a\0.txt", "contains a character that is not allowed in file names"),
    "half a character": ("\ud800.txt", "contains a character that is not allowed in file names"),
}


def _batch() -> BatchJobs:
    return BatchJobs(TEXT, api_key=KEY)


OPENERS: dict[str, Callable[[Any, Path], object]] = {
    "open_source": lambda path, source: open_source(path),
    "media_root": lambda path, source: open_source(source, media_root=path),
    "output": lambda path, source: embed_file(source, path, model=Client(TEXT, api_key=KEY)),
    "output of a batch": lambda path, source: embed_batch(source, path, jobs=_batch()),
    "output of ranks": lambda path, source: rerank_file(
        source, path, model=Reranker("qwen3-rerank", api_key=KEY)
    ),
    "preview": lambda path, source: preview(source, path, model=TEXT),
    "preview of ranks": lambda path, source: preview_rerank(source, path, model="qwen3-rerank"),
    "cache": lambda path, source: SQLiteCache(path),
    "batch, write": lambda path, source: _batch().write(["a"], path),
    "batch, files": lambda path, source: _batch().files(path),
    "batch, submit": lambda path, source: _batch().submit(path),
    "file job": lambda path, source: FileJobs("text-embedding-async-v2", api_key=KEY).write(["a"], path),
}


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A table that may be embedded and ranked."""
    return write_lines(tmp_path / "t.csv", ["text,query,document", "a,b,c"])


@pytest.mark.parametrize(("path", "words"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
@pytest.mark.parametrize("open_path", OPENERS.values(), ids=OPENERS)
def test_a_path_that_no_file_has_is_an_error_of_ours(pairs, open_path, path, words):
    with pytest.raises(ConfigError, match=words):
        open_path(path, pairs)


@pytest.mark.parametrize(
    ("call", "words"),
    [({"watch": 3}, "watch must be a function"), ({"stop": "now"}, "stop must be a")],
    ids=str,
)
def test_what_cannot_be_called_is_refused_before_anything_is_sent(inside, tmp_path, call, words):
    write_lines(tmp_path / "t.txt", texts(3))

    with pytest.raises(ConfigError, match=words):
        _go_on(inside, tmp_path, **call)

    assert 0 == len(inside.emulator.ledger)


@pytest.mark.parametrize("name", ["open_source", "batch, submit"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_is_not_waited_for(tmp_path, name, kind):
    path = tmp_path / "pipe.txt"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")

    with alarm(20), pytest.raises(InputError, match="a pipe or a device"):
        OPENERS[name](path, path)


@pytest.mark.parametrize("name", ["batch, write", "file job"])
def test_a_file_of_texts_in_a_folder_that_is_missing_names_it(tmp_path, name):
    with pytest.raises(ConfigError, match=r"'a\.txt' cannot be written: No such file"):
        OPENERS[name](tmp_path / "none" / "a.txt", tmp_path)


def test_a_file_system_without_locks_is_named(inside, tmp_path, monkeypatch):
    """Some network file systems have none; nobody else works on the output there."""

    def refuse(file: Any, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    write_lines(tmp_path / "t.txt", texts(3))

    with pytest.raises(ConfigError, match=r"cannot be locked: No locks available"):
        _go_on(inside, tmp_path)
    assert 0 == len(inside.emulator.ledger)


def test_a_target_that_cannot_be_written_is_named(inside, tmp_path):
    write_lines(tmp_path / "t.txt", texts(3))
    (tmp_path / "out.parquet.partial").write_text("a file is in the way")

    with pytest.raises(ConfigError, match=r"out\.parquet\.partial' cannot be written: File exists"):
        _go_on(inside, tmp_path)


def test_a_copied_file_with_new_times_goes_on(inside, tmp_path):
    output = _half_done(inside, tmp_path)
    os.utime(tmp_path / "t.txt", (1, 1))

    report = _go_on(inside, tmp_path)

    assert (ROWS, SAVED) == (report.rows, report.resumed)
    assert 0 == _paid_again(inside)
    assert _right(inside, output)


def test_other_bytes_of_the_same_size_are_another_source(inside, tmp_path):
    _half_done(inside, tmp_path)
    source = tmp_path / "t.txt"
    source.write_bytes(source.read_bytes().replace(b"number 50\n", b"number 05\n"))

    with pytest.raises(ConfigError, match="source has changed"):
        _go_on(inside, tmp_path)


def _pictures(folder: Path, number: int) -> Path:
    from io import BytesIO

    from PIL import Image as Drawing

    folder.mkdir()
    for index in range(number):
        buffer = BytesIO()
        Drawing.new("RGB", (32, 32), (index, 0, 0)).save(buffer, "BMP")
        (folder / f"{index}.bmp").write_bytes(buffer.getvalue())
    return folder


def test_a_copied_folder_with_new_times_is_up_to_date_and_an_edited_one_is_not(inside, tmp_path):
    source = _pictures(tmp_path / "pics", 3)
    with inside.client("qwen3-vl-embedding") as client:
        embed_file(source, tmp_path / "out.parquet", model=client)
        shutil.copytree(source, tmp_path / "copy")
        for path in (tmp_path / "copy").iterdir():
            os.utime(path, (7, 7))

        copied = is_up_to_date(open_source(tmp_path / "copy"), tmp_path / "out.parquet", client)
        _flip(tmp_path / "copy" / "1.bmp", 0.5)
        edited = is_up_to_date(open_source(tmp_path / "copy"), tmp_path / "out.parquet", client)

    assert (True, False) == (copied, edited)


def test_an_output_of_queries_is_up_to_date_for_queries(inside, tmp_path):
    source = open_source(write_lines(tmp_path / "t.txt", ["a"]))
    with inside.client(TEXT) as client:
        embed_file(source, tmp_path / "out.parquet", model=client, text_type="query")

        same = is_up_to_date(source, tmp_path / "out.parquet", client, text_type="query")
        other = is_up_to_date(source, tmp_path / "out.parquet", client)

    assert (True, False) == (same, other)


@pytest.mark.parametrize("change", ["gone", "dangling", "loop", "no picture", "pipe"])
def test_a_file_that_cannot_be_read_is_one_failed_row(inside, tmp_path, change):
    source = _pictures(tmp_path / "pics", 3)
    spoilt = source / "1.bmp"
    spoilt.unlink()
    if change == "dangling":
        spoilt.symlink_to(tmp_path / "nowhere.bmp")
    elif change == "loop":
        spoilt.symlink_to(spoilt)
    elif change == "pipe":
        os.mkfifo(spoilt)  # nobody writes into it, and opening it waits for who does
    elif change == "no picture":
        spoilt.write_text("no picture")

    with inside.client("qwen3-vl-embedding") as client:
        report = embed_file(source, tmp_path / "out.parquet", model=client)

    assert (2 if change == "gone" else 3, 0 if change == "gone" else 1) == (report.rows, report.failed)


def test_a_file_that_vanishes_while_the_job_runs_is_one_failed_row(inside, tmp_path):
    source = _pictures(tmp_path / "pics", 12)

    def vanish(rows: int, failed: int, usage: Usage) -> None:
        (source / "9.bmp").unlink(missing_ok=True)

    with inside.client("qwen3-vl-embedding", max_concurrency=1) as client:
        report = embed_file(source, tmp_path / "out.parquet", model=client, watch=vanish)

    failed = [row["id"] for row in rows(tmp_path / "out.parquet") if row["error"]]
    assert (12, ["9.bmp"]) == (report.rows, failed)


def test_a_partial_output_without_rows_is_begun_anew(inside, tmp_path):
    write_lines(tmp_path / "t.txt", texts(30))
    inside.emulator.fail(*["401"] * 20)
    with inside.client(TEXT, dimensions=D) as client, pytest.raises(EmbeddingError):
        embed_file(tmp_path / "t.txt", tmp_path / "out.parquet", model=client)
    inside.emulator.app.faults._script.clear()
    assert (tmp_path / "out.parquet.partial").is_dir()

    with inside.client(TEXT, dimensions=128) as client:
        report = embed_file(tmp_path / "t.txt", tmp_path / "out.parquet", model=client)

    assert ("done", 30) == (report.state, report.rows)


@pytest.mark.parametrize("place", PLACES)
def test_a_damaged_list_of_jobs_never_leads_to_wrong_rows(tmp_path, place):
    from volc_dashscope.bulk._submitted import SubmittedFile, _read

    path = tmp_path / "jobs.json"
    files = [SubmittedFile("lines-000000.jsonl", 3, digest="ab" * 32), SubmittedFile("lines-000001.jsonl", 2)]
    path.write_bytes(json.dumps([file.as_json() for file in files]).encode())
    _flip(path, place)

    with pytest.raises(ConfigError, match=r"jobs\.json"):
        _read(path)
