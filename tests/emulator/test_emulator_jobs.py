"""File jobs, batches and temporary uploads."""

from __future__ import annotations

import gzip
import json

import pytest
from paintings import painted

TEXT = "/api/v1/services/embeddings/text-embedding/text-embedding"
FILES, BATCHES = "/compatible-mode/v1/files", "/compatible-mode/v1/batches"
ASYNC = {"X-DashScope-Async": "enable"}


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


def submit(wire, url, model="text-embedding-async-v2"):
    body = {"model": model, "input": {"url": url}, "parameters": {"text_type": "document"}}
    return wire.client.post(TEXT, json=body, headers=ASYNC)


def poll(wire, task):
    return wire.client.get(f"/api/v1/tasks/{task}").json()


def fetch(wire, url):
    """Follow a URL from a reply; under the in-process mount any host is the emulator."""
    return wire.client.get(url)


def test_a_job_goes_from_pending_to_a_gz_of_json_lines(mounted):
    clock = Clock()
    wire = mounted(job_seconds=10, clock=clock)
    url = wire.emulator.publish("texts.txt", "红色\n\nblue shoe\n".encode())
    task = submit(wire, url).json()["output"]["task_id"]
    seen = []
    for _ in range(3):
        seen.append(poll(wire, task)["output"]["task_status"])
        clock.now += 5
    done = poll(wire, task)
    lines = [
        json.loads(line) for line in gzip.decompress(fetch(wire, done["output"]["url"]).content).splitlines()
    ]

    assert ["PENDING", "RUNNING", "SUCCEEDED"] == seen
    assert [0, 2] == [line["text_index"] for line in lines]
    assert {1536} == {len(line["embedding"]) for line in lines}
    assert {"total_tokens": 4} == done["usage"]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://example.com/texts.csv", "InvalidFile.TypeNotTxt"),
        ("https://example.com/texts.txt", "BadRequest.InputDownloadFailed"),
    ],
)
def test_a_failed_job_says_so_inside_output_under_200(wire, url, code):
    task = submit(wire, url).json()["output"]["task_id"]
    output = poll(wire, task)["output"]

    assert ("FAILED", code) == (output["task_status"], output["code"])


def test_a_task_that_never_was_is_unknown_under_200(wire):
    assert "UNKNOWN" == poll(wire, "no-such-task")["output"]["task_status"]


def test_only_a_pending_job_can_be_cancelled(mounted):
    clock = Clock()
    wire = mounted(job_seconds=10, clock=clock)
    url = wire.emulator.publish("texts.txt", b"a")
    early, late = (submit(wire, url).json()["output"]["task_id"] for _ in range(2))
    first = wire.client.post(f"/api/v1/tasks/{early}/cancel").status_code
    clock.now += 6
    second = wire.client.post(f"/api/v1/tasks/{late}/cancel")
    listed = wire.client.get("/api/v1/tasks", params={"page_no": 1, "page_size": 10}).json()

    assert (200, 400, "UnsupportedOperation") == (first, second.status_code, second.json()["code"])
    assert "CANCELED" == poll(wire, early)["output"]["task_status"]
    assert {early: "CANCELED", late: "RUNNING"} == {
        task["task_id"]: task["task_status"] for task in listed["tasks"]
    }


def test_a_sync_model_has_no_file_jobs(wire):
    reply = submit(wire, "https://example.com/a.txt", "text-embedding-v4")

    assert (403, "current user api does not support asynchronous calls.") == (
        reply.status_code,
        reply.json()["message"],
    )


def line(name, value="a", model="text-embedding-v4", url="/v1/embeddings"):
    return json.dumps(
        {"custom_id": name, "method": "POST", "url": url, "body": {"model": model, "input": value}}
    )


def upload(wire, *lines):
    files = {"file": ("in.jsonl", "\n".join(lines).encode(), "application/jsonl")}
    return wire.client.post(FILES, files=files, data={"purpose": "batch"}).json()


def create(wire, source, **more):
    body = {"input_file_id": source, "endpoint": "/v1/embeddings", "completion_window": "24h", **more}
    return wire.client.post(BATCHES, json=body)


def content(wire, name):
    return [json.loads(row) for row in wire.client.get(f"{FILES}/{name}/content").content.splitlines()]


