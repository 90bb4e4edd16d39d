"""python -m benchmarks.curve results/million.csv docs/million.svg: the RSS of a run as a plot, from no library."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM = 720, 260, 60, 40


def draw(samples: list[tuple[float, int, float]]) -> str:
    """Return an SVG of memory over rows billed, and the time the run had at each tenth."""
    rows = max(billed for _, billed, _ in samples)
    top = 100 * (int(max(size for *_, size in samples)) // 100 + 1)

    def place(billed: int, size: float) -> tuple[float, float]:
        return LEFT + (WIDTH - LEFT - 10) * billed / rows, (HEIGHT - BOTTOM) * (1 - size / top) + 10

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(billed, size) for _, billed, size in samples))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT + 20}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for size in range(0, top + 1, 100):
        x, y = place(0, size)
        parts.append(f'<path d="M{x} {y:.1f}H{WIDTH - 10}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 6}" y="{y + 4:.1f}" text-anchor="end">{size} MB</text>')
    for tenth in range(0, 11, 2):
        x, _ = place(rows * tenth // 10, 0)
        second = next((second for second, billed, _ in samples if billed >= rows * tenth / 10), 0.0)
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{rows * tenth // 10:,}</text>'
        )
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT + 6}" text-anchor="middle" fill="#777">{second:.0f} s</text>'
        )
    parts.append(f'<polyline points="{line}" fill="none" stroke="#0b6" stroke-width="1.5"/></svg>')
    return "\n".join(parts) + "\n"


def main() -> None:
    """Draw the file named first into the file named second."""
    source, target = map(Path, sys.argv[1:])
    with source.open(newline="") as file:
        samples = [
            (float(row["second"]), int(row["rows_billed"]), float(row["rss_mb"]))
            for row in csv.DictReader(file)
        ]
    target.write_text(draw(samples))


if __name__ == "__main__":
    main()
