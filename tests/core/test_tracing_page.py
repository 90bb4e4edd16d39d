"""The code of docs/en/tracing.md and docs/zh/tracing.md prints what the pages show, but for the request ids."""

from __future__ import annotations

import os
import re
from pathlib import Path

import forked
import pytest

DOCS = Path(__file__).parents[2] / "docs"
_ID = re.compile(r'"gen_ai.response.id": "[0-9a-f-]+"')


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_shows_the_spans_of_its_code(language):
    page = (DOCS / language / "tracing.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    (shown,) = re.findall(r"^```json\n(.*?)^```$", page, re.M | re.S)

    process = forked.start(code, folder=DOCS, environ=os.environ)
    out, err = process.communicate(timeout=60)

    assert 0 == process.returncode, err
    assert len(_ID.findall(shown)) == 2
    assert _ID.sub("", shown) == _ID.sub("", out)
