"""File jobs and Batch: submitted, followed, collected, and resumed by their id."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import logging
import threading
from dataclasses import replace

import numpy as np
import orjson
import pytest

from volc_dashscope import (
    BadReplyError,
    ConfigError,
    ContentError,
    Image,
    InputError,
    RateLimitError,
    RequestError,
    ServiceUnavailableError,
    TransportError,
)
from volc_dashscope._http import ConnectionPool, Interrupted, WorkerStep, run
from volc_dashscope._limits.rate_limiter import RateLimiter
from volc_dashscope._limits.retry import Retry
from volc_dashscope._request.exchange import RetryContext
from volc_dashscope._types import Reply, RequestSpec, Secret, Send
from volc_dashscope.emulator import Fault, Response
from volc_dashscope.jobs import AsyncBatchJobs, AsyncFileJobs, BatchJobs, FileJobs, _batch_file
from volc_dashscope.jobs._batch_flows import BatchFlows
from volc_dashscope.jobs._file_flows import FileFlows
from volc_dashscope.models import get_model_info

FILE_MODEL, BATCH_MODEL = "text-embedding-async-v2", "text-embedding-v4"
SUBMIT = "/text-embedding/text-embedding"
TEXTS = ["红色的鞋", "blue shoe", "绿色"]


class Twin:
    """One way to call both mirrors: what the async one returns is awaited."""

    def __init__(self, kind, mount, **settings):
        self._kind = kind
        self._settings = {**mount.settings("dashscope"), **settings}

    def __getattr__(self, name):
        def call(*arguments, **options):
            async def use():
                async with self._kind(**self._settings) as jobs:
                    return await getattr(jobs, name)(*arguments, **options)

            if name in ("write", "files"):
                return getattr(self._kind(**self._settings), name)(*arguments, **options)
            if inspect.iscoroutinefunction(getattr(self._kind, name)):
                return asyncio.run(use())
            with self._kind(**self._settings) as jobs:
                return getattr(jobs, name)(*arguments, **options)

        return call


file_jobs = pytest.mark.parametrize("kind", [FileJobs, AsyncFileJobs], ids=["sync", "async"])
batch_jobs = pytest.mark.parametrize("kind", [BatchJobs, AsyncBatchJobs], ids=["sync", "async"])


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


class Driver:
    """Carries a flow out against the emulator, on a clock that its waits move."""

    def __init__(self, emulate, **settings):
        self.clock = Clock()
        self.mount = emulate(clock=self.clock, **settings)
        self.emulator = self.mount.emulator
        self.context = RetryContext(
            Retry(8, 180.0, lambda: 0.0), RateLimiter(None, None), self.clock, "dashscope"
        )
        self.waits = []

    def run(self, flow):
        happened = None
        with self.emulator.http_client() as client:
            client.headers["authorization"] = "Bearer k"
            while True:
                try:
                    step = flow.send(happened)
                except StopIteration as done:
                    return done.value
                happened = None
                if isinstance(step, Send):
                    request = step.request
                    reply = client.request(
                        request.method, request.url, headers=dict(request.headers), content=request.body
                    )
                    happened = Reply(reply.status_code, dict(reply.headers), reply.content)
                else:
                    self.waits.append(step.seconds)
                    self.clock.now += step.seconds


def spec(model, **settings):
    path = "compatible-mode/v1" if model == BATCH_MODEL else "api/v1"
    url = f"https://dashscope.example/{path}"
    return RequestSpec(model_info=get_model_info(model), model=model, base_url=url, place="here", **settings)


def publish(mount, text, name="texts.txt"):
    return mount.emulator.publish(name, text.encode())


def alter(mount, path, change):
    """Let `change` rewrite the JSON of replies to a path."""

    def hook(request, response):
        return change(response.json) if request.path.endswith(path) and response.status == 200 else None

    mount.emulator.reply_with(hook)


def result_of(mount, *lines):
    """Let every file job have these result lines."""
    data = b"".join(line if isinstance(line, bytes) else orjson.dumps(line) + b"\n" for line in lines)
    mount.emulator.reply_with(lambda request, _: gzip.compress(data) if "/results/" in request.path else None)


def row(number=0, key="text_index", value=None, vector="embedding"):
    return {key: number, vector: value or [3.0, 4.0, *[0.0] * 1534]}


def paths(mount):
    return [entry.path for entry in mount.emulator.ledger]


# File jobs


@file_jobs
def test_a_file_job_gives_a_row_for_each_line(mount, kind):
    jobs = Twin(kind, mount)
    job = jobs.submit(publish(mount, "\n".join(TEXTS)))
    ended = jobs.wait(job.id)
    result = jobs.collect(job.id, count=3)

    assert ("PENDING", "SUCCEEDED") == (job.status, ended.status)
    assert ((3, 1536), np.float32) == (result.vectors.shape, result.vectors.dtype)
    assert np.allclose(1.0, np.linalg.norm(result.vectors, axis=1))
    assert {} == result.errors
    assert (ended.usage.total_tokens, True) == (result.usage.total_tokens, ended.usage.total_tokens > 0)
    assert 1 == len(result.request_ids)


def test_a_job_is_submitted_with_its_role_and_the_async_header(inside):
    jobs = Twin(FileJobs, inside)
    jobs.submit(publish(inside, "a"), text_type="query")
    seen = inside.emulator.ledger[-1]

    assert {
        "model": FILE_MODEL,
        "input": {"url": "oss://texts.txt"},
        "parameters": {"text_type": "query"},
    } == seen.body
    assert ("enable", "enable") == (
        seen.headers["x-dashscope-async"],
        seen.headers["x-dashscope-ossresourceresolve"],
    )


def test_empty_lines_keep_their_number_and_say_why_they_have_no_row(mount):
    jobs = Twin(FileJobs, mount)
    job = jobs.submit(publish(mount, "red\n\nblue\n\n"))
    full = jobs.collect(job.id, count=4)
    short = jobs.collect(job.id)

    assert [1, 3] == list(full.errors)
    assert [False, True, False, True] == np.isnan(full.vectors).all(axis=1).tolist()
    assert "empty lines are skipped" in str(full.errors[1])
    assert [1] == list(short.errors)


@file_jobs
def test_the_result_is_fetched_without_the_key(mount, kind):
    jobs = Twin(kind, mount, default_headers={"X-Gateway": "secret"}, workspace="ws-1")
    job = jobs.submit(publish(mount, "a"))
    jobs.collect(job.id)
    seen = mount.emulator.ledger[-1]

    assert seen.path.startswith("/results/")
    assert {"authorization", "x-gateway", "x-dashscope-workspace"}.isdisjoint(seen.headers)


@file_jobs
def test_an_id_the_service_does_not_know_is_an_error_that_says_so(mount, kind):
    with pytest.raises(RequestError, match="has no job no-such-job") as caught:
        Twin(kind, mount).get("no-such-job")

    assert ("UNKNOWN", "dashscope") == (caught.value.code, caught.value.provider)
    assert caught.value.request_id


@file_jobs
def test_a_failed_job_carries_the_code_and_message_of_its_output(mount, kind):
    jobs = Twin(kind, mount)
    job = jobs.submit("https://example.com/texts.txt")
    ended = jobs.wait(job.id)
    with pytest.raises(RequestError, match="Failed to download the input file") as caught:
        jobs.collect(job.id)

    assert ("FAILED", "BadRequest.InputDownloadFailed", "Failed to download the input file.") == (
        ended.status,
        ended.code,
        ended.message,
    )
    assert "BadRequest.InputDownloadFailed" == caught.value.code


def test_a_printed_null_is_no_link(inside):
    """The page's sample of a failed job has the word "null" for its URL."""
    jobs = Twin(FileJobs, inside)
    job = jobs.submit("https://example.com/texts.txt")
    alter(inside, job.id, lambda body: {**body, "output": {**body["output"], "url": "null"}})

    assert (None, "FAILED") == (jobs.get(job.id).result_url, jobs.get(job.id).status)


