"""`make demo` as a reader without a key runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("ARK_API_KEY", "DASHSCOPE_API_KEY", "ARK_BASE_URL", "DASHSCOPE_BASE_URL")


def test_queries_that_need_a_model_are_listed_apart(tmp_path):
    """Without a model, those above the heading find their picture; those below it are expected to fail."""
    environment = {name: value for name, value in os.environ.items() if name not in KEYS}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, str(ROOT / "examples" / "demo.py")]

    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
    )

    assert 0 == done.returncode, done.stderr
    plain, _, need_model = done.stdout.partition("\nneeds the real model: ")
    found = dict(re.findall(r"^(\S.*?) +\| +1 \| +\d\.\d+ \| (\w+)\.png$", plain, re.M))
    assert {
        "蓝色海景": "blue_seascape",
        "blue seascape": "blue_seascape",
        "香蕉": "banana",
        "a red apple": "red_apple",
        "夜空中的月亮": "night_sky_with_moon",
        "green sofa": "green_sofa",
        "黄色的椅子": "yellow_chair",
        "[boat with red sails]": "sailing_boat",
        "[small teal chair]": "blue_chair",
        "[yellow apple]": "green_apple",
        "[red chair] + this, but blue": "blue_chair",
        "[red apple] + 同样的水果，但是绿色的": "green_apple",
    } == found
    assert {"雪山", "the flag of Sweden"} <= set(re.findall(r"^(\S.*?) +\| +1 \|", need_model, re.M))
    assert (tmp_path / "demo-output" / "gallery.html").is_file()
