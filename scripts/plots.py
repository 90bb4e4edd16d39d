"""
python scripts/plots.py [--measure [NAME ...]] [--check]: the plots of the docs, from the files of measured data.

Draws docs/assets/plots/{en,zh}/{concurrency,quality,prices,million}.svg from benchmarks/results, without a
plotting library. --check draws nothing and fails where a plot is not what the data gives.

--measure writes the data first: of the plots named, or of all. All take about twenty minutes and want a machine
with nothing else to do; all but "prices" and "quality" want the extras `bulk` and `fast`. The ranking is that of
the emulator's stand-in vectors unless DASHSCOPE_API_KEY is set: then the service is asked, and bills 32 texts.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svg import BLUE, GREEN, GREY, ORANGE, Axis, Bar, Line, Point, bars, chart, upward

if TYPE_CHECKING:
    from volc_dashscope.models import ModelInfo

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PLOTS = ROOT / "benchmarks" / "results", ROOT / "docs" / "assets" / "plots"

Table = list[dict[str, str]]
CHINESE = {
    "vectors per second": "每秒向量数",
    "requests in flight, answered after {} ms": "在途请求数，每个请求 {} 毫秒后应答",
    "nothing but waiting": "只计等待时间",
    "floor: no checks, no retries": "下限：不检查、不重试",
    "dimension": "维度",
    "mean reciprocal rank": "平均倒数排名",
    "right article first": "首位命中率",
    "{} questions; vectors: {}": "{} 个问题；向量来自{}",
    "the emulator's stand-ins, which know no meaning": "模拟器的替代向量（不懂语义）",
    "RSS, MB": "RSS（MB）",
    "rows finished": "已完成的行数",
    "{} s": "{} 秒",
    "a million texts of {} tokens": "一百万条文本，每条 {} Token",
    "a million pictures of {}": "一百万张 {} 的图片",
    ", by Batch": "，Batch",
    "{} ({} tokens each)": "{}（每张 {} Token）",
    "at most {} MB": "最多 {} MB",
    "ranking quality": "排序质量",
    "CNY, prices read {} to {}": "人民币元，价格读取于 {} 至 {}",
}


class Words:
    """The words of one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, words: str, *values: object) -> str:
        return (CHINESE[words] if self.language == "zh" else words).format(*values)


def concurrency(results: Path, say: Words) -> str:
    """Draw vectors a second over requests in flight, from what `python -m benchmarks` printed."""
    known = {
        "floor": (say("floor: no checks, no retries"), GREY),
        "ours_sync": ("Client", BLUE),
        "ours_async": ("AsyncClient", GREEN),
        "fast_async": ("AsyncClient, aiohttp", ORANGE),
    }
    rates: dict[str, list[Point]] = {name: [] for name in known}
    latency = width = 0.0
    for line in (results / "concurrency.log").read_text("utf-8").splitlines():
        if head := re.match(r"W2, ([\d.]+) ms, (\d+) in flight, \d+ rounds$", line):
            latency, width = float(head[1]), float(head[2])
        elif line and not line.startswith(" "):
            name, _cpu, _ratio, rate, *_ = line.split()
            rates[name].append((width, float(rate)))
    widths = [width for width, _ in rates["floor"]]
    waiting = [(width, 1000 * width / latency) for width in (0.0, widths[-1])]
    lines = [Line(say("nothing but waiting"), waiting, GREY, dots=False, dashed=True)]
    lines += [Line(words, rates[name], colour) for name, (words, colour) in known.items()]
    title = say("requests in flight, answered after {} ms", f"{latency:g}")
    x = Axis(0, widths[-1], [(width, f"{width:g}") for width in widths], title)
    return chart(x, upward(waiting[-1][1], say("vectors per second")), lines)


def quality(results: Path, say: Words) -> str:
    """Draw how well questions find their articles, over the length of the vectors."""
    rows = _rows(results / "quality.csv")
    lengths, source = [int(row["dimension"]) for row in rows], rows[0]["vectors"]
    x = Axis(
        lengths[0], lengths[-1], [(length, str(length)) for length in lengths], say("dimension"), math.log2
    )
    y = Axis(
        0,
        1,
        [(tenths / 10, f"0.{tenths}" if tenths < 10 else "1") for tenths in range(0, 11, 2)],
        say("ranking quality"),
    )
    lines = [
        Line(
            say("mean reciprocal rank"),
            [(int(row["dimension"]), float(row["mean_reciprocal_rank"])) for row in rows],
            BLUE,
        ),
        Line(
            say("right article first"),
            [(int(row["dimension"]), int(row["right_first"]) / int(row["questions"])) for row in rows],
            GREEN,
        ),
    ]
    if source == "emulator":
        source = say("the emulator's stand-ins, which know no meaning")
    return chart(x, y, lines, say("{} questions; vectors: {}", rows[0]["questions"], source))