def test_the_looks_at_a_job_back_off_to_eight_seconds(emulate):
    driver = Driver(emulate, job_seconds=30)
    flows, asked = FileFlows(driver.context), spec(FILE_MODEL)
    job = driver.run(flows.submit(driver.emulator.publish("a.txt", b"a"), asked))
    ended = driver.run(flows.wait(job.id, asked, None))

    assert "SUCCEEDED" == ended.status
    assert [1, 2, 4, 8, 8, 8] == driver.waits


def test_waiting_gives_up_in_time_and_says_that_the_job_goes_on(emulate):
    driver = Driver(emulate, job_seconds=1_000)
    flows, asked = FileFlows(driver.context), spec(FILE_MODEL)
    job = driver.run(flows.submit(driver.emulator.publish("a.txt", b"a"), asked))
    with pytest.raises(ServiceUnavailableError, match="still PENDING after 10 s") as caught:
        driver.run(flows.wait(job.id, asked, 10.0))

    assert caught.value.retryable
    assert sum(driver.waits) <= 10


def test_submits_keep_to_one_a_second(emulate):
    driver = Driver(emulate)
    flows, asked = FileFlows(driver.context), spec(FILE_MODEL)
    url = driver.emulator.publish("a.txt", b"a")
    for _ in range(4):
        driver.run(flows.submit(url, asked))

    assert 2 <= sum(driver.waits) <= 3


def test_waiting_for_a_job_is_no_warning(emulate, caplog):
    """A look once a minute for a day would be 1,440 of them."""
    driver = Driver(emulate, job_seconds=200)
    flows, asked = BatchFlows(driver.context), spec(BATCH_MODEL)
    plan = {"completion_window": "24h"}
    job = driver.run(flows.submit(_batch_file._line("a", 0, asked), asked, plan))
    given = driver.emulator.http_client()
    pool = ConnectionPool(
        key=Secret("k"), timeout=1.0, width=1, limiter=None, http_client=given, http_async_client=None
    )
    stop = threading.Event()
    stop.set()
    with caplog.at_level(logging.WARNING, logger="volc_dashscope"), pytest.raises(Interrupted):
        run(flows.wait(job.id, asked, None), pool.sync_transport(), WorkerStep(stop))

    assert [] == caplog.records


