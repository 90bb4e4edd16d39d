"""The files of a folder with their vectors, and the search for the nearest. Independent of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from volc_dashscope.errors import InputError
from volc_dashscope.results import FloatArray

Kind = Literal["image", "video"]


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One file.

    ```python
    print([entry.name for entry in album.entries if entry.kind == "image"][:2])
    ```
    ```text
    ['banana.png', 'red_chair.png']
    ```

    Attributes:
        name: Its path inside the folder, with "/".
    """

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Found:
    """
    One result: `place` is the entry's index in the album, `rank` starts at 1, `score` is the cosine.

    ```python
    (vector,) = client.embed(["a yellow banana"], text_type="query").vectors
    for found in album.search(vector, top=1):
        print(found.rank, found.entry.kind)
    ```
    ```text
    1 image
    ```
    """

    rank: int
    score: float
    place: int
    entry: Entry


@dataclass(frozen=True, slots=True, eq=False)
class Album:
    """
    A folder that can be searched.

    ```python
    from volc_dashscope import Client

    folder = Path("pictures")
    client = Client("qwen3-vl-embedding")
    album = open_album(folder, client, store_folder(folder, "emulator"))
    (vector,) = client.embed(["a yellow banana"], text_type="query").vectors
    print(len(album.search(vector, top=3)))
    ```
    ```text
    2
    ```

    Attributes:
        folder: The folder of the files.
        entries: Files that have a vector, sorted by name.
        vectors: float32, a row of length one for each entry.
        left_out: Reason by name, for each file without a vector.
    """

    folder: Path
    entries: Sequence[Entry]
    vectors: FloatArray
    left_out: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.entries)

    def search(self, vector: FloatArray, *, top: int, kind: Kind | None = None) -> list[Found]:
        """
        Return the nearest entries, best first; equal scores in the order of the album.

        Raises:
            InputError: The vector is not one of the album's length, or holds a NaN or infinity.
        """
        length = self.vectors.shape[1]
        if vector.shape != (length,) or not np.isfinite(vector).all():
            seen = "a NaN or infinity" if vector.shape == (length,) else f"the shape {vector.shape}"
            raise InputError(f"the vector has {seen}; the album accepts one vector of {length} numbers")
        scores = self.vectors @ unit(vector)
        places = np.argsort(-scores, kind="stable")
        fitting = (int(place) for place in places if kind in (None, self.entries[place].kind))
        return [
            Found(rank, float(scores[place]), place, self.entries[place])
            for rank, place in zip(range(1, top + 1), fitting, strict=False)
        ]

    def path(self, entry: Entry) -> Path:
        """Return the path of a file."""
        return self.folder / entry.name


def unit(vectors: FloatArray) -> FloatArray:
    """Divide a vector, or each row, by its length; one of length zero stays as it is."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)