def test_a_batch_answers_each_line_by_its_custom_id(mounted):
    clock = Clock()
    wire = mounted(job_seconds=8, clock=clock)
    source = upload(wire, line("x", "red"), line("y", ["blue", "green"]), line("z", ["a"] * 11))
    batch = create(wire, source["id"], metadata={"ds_name": "shoes"}).json()
    statuses = []
    for _ in range(5):
        statuses.append(wire.client.get(f"{BATCHES}/{batch['id']}").json()["status"])
        clock.now += 2
    done = wire.client.get(f"{BATCHES}/{batch['id']}").json()
    output, errors = content(wire, done["output_file_id"]), content(wire, done["error_file_id"])

    assert ("in.jsonl", "processed") == (source["filename"], source["status"])
    assert ["validating", "in_progress", "in_progress", "finalizing", "completed"] == statuses
    assert {"total": 3, "completed": 2, "failed": 1} == done["request_counts"]
    assert [("x", 1), ("y", 2)] == [
        (row["custom_id"], len(row["response"]["body"]["data"])) for row in output
    ]
    assert [("z", 400, "InvalidParameter")] == [
        (row["custom_id"], row["response"]["status_code"], row["error"]["code"]) for row in errors
    ]


def test_a_batch_line_holds_the_vector_of_the_online_call(wire):
    batch = create(wire, upload(wire, line("x", "red"))["id"]).json()
    done = wire.client.get(f"{BATCHES}/{batch['id']}").json()
    row = content(wire, done["output_file_id"])[0]

    assert wire.compatible("red").json()["data"] == row["response"]["body"]["data"]


def test_failed_lines_can_sit_in_the_output_file(mounted):
    wire = mounted(batch_errors_in_output=True)
    batch = create(wire, upload(wire, line("x"), line("z", ""))["id"]).json()
    done = wire.client.get(f"{BATCHES}/{batch['id']}").json()

    assert (None, {"total": 2, "completed": 2, "failed": 0}) == (
        done["error_file_id"],
        done["request_counts"],
    )
    assert [200, 400] == [row["response"]["status_code"] for row in content(wire, done["output_file_id"])]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([line("x"), line("x")], "duplicate_custom_id"),
        ([line("x"), line("y", model="text-embedding-v3")], "mismatched_model"),
        ([line("x", url="/v1/chat/completions")], "mismatched_url"),
        (["{"], "invalid_json_line"),
    ],
)
def test_a_bad_file_fails_the_batch(wire, lines, code):
    batch = create(wire, upload(wire, *lines)["id"]).json()
    done = wire.client.get(f"{BATCHES}/{batch['id']}").json()

    assert ("failed", code, None) == (
        done["status"],
        done["errors"]["data"][0]["code"],
        done["output_file_id"],
    )


@pytest.mark.parametrize(
    "more", [{"completion_window": "12h"}, {"completion_window": "15d"}, {"endpoint": "/v1/x"}]
)
def test_a_batch_outside_the_page_is_refused(wire, more):
    assert 400 == create(wire, upload(wire, line("x"))["id"], **more).status_code


def test_batches_are_listed_newest_first_and_cancelled(mounted):
    wire = mounted(job_seconds=100)
    source = upload(wire, line("x"))["id"]
    first, second = (create(wire, source).json()["id"] for _ in range(2))
    cancelled = wire.client.post(f"{BATCHES}/{first}/cancel").json()["status"]
    listed = wire.client.get(BATCHES, params={"limit": 1}).json()
    rest = wire.client.get(BATCHES, params={"after": second}).json()

    assert ("cancelling", [second], True) == (
        cancelled,
        [row["id"] for row in listed["data"]],
        listed["has_more"],
    )
    assert ([first], False) == ([row["id"] for row in rest["data"]], rest["has_more"])


def test_an_upload_is_read_through_its_oss_url_until_it_expires(mounted):
    clock = Clock()
    wire = mounted(clock=clock)
    policy = wire.client.get(
        "/api/v1/uploads", params={"action": "getPolicy", "model": "qwen3-vl-embedding"}
    ).json()
    data = policy["data"]
    key = f"{data['upload_dir']}/red.png"
    form = {
        "OSSAccessKeyId": data["oss_access_key_id"],
        "Signature": data["signature"],
        "policy": data["policy"],
        "key": key,
        "success_action_status": "200",
    }
    sent = wire.client.post(
        data["upload_host"], data=form, files={"file": ("red.png", painted(), "image/png")}
    )
    wire.client.headers["X-DashScope-OssResourceResolve"] = "enable"
    read = wire.media({"image": f"oss://{key}"})
    clock.now += 49 * 3600
    expired = wire.media({"image": f"oss://{key}"})
    late = wire.client.post(
        data["upload_host"], data=form, files={"file": ("red.png", painted(), "image/png")}
    )

    assert (200, 200) == (sent.status_code, read.status_code)
    assert (400, True) == (expired.status_code, "Failed to download" in expired.json()["message"])
    assert (403, "Invalid according to Policy: Policy expired.") == (late.status_code, late.json()["message"])