def prices(results: Path, say: Words) -> str:
    """Draw what a million texts and a million pictures cost."""
    rows = _rows(results / "prices.csv")
    groups = []
    for item in dict.fromkeys(row["item"] for row in rows):
        found = [row for row in rows if row["item"] == item]
        if item == "text":
            title = say("a million texts of {} tokens", found[0]["tokens"])
        else:
            title = say("a million pictures of {}", item.replace("x", " × "))
        groups.append((title, [_bar(row, say) for row in found]))
    read = [row["as_of"] for row in rows]
    return bars(groups, say("CNY, prices read {} to {}", min(read), max(read)))


def _bar(row: dict[str, str], say: Words) -> Bar:
    name, cost = row["model"], float(row["cny_per_million"])
    if row["route"] == "batch":
        name += say(", by Batch")
    shown = f"{cost:,.4g}"
    return Bar(
        name,
        cost,
        shown if row["item"] == "text" else say("{} ({} tokens each)", shown, f"{int(row['tokens']):,}"),
    )


def million(results: Path, say: Words) -> str:
    """Draw the memory of a run over the rows billed, with the time it had at each fifth."""
    rows = _rows(results / "million.csv")
    curve = [(float(row["rows_billed"]), float(row["rss_mb"])) for row in rows]
    whole = curve[-1][0]
    ticks = []
    for fifth in range(6):
        second = next(
            float(row["second"]) for row, (at, _) in zip(rows, curve, strict=True) if at >= whole * fifth / 5
        )
        ticks.append((whole * fifth / 5, f"{whole * fifth / 5:,.0f}\n{say('{} s', f'{second:.0f}')}"))
    y = upward(max(size for _, size in curve), say("RSS, MB"))
    name = say("at most {} MB", f"{max(size for _, size in curve):.0f}")
    return chart(Axis(0, whole, ticks, say("rows finished")), y, [Line(name, curve, BLUE, dots=False)])


def _rows(path: Path) -> Table:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def measure_concurrency(results: Path) -> None:
    """Run the client and the floor against a loopback server that answers late."""
    asked = ["--workloads", "W2", "--latency", "0.05", "--width", "1,4,16,64", "--rounds", "3"]
    log = _output("-m", "benchmarks", *asked, "--only", "ours_sync,ours_async,fast_async")
    (results / "concurrency.log").write_text(log.strip() + "\n", encoding="utf-8")


def measure_quality(results: Path) -> None:
    """Run the example."""
    _output("examples/scenarios/dimensions.py", "--csv", str((results / "quality.csv").resolve()))


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


MEASURED = {
    "concurrency": (measure_concurrency, concurrency),
    "quality": (measure_quality, quality),
    "prices": (measure_prices, prices),
    "million": (measure_million, million),
}


def main() -> int:
    """Measure what was asked for, then draw, or with --check say which plots are stale."""
    parser = argparse.ArgumentParser(prog="python scripts/plots.py")
    parser.add_argument(
        "--measure", nargs="*", choices=MEASURED, metavar="NAME", help="of all where none is named"
    )
    parser.add_argument(
        "--check", action="store_true", help="draw nothing; exit with 1 where a plot is stale"
    )
    parser.add_argument("--data", type=Path, default=RESULTS, help="folder of the measured data")
    parser.add_argument("--plots", type=Path, default=PLOTS, help="folder of the plots")
    given = parser.parse_args()
    for name in () if given.measure is None else given.measure or MEASURED:
        MEASURED[name][0](given.data)
    stale = []
    for language in ("en", "zh"):
        for name, (_, draw) in MEASURED.items():
            path, drawn = given.plots / language / f"{name}.svg", draw(given.data, Words(language))
            if path.is_file() and path.read_text("utf-8") == drawn:
                continue
            stale.append(f"{language}/{name}.svg")
            if not given.check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(drawn, encoding="utf-8")
    print(f"stale: {', '.join(stale)}" if stale else "up to date")
    return 1 if stale and given.check else 0


if __name__ == "__main__":
    raise SystemExit(main())
