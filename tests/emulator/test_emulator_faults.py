"""What goes wrong on the way goes wrong alike in-process and on a real socket."""

from __future__ import annotations

import asyncio
import math
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import forked
import httpx
import pytest

from volc_dashscope.emulator import Emulator, Fault, Faults, Response
from volc_dashscope.emulator.__main__ import arguments
from volc_dashscope.emulator.faults import parse

BODY = {"model": "text-embedding-v4", "input": "a"}
PATH = "/compatible-mode/v1/embeddings"
KEY = {"authorization": "Bearer test-key"}


@pytest.mark.parametrize(
    ("kind", "error"),
    [("reset", httpx.ReadError), ("reset_body", httpx.ReadError), ("short", httpx.RemoteProtocolError)],
)
def test_a_broken_connection_raises_what_httpx_raises(mounted, kind, error):
    wire = mounted([Fault(kind)])

    with pytest.raises(error):
        wire.compatible("a")

    assert 200 == wire.compatible("a").status_code
    assert [0 if kind == "reset" else 200, 200] == wire.emulator.ledger.statuses


def test_a_truncated_body_is_no_json(mounted):
    reply = mounted([Fault("truncated")]).compatible("a")

    assert 200 == reply.status_code
    with pytest.raises(ValueError, match=r".+"):
        reply.json()


def test_a_slow_answer_outlasts_the_read_timeout(mounted):
    wire = mounted([Fault("slow", seconds=0.5)], timeout=0.1)

    with pytest.raises(httpx.ReadTimeout):
        wire.compatible("a")


def test_hints_come_as_seconds_milliseconds_and_date(mounted):
    wire = mounted(
        [Fault("429", retry_after=3), Fault("429", retry_after_ms=250), Fault("429", retry_date=60)]
    )
    seconds, milliseconds, date = (wire.compatible("a") for _ in range(3))

    assert ("3", "250") == (seconds.headers["retry-after"], milliseconds.headers["retry-after-ms"])
    assert 50 < parsedate_to_datetime(date.headers["retry-after"]).timestamp() - time.time() <= 61


@pytest.mark.parametrize(
    ("kind", "ask", "status", "code"),
    [
        ("429", "text", 429, "Throttling.RateQuota"),
        ("tpm", "text", 429, "Throttling.AllocationQuota"),
        ("500", "text", 500, "InternalError"),
        ("503", "text", 503, "ModelUnavailable"),
        ("error_in_200", "text", 200, "InternalError"),
        ("429", "ark", 429, "ModelAccountRpmRateLimitExceeded"),
        ("tpm", "ark", 429, "ModelAccountTpmRateLimitExceeded"),
        ("500", "ark", 500, "InternalServiceError"),
        ("429", "compatible", 429, "limit_requests"),
    ],
)
def test_each_service_refuses_in_its_own_shape(mounted, kind, ask, status, code):
    wire = mounted([kind])
    part = {"type": "text", "text": "a"} if ask == "ark" else "a"
    reply = getattr(wire, ask)(part)
    body = reply.json()

    assert (status, code) == (reply.status_code, body.get("error", body)["code"])


def test_a_bad_gateway_answers_html(mounted):
    reply = mounted(["502"]).text("a")

    assert (502, "text/html") == (reply.status_code, reply.headers["content-type"])
    assert b"<html>" in reply.content


def test_code_and_message_can_be_scripted(mounted):
    fault = Fault("429", code="QuotaExceeded", message="Spent.")
    error = mounted([fault]).ark({"type": "text", "text": "a"}).json()["error"]

    assert ("QuotaExceeded", True) == (error["code"], error["message"].startswith("Spent. Request id: "))


def test_missing_drops_a_vector_and_shuffled_keeps_the_indices(mounted):
    wire = mounted([Fault("missing"), Fault("shuffled")])
    missing, shuffled = (wire.text("a", "b", "c").json()["output"]["embeddings"] for _ in range(2))

    assert [0, 1] == [row["text_index"] for row in missing]
    assert [2, 1, 0] == [row["text_index"] for row in shuffled]
    assert missing[0] == shuffled[2]


