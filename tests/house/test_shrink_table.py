"""The table of shrunk pictures in the guide on speed is what was measured."""

from __future__ import annotations

import re

import pytest
from source import ROOT

MEASURED = re.compile(r"^ +(none|[\d,]+) +([\d.]+) +([\d.]+) +([\d.]+) +\d+$", re.M)
PRINTED = re.compile(r"^\| (none|不设|[\d,]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", re.M)


@pytest.mark.parametrize(("language", "none"), [("en", "none"), ("zh", "不设")])
def test_the_guide_prints_what_the_log_holds(language, none):
    log = (ROOT / "benchmarks" / "results" / "shrink.log").read_text("utf-8")
    measured = MEASURED.findall(log)
    printed = PRINTED.findall((ROOT / "docs" / language / "speed.md").read_text("utf-8"))

    assert 3 == len(measured)
    assert [(limit.replace("none", none), *figures) for limit, *figures in measured] == printed
