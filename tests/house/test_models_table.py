"""The READMEs' models table is made from the rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_in_the_readme_is_the_rows():
    script = [sys.executable, str(ROOT / "scripts" / "models_table.py"), "--check"]

    done = subprocess.run(script, capture_output=True, text=True, check=False, cwd=ROOT)

    assert ("up to date\n", 0) == (done.stdout, done.returncode)
