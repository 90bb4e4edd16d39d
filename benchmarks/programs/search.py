"""Line 4: `volc-dashscope search` over FOLDER, the first time and again, against an emulator in its own process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from figures import say


def main(folder: str) -> None:
    """Search with an empty store, then with a full one."""
    with tempfile.TemporaryDirectory() as store:
        first, again = (_searched(folder, store) for _ in range(2))
    say(
        first_cpu=first["cpu"],
        first_seconds=first["seconds"],
        first_mb=first["mb"],
        again_cpu=again["cpu"],
        again_seconds=again["seconds"],
        again_mb=again["mb"],
    )


def _searched(folder: str, store: str) -> dict[str, float]:
    command = [sys.executable, "-P", "-m", "volc_dashscope", "search", folder, "a red house", "--quiet"]
    command += ["--store", store, "--base-url", f"{os.environ['EMULATOR']}/api/v3"]
    clock = time.perf_counter()
    environment = {**os.environ, "ARK_API_KEY": "k"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - clock
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return {
        "cpu": usage.ru_utime + usage.ru_stime,
        "seconds": seconds,
        "mb": usage.ru_maxrss * 1024 / 1e6,
    }


if __name__ == "__main__":
    main(sys.argv[1])
