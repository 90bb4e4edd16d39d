"""Embedders and their budget on a real Ray cluster: rows kept, workers killed, limits held."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from ray_run import ARK, TEXT, WORKER_KEY, Noted, Watch, knock, png, work

from volc_dashscope import Client, ConfigError, Image, __version__
from volc_dashscope.ray import Embedder, RateBudget

pytestmark = pytest.mark.usefixtures("cluster")

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
ROWS = 20_000
RPM = 4_800.0


@pytest.fixture
def served(emulate):
    """Return an emulator on a socket, and the settings that reach it with the worker's own key."""
    emulator = emulate(socket=True).emulator
    return emulator, {
        "model": TEXT,
        "base_url": emulator.dashscope_url,
        "text_column": "text",
        "dimensions": 64,
    }


def _mapped(cluster, rows, settings, *, kind=Embedder, actors=1, batch_size=8):
    data = cluster.data.from_items(rows, override_num_blocks=max(1, len(rows) // batch_size))
    return data.map_batches(
        kind,
        fn_constructor_kwargs=settings,
        batch_format="numpy",
        batch_size=batch_size,
        compute=cluster.data.ActorPoolStrategy(size=actors),
    )


def test_columns_and_rows_stay_and_vectors_have_one_shape(cluster, served):
    _, settings = served
    rows = [{"id": number, "text": None if number % 3 == 0 else f"t{number}"} for number in range(40)]

    out = _mapped(cluster, rows, settings).materialize()

    found = sorted(out.take_all(), key=lambda row: row["id"])
    assert ["id", "text", "vector", "error"] == out.schema().names
    assert list(range(40)) == [row["id"] for row in found]
    assert [number % 3 == 0 for number in range(40)] == [bool(np.isnan(row["vector"]).all()) for row in found]
    assert [number % 3 == 0 for number in range(40)] == [row["error"] is not None for row in found]
    assert {((64,), np.dtype(np.float32))} == {(row["vector"].shape, row["vector"].dtype) for row in found}


def test_files_of_good_and_of_bad_batches_have_one_schema(cluster, served, tmp_path):
    from pyarrow import parquet

    _, settings = served
    rows = [{"text": "good"}] * 16 + [{"text": ""}] * 16

    _mapped(cluster, rows, settings).write_parquet(str(tmp_path))

    schemas = [parquet.read_schema(path) for path in tmp_path.iterdir()]
    assert len(schemas) > 1
    assert all(schemas[0].equals(schema) for schema in schemas)


def test_the_key_is_the_workers_own(cluster, served):
    emulator, settings = served
    assert "DASHSCOPE_API_KEY" not in os.environ

    _mapped(cluster, [{"text": "a"}], settings).materialize()

    assert [f"Bearer {WORKER_KEY}"] == [entry.headers["authorization"] for entry in emulator.ledger]


def test_pictures_from_binary_columns_arrive_whole(cluster, served):
    emulator, _ = served
    settings = {"model": ARK, "base_url": emulator.ark_url, "api_key": "k", "image_column": "image"}

    rows = _mapped(cluster, [{"image": png(5)}, {"image": b"no picture"}], settings).take_all()

    expected = Client(ARK, api_key="k", base_url=emulator.ark_url)
    with expected:
        vector = expected.embed([Image.from_bytes(png(5))]).vectors[0]
    assert np.array_equal(vector, rows[0]["vector"])
    assert rows[1]["error"].startswith("InputError: ")


def test_a_setting_that_cannot_be_stops_the_pipeline_and_says_why(cluster, served):
    _, settings = served

    with pytest.raises(Exception, match="no column 'text'; it has: 'other'"):
        _mapped(cluster, [{"other": "a"}], settings).materialize()


def test_an_account_that_cannot_go_on_stops_the_pipeline_where_asked_to(cluster, served):
    _, settings = served
    wrong = {**settings, "api_key": "invalid", "stop_on_account_error": True}

    with pytest.raises(Exception, match="AuthError"):
        _mapped(cluster, [{"text": "a"}], wrong).materialize()


def test_ten_actors_together_stay_under_the_requests_of_one_account(cluster, emulate):
    emulator = emulate(socket=True, rpm=1_800).emulator
    watch = Watch(emulator)
    budget = RateBudget(requests_per_minute=1_800, name="ten")
    task = cluster.remote(num_cpus=0.1)(work)

    cluster.get([task.remote(budget, emulator.dashscope_url, 60) for _ in range(10)])

    assert {200: 600} == watch.statuses
    assert watch.fullest(1.0) <= 30 * 1.6
    assert watch.fullest(10.0) <= 30 * 10.6


def test_tokens_are_held_too(cluster, emulate):
    emulator = emulate(socket=True, tpm=60_000).emulator
    watch = Watch(emulator)
    budget = RateBudget(tokens_per_minute=60_000, name="tokens")
    budget.expect(40.0)
    task = cluster.remote(num_cpus=0.1)(work)

    usages = cluster.get([task.remote(budget, emulator.dashscope_url, 60) for _ in range(4)])

    began, ended = watch.arrivals[0][0], watch.arrivals[-1][0]
    assert {200: 240} == watch.statuses
    assert sum(usage.total_tokens for usage in usages) / (ended - began + 1) <= 1_000 * 1.05


def test_a_budget_of_another_limit_does_not_join(cluster):
    first = RateBudget(requests_per_minute=600, name="taken")

    with pytest.raises(ConfigError, match="already runs"):
        RateBudget(requests_per_minute=700, name="taken")
    assert 0 == first.spent()["granted"]


def test_a_budget_whose_actor_died_is_made_again(cluster):
    budget = RateBudget(requests_per_minute=6_000, name="mortal")
    budget.acquire()
    cluster.kill(cluster.get_actor("mortal", namespace="volc-dashscope"))
    began = time.monotonic()

    for _ in range(50):
        budget.acquire()

    assert 1.5 < time.monotonic() - began < 30


async def test_a_budget_can_be_awaited(cluster):
    budget = RateBudget(requests_per_minute=6_000, name="awaited")

    for _ in range(5):
        await budget.aacquire()

    assert 5 <= budget.spent()["granted"]


def test_nothing_of_ray_listens_beyond_this_machine(cluster):
    owned = {int(name) for name in os.listdir("/proc") if name.isdigit() and _of_ray(int(name))}
    listening = subprocess.run(
        ["ss", "-H", "-l", "-t", "-n", "-p"], capture_output=True, text=True, check=True
    )

    mine = [
        line.split()[3]
        for line in listening.stdout.splitlines()
        if any(f"pid={pid}," in line for pid in owned)
    ]
    assert mine
    assert [] == [address for address in mine if not address.startswith(("127.", "[::1]", "[::ffff:127."))]


def _of_ray(pid: int) -> bool:
    """Whether a process descends from this one."""
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def test_one_budget_answers_more_calls_than_the_highest_limit_has_requests(cluster, request):
    budget, log = RateBudget(requests_per_minute=15_000_000, name="busy"), Log()
    task = cluster.remote(num_cpus=0.1)(knock)
    cluster.get([task.remote("busy", 10) for _ in range(4)])
    began = time.monotonic()

    cluster.get([task.remote("busy", 1_000) for _ in range(4)])

    rate = 4_000 / (time.monotonic() - began)
    log.say(
        f"4 holders, one request for each call: {rate:,.0f} calls a second, {os.cpu_count()} shared cores"
    )
    log.keep("ray-budget.log", request)
    assert 4_040 == budget.spent()["calls"]
    assert rate > 15_000 / 60


class Log:
    """Lines of a run, kept when the tests are asked to write what they measured."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        self.lines.append(f"{time.monotonic() - self._began:7.1f} s  {text}")
        print(self.lines[-1], flush=True)  # noqa: T201 - a run of minutes says where it is

    def keep(self, name: str, request: pytest.FixtureRequest) -> None:
        if request.config.getoption("--write-ray"):
            (RESULTS / name).write_text("\n".join(self.lines) + "\n", "utf-8")


def test_a_killed_worker_costs_no_row_and_the_budget_holds(cluster, emulate, tmp_path, request):
    """20,000 pictures, two workers, one killed with SIGKILL in the middle."""
    emulator = emulate(socket=True, rpm=RPM, latency=0.05).emulator
    watch, log = Watch(emulator), Log()
    budget = RateBudget(requests_per_minute=RPM, name="pictures")
    settings = {
        "notes": str(tmp_path),
        "model": ARK,
        "base_url": emulator.ark_url,
        "api_key": "k",
        "image_column": "image",
        "dimensions": 1024,
        "budget": budget,
        "max_concurrency": 16,
    }
    rows = [{"id": number, "image": png(number)} for number in range(ROWS)]
    log.say(f"volc-dashscope {__version__}, Ray {cluster.__version__}, Python {platform.python_version()}")
    log.say(f"{ROWS:,} pictures of 56 x 56, {ARK}, d=1024, 2 workers, 16 in flight each, batches of 250")
    log.say(
        f"emulator: {RPM:,.0f} requests a minute enforced by the second, 50 ms; {os.cpu_count()} shared cores"
    )
    killed: list[int] = []
    killer = threading.Thread(target=_kill_one, args=(watch, tmp_path, killed, log), daemon=True)
    killer.start()

    out = _mapped(cluster, rows, settings, kind=Noted, actors=2, batch_size=250).materialize()

    killer.join()
    table = out.to_pandas()
    spent = budget.spent()
    notes = [path.read_text("utf-8").split() for path in tmp_path.iterdir()]
    cpu = sum(float(seconds) for seconds, _ in notes) / max(1, sum(int(done) for _, done in notes))
    moments = [moment for moment, _ in watch.arrivals]
    log.say(
        f"rows out {len(table):,}, different ids {table['id'].nunique():,}, "
        f"errors {table['error'].notna().sum():,}"
    )
    log.say(f"requests by status: {dict(watch.statuses)}; paid twice: {watch.statuses[200] - ROWS:,}")
    log.say(
        f"{max(moments) - min(moments):.1f} s from first to last request; {watch.rate():.2f} answered a second, "
        f"{100 * watch.rate() / (RPM / 60):.1f} % of the limit of {RPM / 60:.0f}"
    )
    log.say(
        f"most requests within 1 s: {watch.fullest(1.0)}, within 10 s: {watch.fullest(10.0)}, "
        f"within 60 s: {watch.fullest(60.0)}"
    )
    log.say(f"budget: {spent}; {watch.statuses.total() / spent['calls']:.1f} requests for each call")
    log.say(f"workers: {1000 * cpu:.2f} ms of CPU a picture in {len(notes)} processes")
    log.keep("ray.log", request)

    assert 1 == len(killed)
    assert list(range(ROWS)) == sorted(table["id"])
    assert 0 == table["error"].notna().sum()
    assert {(1024,)} == {vector.shape for vector in table["vector"]}
    assert 3 == len(notes), "a third process took the place of the dead one"
    assert watch.statuses[429] <= 0.01 * watch.statuses.total()
    assert watch.fullest(60.0) <= RPM * 1.02
    assert watch.statuses[200] - ROWS <= 2 * 250


def _kill_one(watch: Watch, notes: Path, killed: list[int], log: Log) -> None:
    while len(watch.arrivals) < ROWS // 2:
        time.sleep(0.05)
    victim = min(int(path.name) for path in notes.iterdir())
    os.kill(victim, signal.SIGKILL)
    killed.append(victim)
    log.say(f"killed one worker with SIGKILL after {len(watch.arrivals):,} requests")
