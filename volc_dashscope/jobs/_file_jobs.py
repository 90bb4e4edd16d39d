"""`FileJobs` and `AsyncFileJobs`: thin mirrors of the flows in `_file_work`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from volc_dashscope._wire import TextType
from volc_dashscope.jobs import _file_work
from volc_dashscope.jobs._file_work import FileWork
from volc_dashscope.jobs._gathering import Harvest
from volc_dashscope.jobs._job import Job, JobResult
from volc_dashscope.jobs._settings import Async, Settings, Sync

_MODEL = "text-embedding-async-v2"
_DAY = 24 * 3600.0


class _FileSettings(Settings):
    __doc__ = Settings.__doc__
    _route = "async"

    if TYPE_CHECKING:

        def __init__(self, model: str = _MODEL, **settings: Any) -> None: ...

    else:

        def __init__(self, model=_MODEL, **settings):
            super().__init__(model, **settings)
            self._work = FileWork(self._terms)

    _work: FileWork

    def write(self, texts: Iterable[str], path: str | Path) -> int:
        """
        Write texts as the lines of a new .txt file, to be put where the service can fetch it.

        Returns:
            The number of lines, for `collect(count=...)`.

        Raises:
            InputError: A text is empty, too long or not one line, or there are too many. Nothing is written.
        """
        return _file_work.write(texts, path, self._ask)
