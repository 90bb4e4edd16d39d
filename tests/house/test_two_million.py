"""The numbers of the guide for two million pictures, computed again from the models' rows."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
from PIL import Image as Pillow
from source import ROOT

from volc_dashscope import ClientSettings, Image, estimate_cost

ROW = re.compile(r"^\| (\S+) \| ([^|]+) \| ([\d,]+) \| ([\d,]+) (?:CNY|元) \| ([^|]+) \|$", re.M)
MANY = 2_000_000


@pytest.mark.parametrize("language", ["en", "zh"])
def test_tokens_prices_and_hours_follow_from_the_rows(language):
    found = ROW.findall((ROOT / "docs" / language / "two-million.md").read_text("utf-8"))
    made = [_computed(model, picture) for model, picture, *_ in found]

    assert 5 == len(found)
    assert made == [(tokens, price, _number(hours)) for _, _, tokens, price, hours in found]


def _computed(model: str, picture: str) -> tuple[str, str, float | None]:
    side = int(picture.partition(" x ")[0]) if " x " in picture else 512
    data = BytesIO()
    Pillow.new("RGB", (side, side)).save(data, "PNG")
    settings = ClientSettings(model, res_level=None if " x " in picture else 1)
    one = estimate_cost([Image.from_bytes(data.getvalue())], settings)
    assert one.tokens[0] == one.tokens[1]
    hours = None if one.seconds_at_limit is None else round(MANY * one.seconds_at_limit / 3600, 1)
    return f"{one.tokens[0]:,}", f"{MANY * one.price[0]:,.0f}", hours


def _number(hours: str) -> float | None:
    return float(hours) if hours[0].isdigit() else None
