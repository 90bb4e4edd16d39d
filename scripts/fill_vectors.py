"""
Fill the vectors that the vendors' pages elide, and write the `docs` cassettes.

    python scripts/fill_vectors.py            write tests/cassettes/docs
    python scripts/fill_vectors.py --check    say whether it is what would be written

A page prints `[-0.123, -0.355, ..., -0.256]`; a client that checks lengths needs all the numbers. What is
printed stays where it is, and the gap gets numbers that depend on nothing but their position.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "wire" / "fixtures"
CASSETTES = ROOT / "tests" / "cassettes" / "docs"
ELIDED = "..."

# Samples with a request that this library sends word for word, and its reply.
COMPLETE = (
    "ark/api-image-text",
    "dashscope/text-v3",
    "dashscope/media-text-sdk",
    "dashscope/media-image-v1",
    "dashscope/media-bad-key",
)


def fill(row: list[Any], length: int) -> list[float]:
    """Return a printed vector with its gap filled, `length` numbers in all."""
    gap = row.index(ELIDED)
    head, tail = row[:gap], row[gap + 1 :]
    made = [_number(position) for position in range(gap, length - len(tail))]
    return [*head, *made, *tail]


def fill_all(body: Any, length: int) -> tuple[Any, list[str]]:
    """Return a reply with every gap filled, and the dotted paths of the vectors that had one."""
    paths: list[str] = []

    def filled(value: Any, path: str) -> Any:
        if isinstance(value, list) and ELIDED in value:
            paths.append(path)
            return fill(value, length)
        if isinstance(value, dict):
            return {key: filled(inner, _below(path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner, _below(path, index)) for index, inner in enumerate(value)]
        return value

    return filled(body, ""), paths


def cassettes() -> Iterator[tuple[Path, str]]:
    """Yield the path and text of every `docs` cassette."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "cassettes")]
    from cassette_tape import written

    from volc_dashscope import get_model_info

    for name in COMPLETE:
        page = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
        request, reply = page["request"], page["reply"]
        row = get_model_info(request["body"]["model"])
        length = row.default_dimension if row is not None and row.default_dimension else 0
        body, paths = fill_all(reply["body"], length)
        interaction = {
            "request": {
                "method": request["method"],
                "uri": request["url"],
                "body": json.dumps(request["body"], ensure_ascii=False),
                "headers": {"content-type": ["application/json"]},
            },
            "response": {
                "status": {"code": reply["status"], "message": None},
                "headers": {"content-type": ["application/json"]},
                "body": {"string": json.dumps(body, ensure_ascii=False)},
            },
        }
        label = {
            "origin": "docs",
            "source": f"{page['source']}; {page['section']}",
            "as_of": page["as_of"],
            "fixture": name,
            "filled": [
                {"path": path, "length": length, "by": "scripts/fill_vectors.py"} for path in sorted(paths)
            ],
        }
        target = CASSETTES / f"{name.replace('/', '-')}.yaml"
        yield target, written({**label, "version": 1, "interactions": [interaction]})


def main(arguments: list[str]) -> int:
    """Write the cassettes, or with --check only say whether they are what would be written."""
    stale = [
        path for path, text in cassettes() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in arguments:
        sys.stdout.write(
            "up to date\n" if not stale else f"stale: {', '.join(path.name for path in stale)}\n"
        )
        return 1 if stale else 0
    CASSETTES.mkdir(parents=True, exist_ok=True)
    for path, text in cassettes():
        path.write_text(text, encoding="utf-8")
    return 0


def _number(position: int) -> float:
    # Short in JSON, exact in float32, and no two neighbours alike.
    return (position * 37 % 61 - 30) / 32


def _below(path: str, step: str | int) -> str:
    return f"{path}.{step}" if path else str(step)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
