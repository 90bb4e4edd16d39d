"""The rows of a call: each reply's at the positions of its items."""

from __future__ import annotations

import numpy as np
import pytest
from replies import ask_for

from volc_dashscope import Usage
from volc_dashscope._request.assembly import Assembly
from volc_dashscope._types import Rows

SPEC = ask_for("text-embedding-v4")


def _rows(*values: float) -> Rows:
    return Rows(vectors=np.array([[value, value] for value in values], np.float32), usage=Usage())


@pytest.mark.parametrize("where", [(1, 2, 3), (0, 2, 3), (0, 1, 4), (4,)], ids=str)
def test_rows_stand_where_their_items_are(where: tuple[int, ...]) -> None:
    assembly = Assembly(5, SPEC)
    assembly.store(tuple(range(5)), _rows(9, 9, 9, 9, 9))

    assembly.store(where, _rows(*where))

    found = assembly.result({}, ()).vectors[:, 0]
    assert [position if position in where else 9 for position in range(5)] == found.tolist()


def test_one_row_is_not_repeated_for_several_items() -> None:
    with pytest.raises(AssertionError, match="1 rows for 3 positions"):
        Assembly(3, SPEC).store((0, 1, 2), _rows(1))