@file_jobs
def test_only_a_pending_job_is_cancelled(emulate, kind):
    mount = emulate(job_seconds=100)
    jobs = Twin(kind, mount)
    job = jobs.submit(publish(mount, "a"))
    cancelled = jobs.cancel(job.id)
    with pytest.raises(RequestError, match="PENDING"):
        jobs.cancel(job.id)
    with pytest.raises(RequestError, match="is CANCELED and has no result"):
        jobs.collect(job.id)

    assert ("CANCELED", True) == (cancelled.status, cancelled.ended)


def test_a_job_that_runs_is_not_collected(emulate):
    mount = emulate(job_seconds=100)
    jobs = Twin(FileJobs, mount)
    job = jobs.submit(publish(mount, "a"))
    with pytest.raises(ServiceUnavailableError, match="still PENDING"):
        jobs.collect(job.id)


@pytest.mark.parametrize("fault", ["reset", "500", "truncated"])
def test_a_job_whose_reply_was_lost_is_not_submitted_twice(inside, fault):
    """Both would be billed."""
    inside.emulator.fail(Fault(fault, path=SUBMIT))
    with pytest.raises(
        (TransportError, ServiceUnavailableError, BadReplyError), match="would be billed twice"
    ):
        Twin(FileJobs, inside).submit(publish(inside, "a"))

    assert 1 == len(paths(inside))


def test_a_submit_that_was_throttled_is_sent_again(inside):
    inside.emulator.fail(Fault("429", retry_after=0, path=SUBMIT))
    job = Twin(FileJobs, inside).submit(publish(inside, "a"))

    assert ("PENDING", [429, 200]) == (job.status, inside.emulator.ledger.statuses)


@pytest.mark.parametrize("number", ["text_index", "index", "line_number", "lineNumber", "line_no", "line"])
@pytest.mark.parametrize("vector", ["embedding", "vector"])
def test_the_unsourced_keys_of_a_result_line_have_several_spellings(inside, number, vector):
    jobs = Twin(FileJobs, inside)
    job = jobs.submit(publish(inside, "a\nb"))
    result_of(inside, row(1, number, vector=vector), row(0, number, vector=vector))
    result = jobs.collect(job.id)

    assert np.allclose([[0.6, 0.8]] * 2, result.vectors[:, :2])


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_result_without_a_line_is_fetched_again(inside, status):
    jobs = Twin(FileJobs, inside)
    job = jobs.submit(publish(inside, "a"))
    empty = iter([True])
    inside.emulator.reply_with(
        lambda request, _: (
            Response(status=status, body=b"") if "/results/" in request.path and next(empty, False) else None
        )
    )

    assert {} == jobs.collect(job.id).errors


NESTINGS = {
    "in output": lambda line: {"output": line},
    "in output, beside an id": lambda line: {"request_id": "r", "output": line, "code": "", "message": ""},
    "in a list of one": lambda line: {"output": {"embeddings": [line]}, "usage": {"total_tokens": 1}},
    "in a list of one, at the top": lambda line: {"embeddings": [line]},
    "with the line's number outside": lambda line: {
        "line": line["text_index"],
        "output": {"embeddings": [{"text_index": 0, "embedding": line["embedding"]}]},
    },
}


@pytest.mark.parametrize("nest", NESTINGS.values(), ids=NESTINGS)
def test_the_unsourced_nestings_of_a_result_line_are_understood(inside, nest):
    jobs = Twin(FileJobs, inside)
    job = jobs.submit(publish(inside, "a\nb"))
    result_of(inside, nest(row(1, value=[0.0, 2.0, *[0.0] * 1534])), nest(row(0)))
    result = jobs.collect(job.id)

    assert {} == result.errors
    assert np.allclose([[0.6, 0.8], [0.0, 1.0]], result.vectors[:, :2])


@pytest.mark.parametrize("nested", [False, True], ids=["at the top", "in output"])
def test_the_error_of_a_result_line_is_its_own_in_either_nesting(inside, nested):
    jobs = Twin(FileJobs, inside)
    job = jobs.submit(publish(inside, "a\nb"))
    refused = {"text_index": 1, "code": "DataInspectionFailed", "message": "bad words"}
    result_of(inside, {"output": row(0)}, {"output": refused} if nested else refused)
    result = jobs.collect(job.id)

    assert ([1], "DataInspectionFailed") == (list(result.errors), result.errors[1].code)


def test_a_line_number_that_is_always_the_same_is_no_line_number(inside):
    """A position within the line, which a nested reply may hold, must not be taken for the line's."""
    jobs = Twin(FileJobs, inside)
    job = jobs.submit(publish(inside, "a\nb"))
    result_of(inside, {"output": row(0)}, {"output": row(0)})
    result = jobs.collect(job.id)

    assert [0] == list(result.errors)


