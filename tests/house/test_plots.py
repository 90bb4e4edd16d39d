"""The plots of the docs are what `scripts/plots.py` draws from the files of measured data."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from source import ROOT

RESULTS, PLOTS = ROOT / "benchmarks" / "results", ROOT / "docs" / "assets" / "plots"
NAMES = ["concurrency", "million", "prices", "quality"]
SVG = "{http://www.w3.org/2000/svg}"


def _draw(*arguments: object) -> tuple[int, str]:
    bare = {key: value for key, value in os.environ.items() if not key.startswith(("ARK_", "DASHSCOPE_"))}
    command = [sys.executable, str(ROOT / "scripts" / "plots.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=bare, check=False)
    assert "" == done.stderr
    return done.returncode, done.stdout.strip()


def _copied(folder: Path) -> Path:
    for name in ("concurrency.log", "quality.csv", "prices.csv", "million.csv"):
        shutil.copy(RESULTS / name, folder)
    return folder


def test_the_plots_in_the_docs_are_the_data():
    assert (0, "up to date") == _draw("--check")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("concurrency.log", r"(ours_sync +\S+ +\S+ +)\d+", r"\g<1>11"),
        ("quality.csv", r"(\d),0\.\d+\n", r"\1,0.9\n"),
        ("prices.csv", r"(qwen3-vl-embedding,native),[\d.]+", r"\1,9.5"),
        ("million.csv", r"[\d.]+\n\Z", "12.0\n"),
    ],
    ids=["concurrency", "quality", "prices", "million"],
)
def test_data_that_changed_makes_its_plots_stale_until_they_are_drawn(tmp_path, file, old, new):
    data, name = _copied(tmp_path) / file, file.partition(".")[0]
    shutil.copytree(PLOTS, tmp_path / "plots")
    data.write_text(re.sub(old, new, data.read_text("utf-8"), count=1), encoding="utf-8")
    folders = ["--data", tmp_path, "--plots", tmp_path / "plots"]

    seen = [_draw(*folders, "--check"), _draw(*folders), _draw(*folders, "--check")]

    stale = f"stale: en/{name}.svg, zh/{name}.svg"
    assert [(1, stale), (0, stale), (0, "up to date")] == seen


def test_the_prices_are_those_of_the_models_rows(tmp_path):
    _draw("--measure", "prices", "--data", _copied(tmp_path), "--plots", tmp_path / "plots")

    assert (RESULTS / "prices.csv").read_text("utf-8") == (tmp_path / "prices.csv").read_text("utf-8")


def test_the_rates_are_of_every_client_at_every_width():
    widths, found = 0, []
    for line in (RESULTS / "concurrency.log").read_text("utf-8").splitlines():
        widths = int(head[1]) if (head := re.search(r"(\d+) in flight", line)) else widths
        if row := re.match(r"(\w+) +[\d.]+ +[\d.]+ +(\d+) ", line):
            found.append((widths, row[1], int(row[2]) > 0))

    clients = ("floor", "ours_sync", "ours_async", "fast_async")
    assert [(width, name, True) for width in (1, 4, 16, 64) for name in clients] == found


def test_the_ranking_is_of_every_dimension():
    with (RESULTS / "quality.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert [16, 32, 64, 128, 256, 512, 1024, 2048] == [int(row["dimension"]) for row in rows]
    assert all(0 < float(row["mean_reciprocal_rank"]) <= 1 for row in rows)
    assert all(0 <= int(row["right_first"]) <= int(row["questions"]) for row in rows)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_plot_says_what_it_shows_and_keeps_within_its_frame(language, name):
    picture = ElementTree.parse(PLOTS / language / f"{name}.svg").getroot()
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    ends = [_ends(text) for text in picture.iter(f"{SVG}text")]

    assert picture.findtext(f"{SVG}title")
    assert ("zh" == language) == bool(re.search("[一-鿿]", "".join(picture.itertext())))
    assert ends
    assert [] == [end for end in ends if not (0 <= end[0] < end[1] <= width and 0 < end[2] <= height)]


def _ends(text: ElementTree.Element) -> tuple[float, float, float]:
    """Return left, right and height of a label: a Chinese character is 13 wide, another about half of it."""
    words = text.text or ""
    long = sum(13.0 if ord(letter) > 0x2E80 else 6.6 for letter in words)
    before = {"start": 0.0, "middle": long / 2, "end": long}[text.attrib["text-anchor"]]
    left = float(text.attrib["x"]) - before
    return left, left + long, float(text.attrib["y"])


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_plot_is_shown_in_a_guide(language):
    pages = "".join(path.read_text("utf-8") for path in (ROOT / "docs" / language).glob("*.md"))

    assert set(NAMES) == {path.stem for path in (PLOTS / language).iterdir()}
    assert set(NAMES) == set(re.findall(rf"!\[.+\]\(\.\./assets/plots/{language}/(\w+)\.svg\)", pages))
