"""
Record the cassettes again.

    python scripts/record.py               `live`, from the services; needs ARK_API_KEY or DASHSCOPE_API_KEY
    python scripts/record.py --emulator    `emulator`, over a socket; the same files every time
    ... --into DIRECTORY                   write there instead of tests/cassettes

What is asked stands in tests/cassettes/cassette_scenarios.py, what is kept in cassette_tape.py.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "cassettes")]

from cassette_scenarios import RECORDED, WRONG_KEY, Scenario  # noqa: E402  # tests/cassettes is on the path now
from cassette_tape import HERE, recorder  # noqa: E402

from volc_dashscope.emulator import Emulator  # noqa: E402
from volc_dashscope.errors import EmbeddingError  # noqa: E402

KEYS = {"ark": "ARK_API_KEY", "dashscope": "DASHSCOPE_API_KEY"}
HOSTS = {"ark": "https://ark.cn-beijing.volces.com", "dashscope": "https://dashscope.aliyuncs.com"}
# Ids and dates in the emulator's replies come from its clock.
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


def record(
    scenario: Scenario, target: Path, label: Mapping[str, Any], reached: Mapping[str, str], **settings: Any
) -> None:
    """Make one call and put what passed into `target`; nothing is written unless it ended as it should."""
    with TemporaryDirectory() as folder:
        fresh = Path(folder) / target.name
        with recorder(label, reached=reached).use_cassette(str(fresh)):
            _make(scenario, **settings)
        text = fresh.read_text(encoding="utf-8")
    if settings["api_key"] in text:
        raise SystemExit(f"record: {scenario.name} holds the key; it was not written")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{scenario.name}: recorded\n")


def _make(scenario: Scenario, **settings: Any) -> None:
    try:
        # One at a time, so that the order in the file is the order of the items.
        scenario.run(max_concurrency=1, **settings)
    except EmbeddingError as error:
        if scenario.refused is None or not isinstance(error, scenario.refused):
            raise SystemExit(f"record: {scenario.name} failed and was not written: {error}") from error
    else:
        if scenario.refused is not None:
            raise SystemExit(f"record: {scenario.name} was not refused and was not written")


def from_emulator(into: Path) -> None:
    """Capture every scenario over a socket, under the URLs of the services."""
    label = {
        "origin": "emulator",
        "source": "volc_dashscope.emulator over a socket, scripts/record.py --emulator; not the service",
    }
    for scenario in RECORDED:
        with Emulator(faults=list(scenario.faults), clock=lambda: NOON) as emulator:
            record(
                scenario,
                scenario.path("emulator", into),
                label,
                {emulator.url: HOSTS[scenario.provider]},
                api_key=WRONG_KEY if scenario.refused else "sk-emulator",
                base_url=_address(emulator, scenario),
            )


def _address(emulator: Emulator, scenario: Scenario) -> str:
    if scenario.settings.get("route") == "openai":
        return emulator.compatible_url
    return emulator.ark_url if scenario.provider == "ark" else emulator.dashscope_url


def from_services(into: Path, environ: Mapping[str, str]) -> int:
    """Record what can be recorded with the keys there are."""
    keys = {provider: environ.get(name, "").strip() for provider, name in KEYS.items()}
    if not any(keys.values()):
        sys.stderr.write(
            f"record: set {' or '.join(KEYS.values())} to record from the services; nothing was done\n"
        )
        return 2
    today = datetime.now(UTC).date().isoformat()
    for scenario in RECORDED:
        if not keys[scenario.provider] or scenario.faults:
            continue
        host = HOSTS[scenario.provider]
        record(
            scenario,
            scenario.path("live", into),
            {"origin": "live", "source": f"{host}, recorded by scripts/record.py", "as_of": today},
            {},
            api_key=WRONG_KEY if scenario.refused else keys[scenario.provider],
            region="cn-beijing",
        )
    for provider, key in keys.items():
        if not key:
            sys.stdout.write(f"{provider}: skipped, {KEYS[provider]} is not set\n")
    return 0


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description="Record the cassettes again.")
    parser.add_argument("--emulator", action="store_true", help="from the emulator; no key needed")
    parser.add_argument("--into", type=Path, default=HERE, help="folder to write to")
    chosen = parser.parse_args(arguments)
    if chosen.emulator:
        from_emulator(chosen.into)
        return 0
    return from_services(chosen.into, os.environ)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
