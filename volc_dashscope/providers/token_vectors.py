"""
Ark's `multi_embedding`: one vector per token.

API page docs/82379/1523520 (2026-08-27): base64 -> decompress -> little-endian float16 -> (tokens, dimension).
No shape is sent, so only the full length is read from this form.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from numpy.typing import NDArray

from volc_dashscope._types import RequestSpec, counted
from volc_dashscope.errors import ConfigError
from volc_dashscope.providers.parsing import Malformed, holds_bool

_MAX_BYTES = 512 * 1024 * 1024
# Compressed bytes read at a time. A block of four bytes may stand for 128 KiB, so that 128 MiB come of these at most.
_PIECE = 4096


def request_fields(spec: RequestSpec) -> dict[str, str]:
    """
    Return the fields that request token vectors: compressed if the extra `multi` is installed and the length is full.

    Compressed vectors come without their width, and the sources disagree on it at a shorter length (contradiction C14:
    that length, or always the full one, which divides as well). Rows of numbers show their width.
    """
    plain = _zstandard() is None or not _is_full(spec)
    return {"type": "enabled"} if plain else {"type": "enabled", "compression": "zstd"}


def _is_full(spec: RequestSpec) -> bool:
    full = spec.model_info.default_dimension
    return full is not None and spec.expected == full


def token_vectors(value: Any, spec: RequestSpec) -> NDArray[np.float16]:
    """Decode one item's token vectors into float16 of shape (tokens, dimension)."""
    # Unsourced A10: token vectors are as wide as the dimension that was asked for, except where they are
    # compressed. Settled by one call at 1,024.
    columns = spec.expected
    if isinstance(value, str):
        if not _is_full(spec):
            raise Malformed(
                "token vectors are compressed, and then their width at a reduced dimension is unknown"
            )
        data = _decompressed(value)
        if len(data) % 2:
            raise Malformed(f"token vectors of {counted(len(data), 'bytes')} are not float16 numbers")
        flat = np.frombuffer(data, dtype="<f2")
        if columns is None or not len(flat) or len(flat) % columns:
            raise Malformed(f"{len(flat)} numbers of token vectors do not divide into rows of {columns}")
        rows = flat.reshape(-1, columns)
    else:
        try:
            rows = np.array(value)
        except (ValueError, OverflowError) as error:
            raise Malformed("token vectors are not a table of numbers") from error
        if rows.ndim != 2 or rows.dtype.kind not in "fiu" or columns not in (None, rows.shape[1]):
            raise Malformed("token vectors are not a table of numbers")
        # True became 1 and false 0: the lists are looked at only if they may hold one.
        if not (rows.all() and (rows != 1).all()) and any(map(holds_bool, value)):
            raise Malformed("token vectors are not a table of numbers")
    with np.errstate(over="ignore"):
        table = rows.astype(np.float16)
    if not np.isfinite(table).all():
        raise Malformed("a token vector contains a number that is not finite")
    return table


def _decompressed(value: str) -> bytes | bytearray:
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("token vectors are not valid base64") from error
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return _zstd(data)
    return _blosc2(data)


def _zstd(data: bytes) -> bytearray:
    zstandard = _zstandard()
    if zstandard is None:
        raise ConfigError('token vectors are compressed; to read them: pip install "volc-dashscope[multi]"')
    plain, place, decompressor = bytearray(), 0, zstandard.ZstdDecompressor()
    try:
        while place < len(data):
            # One frame. zstandard does not say that one is cut short: the blocks before would be all token vectors.
            frame = decompressor.decompressobj()
            while not frame.eof:
                piece = data[place : place + _PIECE]
                if not piece:
                    raise Malformed("token vectors are compressed and cut short")
                plain += frame.decompress(piece)
                place += len(piece)
                if len(plain) > _MAX_BYTES:
                    raise Malformed(f"token vectors have more than {_MAX_BYTES:,} bytes")
            place -= len(frame.unused_data)
    except zstandard.ZstdError as error:
        raise Malformed("token vectors cannot be decompressed") from error
    return plain


def _blosc2(data: bytes) -> bytes:
    try:
        import blosc2
    except ImportError as error:
        raise ConfigError(
            'token vectors are compressed; to read them: pip install "volc-dashscope[multi]"'
        ) from error
    try:
        size, packed, _ = blosc2.get_cbuffer_sizes(data)
        # It does not say that more follows.
        if not 0 < size <= _MAX_BYTES or packed != len(data):
            raise Malformed("token vectors cannot be decompressed")
        plain: bytes = blosc2.decompress2(data)
    except (RuntimeError, ValueError, TypeError) as error:
        raise Malformed("token vectors cannot be decompressed") from error
    return plain


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        return None
    return zstandard
