"""
Embed many pictures and set apart those that fail, three ways.

    python examples/scenarios/batch.py

"skip" leaves a row of NaN, "raise" finishes the others and raises with their rows, "abort" is all or nothing: it
stops at the first failure, as the group on Ark's page does.
"""

from __future__ import annotations

import numpy as np
from drawings import PICTURES, picture
from service import open_client, wants_bar

from volc_dashscope import BulkError, EmbeddingError, Image, InputError

MODEL = "doubao-embedding-vision-251215"
CUT = "cut short in the middle"
NOT_A_PICTURE = b"<html>404 Not Found</html>"


def broken() -> Image:
    """Return a picture whose header is whole and whose pixels are not: only decoding shows it."""
    return Image.from_bytes(picture("banana").read()[:2000])


def main() -> None:
    """Fail at reading, at the service, and as a group."""
    try:
        Image.from_bytes(NOT_A_PICTURE)
    except InputError as error:
        print(f"refused at reading, nothing sent: {error}")
    names = sorted(PICTURES)[:8]
    items = [picture(name) for name in names]
    names[3], items[3] = CUT, broken()
    with open_client(MODEL) as client:
        result = client.embed(items, on_error="skip", progress=wants_bar())
        done = int(np.count_nonzero(~np.isnan(result.vectors).any(axis=1)))
        print(f'"skip": {done} of {len(items)} rows, {client.usage.requests} requests paid')
        for index, error in result.errors.items():
            print(f"  item {index} ({names[index]}): {type(error).__name__}, code {error.code}")
        try:
            client.embed(items)
        except BulkError as error:
            rows = int(np.count_nonzero(~np.isnan(error.result.vectors).any(axis=1)))
            print(f'"raise": BulkError with {rows} finished rows, failed: {sorted(error.failures)}')
        try:
            client.embed(items, on_error="abort")
        except EmbeddingError as error:
            print(f'"abort": {type(error).__name__} at item {error.index}')


if __name__ == "__main__":
    main()