def test_line_numbers_that_start_at_one_are_believed_only_when_there_is_no_doubt(inside):
    jobs = Twin(FileJobs, inside)
    job = jobs.submit(publish(inside, "a\nb"))
    other = [0.0, 1.0, *[0.0] * 1534]
    result_of(inside, row(1), row(2, value=other))
    with pytest.raises(BadReplyError, match="count=") as caught:
        jobs.collect(job.id)
    answer = jobs.collect(job.id, count=2)
    said = jobs.collect(job.id, first_line=1)
    zero = jobs.collect(job.id, first_line=0)

    assert not caught.value.retryable
    assert [[0.6, 0.8], [0.0, 1.0]] == [[round(float(x), 3) for x in row[:2]] for row in answer.vectors]
    assert np.array_equal(answer.vectors, said.vectors)
    assert [0] == list(zero.errors)


LINES = {
    "unknown keys": ({"position": 0, "embedding": [1.0]}, "its keys: embedding, position"),
    "not JSON": (b"{\n", "is not JSON"),
    "a list": (b"[]\n", "not a JSON object"),
    "null": (b"null\n", "not a JSON object"),
    "a text": (b'""\n', "not a JSON object"),
    "an empty object": (b"{}\n", "no line number"),
    "cut in a key": (b'{"text_in', "is not JSON"),
    "cut in a vector": (b'{"text_index": 0, "embedding": [0.6, 0.', "is not JSON"),
    "two values": (b"{}{}\n", "is not JSON"),
    "a line number twice": (
        b'{"text_index": 0, "text_index": 9, "embedding": [0.6, 0.8]}\n',
        "no line has the number 0",
    ),
    "a wild number": (row(10**6), "no line number"),
}


@pytest.mark.parametrize(("line", "words"), LINES.values(), ids=LINES)
def test_a_result_that_cannot_be_read_is_a_bad_reply(inside, line, words):
    jobs = Twin(FileJobs, inside)
    job = jobs.submit(publish(inside, "a"))
    result_of(inside, line)
    with pytest.raises(BadReplyError, match=words):
        jobs.collect(job.id)


def test_a_result_that_is_cut_short_is_a_bad_reply(inside):
    jobs = Twin(FileJobs, inside)
    job = jobs.submit(publish(inside, "a"))
    whole = gzip.compress(orjson.dumps(row()))
    inside.emulator.reply_with(lambda request, _: whole[:-9] if "/results/" in request.path else None)
    with pytest.raises(BadReplyError, match="does not decompress"):
        jobs.collect(job.id)


BAD_VECTORS = {
    "another dimension": ([[1.0, 2.0]], "length 2 instead of 1536"),
    "not finite": ([["x"] * 1536], "not a flat list of numbers"),
    "infinite": ([[1e39, *[0.0] * 1535]], "not finite"),
    "twice": ([None, None], "appears twice"),
}


@pytest.mark.parametrize(("values", "words"), BAD_VECTORS.values(), ids=BAD_VECTORS)
def test_a_bad_vector_fails_its_own_line_only(inside, values, words):
    jobs = Twin(FileJobs, inside)
    job = jobs.submit(publish(inside, "a\nb"))
    result_of(inside, row(0), *[row(1, value=value) for value in values])
    result = jobs.collect(job.id, count=2)

    assert [1] == list(result.errors)
    assert words in str(result.errors[1])
    assert [False, True] == np.isnan(result.vectors).all(axis=1).tolist()


@pytest.mark.parametrize(
    "url", ["null", "http://results.example/a.gz", "file:///etc/passwd"], ids=["null", "plain http", "file"]
)
def test_a_result_is_fetched_over_https_only(inside, url):
    jobs = Twin(FileJobs, inside)
    job = jobs.submit(publish(inside, "a"))
    before = len(paths(inside))
    alter(inside, job.id, lambda body: {**body, "output": {**body["output"], "url": url}})
    with pytest.raises(BadReplyError, match="no https link"):
        jobs.collect(job.id)

    assert 1 == len(paths(inside)) - before


def test_a_result_that_is_gone_says_how_long_it_is_kept(inside):
    jobs = Twin(FileJobs, inside)
    job = jobs.submit(publish(inside, "a"))
    inside.emulator.fail(Fault("404", path="/results/"))
    with pytest.raises(RequestError, match="kept for 24 hours"):
        jobs.collect(job.id)


def test_a_download_that_broke_off_starts_over(mount):
    jobs = Twin(FileJobs, mount)
    job = jobs.submit(publish(mount, "a\nb"))
    mount.emulator.fail(Fault("reset_body", path="/results/"))
    result = jobs.collect(job.id, count=2)

    assert {} == result.errors


@pytest.mark.parametrize(
    "url",
    ["texts.txt", "https://example.com/texts.csv", "data:image/png;base64,iVBORw0KGgo=", "file:///texts.txt"],
)
def test_what_is_no_url_of_a_text_file_is_refused_before_a_byte(inside, url):
    with pytest.raises(InputError):
        Twin(FileJobs, inside).submit(url)

    assert [] == inside.emulator.ledger.requests


