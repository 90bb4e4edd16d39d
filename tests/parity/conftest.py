"""One socket and one set of SDK clients for all comparisons."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the SDKs import is not ours
    import dashscope
    from vendors import Vendors

from canary import KEY
from capture import Socket
from intent_types import PICTURE, STORED, STORED_LINES

# Settings of the SDKs that a machine may have.
_VARIABLES = (
    "VOLC_ACCESSKEY",
    "VOLC_SECRETKEY",
    "DASHSCOPE_WORKSPACE",
    "DASHSCOPE_WORKSPACE_ID",
    "DASHSCOPE_REGION",
)


@contextmanager
def listening(folder: Path, **settings: Any) -> Iterator[Socket]:
    """An emulator on a socket; the SDKs' global settings lead to it, and are put back."""
    socket = Socket(**settings)
    assert STORED == socket.emulator.publish(STORED.removeprefix("oss://"), PICTURE.read_bytes())
    assert STORED_LINES == socket.emulator.publish(STORED_LINES.removeprefix("oss://"), b"a\nb\n")
    with pytest.MonkeyPatch.context() as patch, socket.emulator:
        # The uploader of 1.x, and its polls of a job, read nothing else.
        patch.setattr(dashscope, "base_http_api_url", socket.emulator.dashscope_url)
        patch.setattr(dashscope, "api_key", KEY)
        patch.setenv("NO_PROXY", "127.0.0.1")
        # Reading the authorities takes 20 ms for each client made, and no byte here is encrypted.
        patch.delenv("SSL_CERT_FILE", raising=False)
        (folder / "00000000.0").touch()  # by its name a certificate, which nothing here reads
        patch.setenv("SSL_CERT_DIR", str(folder))
        for name in _VARIABLES:
            patch.delenv(name, raising=False)
        yield socket


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Socket]:
    """A plain emulator on a socket."""
    with listening(tmp_path_factory.mktemp("no-authorities")) as socket:
        yield socket


@pytest.fixture
def slow_socket(tmp_path: Path) -> Iterator[Socket]:
    """An emulator whose jobs wait long enough to be cancelled."""
    with listening(tmp_path, job_seconds=600) as socket:
        yield socket


@pytest.fixture(scope="module")
def vendors(socket: Socket) -> Iterator[Vendors]:
    """The vendors' synchronous clients."""
    vendors = Vendors(socket.emulator.url)
    yield vendors
    vendors.close()
