"""Texts through the service's own jobs: the same output at half the price, submitted once whatever happens."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bulk_runs import D, errors, rows, texts, vectors, write_lines

from volc_dashscope import ConfigError, EmbeddingError, get_model_info
from volc_dashscope.bulk import embed_batch
from volc_dashscope.emulator import Response
from volc_dashscope.jobs import BatchJobs, FileJobs


def _jobs(mount: Any, kind: type[BatchJobs] | type[FileJobs] = BatchJobs, **settings: Any) -> Any:
    return kind(**{"dimensions": D, **mount.settings("dashscope"), **settings})


def _file_jobs(mount: Any, **settings: Any) -> Any:
    return _jobs(mount, FileJobs, dimensions=None, **settings)


def _created(mount: Any) -> int:
    return sum(
        1 for entry in mount.emulator.ledger if entry.method == "POST" and entry.path.endswith("/batches")
    )


def test_a_batch_makes_the_same_output_at_half_the_price(mount, tmp_path):
    source = write_lines(tmp_path / "t.txt", [*texts(25), "", "last"])

    report = embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(mount))

    with mount.client("text-embedding-v4", dimensions=D) as client:
        expected = client.embed([*texts(25), "last"])
    found = rows(tmp_path / "out.parquet")
    assert ("done", 27, 1, 1) == (report.state, report.rows, report.failed, len(report.jobs))
    assert {25: "row 25: the line is empty"} == errors(tmp_path / "out.parquet")
    assert np.allclose(expected.vectors, [row["vector"] for row in found if row["vector"]])
    assert report.price == pytest.approx(report.usage.total_tokens * 0.25 / 1e6)


def test_what_cannot_be_called_is_refused_before_a_batch_is_submitted(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", texts(3))

    with pytest.raises(ConfigError, match=r"^watch must be a function, got int$"):
        embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside), watch=3)  # type: ignore[arg-type]

    assert (0, ["t.txt"]) == (len(inside.emulator.ledger), [path.name for path in tmp_path.iterdir()])


def test_a_batch_that_runs_is_found_again_by_its_id(emulate, tmp_path):
    mount = emulate(job_seconds=3600.0)
    source = write_lines(tmp_path / "t.txt", texts(10))
    for _ in range(3):
        report = embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(mount), wait=False)

    assert ("waiting", 1, 1) == (report.state, len(report.jobs), _created(mount))
    assert not (tmp_path / "out.parquet").exists()


def test_a_finished_batch_is_collected_by_another_process_and_not_paid_again(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", texts(10))
    jobs = _jobs(inside)
    inside.emulator.fail(None, None, "401")
    with pytest.raises(EmbeddingError, match="401"):
        embed_batch(source, tmp_path / "out.parquet", jobs=jobs)

    report = embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside))

    assert ("done", 10, 0, 1) == (report.state, report.rows, report.failed, _created(inside))


def test_a_submission_that_was_cut_off_is_not_repeated_unasked(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", texts(10))

    class CutOff(BatchJobs):
        def submit(self, *arguments: Any, **settings: Any) -> Any:
            super().submit(*arguments, **settings)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside, CutOff))

    with pytest.raises(ConfigError, match="may have been accepted"):
        embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside))
    assert 1 == _created(inside)


def test_the_id_of_a_job_can_be_given_by_hand(inside, tmp_path):
    test_a_submission_that_was_cut_off_is_not_repeated_unasked(inside, tmp_path)
    jobs_file = tmp_path / "out.parquet.partial" / "jobs.json"
    with _jobs(inside) as jobs:
        listed = jobs.submit(tmp_path / "out.parquet.partial" / "lines-000000.jsonl")
    listing = json.loads(jobs_file.read_text())
    listing[0]["job"] = listed.id
    jobs_file.write_text(json.dumps(listing))

    report = embed_batch(tmp_path / "t.txt", tmp_path / "out.parquet", jobs=_jobs(inside))

    assert ("done", (listed.id,)) == (report.state, report.jobs)


def test_a_refused_submission_may_be_repeated(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", texts(10))
    inside.emulator.fail("401")
    with pytest.raises(EmbeddingError):
        embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside))

    assert "done" == embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside)).state


def test_going_on_with_another_dimension_is_refused(emulate, tmp_path):
    mount = emulate(job_seconds=3600.0)
    source = write_lines(tmp_path / "t.txt", texts(10))
    embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(mount), wait=False)

    with pytest.raises(ConfigError, match="dimension 64, not 128"):
        embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(mount, dimensions=128), wait=False)


def test_media_are_errors_on_a_route_for_text(inside, tmp_path):
    lines = ['{"text": "first"}', '{"image": "https://pictures.example/1.png"}']
    source = write_lines(tmp_path / "t.jsonl", lines)

    embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside))

    assert {1: "row 1: this route embeds text only"} == errors(tmp_path / "out.parquet")


def test_a_batch_takes_no_role(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", texts(1))

    with pytest.raises(ConfigError, match="does not support a role"):
        embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside), text_type="query")


def test_a_file_job_writes_the_file_and_waits_for_its_url(inside, tmp_path):
    source = write_lines(tmp_path / "t.txt", [*texts(10), " ", "last"])
    waiting = embed_batch(source, tmp_path / "out.parquet", jobs=_file_jobs(inside))
    written = (tmp_path / "out.parquet.partial" / "lines-000000.txt").read_bytes()
    url = inside.emulator.publish("lines-000000.txt", written)

    report = embed_batch(source, tmp_path / "out.parquet", jobs=_file_jobs(inside), file_url=url)

    assert ("waiting", ()) == (waiting.state, waiting.jobs)
    assert [*texts(10), "last"] == written.decode().splitlines()
    assert ("done", 12, 1) == (report.state, report.rows, report.failed)
    assert 10 in errors(tmp_path / "out.parquet")


def _published(inside, tmp_path):
    """Begin a job of three files and return its source, its client, and the address at which the files are."""
    source = write_lines(tmp_path / "t.txt", texts(10))
    row = get_model_info("text-embedding-async-v2")
    assert row is not None
    small = _file_jobs(inside, model_info=replace(row, batch=4))
    embed_batch(source, tmp_path / "out.parquet", jobs=small)
    files = sorted((tmp_path / "out.parquet.partial").glob("lines-*.txt"))
    urls = [inside.emulator.publish(file.name, file.read_bytes()) for file in files]
    (place,) = {url.removesuffix(file.name) for url, file in zip(urls, files, strict=True)}
    return source, small, place + "{name}"


def test_several_files_are_put_together_in_order(inside, tmp_path):
    source, small, address = _published(inside, tmp_path)

    report = embed_batch(source, tmp_path / "out.parquet", jobs=small, file_url=address)

    whole = inside.emulator.publish("whole.txt", source.read_bytes())
    embed_batch(source, tmp_path / "one.parquet", jobs=_file_jobs(inside), file_url=whole)
    assert ("done", 10, 0, 3) == (report.state, report.rows, report.failed, len(report.jobs))
    assert np.array_equal(vectors(tmp_path / "one.parquet"), vectors(tmp_path / "out.parquet"))


def test_results_of_other_files_are_saved_when_the_job_of_one_has_failed(inside, tmp_path):
    """They are paid for, and the service deletes them after a day."""
    source, small, address = _published(inside, tmp_path)
    begun: list[str] = []

    def fail_the_first(request: Any, response: Any) -> Any:
        output = response.json.get("output", {}) if response.body.startswith(b"{") else {}
        if request.method == "POST":
            begun.append(output["task_id"])
        if request.path.endswith(f"/tasks/{begun[0]}"):
            return {"request_id": "r", "output": {"task_id": begun[0], "task_status": "FAILED"}}
        return None

    inside.emulator.reply_with(fail_the_first)
    with pytest.raises(EmbeddingError, match=r"FAILED and has no result"):
        embed_batch(source, tmp_path / "out.parquet", jobs=small, file_url=address)

    inside.emulator.reply_with(None)
    report = embed_batch(source, tmp_path / "out.parquet", jobs=small, file_url=address)

    submitted = [entry for entry in inside.emulator.ledger if entry.method == "POST"]
    assert ("done", 10, 6, 0) == (report.state, report.rows, report.resumed, report.failed)
    assert 3 + 1 == len(submitted)


@pytest.mark.parametrize("status", [200, 500, 504])
@pytest.mark.parametrize("kind", [BatchJobs, FileJobs], ids=["batch", "file job"])
def test_a_submission_without_a_readable_answer_is_not_repeated_unasked(inside, tmp_path, kind, status):
    """The job may run, and would be paid for twice."""
    source = write_lines(tmp_path / "t.txt", texts(3))
    asked: list[str] = []

    def answer(request: Any, _: Any) -> Any:
        if request.method == "GET" and request.path.endswith("/batches"):
            return {"data": []}  # not listed yet
        if request.method != "POST" or request.path.endswith("/files"):
            return None
        asked.append(request.path)
        return Response(status=status, body=b"{")

    inside.emulator.reply_with(answer)
    call: dict[str, Any] = {"file_url": "https://files.example/{name}"} if kind is FileJobs else {}
    dimensions = {"dimensions": None} if kind is FileJobs else {}
    errors = []
    for _ in range(2):
        with pytest.raises(EmbeddingError) as error:
            embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside, kind, **dimensions), **call)
        errors.append(type(error.value))

    assert (1, ConfigError) == (len(asked), errors[1])


def _with_state(mount: Any, download: int, **state: Any) -> None:
    def answer(request: Any, response: Any) -> Any:
        if request.method == "GET" and "/batches/" in request.path:
            return {**response.json, **state}
        return Response(status=download) if request.path.endswith("/content") and download != 200 else None

    mount.emulator.reply_with(answer)


@pytest.mark.parametrize("status", ["cancelled", "expired", "failed"])
def test_a_result_that_cannot_be_downloaded_now_is_not_paid_for_again(inside, tmp_path, status):
    """A job that was cancelled or expired has finished lines, which are billed."""
    source = write_lines(tmp_path / "t.txt", texts(3))
    _with_state(inside, 500, status=status)
    with pytest.raises(EmbeddingError, match="500"):
        embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside, max_retries=0))

    _with_state(inside, 200, status=status)
    report = embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside))

    assert ("done", 0, 1) == (report.state, report.failed, _created(inside))


@pytest.mark.parametrize("status", ["cancelled", "expired", "failed"])
def test_a_job_that_ended_without_a_result_is_submitted_again(inside, tmp_path, status):
    source = write_lines(tmp_path / "t.txt", texts(3))
    _with_state(inside, 200, status=status, output_file_id=None, error_file_id=None)
    with pytest.raises(EmbeddingError, match=f"is {status} and has no result"):
        embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside))

    inside.emulator.reply_with(None)
    report = embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside))

    assert ("done", 0, 2) == (report.state, report.failed, _created(inside))


@pytest.mark.parametrize(
    "lines", [texts(3)[::-1], ["new", *texts(3)], texts(2)], ids=["turned", "more", "fewer"]
)
def test_a_source_that_changes_while_its_job_runs_gets_no_vectors_of_other_texts(inside, tmp_path, lines):
    source = write_lines(tmp_path / "t.txt", texts(3))

    class Changed(BatchJobs):
        def wait(self, *arguments: Any, **settings: Any) -> Any:
            write_lines(source, lines)
            return super().wait(*arguments, **settings)

    with pytest.raises(ConfigError, match="source has changed; restore it"):
        embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside, Changed))

    write_lines(source, texts(3))
    report = embed_batch(source, tmp_path / "out.parquet", jobs=_jobs(inside))
    assert ("done", 0, 1) == (report.state, report.failed, _created(inside))


def _forget(mount: Any, what: str) -> None:
    """Let the service have no result any more, or not the job that is asked for first."""
    asked: list[str] = []

    def answer(request: Any, response: Any) -> Any:
        job = request.path.rpartition("/")[2] if re.search("/(tasks|batches)/", request.path) else ""
        if request.method != "GET" or (what == "result") == bool(job):
            return None
        asked.append(job)
        if job != asked[0]:
            return None
        body = {"request_id": "r", "output": {"task_id": job, "task_status": "UNKNOWN"}}
        return body if "/tasks/" in request.path else Response(status=404, body=b"{}")

    mount.emulator.reply_with(answer)


def _submitted(mount: Any) -> int:
    posted = [entry.path for entry in mount.emulator.ledger if entry.method == "POST"]
    return sum(1 for path in posted if not path.endswith("/files"))


GONE = "no longer|has no job|404"


@pytest.mark.parametrize("what", ["job", "result"])
@pytest.mark.parametrize("kind", [BatchJobs, FileJobs], ids=["batch", "file job"])
def test_a_job_that_the_service_no_longer_has_is_submitted_again_on_request_only(
    inside, tmp_path, monkeypatch, kind, what
):
    monkeypatch.setattr("volc_dashscope.bulk._batch._MAX_LINES", 4)  # three files
    output, jobs_file = tmp_path / "out.parquet", tmp_path / "out.parquet.partial" / "jobs.json"
    if kind is FileJobs:
        source, jobs, address = _published(inside, tmp_path)
        call = {"jobs": jobs, "file_url": address}
    else:
        source, call = write_lines(tmp_path / "t.txt", texts(10)), {"jobs": _jobs(inside)}
    _forget(inside, what)
    said = []

    for wait in (True, False):
        with pytest.raises(EmbeddingError, match=GONE) as caught:
            embed_batch(source, output, **call, wait=wait)
        said.append(str(caught.value))
    files = json.loads(jobs_file.read_text())
    before = _submitted(inside)

    assert len(files) == before
    assert all(f"job {files[0]['job']}, is not submitted again automatically" in words for words in said)
    assert all(
        f'set "job" of {files[0]["file"]} to null and "submitting" to false' in words for words in said
    )

    jobs_file.write_text(json.dumps([{**files[0], "job": None, "submitting": False}, *files[1:]]))
    inside.emulator.reply_with(None)
    report = embed_batch(source, output, **call)

    assert ("done", 10, 0, before + 1) == (report.state, report.rows, report.failed, _submitted(inside))
    assert (6 if what == "job" else 0) == report.resumed