@pytest.mark.parametrize("job_id", ["", "../../files", "a/b", "a b", "é", 7])
def test_an_id_that_cannot_stand_in_a_path_is_refused_before_a_byte(inside, job_id):
    with pytest.raises(InputError, match="job_id"):
        Twin(FileJobs, inside).get(job_id)
    with pytest.raises(InputError, match="job_id"):
        Twin(BatchJobs, inside).collect(job_id)

    assert [] == inside.emulator.ledger.requests


def test_texts_are_written_one_a_line(inside, tmp_path):
    path = tmp_path / "texts.txt"
    count = Twin(FileJobs, inside).write(TEXTS, path)

    assert (3, "红色的鞋\nblue shoe\n绿色\n") == (count, path.read_text("utf-8"))


UNWRITABLE = {
    "empty": (["a", ""], "item 1: empty text"),
    "blank": (["a", " "], "item 1: the text must be one line"),
    "two lines": (["a\nb"], "item 0: the text must be one line"),
    "a hidden line end": (["a\u2028b"], "item 0: the text must be one line"),
    "too long": (["a", "字" * 10_000], "item 1: text of 10,000 characters is at least"),
    "a picture": ([Image.from_url("https://example.com/a.png")], "item 0"),
    "a bare str": ("abc", "must be a list"),
    "none": ([], "0 bytes"),
    "too many": (["a"] * 100_001, "at most 100,000 lines"),
}


@pytest.mark.parametrize(("texts", "words"), UNWRITABLE.values(), ids=UNWRITABLE)
def test_texts_a_file_job_cannot_take_are_not_written(inside, tmp_path, texts, words):
    with pytest.raises(InputError, match=words):
        Twin(FileJobs, inside).write(texts, tmp_path / "texts.txt")

    assert [] == list(tmp_path.iterdir())


def test_a_file_is_not_overwritten(inside, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("mine")
    for kind in (FileJobs, BatchJobs):
        with pytest.raises(InputError, match="already exists"):
            Twin(kind, inside).write(["a"], path)

    assert "mine" == path.read_text()


@pytest.mark.parametrize(
    ("kind", "model", "words"),
    [
        (FileJobs, "text-embedding-v4", "no route 'async'"),
        (BatchJobs, "text-embedding-async-v2", "no route 'batch'"),
        (BatchJobs, "doubao-embedding-vision-251215", "served by ark"),
    ],
    ids=["not a file model", "not a batch model", "the other service"],
)
def test_a_model_without_such_jobs_is_refused(inside, kind, model, words):
    with pytest.raises(ConfigError, match=words):
        kind(model, **inside.settings("dashscope"))


def test_jobs_check_their_settings_as_a_client_does(inside):
    for settings, words in (
        ({"dimensions": 3}, "dimensions=3"),
        ({"max_retries": -1}, "max_retries"),
        ({"timeout": -1}, "timeout"),
        ({"region": "ap-southeast-1"}, "cn-beijing"),
    ):
        with pytest.raises(ConfigError, match=words):
            BatchJobs(**{**inside.settings("dashscope"), **settings})
    with pytest.raises(ConfigError, match="no API key"):
        FileJobs()

    assert "k-secret" not in repr(FileJobs(api_key="k-secret"))


# Batch


def written(jobs, tmp_path, texts=TEXTS, name="in.jsonl"):
    path = tmp_path / name
    jobs.write(texts, path)
    return path


@batch_jobs
def test_a_batch_gives_the_rows_of_the_online_call(mount, tmp_path, kind):
    with mount.client(BATCH_MODEL, dimensions=256, route="openai") as client:
        online = client.embed(TEXTS)
    jobs = Twin(kind, mount, dimensions=256)
    job = jobs.submit(written(jobs, tmp_path))
    ended = jobs.wait(job.id)
    result = jobs.collect(job.id)

    assert ("validating", "completed", {"total": 3, "completed": 3, "failed": 0}) == (
        job.status,
        ended.status,
        ended.counts,
    )
    assert np.allclose(online.vectors, result.vectors)
    assert (online.usage.total_tokens, {}) == (result.usage.total_tokens, result.errors)
    assert job.id in repr(result.job)


@batch_jobs
def test_a_batch_is_collected_by_its_id_alone(mount, tmp_path, kind):
    """The process that submitted it is gone; a fresh object has the id and nothing else."""
    first = Twin(kind, mount)
    name = first.submit(written(first, tmp_path)).id
    (tmp_path / "in.jsonl").unlink()
    result = Twin(kind, mount).collect(name)

    assert (3, 1024) == result.vectors.shape


def test_a_line_is_the_compatible_request_of_one_text(inside, tmp_path):
    lines = written(Twin(BatchJobs, inside, dimensions=512), tmp_path).read_bytes().splitlines()

    assert {
        "custom_id": "1",
        "method": "POST",
        "url": "/v1/embeddings",
        "body": {
            "model": BATCH_MODEL,
            "input": "blue shoe",
            "encoding_format": "float",
            "dimensions": 512,
        },
    } == orjson.loads(lines[1])
    assert ["0", "1", "2"] == [orjson.loads(line)["custom_id"] for line in lines]


def test_what_one_file_cannot_hold_goes_into_further_ones(inside, tmp_path):
    jobs = Twin(BatchJobs, inside)
    count = jobs.write(["a"] * 100_001, tmp_path / "in.jsonl")
    files = jobs.files(tmp_path / "in.jsonl")
    sizes = [len(path.read_bytes().splitlines()) for path in files]

    assert (100_001, ["in.jsonl", "in.2.jsonl", "in.3.jsonl"]) == (count, [path.name for path in files])
    assert [50_000, 50_000, 1] == sizes
    assert "0" == orjson.loads(files[2].read_bytes())["custom_id"]


def test_nothing_is_left_of_a_write_that_would_mix_with_an_older_one(inside, tmp_path):
    old = tmp_path / "in.2.jsonl"
    old.write_text("old")
    with pytest.raises(InputError, match=r"'in.2.jsonl' already exists"):
        Twin(BatchJobs, inside).write(["a"] * 50_001, tmp_path / "in.jsonl")
    with pytest.raises(InputError, match=r"'in.2.jsonl' already exists"):
        Twin(BatchJobs, inside).write(["a"], tmp_path / "in.jsonl")

    assert [old] == list(tmp_path.iterdir())


def test_a_line_over_six_megabytes_is_refused(inside, tmp_path):
    wide = replace(get_model_info(BATCH_MODEL), name="wide", max_tokens=None)
    jobs = Twin(BatchJobs, inside, model="wide", model_info=wide)
    with pytest.raises(InputError, match="item 1 makes a line of"):
        jobs.write(["a", "b" * 7_000_000], tmp_path / "in.jsonl")

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("texts", "words"), [([], "no texts"), (["a", ""], "item 1: empty text")], ids=["none", "empty"]
)
def test_texts_a_batch_cannot_take_are_not_written(inside, tmp_path, texts, words):
    with pytest.raises(InputError, match=words):
        Twin(BatchJobs, inside).write(texts, tmp_path / "in.jsonl")

    assert [] == list(tmp_path.iterdir())


