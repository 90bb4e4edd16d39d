"""The vendors' own samples: fixtures/ark and fixtures/dashscope, one file each, with its page and date."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "scripts"))

from fill_vectors import fill_all  # noqa: E402  # scripts/ is on the path now

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = sorted(path.relative_to(FIXTURES).with_suffix("").as_posix() for path in FIXTURES.glob("*/*.json"))
ABSENT = "(absent)"


def sample(name: str) -> dict[str, Any]:
    """Return a page's sample as it is stored."""
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def full_reply(name: str, length: int) -> tuple[int, bytes]:
    """Return the status and body a page prints, with vectors of `length` numbers."""
    reply = sample(name)["reply"]
    body, _ = fill_all(reply["body"], length)
    return reply["status"], json.dumps(body, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Difference:
    """One value of a body that is not what the page prints, on purpose."""

    path: str
    page: Any
    ours: Any
    reason: str


def compare(page: Any, ours: Any) -> dict[str, tuple[Any, Any]]:
    """Return {path: (page, ours)} of every leaf that differs."""
    theirs, mine = dict(_leaves(page, "")), dict(_leaves(ours, ""))
    return {
        path: (theirs.get(path, ABSENT), mine.get(path, ABSENT))
        for path in sorted({*theirs, *mine})
        if not _same(theirs.get(path, ABSENT), mine.get(path, ABSENT))
    }


def _same(one: Any, other: Any) -> bool:
    # 1 == True and 1 == 1.0 in Python, not in JSON.
    return type(one) is type(other) and one == other


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    if not value or not isinstance(value, dict | list):
        yield path, value
    for step, inner in members:
        yield from _leaves(inner, f"{path}.{step}" if path else str(step))
