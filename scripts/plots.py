"""
python scripts/plots.py [--measure [NAME ...]] [--check]: the plots of the docs, from the files of measured data.

Draws docs/assets/plots/{en,zh}/{concurrency,prices,million}.svg from benchmarks/results with matplotlib (dependency
group `docs`). Each file carries the digest of the data it was drawn from. --check draws nothing, needs no
matplotlib, and fails where that digest is not the one of today's data.

--measure writes the data first: of the plots named, or of all. All take about twenty minutes and want a machine
with nothing else to do; all but "prices" want the extra `bulk`.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from volc_dashscope.models import ModelInfo

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PLOTS = ROOT / "benchmarks" / "results", ROOT / "docs" / "assets" / "plots"
BLUE, GREEN, ORANGE, GREY = "#0063a6", "#00795a", "#b84a00", "#5a5a5a"

Table = list[dict[str, str]]
CHINESE = {
    "vectors per second": "每秒向量数",
    "requests in flight, answered after {} ms": "在途请求数，每个请求 {} 毫秒后应答",
    "nothing but waiting": "只计等待时间",
    "floor: no checks, no retries": "下限：不检查、不重试",
    "RSS, MB": "RSS（MB）",
    "rows finished": "已完成的行数",
    "{} s": "{} 秒",
    "a million texts of {} tokens": "一百万条文本，每条 {} Token",
    "a million pictures of {}": "一百万张 {} 的图片",
    ", by Batch": "，Batch",
    "{} ({} tokens each)": "{}（每张 {} Token）",
    "at most {} MB": "最多 {} MB",
    "CNY, prices read {} to {}": "人民币元，价格读取于 {} 至 {}",
}


class Translator:
    """The labels of one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, words: str, *values: object) -> str:
        return (CHINESE[words] if self.language == "zh" else words).format(*values)


def concurrency(results: Path, say: Translator) -> Figure:
    """Draw vectors a second over requests in flight, from what `python -m benchmarks` printed."""
    known = {
        "floor": (say("floor: no checks, no retries"), GREY),
        "ours_sync": ("Client", BLUE),
        "ours_async": ("AsyncClient", GREEN),
    }
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in known}
    latency = width = 0.0
    for line in (results / "concurrency.log").read_text("utf-8").splitlines():
        if head := re.match(r"W2, ([\d.]+) ms, (\d+) in flight, \d+ rounds$", line):
            latency, width = float(head[1]), float(head[2])
        elif line and not line.startswith(" "):
            name, _cpu, _ratio, rate, *_ = line.split()
            if name in rates:
                rates[name].append((width, float(rate)))
    figure, axes = _figure()
    widths = [width for width, _ in rates["floor"]]
    ideal = [1000 * width / latency for width in widths]
    axes.plot(widths, ideal, color=GREY, linestyle="--", label=say("nothing but waiting"))
    for name, (label, colour) in known.items():
        axes.plot(*zip(*rates[name], strict=True), color=colour, marker="o", label=label)
    axes.set_xticks(widths, [f"{width:g}" for width in widths])
    axes.set_xlabel(say("requests in flight, answered after {} ms", f"{latency:g}"))
    axes.set_ylabel(say("vectors per second"))
    axes.legend()
    return figure


def prices(results: Path, say: Translator) -> Figure:
    """Draw what a million texts and a million pictures cost."""
    rows = _rows(results / "prices.csv")
    groups = {
        item: [row for row in rows if row["item"] == item] for item in dict.fromkeys(r["item"] for r in rows)
    }
    figure, plots = _figure(heights=[len(group) for group in groups.values()])
    for axes, colour, (item, found) in zip(plots, (BLUE, GREEN, ORANGE), groups.items(), strict=True):
        if item == "text":
            axes.set_title(say("a million texts of {} tokens", found[0]["tokens"]), loc="left")
        else:
            axes.set_title(say("a million pictures of {}", item.replace("x", " × ")), loc="left")
        names = [row["model"] + (say(", by Batch") if row["route"] == "batch" else "") for row in found]
        drawn = axes.barh(names, [float(row["cny_per_million"]) for row in found], color=colour)
        axes.bar_label(drawn, [_price_label(row, say) for row in found], padding=3)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.6 * max(float(row["cny_per_million"]) for row in found))
    read = [row["as_of"] for row in rows]
    plots[-1].set_xlabel(say("CNY, prices read {} to {}", min(read), max(read)))
    return figure


def _price_label(row: dict[str, str], say: Translator) -> str:
    shown = f"{float(row['cny_per_million']):,.4g}"
    return shown if row["item"] == "text" else say("{} ({} tokens each)", shown, f"{int(row['tokens']):,}")


def million(results: Path, say: Translator) -> Figure:
    """Draw the memory of a run over the rows billed, with the time it had at each fifth."""
    rows = _rows(results / "million.csv")
    done, sizes = [float(row["rows_billed"]) for row in rows], [float(row["rss_mb"]) for row in rows]
    figure, axes = _figure()
    axes.plot(done, sizes, color=BLUE, label=say("at most {} MB", f"{max(sizes):.0f}"))
    fifths = [done[-1] * fifth / 5 for fifth in range(6)]
    seconds = [
        next(float(r["second"]) for r, at in zip(rows, done, strict=True) if at >= place) for place in fifths
    ]
    labels = [
        f"{place:,.0f}\n{say('{} s', f'{second:.0f}')}" for place, second in zip(fifths, seconds, strict=True)
    ]
    axes.set_xticks(fifths, labels)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(say("rows finished"))
    axes.set_ylabel(say("RSS, MB"))
    axes.legend()
    return figure