def test_the_form_does_not_tell_the_local_name(inside, tmp_path):
    jobs = Twin(BatchJobs, inside)
    bodies = []
    inside.emulator.reply_with(
        lambda request, _: bodies.append(request.body) if "/files" in request.path else None
    )
    jobs.submit(written(jobs, tmp_path, name="secret-project.jsonl"))

    assert b'name="purpose"\r\n\r\nbatch\r\n' in bodies[0]
    assert b"secret-project" not in bodies[0]


FOREIGN = {
    "not JSON": b"{\n",
    "another model": b'{"custom_id":"0","body":{"model":"text-embedding-v3","input":"a"}}\n',
    "nothing": b"",
}


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_write_did_not_make_is_refused_before_a_byte(inside, tmp_path, data):
    path = tmp_path / "in.jsonl"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"line 0 of 'in.jsonl'"):
        Twin(BatchJobs, inside).submit(path)

    assert [] == inside.emulator.ledger.requests


@batch_jobs
def test_a_file_of_other_settings_or_none_is_refused_before_a_byte(inside, tmp_path, kind):
    path = written(Twin(kind, inside, dimensions=512), tmp_path)
    with pytest.raises(InputError, match="with dimension 1024"):
        Twin(kind, inside).submit(path)
    with pytest.raises(InputError, match="cannot be read"):
        Twin(kind, inside).submit(tmp_path / "none.jsonl")

    assert [] == inside.emulator.ledger.requests


PLANS = {
    "too short": ({"completion_window": "23h"}, "24h"),
    "too long": ({"completion_window": "15d"}, "14d"),
    "no unit": ({"completion_window": "24"}, "completion_window"),
    "a number": ({"completion_window": 24}, "completion_window"),
    "a long name": ({"metadata": {"ds_name": "n" * 101}}, "1 to 100"),
    "a long description": ({"metadata": {"ds_description": "n" * 201}}, "1 to 200"),
    "an unknown key": ({"metadata": {"name": "n"}}, "ds_name"),
}


@pytest.mark.parametrize(("plan", "words"), PLANS.values(), ids=PLANS)
def test_a_plan_outside_the_page_is_refused_before_a_byte(inside, tmp_path, plan, words):
    jobs = Twin(BatchJobs, inside)
    path = written(jobs, tmp_path)
    with pytest.raises(InputError, match=words):
        jobs.submit(path, **plan)

    assert [] == inside.emulator.ledger.requests


@pytest.mark.parametrize("window", ["24h", "336h", "1d", "14d"])
def test_the_plan_is_sent_as_given(inside, tmp_path, window):
    jobs = Twin(BatchJobs, inside)
    jobs.submit(written(jobs, tmp_path), completion_window=window, metadata={"ds_name": "shoes"})
    body = inside.emulator.ledger[-1].body

    assert (window, {"ds_name": "shoes"}, "/v1/embeddings") == (
        body["completion_window"],
        body["metadata"],
        body["endpoint"],
    )


def refused_middle(tmp_path, mount):
    """Return three request lines; the emulator refuses the middle one, whose input is empty."""
    data = written(Twin(BatchJobs, mount), tmp_path).read_bytes()
    return data.replace(b'"blue shoe"', b'""')


