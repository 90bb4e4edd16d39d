"""
The words of texts as rows of features: Chinese characters and pairs of them, and pieces of other words.

Chinese is counted in arrays, for all texts of a request at once: ten texts of 180 characters have 3,600 characters
and pairs, and a dictionary looked up for each took most of the time of a request.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from volc_dashscope.emulator.shapes import units

FEATURES = 512

_FIRST_CHINESE, _LAST_CHINESE = 0x3400, 0x9FFF
_NOT_CHINESE = re.compile(r"[^\u3400-\u9fff]+")
_WORD = re.compile(r"[a-z]+|[0-9]+|[^\W\d_a-z\u3400-\u9fff]+")
_COMMON_WORDS = """
a an the of to in on at by for and or is are was be it its this that these those i you we they he she my
your our do does did how what when where which who why can could should with from as but than then into if
not no some any 的 了 是 在 和 与 吗 呢 吧 我 你 他 它 们 这 那 个 有 如 何 怎 么 样 请 把 被 就 都 也 一
什 为 可 以 能 com www https http jpg jpeg png gif webp mp4 mov avi oss
"""
COMMON = frozenset(_COMMON_WORDS.split())

_COMMON_LETTERS = np.zeros(2**16, np.bool_)
_COMMON_LETTERS[[ord(word) for word in COMMON if len(word) == 1]] = True
# By whether a common character is in it: of a Chinese character, and of a pair of them.
_WEIGHTS = np.array([[0.35, 1.0], [0.08, 0.2]])

# A bounded cache of the features of Chinese grams, 2 MB. The slot of a gram is a hash of it; a later gram takes the
# slot of an earlier one. Each entry holds its gram above 32 bits and the feature below, so that a thread that reads
# while another writes has the whole of one entry or of the other.
_SLOT_BITS = 18
_CACHE = np.zeros(2**_SLOT_BITS, np.uint64)
_HASH = np.uint32(2654435761)  # Knuth's multiplier; the best bits of the product are its highest
_NEGATIVE = np.uint64(FEATURES)  # the bit above the number of the feature


def digest(*parts: str | bytes) -> int:
    """Return 64 bits that depend on the parts, the same in every process and on every platform."""
    joined = b""
    for part in parts:
        data = part.encode("utf-8", "replace") if isinstance(part, str) else part
        joined += len(data).to_bytes(8, "little") + data
    return int.from_bytes(blake2b(joined, digest_size=8).digest(), "little")


def rows(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return (n, `FEATURES`), each row of unit length, or zero where a text has no words."""
    lowered = [text.lower() for text in texts]
    sums = _chinese(lowered)
    places, values = list[int](), list[float]()
    for start, text in zip(range(0, sums.size, FEATURES), lowered, strict=True):
        other = "\n".join(_NOT_CHINESE.findall(text))
        counts = Counter(chain.from_iterable(map(_pieces, _WORD.findall(other))))
        places += [start + feature for _, feature, _ in counts]
        values += [weight * times**0.5 for (_, _, weight), times in counts.items()]
    np.add.at(sums.reshape(-1), places, values)
    return units(sums.astype(np.float32))


def _chinese(texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the weighted sums of the Chinese characters and pairs of each text."""
    joined = "".join(f"{text}\0" for text in texts).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(joined, "<u4")
    owners = np.repeat(np.arange(len(texts), dtype=np.uint64), [len(text) + 1 for text in texts])
    chinese = (codes >= _FIRST_CHINESE) & (codes <= _LAST_CHINESE)
    letters, firsts = np.flatnonzero(chinese), np.flatnonzero(chinese[:-1] & chinese[1:])
    grams = np.concatenate([codes[letters], codes[firsts] | codes[firsts + 1] << 16])
    whose = owners[np.concatenate([letters, firsts])]
    keys, times = np.unique(whose << 32 | grams, return_counts=True)
    grams = keys.astype(np.uint32)  # the lower half
    entries = _entries(grams)
    features = (entries % FEATURES + (keys >> 32) * FEATURES).astype(np.intp)
    signs = np.where(entries & _NEGATIVE, -1.0, 1.0)
    common = _COMMON_LETTERS[grams & 0xFFFF] | _COMMON_LETTERS[grams >> 16]
    weights = _WEIGHTS[common.astype(np.intp), (grams > 0xFFFF).astype(np.intp)]
    sums = np.bincount(features, signs * weights * np.sqrt(times), len(texts) * FEATURES)
    # For an empty array, `bincount` returns integers.
    return sums.reshape(len(texts), FEATURES).astype(np.float64)


def _entries(grams: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return the cache's entries of grams: a character, or the first of a pair with the second 16 bits above it."""
    slots = grams * _HASH >> (32 - _SLOT_BITS)
    entries: NDArray[np.uint64] = _CACHE[slots]
    unknown = entries >> 32 != grams
    for pair in (False, True):
        places = np.flatnonzero(unknown & ((grams > 0xFFFF) == pair))
        if len(places):
            entries[places] = _made(grams[places], 2 if pair else 1)
            _CACHE[slots[places]] = entries[places]
    return entries


def _made(grams: NDArray[np.uint32], letters: int) -> NDArray[np.uint64]:
    """Return new entries of grams that have so many characters."""
    halves = grams.astype("<u4").view("<u2").reshape(-1, 2)[:, :letters]
    data = halves.tobytes().decode("utf-16-le").encode()
    size = 3 * letters  # each of these characters is three bytes
    # As `digest` of each, without a call for each.
    start = size.to_bytes(8, "little")
    digests = [
        blake2b(start + data[at : at + size], digest_size=8).digest() for at in range(0, len(data), size)
    ]
    numbers = np.frombuffer(b"".join(digests), "<u8")
    signs = np.where(numbers & np.uint64(1 << 40), np.uint64(0), _NEGATIVE)
    return np.asarray(grams.astype(np.uint64) << 32 | signs | numbers % FEATURES)


def _pieces(word: str) -> tuple[tuple[str, int, float], ...]:
    """Return what a word that is not Chinese may share with another: piece, feature and signed weight of each."""
    return _remembered(word) if len(word) <= _LONGEST_REMEMBERED else _split(word)


def _split(word: str) -> tuple[tuple[str, int, float], ...]:
    """Split a word: itself in the singular, and every three letters of it."""
    if word in COMMON:
        pieces = [(word, 0.1)]
    else:
        framed = f"^{word}$"
        pieces = [(re.sub(r"(?<=...)(ing|ed|es|s)$", "", word), 1.0)]
        pieces += [(framed[at : at + 3], 0.2) for at in range(len(framed) - 2)]
    numbered = [(piece, digest(piece), weight) for piece, weight in pieces]
    return tuple(
        (piece, number % FEATURES, weight if number & 1 << 40 else -weight)
        for piece, number, weight in numbered
    )


# Some 8 MB, and no more for long words.
_LONGEST_REMEMBERED = 32
_remembered = lru_cache(maxsize=2**13)(_split)
