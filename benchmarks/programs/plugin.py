"""Line 6: what the package's entry point adds to a pytest run that uses none of its fixtures."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import time
import tomllib
from pathlib import Path

import pytest  # noqa: F401 - it is there already when plugins are loaded
from figures import memory, say


def main() -> None:
    """Load the entry points of the checkout that `volc_dashscope` comes from."""
    spec = importlib.util.find_spec("volc_dashscope")
    assert spec is not None
    assert spec.origin is not None
    project = tomllib.loads((Path(spec.origin).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    names = project["project"]["entry-points"]["pytest11"].values()
    before, modules, cpu = memory("VmRSS"), len(sys.modules), time.process_time()
    for name in names:
        importlib.import_module(name)
    spent = time.process_time() - cpu
    say(ms=1e3 * spent, modules=len(sys.modules) - modules, mb=memory("VmRSS") - before)


if __name__ == "__main__":
    main()
