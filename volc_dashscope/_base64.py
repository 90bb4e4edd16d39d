"""Base64 by the standard library, or four times as fast by pybase64 where the user chose the fast driver."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from volc_dashscope.errors import ConfigError

FAST_IS_MISSING = 'driver="aiohttp" needs: pip install "volc-dashscope[fast]"'


@dataclass(frozen=True, slots=True)
class Base64:
    """Two functions: `decode` refuses, with a ValueError, what is not exactly base64."""

    encode: Callable[[bytes], bytes]
    decode: Callable[[str], bytes]


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


STANDARD = Base64(base64.b64encode, _decode)


def quick() -> Base64:
    """
    Return pybase64's.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import pybase64
    except ImportError as error:
        raise ConfigError(FAST_IS_MISSING) from error
    return Base64(pybase64.b64encode, lambda text: pybase64.b64decode(text, validate=True))
