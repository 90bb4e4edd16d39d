"""What the pages on Ray say of money and hours is what the models' rows say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from marked import block, write_block
from ray_run import png

from volc_dashscope import Image, estimate_cost

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "en" / "ray.md", DOCS / "zh" / "ray.md"]
PICTURES = 100_000_000
ARK = "doubao-embedding-vision-251215"
CASES = [
    (ARK, 224, None),
    (ARK, 250, None),
    (ARK, 512, None),
    (ARK, 1024, None),
    ("tongyi-embedding-vision-plus-2026-03-06", 1024, 0),
    ("tongyi-embedding-vision-plus-2026-03-06", 1024, 1),
    ("tongyi-embedding-vision-flash-2026-03-06", 1024, 0),
    ("tongyi-embedding-vision-flash-2026-03-06", 1024, 1),
]


def _line(model: str, side: int, level: int | None) -> str:
    found = estimate_cost([Image.from_bytes(png(1, side))], model, res_level=level)
    tokens = found.tokens[0]
    assert found.price is not None
    money = f"{found.price[0] * PICTURES:,.0f} {found.currency}"
    rpm, tpm = found.model_info.requests_per_minute, found.model_info.tokens_per_minute
    by_requests = f"{PICTURES / rpm / 60:,.0f}" if rpm else "not published"
    by_tokens = f"{PICTURES * tokens / tpm / 60:,.0f}" if tpm else "not published"
    size = f"{side} x {side}" if level is None else f"any, `res_level={level}`"
    return f"| {model} | {size} | {tokens:,} | {money} | {by_requests} | {by_tokens} |"


def _table() -> str:
    head = (
        "| model | picture | tokens each | price | hours by requests | hours by tokens |\n"
        "|---|---|--:|--:|--:|--:|\n"
    )
    return head + "".join(f"{_line(*case)}\n" for case in CASES)


@pytest.mark.parametrize("page", PAGES, ids=["en", "zh"])
def test_the_table_of_the_page_is_the_rows(request: pytest.FixtureRequest, page: Path) -> None:
    if request.config.getoption("--write-ray"):
        write_block(page, "price", _table())

    assert _table() == block(page, "price")


def test_the_code_of_the_page_runs(emulate, tmp_path: Path) -> None:
    """In a process of its own: its Ray's workers have the key and the address from their environment."""
    emulator = emulate(socket=True).emulator
    (tmp_path / "pictures").mkdir()
    for number in range(20):
        (tmp_path / "pictures" / f"{number}.png").write_bytes(png(number))
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture")
    code, other = (page.read_text("utf-8").split("```python\n")[1].split("```")[0] for page in PAGES)
    assert code == other
    environment = {**os.environ, "ARK_API_KEY": "k", "ARK_BASE_URL": emulator.ark_url}

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ("21", 0) == (done.stdout.split()[-1], done.returncode), done.stderr
    assert 20 == len(emulator.ledger)
