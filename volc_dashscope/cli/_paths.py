"""The type of all paths on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


class PathArgument(click.Path):
    """
    As `click.Path`, for a `Path`; an empty text is refused.

    `Path("")` is the working directory: a variable that is not set would embed all that is in it.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(path_type=Path, **settings)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Return the path; fail where it is empty or does not fit the settings."""
        if value == "":
            self.fail("the path is empty; a variable in the command may not be set", param, ctx)
        return super().convert(value, param, ctx)
