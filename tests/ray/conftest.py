"""A Ray cluster on this machine, on loopback only. Collected by `make ray` alone: `make test` has no Ray."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from ray_run import WORKER_KEY

# Read when Ray is imported or started.
os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to its makers
    "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else it leaves one in the home directory
    # Whatever its name says: without it Ray takes 127.0.0.1 for this machine's outward address and listens on all.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "PYTHONPATH": os.path.dirname(__file__),  # workers import what runs in them
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-ray", action="store_true", help="keep the log of the runs and the table of the pages on Ray"
    )


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Ray with four slots, whose workers have a key in their environment that this process has not."""
    import ray
    from ray.data import DataContext

    os.environ["DASHSCOPE_API_KEY"] = WORKER_KEY
    try:
        ray.init(
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            num_cpus=4,
            object_store_memory=512 * 1024**2,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    finally:
        del os.environ["DASHSCOPE_API_KEY"]
    if ray.util.get_node_ip_address() != "127.0.0.1":
        ray.shutdown()
        pytest.fail("Ray would listen beyond this machine")
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    yield ray
    ray.shutdown()
