"""
Write the address of the repository into every link that needs it.

    python scripts/repository_url.py

The address is `Repository` in pyproject.toml, and is changed there alone. Links of the READMEs are absolute, because
PyPI resolves no others; the other addresses of `[project.urls]` begin with it. So do those of `packaging/`.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "README.md",
    "README.zh-CN.md",
    "pyproject.toml",
    *sorted(
        str(path.relative_to(ROOT))
        for name in ("README.md", "pyproject.toml")
        for path in (ROOT / "packaging").glob(f"*/{name}")
    ),
)
_FILE = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+(?=/blob/main/|/issues\"|\"$)", re.M)
_RAW = re.compile(r"https://raw\.githubusercontent\.com/[\w.-]+/[\w.-]+(?=/main/)")


def address() -> str:
    """Return the address, such as `https://github.com/owner/name`."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
    return str(found)


def rewritten(text: str, repository: str) -> str:
    """Return a text with its links to files of the repository at this address."""
    raw = repository.replace("https://github.com/", "https://raw.githubusercontent.com/")
    return _RAW.sub(raw, _FILE.sub(repository, text))


def main() -> None:
    """Rewrite the pages and say which have changed."""
    for name in PAGES:
        before = (ROOT / name).read_text("utf-8")
        after = rewritten(before, address())
        if after != before:
            (ROOT / name).write_text(after, "utf-8")
            print(name)


if __name__ == "__main__":
    main()