def _figure(*, heights: list[int] | None = None) -> tuple[Figure, Any]:
    """Return a figure with one plot, or one below the other with room for so many bars each."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    # Text stays text: a reader's browser has Chinese letters, this machine may have none.
    rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "volc-dashscope", "font.family": "sans-serif"})
    if heights is None:
        figure = Figure(figsize=(8, 4), layout="constrained")
        axes: Axes = figure.add_subplot()
        axes.grid(axis="y", color="#ddd")
        return figure, axes
    figure = Figure(figsize=(8, 0.28 * sum(heights) + 0.7 * len(heights)), layout="constrained")
    return figure, list(figure.subplots(len(heights), 1, gridspec_kw={"height_ratios": heights}))


def _rows(path: Path) -> Table:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def measure_concurrency(results: Path) -> None:
    """Run the client and the floor against a loopback server that answers late."""
    asked = ["--workloads", "W2", "--latency", "0.05", "--width", "1,4,16,64", "--rounds", "3"]
    log = _output("-m", "benchmarks", *asked, "--only", "ours_sync,ours_async")
    (results / "concurrency.log").write_text(log.strip() + "\n", encoding="utf-8")


def measure_prices(results: Path) -> None:
    """Count the examples' texts, one of their pictures and a photograph, and price them by the models' rows."""
    sys.path[:0] = [str(ROOT), str(ROOT / "examples" / "scenarios")]
    from drawings import picture
    from PIL import Image as Pillow
    from tables import read

    from volc_dashscope import Image, list_models

    columns = {"help": "article", "headlines": "headline", "reviews": "review"}
    images = (picture("banana"), Image.from_pil(Pillow.new("RGB", (1600, 1200))))
    items = {"text": [row[column] for name, column in columns.items() for row in read(name)]}
    items |= {f"{image.width}x{image.height}": [image] for image in images}
    with (results / "prices.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("item", "tokens", "model", "route", "cny_per_million", "as_of"))
        for name, examples in items.items():
            # A note says that the model is being retired, or is not for a client's requests.
            found = [
                row
                for model_info in list_models()
                if model_info.price and not model_info.note
                for row in _priced(model_info, name, examples)
            ]
            writer.writerows(sorted(found, key=lambda row: (row[4], row[2])))


def _priced(
    model_info: ModelInfo, name: str, examples: list[Any]
) -> Iterator[tuple[str, str, str, str, float, str]]:
    """Return a row for the usual price and one for Batch; none where no page says what a picture counts."""
    from volc_dashscope import estimate_cost

    if name != "text" and "image" not in model_info.modalities:
        return
    for route in (model_info.routes[0], *(["batch"] if "batch" in model_info.routes else [])):
        answer = estimate_cost(examples, model_info.name, route=route)
        if answer.price is None or answer.unknown:
            continue
        assert (answer.currency, answer.price[0]) == ("CNY", answer.price[1])
        each = 1_000_000 * answer.price[0] / len(examples)
        tokens = f"{answer.tokens[0] / len(examples):g}"
        yield name, tokens, model_info.name, route, round(each, 4), answer.as_of or ""


def measure_million(results: Path) -> None:
    """Run the job; ten minutes, or less on a machine that is quick."""
    _output("-m", "benchmarks.million", "--csv", str((results / "million.csv").resolve()))


def _output(*program: str) -> str:
    """Run a program of ours to its end and return what it printed; its complaints are seen."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *program]
    done = subprocess.run(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, encoding="utf-8", check=True
    )
    return done.stdout


PLOTTED = {
    "concurrency": ("concurrency.log", measure_concurrency, concurrency),
    "prices": ("prices.csv", measure_prices, prices),
    "million": ("million.csv", measure_million, million),
}


def data_digest(path: Path) -> str:
    """Return what a plot says of the data it was drawn from."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def _save(figure: Figure, path: Path, title: str, digest: str) -> None:
    with warnings.catch_warnings():
        # The letters are drawn by the reader's browser, so that their glyphs are not needed here.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(path, metadata={"Date": None, "Title": title, "Source": digest})


def main() -> int:
    """Measure what was asked for, then draw, or with --check say which plots are stale."""
    parser = argparse.ArgumentParser(prog="python scripts/plots.py")
    parser.add_argument(
        "--measure", nargs="*", choices=PLOTTED, metavar="NAME", help="of all where none is named"
    )
    parser.add_argument(
        "--check", action="store_true", help="draw nothing; exit with 1 where a plot is stale"
    )
    parser.add_argument("--data", type=Path, default=RESULTS, help="folder of the measured data")
    parser.add_argument("--plots", type=Path, default=PLOTS, help="folder of the plots")
    given = parser.parse_args()
    for name in () if given.measure is None else given.measure or PLOTTED:
        PLOTTED[name][1](given.data)
    stale = []
    for language in ("en", "zh"):
        for name, (file, _, draw) in PLOTTED.items():
            path, digest = given.plots / language / f"{name}.svg", data_digest(given.data / file)
            if path.is_file() and digest in path.read_text("utf-8"):
                continue
            stale.append(f"{language}/{name}.svg")
            if not given.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                _save(draw(given.data, Translator(language)), path, name, digest)
    print(f"stale: {', '.join(stale)}" if stale else "up to date")
    return 1 if stale and given.check else 0


if __name__ == "__main__":
    raise SystemExit(main())
