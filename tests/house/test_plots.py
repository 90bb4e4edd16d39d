"""The plots of the docs are what `scripts/plots.py` draws from the files of measured data."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from source import ROOT

RESULTS, PLOTS = ROOT / "benchmarks" / "results", ROOT / "docs" / "assets" / "plots"
NAMES = ["concurrency", "million", "prices"]


def _draw(*arguments: object) -> tuple[int, str]:
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("ARK_", "DASHSCOPE_"))}
    command = [sys.executable, str(ROOT / "scripts" / "plots.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=bare, check=False)
    assert "" == done.stderr
    return done.returncode, done.stdout.strip()


def _copied(folder: Path) -> Path:
    for name in ("concurrency.log", "prices.csv", "million.csv"):
        shutil.copy(RESULTS / name, folder)
    return folder


def test_the_plots_in_the_docs_are_the_data():
    assert (0, "up to date") == _draw("--check")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("concurrency.log", r"(ours_sync +\S+ +\S+ +)\d+", r"\g<1>11"),
        ("prices.csv", r"(qwen3-vl-embedding,native),[\d.]+", r"\1,9.5"),
        ("million.csv", r"[\d.]+\n\Z", "12.0\n"),
    ],
    ids=["concurrency", "prices", "million"],
)
def test_data_that_changed_makes_its_plots_stale(tmp_path, file, old, new):
    data, name = _copied(tmp_path) / file, file.partition(".")[0]
    shutil.copytree(PLOTS, tmp_path / "plots")
    data.write_text(re.sub(old, new, data.read_text("utf-8"), count=1), encoding="utf-8")
    folders = ["--data", tmp_path, "--plots", tmp_path / "plots"]

    assert (1, f"stale: en/{name}.svg, zh/{name}.svg") == _draw(*folders, "--check")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", NAMES)
def test_a_plot_is_labelled_in_the_language_of_its_guide(language, name):
    words = "".join(
        re.findall(r"<text[^>]*>([^<]+)</text>", (PLOTS / language / f"{name}.svg").read_text("utf-8"))
    )

    assert words
    assert ("zh" == language) == bool(re.search("[一-鿿]", words))


def test_the_prices_are_those_of_the_models_rows(tmp_path):
    shutil.copytree(PLOTS, tmp_path / "plots")
    _draw("--measure", "prices", "--check", "--data", _copied(tmp_path), "--plots", tmp_path / "plots")

    assert (RESULTS / "prices.csv").read_text("utf-8") == (tmp_path / "prices.csv").read_text("utf-8")


def test_the_rates_are_of_every_client_at_every_width():
    widths, found = 0, []
    for line in (RESULTS / "concurrency.log").read_text("utf-8").splitlines():
        widths = int(head[1]) if (head := re.search(r"(\d+) in flight", line)) else widths
        if row := re.match(r"(\w+) +[\d.]+ +[\d.]+ +(\d+) ", line):
            found.append((widths, row[1], int(row[2]) > 0))

    clients = ("floor", "ours_sync", "ours_async")
    assert [(width, name, True) for width in (1, 4, 16, 64) for name in clients] == found


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_plot_is_shown_in_a_guide(language):
    pages = "".join(path.read_text("utf-8") for path in (ROOT / "docs" / language).glob("*.md"))

    assert set(NAMES) == {path.stem for path in (PLOTS / language).iterdir()}
    assert set(NAMES) == set(re.findall(rf"!\[.+\]\(\.\./assets/plots/{language}/(\w+)\.svg\)", pages))
