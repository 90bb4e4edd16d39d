"""
Whether the bytes of a base64 vector are little-endian float32, as far as the numbers themselves can tell. Pure.

The layout is settled (the vendor's Go SDK, both endpoints) and nothing else is ever read. But another layout may fill
exactly as many bytes: 2,048 float16 or bfloat16 numbers where 1,024 float32 are due, or 512 of float64, or the right
numbers big-endian. Read as float32 they are finite and wrong. The sizes of their numbers give them away:

- The components of an embedding lie within a few powers of two of each other. A pair of float16 or a big-endian number
  puts mantissa bits where float32 has its exponent, so that the components are spread over dozens of them.
- The lower half of a float32 holds mantissa bits: all zero (values rounded to bfloat16, as the vendors' are), a few
  patterns, or noise. In a pair of bfloat16 it is a number itself, whose exponents are close together too.
- Every other number is zero where float64 numbers that were rounded before are read as pairs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Fewer numbers than this prove nothing.
_FEWEST = 32
# Numbers looked at: enough for a verdict, few enough to cost microseconds.
_SAMPLE = 256
# Powers of two between the 5 % smallest and the 5 % largest components. A normal distribution has 5, a pair of float16
# 40, a big-endian float32 200.
_WIDEST = 20


def is_other_layout(row: NDArray[np.float32]) -> bool:
    """Return whether a row decoded as little-endian float32 was written in another layout."""
    # Everything is done on bits: a signalling NaN would warn in any calculation.
    bits = row.view("<u4") & 0x7FFFFFFF
    if not (bits[::2].any() and bits[1::2].any()) and np.count_nonzero(bits) >= _FEWEST:
        return True
    bits = bits[:: max(1, len(bits) // _SAMPLE)]
    bits = bits[bits != 0]
    if len(bits) < _FEWEST:
        return False
    if _spread(bits >> 23) > _WIDEST:
        return True
    lower = bits & 0x7FFF
    lower = lower[lower != 0]
    return len(lower) >= 0.9 * len(bits) and _spread(lower >> 7) <= _WIDEST


def _spread(exponents: NDArray[np.uint32]) -> int:
    """Return the distance of the 5 % smallest from the 5 % largest."""
    edge = len(exponents) // 20
    ordered = np.sort(exponents)
    return int(ordered[-1 - edge]) - int(ordered[edge])