def test_a_scripted_reply_is_sent_as_it_is(mounted):
    reply = mounted([Fault("reply", status=418, headers={"x-odd": "yes"}, body={"odd": True})]).text("a")

    assert (418, "yes", {"odd": True}) == (reply.status_code, reply.headers["x-odd"], reply.json())


def test_a_script_waits_for_its_path(mounted):
    wire = mounted([Fault("500", path="multimodal")])

    assert [200, 500, 200] == [
        wire.text("a").status_code,
        wire.media("a").status_code,
        wire.media("a").status_code,
    ]


def test_fail_adds_to_the_script_and_none_lets_one_pass(wire):
    wire.emulator.fail("500", None, "503")

    assert [500, 200, 503, 200] == [wire.text("a").status_code for _ in range(4)]


def test_a_plan_may_be_a_function_of_the_request(mounted):
    wire = mounted(lambda request: "500" if "b" in request.json["input"]["texts"] else None)

    assert [200, 500] == [wire.text("a").status_code, wire.text("b").status_code]


def test_reply_with_has_the_last_word(wire):
    wire.emulator.reply_with(lambda request, response: {"output": {"embeddings": []}})
    emptied = wire.text("a").json()
    wire.emulator.reply_with(lambda request, response: b"not json")
    garbled = wire.text("a").content
    wire.emulator.reply_with(lambda request, response: Response(status=204))
    empty = wire.text("a").status_code
    wire.emulator.reply_with(None)

    assert ({"output": {"embeddings": []}}, b"not json", 204) == (emptied, garbled, empty)
    assert 200 == wire.text("a").status_code


def fates(seed):
    client = Emulator("429:30%", seed=seed).http_client()
    return [
        client.post(f"http://x{PATH}", json={**BODY, "input": f"{at}"}, headers=KEY).status_code
        for at in range(60)
    ]


def test_chance_depends_on_the_seed_alone():
    first = fates(1)

    assert {200, 429} == set(first)
    assert first == fates(1)
    assert first != fates(2)


def test_chance_strikes_one_request_a_bounded_number_of_times(mounted):
    wire = mounted(Faults({"429": 1.0}, max_in_a_row=2))

    assert [429, 429, 200, 429, 429, 200] == [wire.text("a").status_code for _ in range(6)]


@pytest.mark.parametrize("plan", ["429", "429:x", "429:120%", "typo:5%", "200:5%"])
def test_an_unreadable_plan_is_refused(plan):
    with pytest.raises(ValueError, match=r"fault"):
        parse(plan)


def test_the_command_line_reads_its_options():
    options = arguments(["--port", "0", "--rpm", "120", "--latency", "50ms", "--faults", "429:5%,reset:2%"])

    assert (0, 120.0, 0.05) == (options.port, options.rpm, options.latency)
    assert {Fault("429"): 0.05, Fault("reset"): 0.02} == parse(options.faults)


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


def test_rpm_is_enforced_by_the_second_and_recovers(mounted):
    clock = Clock()
    wire = mounted(rpm=120, clock=clock)
    burst = [wire.text("a").status_code for _ in range(3)]
    clock.now += 0.5

    assert [200, 200, 429] == burst
    assert [200, 429] == [wire.text("a").status_code for _ in range(2)]
    assert 200 == wire.text("a", model="text-embedding-v3").status_code


def test_tpm_answers_the_token_refusal(mounted):
    clock = Clock()
    wire = mounted(tpm=600, clock=clock)
    first, second = wire.text("天" * 20), wire.text("天")
    clock.now += 1.2

    assert (200, 429, "Throttling.AllocationQuota") == (
        first.status_code,
        second.status_code,
        second.json()["code"],
    )
    assert 200 == wire.text("天").status_code


