"""What every test may use: an emulator on both mounts, and clients that talk to it."""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import forked
import pytest
from mounts import Mount
from raw_server import RawServer

from volc_dashscope.emulator import Emulator

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So a shell starts what runs behind it; the processes that tests start and stop with Ctrl-C would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["volc_dashscope.emulator.pytest_plugin"]

ROOT = Path(__file__).resolve().parents[1]

# The files that take longest begin first, so that no worker is left with one of them at the end. Some mostly wait (for
# deadlines, pauses and other programs), and most compute. After each that waits two begin that compute, so that the two
# cores are busy while workers wait.
_WAITING = (
    "test_no_service",
    "test_time_is_bounded",
    "test_secrets",
    "test_network_settings",
    "test_cli_scanning",
    "test_page_is_bounded",
    "test_client",
    "test_no_item_lost",
    "test_lc_stores",
    "test_tapes",
    "test_li_hybrid",
    "test_lc_standard",
    "test_replay",
    "test_refused_port",
    "test_li_stores",
    "test_scenarios",
    "test_bulk_batch",
    "test_beside_others",
    "test_handed_in_clients",
    "test_final_codes_once",
)
_COMPUTING = (
    "test_parity_requests",
    "test_rate_limits",
    "test_li_upserts",
    "test_vectors",
    "test_lifetime",
    "test_readme",
    "test_no_leaks",
    "test_cache_failures",
    "test_list_memory",
    "test_malformed_replies",
    "test_cli_search",
    "test_ctrl_c",
    "test_every_entry_point",
    "test_li_pipelines",
    "test_imports",
    "test_emulator_refusals",
    "test_bounded_replies",
    "test_li_example",
    "test_parity_replies",
    "test_shrinking",
    "test_lc_example",
    "test_llama_index",
    "test_bulk_damage",
    "test_source",
    "test_broken_replies",
    "test_lc_hybrid",
    "test_lc_tokens",
    "test_lc_way_back",
    "test_cancel",
    "test_cli_commands",
    "test_bulk_resume",
    "test_integration_lists",
    "test_docs",
    "test_emulator_routes",
    "test_estimate",
    "test_validation",
    "test_tls",
    "test_bulk_changes",
    "test_page_serve",
    "test_fork_and_spawn",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; a file stays together, since some of its tests look at what the others did."""
    pairs = zip(_COMPUTING[::2], _COMPUTING[1::2], strict=True)
    longest = [name for waiting, pair in zip(_WAITING, pairs, strict=True) for name in (waiting, *pair)]
    places = {name: place for place, name in enumerate(longest)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """
    Load the tests without the garbage collector, and keep what is loaded out of its later runs.

    Frameworks and tests are a million objects that stay to the end. The collector would visit them all each time it
    runs: 2 of 15 seconds while they are loaded, and 0.4 seconds in every test that collects.
    """
    gc.disable()
    try:
        with _turn_to_collect():
            return (yield)
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _turn_to_collect() -> Iterator[None]:
    """
    Let two workers collect at a time.

    In a fresh checkout the first two compile the tests, which takes longer than loading them; the others find them
    compiled.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    place = os.open(ROOT / "tests" / ("core", "house")[number % 2], os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def pytest_sessionfinish() -> None:
    """End the process that programs of the tests are forked from."""
    forked.stop()


@pytest.fixture
def emulate() -> Iterator[Callable[..., Mount]]:
    """Return a maker of in-process mounts for emulators with faults, limits or latency."""
    started: list[Emulator] = []

    def make(*, socket: bool = False, **settings: Any) -> Mount:
        emulator = Emulator(**settings)
        started.append(emulator)
        return Mount(emulator.start() if socket else emulator, socket)

    yield make
    for emulator in started:
        emulator.stop()


@pytest.fixture
def serve() -> Iterator[Callable[..., RawServer]]:
    """Return a maker of servers that answer every request with these headers and this body."""
    started: list[RawServer] = []

    def make(head: bytes = b"", *body: bytes, status: bytes = b"200 OK", pieces: Any = None) -> RawServer:
        lines = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\n%b" % (status, head)
        started.append(RawServer(lines, pieces or (lambda: body)))
        return started[-1]

    yield make
    for server in started:
        server.close()


@pytest.fixture(params=["in-process", "socket"])
def mount(request: pytest.FixtureRequest, emulate: Callable[..., Mount]) -> Mount:
    """A plain emulator, once on each mount."""
    return emulate(socket=request.param == "socket")


@pytest.fixture
def embed_model_of() -> Iterator[Callable[..., Any]]:
    """Return a maker of integrations with the settings of a mount, closed after the test."""
    made: list[Any] = []

    def make(kind: Any, mount: Mount, **settings: Any) -> Any:
        made.append(kind(**{**mount.settings(kind.provider_name), **settings}))
        return made[-1]

    yield make
    for embed_model in made:
        embed_model.close()


@pytest.fixture(scope="session")
def _drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures of the guides, which take four seconds to draw: the first worker draws them for all."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "drawn"
    with (shared / "drawn.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            script = [sys.executable, str(ROOT / "examples" / "draw_pictures.py"), str(base / "pictures")]
            subprocess.run(script, check=True, capture_output=True)
            (base / "pictures").rename(folder)
    return folder


@pytest.fixture(scope="module")
def drawings(_drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the command of the guides has drawn `pictures`."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(_drawn, folder / "pictures")
    return folder


@pytest.fixture
def workers() -> Callable[[], list[str]]:
    """Return a function that names the package's threads begun since; what another test gave up may still wait."""
    before = {*threading.enumerate()}
    return lambda: [
        thread.name
        for thread in threading.enumerate()
        if thread.name == "volc-dashscope" and thread not in before
    ]


@pytest.fixture
def inside(emulate: Callable[..., Mount]) -> Mount:
    """A plain emulator in this process, for tests in which the mount does not matter."""
    return emulate()


# The vendors' SDKs and the frameworks leave connections of finished event loops to the collector. They are
# collected where they were left, so that no test of ours is blamed; our own leaks have tests of their own.
_FOREIGN = ("tests/parity/", "tests/integrations/", "tests/emulator/test_vendor_sdks.py", "tests/examples/")


@pytest.fixture(scope="module", autouse=True)
def _collect_what_others_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if any(place in request.path.as_posix() for place in _FOREIGN):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        gc.freeze()  # what frameworks load in their first test stays, too


@pytest.fixture(autouse=True, scope="session")
def _no_keys() -> Iterator[None]:
    """No test sees a key or a URL of the machine it runs on."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (
            "ARK_API_KEY",
            "ARK_BASE_URL",
            "DASHSCOPE_API_KEY",
            "DASHSCOPE_BASE_URL",
            "DASHSCOPE_HTTP_BASE_URL",
        ):
            patch.delenv(name, raising=False)
        yield


class Audit:
    """Files opened and addresses dialled while a test runs."""

    def __init__(self) -> None:
        self.on = False
        self.files_opened: list[str] = []
        self.dialled: list[Any] = []

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            self.files_opened.append(str(arguments[0]))
        elif event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
            self.dialled.append(arguments[1:] if event == "socket.connect" else arguments)


_AUDIT = Audit()
sys.addaudithook(_AUDIT.hook)


@pytest.fixture
def audit() -> Iterator[Audit]:
    """Record what is opened and dialled from here to the end of the test."""
    _AUDIT.files_opened.clear()
    _AUDIT.dialled.clear()
    _AUDIT.on = True
    yield _AUDIT
    _AUDIT.on = False
