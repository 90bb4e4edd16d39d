"""The files of a folder with their vectors, and the search for the nearest. Does not use the service."""

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
    One file of an album.

    ```python
    print([entry.name for entry in album.entries if entry.kind == "image"][:2])
    ```
    ```text
    ['banana.png', 'red_chair.png']
    ```

    Attributes:
        name: Path inside the folder, with "/" as separator.
        kind: "image" or "video".
    """

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Found:
    """
    One result of a search.

    ```python
    (vector,) = client.embed(["a yellow banana"], text_type="query").vectors
    for found in album.search(vector, top=1):
        print(found.rank, found.entry.kind)
    ```
    ```text
    1 image
    ```

    Attributes:
        rank: Position in the ranking, from 1.
        score: Cosine similarity of the two vectors, from -1 to 1.
        place: Index of the entry in `Album.entries`.
        entry: The file that was found.
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
        vectors: float32, shape (n, dimension): row i is the unit vector of entry i.
        left_out: Reason by file name, for each file without a vector.
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

        Args:
            vector: float32, shape (dimension,), of any norm.
            top: How many entries to return.
            kind: "image" or "video"; None for both.

        Raises:
            InputError: The vector has another dimension than the album, or contains NaN or infinity.
        """
        length = self.vectors.shape[1]
        if vector.shape != (length,) or not np.isfinite(vector).all():
            actual = "a NaN or infinity" if vector.shape == (length,) else f"the shape {vector.shape}"
            raise InputError(f"the vector has {actual}; the album accepts one vector of {length} numbers")
        scores = self.vectors @ unit(vector)
        places = np.argsort(-scores, kind="stable")
        fitting = (int(place) for place in places if kind in (None, self.entries[place].kind))
        return [
            Found(rank, float(scores[place]), place, self.entries[place])
            for rank, place in zip(range(1, top + 1), fitting, strict=False)
        ]

    def path(self, entry: Entry) -> Path:
        """
        Return the path of a file.

        Args:
            entry: One of the album's entries.
        """
        return self.folder / entry.name


def unit(vectors: FloatArray) -> FloatArray:
    """Divide a vector, or each row of an array, by its L2 norm; a zero vector is returned unchanged."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)
