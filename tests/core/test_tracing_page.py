"""The code of docs/en/tracing.md and docs/zh/tracing.md prints what the pages show, but for the request ids."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
_ID = re.compile(r'"gen_ai.response.id": "[0-9a-f-]+"')


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_shows_the_spans_of_its_code(language):
    page = (DOCS / language / "tracing.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    (shown,) = re.findall(r"^```json\n(.*?)^```$", page, re.M | re.S)

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert len(_ID.findall(shown)) == 2
    assert _ID.sub("", shown) == _ID.sub("", done.stdout)
