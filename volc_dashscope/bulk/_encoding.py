"""The encoding of a text file, by its first megabyte: UTF-8, or the GBK that Excel writes in China."""

from __future__ import annotations

import codecs
from pathlib import Path

_SAMPLE = 1024 * 1024
# Of the letters beyond ASCII, so many must be in GB2312, which has all that is common in Chinese; two bytes of
# another encoding that happen to be a letter of GBK are mostly rare ones.
_COMMON = 0.9
# In GBK hardly a line with Chinese is UTF-8 by chance.
_UTF8_LINES = 0.2


def detect_encoding(path: Path) -> str | None:
    """Return "gb18030" or "utf-16" where a file is in that, and None for UTF-8 and for what cannot be told."""
    try:
        with path.open("rb") as file:
            sample = file.read(_SAMPLE)
    except OSError:
        return None  # whoever reads it says so
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if _decodes(sample, "utf-8"):
        return None
    foreign = [line for line in sample.splitlines() if not line.isascii()]
    if sum(_decodes(line, "utf-8") for line in foreign) > _UTF8_LINES * len(foreign):
        return None
    return "gb18030" if _decodes(sample, "gb18030") and _is_chinese(sample) else None


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        # Incrementally: the sample may end within a letter.
        codecs.getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _is_chinese(sample: bytes) -> bool:
    letters = [letter for letter in sample.decode("gb18030", errors="ignore") if not letter.isascii()]
    common = len("".join(letters).encode("gb2312", errors="ignore")) // 2
    return bool(letters) and common >= _COMMON * len(letters)