def spell_errors(mount, code, message):
    """Let result lines tell their errors under these keys, and only there."""

    def hook(request, response):
        if not request.path.endswith("/content") or response.status != 200:
            return None
        rows = [orjson.loads(line) for line in response.body.splitlines()]
        for found in rows:
            if found["error"]:
                answer = found["error"]
                found["error"] = {code: answer["code"], message: answer["message"]}
                found["response"]["body"] = {}
        return b"".join(orjson.dumps(found) + b"\n" for found in rows)

    mount.emulator.reply_with(hook)


@pytest.mark.parametrize("in_output", [False, True], ids=["error file", "output file"])
@pytest.mark.parametrize(
    "keys", [("code", "message"), ("error_code", "error_message")], ids=["table", "script"]
)
def test_a_failed_line_has_its_own_error_in_whichever_file_it_is(emulate, tmp_path, in_output, keys):
    driver = Driver(emulate, batch_errors_in_output=in_output)
    data = refused_middle(tmp_path, driver.mount)
    spell_errors(driver.mount, *keys)
    job = driver.run(BatchFlows(driver.context).submit(data, spec(BATCH_MODEL), {"completion_window": "24h"}))
    # The driver has another key than the client.
    result = Twin(BatchJobs, driver.mount, api_key="k").collect(job.id)

    assert [1] == list(result.errors)
    assert (400, "InvalidParameter", 1) == (
        result.errors[1].status,
        result.errors[1].code,
        result.errors[1].index,
    )
    assert "line 1" in str(result.errors[1])
    assert [False, True, False] == np.isnan(result.vectors).all(axis=1).tolist()


def test_an_error_file_that_cannot_be_downloaded_leaves_the_vectors(emulate, tmp_path):
    """The page says that only output files can be downloaded."""
    driver = Driver(emulate)
    data = refused_middle(tmp_path, driver.mount)
    job = driver.run(BatchFlows(driver.context).submit(data, spec(BATCH_MODEL), {"completion_window": "24h"}))
    driver.emulator.fail(
        Fault("400", message="Only files beginning with file-batch_output", path="file-batch_error")
    )
    result = Twin(BatchJobs, driver.mount, api_key="k").collect(job.id)

    assert [1] == list(result.errors)
    assert "line 1: " in str(result.errors[1])
    assert "Only files beginning with file-batch_output" in str(result.errors[1])


def test_a_batch_that_fails_as_a_whole_says_which_line(emulate):
    driver = Driver(emulate)
    line = (
        b'{"custom_id":"0","method":"POST","url":"/v1/x","body":{"model":"text-embedding-v4","input":"a"}}\n'
    )
    job = driver.run(BatchFlows(driver.context).submit(line, spec(BATCH_MODEL), {"completion_window": "24h"}))
    jobs = Twin(BatchJobs, driver.mount, api_key="k")
    ended = jobs.wait(job.id)
    with pytest.raises(RequestError, match=r"line 1: The url /v1/x does not match") as caught:
        jobs.collect(job.id)

    assert ("failed", "mismatched_url", "mismatched_url") == (ended.status, ended.code, caught.value.code)


def test_a_batch_is_looked_at_once_a_minute(emulate):
    driver = Driver(emulate, job_seconds=200)
    flows, asked = BatchFlows(driver.context), spec(BATCH_MODEL)
    data = _batch_file._line("a", 0, asked)
    job = driver.run(flows.submit(data, asked, {"completion_window": "24h"}))
    ended = driver.run(flows.wait(job.id, asked, None))

    assert ("completed", [60, 60, 60, 60]) == (ended.status, driver.waits)


@pytest.mark.parametrize("fault", ["reset", "500"])
def test_a_batch_whose_reply_was_lost_is_found_by_its_file(inside, tmp_path, fault):
    """Creating it again would be paid twice."""
    jobs = Twin(BatchJobs, inside)
    path = written(jobs, tmp_path)
    inside.emulator.fail(None, Fault(fault, path="/batches"))
    if fault == "500":  # a 500 of the emulator did nothing
        with pytest.raises(ServiceUnavailableError):
            jobs.submit(path)
        found = []
    else:
        found = [jobs.submit(path)]
    creates = [
        entry for entry in inside.emulator.ledger if entry.method == "POST" and "/batches" in entry.path
    ]

    assert 1 == len(creates)
    assert ["completed"] * len(found) == [job.status for job in found]


def test_the_batch_of_another_file_is_not_taken_for_ours(inside, tmp_path):
    jobs = Twin(BatchJobs, inside)
    first = written(jobs, tmp_path)
    jobs.submit(first)
    second = written(jobs, tmp_path, ["other"], "other.jsonl")

    def ignores_the_filter(request, response):
        rows = response.json if request.method == "GET" and request.path.endswith("/batches") else None
        if rows is None:
            return None
        listed = [{"id": "batch_other", "status": "completed", "input_file_id": "file-batch-other"}]
        return {**rows, "data": listed}

    inside.emulator.reply_with(ignores_the_filter)
    inside.emulator.fail(None, Fault("500", path="/batches"))
    with pytest.raises(ServiceUnavailableError):
        jobs.submit(second)