def test_the_ledger_counts_what_is_in_flight_at_once(mounted):
    wire = mounted(latency=0.2)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(wire.text, map(str, range(8))))
    wire.text("alone")

    assert (8, 9) == (wire.emulator.ledger.in_flight_max, len(wire.emulator.ledger))


def test_async_requests_overlap_in_process():
    emulator = Emulator(latency=0.1)

    async def run():
        async with emulator.http_async_client() as client:
            url = f"https://workspace.cn-beijing.maas.aliyuncs.com{PATH}"
            await asyncio.gather(*(client.post(url, json=BODY, headers=KEY) for _ in range(10)))

    started = time.perf_counter()
    asyncio.run(run())

    assert 10 == emulator.ledger.in_flight_max
    assert time.perf_counter() - started < 0.9


@pytest.mark.parametrize("kind", ["reset", "reset_body"])
def test_async_clients_see_broken_connections_too(kind):
    emulator = Emulator([Fault(kind)])

    async def run():
        async with emulator.http_async_client() as client:
            await client.post(f"https://dashscope.aliyuncs.com{PATH}", json=BODY, headers=KEY)

    with pytest.raises(httpx.ReadError):
        asyncio.run(run())


def test_a_broken_answer_is_billed_all_the_same(mounted):
    wire = mounted([Fault("short"), Fault("429")])
    with pytest.raises(httpx.RemoteProtocolError):
        wire.compatible("hello")
    wire.compatible("hello")

    assert [2, 0] == [entry.tokens for entry in wire.emulator.ledger]


def test_stop_leaves_no_thread_and_no_port():
    before = set(threading.enumerate())
    emulator = Emulator().start()
    url = emulator.url
    with httpx.Client(base_url=url, headers=KEY, trust_env=False) as client:
        client.post(PATH, json=BODY)
        emulator.stop()

        with pytest.raises(httpx.TransportError):
            client.post(PATH, json=BODY)

    assert before == set(threading.enumerate())


def test_one_connection_carries_many_requests_quickly():
    with Emulator() as emulator, httpx.Client(base_url=emulator.url, headers=KEY, trust_env=False) as client:
        started = time.perf_counter()
        for _ in range(200):
            client.post(PATH, json=BODY)

    assert time.perf_counter() - started < 2.0


SETTINGS = [
    *({name: value} for name in ("rpm", "tpm") for value in (0, -1, math.nan, math.inf, "x", True)),
    *({name: value} for name in ("latency", "job_seconds") for value in (-1, math.nan, "1s", None)),
    {"ledger_bytes": -1},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_limit_or_time_that_cannot_be_is_refused(settings):
    with pytest.raises(ValueError, match=rf"{next(iter(settings))} must be a number"):
        Emulator(**settings)


@pytest.mark.parametrize("command", ["volc_dashscope.emulator", "volc_dashscope emulator"])
def test_a_command_whose_output_cannot_be_written_says_so(command, tmp_path):
    module, *first = command.split()
    full = "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); "
    program = f"{full}import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    done = forked.start(program, *first, "--port", "0", folder=tmp_path, environ=os.environ)
    _, said = done.communicate(timeout=60)

    assert (1, "error: the output cannot be written: No space left on device\n") == (done.returncode, said)


@pytest.mark.parametrize("options", [["--rpm", "0"], ["--tpm", "nan"], ["--rpm=-1"], ["--port", "70000"]])
@pytest.mark.parametrize("command", ["volc_dashscope.emulator", "volc_dashscope emulator"])
def test_a_command_with_a_wrong_number_says_so(command, options, tmp_path):
    module, *first = command.split()
    program = f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    line = [*first, "--port", "0", *options]
    done = forked.start(program, *line, folder=tmp_path, environ=os.environ)
    _, said = done.communicate(timeout=60)

    assert done.returncode in (1, 2)
    assert re.search(r"is not a limit; pass a number above 0|65535", said)
    assert "Traceback" not in said
