"""Write the models table of the READMEs from the rows: python scripts/models_table.py [--check]."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from volc_dashscope.models import ModelCard, models

ROOT = Path(__file__).resolve().parent.parent
FILES = ("README.md", "README.zh-CN.md")
MARKED = re.compile(r"(<!-- models -->\n).*?(<!-- /models -->)", re.DOTALL)
HEAD = (
    "| model | embeds | dimensions (**default**) | a request holds | CNY per million tokens | regions |\n"
    + "|---|---|---|---|---|---|\n"
)


def row(card: ModelCard) -> str:
    """Return one line of the table."""
    kinds = " ".join(kind for kind in ("text", "image", "video", "frames") if kind in card.modalities)
    lengths = " ".join(
        f"**{length}**" if length == card.default_dimension else str(length) for length in card.dimensions
    )
    cells = [
        f"`{card.name}`",
        kinds + (", fused" if card.fusion else ""),
        lengths or "?",
        "one item" if card.batch == 1 else f"{card.batch:,} items",
        _price(card),
        " ".join(card.regions),
    ]
    note = f" ({card.note})" if not card.ready else ""
    return "| " + " | ".join(cells) + note + " |\n"


def table() -> str:
    """Return the whole table."""
    return HEAD + "".join(row(card) for card in models())


def _price(card: ModelCard) -> str:
    if card.price is None:
        return "?"
    media = (
        f" · {card.price.image:g}"
        if card.price.image is not None and card.price.image != card.price.text
        else ""
    )
    return f"{card.price.text:g}{media}"


def main() -> int:
    """Rewrite the READMEs, or with --check say which are stale."""
    stale = []
    for name in FILES:
        path = ROOT / name
        if not path.exists():
            continue
        old = path.read_text(encoding="utf-8")
        new = MARKED.sub(lambda found: found[1] + table() + found[2], old)
        if new != old:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(new, encoding="utf-8")
    print(f"stale: {', '.join(stale)}" if stale else "up to date")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    raise SystemExit(main())