@batch_jobs
def test_a_cancelled_batch_has_no_rows(emulate, tmp_path, kind):
    mount = emulate(job_seconds=1_000)
    jobs = Twin(kind, mount)
    job = jobs.submit(written(jobs, tmp_path))
    cancelled = jobs.cancel(job.id)
    with pytest.raises(ServiceUnavailableError, match="still cancelling"):
        jobs.collect(job.id)

    assert "cancelling" == cancelled.status


def test_an_expired_batch_gives_what_was_done_in_time(inside, tmp_path):
    jobs = Twin(BatchJobs, inside)
    job = jobs.submit(written(jobs, tmp_path))

    def expired(request, response):
        if request.path.endswith("/content"):
            return response.body.splitlines(keepends=True)[0]
        if request.path.endswith(job.id):
            return {**response.json, "status": "expired"}
        return None

    inside.emulator.reply_with(expired)
    result = jobs.collect(job.id)

    assert [1, 2] == list(result.errors)
    assert "the job is expired" in str(result.errors[1])
    assert np.isfinite(result.vectors[0]).all()


def line_of(number, **changes):
    body = {"data": [{"index": 0, "embedding": [1.0, *[0.0] * 1023]}], "usage": {"total_tokens": 1}}
    found = {"custom_id": str(number), "response": {"status_code": 200, "request_id": "r", "body": body}}
    return {**found, "error": None, **changes}


def collected(mount, tmp_path, *lines):
    jobs = Twin(BatchJobs, mount)
    job = jobs.submit(written(jobs, tmp_path, ["a", "b"]))
    data = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    mount.emulator.reply_with(lambda request, _: data if request.path.endswith("/content") else None)
    return jobs.collect(job.id)


LINE_ERRORS = {
    "throttled": ({"response": {"status_code": 429, "body": {}}, "error": {"code": "x"}}, RateLimitError),
    "content": (
        {"response": {"status_code": 400, "body": {"error": {"code": "data_inspection_failed"}}}},
        ContentError,
    ),
    "no response": ({"response": None, "error": {"error_code": "x"}}, RequestError),
    "an error under 200": ({"error": {"code": "x", "message": "y"}}, RequestError),
    "no vector": ({"response": {"status_code": 200, "body": {"data": []}}}, BadReplyError),
}


@pytest.mark.parametrize(("changes", "error"), LINE_ERRORS.values(), ids=LINE_ERRORS)
def test_the_status_of_each_line_is_looked_at(inside, tmp_path, changes, error):
    result = collected(inside, tmp_path, line_of(1), line_of(0, **changes))

    assert [0] == list(result.errors)
    assert error is type(result.errors[0])
    assert np.isfinite(result.vectors[1]).all()


def test_a_line_that_appears_twice_is_worth_nothing(inside, tmp_path):
    result = collected(inside, tmp_path, line_of(0), line_of(1), line_of(1))

    assert [1] == list(result.errors)
    assert "appears twice" in str(result.errors[1])


def test_lines_that_name_two_models_are_no_result(inside, tmp_path):
    lines = [line_of(0), line_of(1)]
    for line, model in zip(lines, ("m0", "m1"), strict=True):
        line["response"]["body"]["model"] = model
    result = collected(inside, tmp_path, *lines)

    assert [1] == list(result.errors)
    assert "are from two models, 'm0' and 'm1'" in str(result.errors[1])


@pytest.mark.parametrize("vector_first", [True, False])
def test_a_line_with_a_vector_and_an_error_is_worth_nothing(inside, tmp_path, vector_first):
    lines = [line_of(1), line_of(1, error={"code": "x"})]
    result = collected(inside, tmp_path, line_of(0), *(lines if vector_first else lines[::-1]))

    assert [1] == list(result.errors)
    assert BadReplyError is type(result.errors[1])


BATCH_LINES = {
    "null": b"null",
    "a list": b"[]",
    "a text": b'""',
    "an empty object": b"{}",
    "cut in a key": b'{"custom_',
    "cut in a vector": orjson.dumps(line_of(1))[:-200],
    "two values": b"{}{}",
    "a name twice": orjson.dumps(line_of(1))[:-1] + b',"custom_id":"9"}',
}


@pytest.mark.parametrize("broken", BATCH_LINES.values(), ids=BATCH_LINES)
def test_a_batch_line_that_cannot_be_read_is_a_bad_reply(inside, tmp_path, broken):
    jobs = Twin(BatchJobs, inside)
    job = jobs.submit(written(jobs, tmp_path, ["a", "b"]))
    data = orjson.dumps(line_of(0)) + b"\n" + broken + b"\n"
    inside.emulator.reply_with(lambda request, _: data if request.path.endswith("/content") else None)

    with pytest.raises(BadReplyError):
        jobs.collect(job.id)


@pytest.mark.parametrize("name", ["x", "2", "-1", "99999", None])
def test_a_line_of_somebody_elses_file_is_a_bad_reply(inside, tmp_path, name):
    with pytest.raises(BadReplyError, match="breaks its format"):
        collected(inside, tmp_path, line_of(0), line_of(0, custom_id=name))
