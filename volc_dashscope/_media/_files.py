"""Opens local files safely: regular files only, and inside a given folder."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from volc_dashscope.errors import InputError

# Without O_NONBLOCK a FIFO put in the file's place after the check would hang the caller.
_FLAGS = os.O_RDONLY
for _name in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NONBLOCK"):
    _FLAGS |= getattr(os, _name, 0)
_NAMED_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def open_fenced(path: str | Path, root: str | Path | None) -> BinaryIO:
    """
    Open a regular file for reading, as `open_descriptor` does.

    Raises:
        InputError: It is missing, unreadable, not a regular file, or outside `root`.
    """
    descriptor, _ = open_descriptor(path, root)
    try:
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def open_descriptor(path: str | Path, root: str | Path | None) -> tuple[int, os.stat_result]:
    """
    Open a regular file for reading, and return its descriptor, which the caller closes, and its status.

    Args:
        path: The file; symlinks and `..` are followed.
        root: The directory that must contain it once they are followed; None for anywhere.

    Raises:
        InputError: It is missing, unreadable, not a regular file, or outside `root`.
    """
    try:
        # Checked before it is opened, because opening a device can have side effects.
        folder, name = os.path.split(path)
        real, status = _resolved(os.fspath(path), folder, name)
        if status is not None and root is not None and folder == os.fspath(root):
            fence: str | None = os.path.dirname(real)  # the root is the folder of the file, which is resolved
        else:
            fence = None if root is None else _fence(root)
        _require_inside(real, path, fence)
        _require_regular(os.stat(real) if status is None else status, path)
        descriptor = os.open(real, _FLAGS)
        try:
            # Checked again through the descriptor, because the path may have been replaced meanwhile.
            opened = os.fstat(descriptor)
            _require_regular(opened, path)
            if (place := _opened_path(descriptor, real)) != real:
                _require_inside(place, path, fence)
            return descriptor, opened
        except BaseException:
            os.close(descriptor)
            raise
    except FileNotFoundError as exc:
        raise InputError(f"file {show_path(path)} does not exist") from exc
    except PermissionError as exc:
        raise InputError(f"file {show_path(path)} cannot be read: permission denied") from exc
    except OSError as exc:
        raise InputError(f"file {show_path(path)} cannot be opened") from exc


def show_path(path: str | Path) -> str:
    """Quote a path for a message. One that is too long for a path (content passed by mistake) is not shown."""
    text = str(path)
    return repr(text) if len(text) <= 255 else f"(a path of {len(text)} characters)"


def _resolved(path: str, folder: str, name: str) -> tuple[str, os.stat_result | None]:
    """
    Return the real path of a file; also its status, if it is no link and was looked at for this.

    Following every link of the path of each of 50,000 files took a third of the time of their preview.
    """
    if name not in ("", ".", ".."):
        try:
            status = os.lstat(path)
            if not stat.S_ISLNK(status.st_mode):
                return os.path.join(_real_folder(folder), name), status
        except OSError:
            pass  # the real path of a missing file decides which error is raised
    return os.path.realpath(path), None


def _real_folder(folder: str) -> str:
    status = os.stat(folder or os.curdir)
    return _real_folder_of(folder, status.st_dev, status.st_ino)


@lru_cache(maxsize=64)
def _real_folder_of(folder: str, device: int, inode: int) -> str:
    """
    Return the real path of a folder, once for as long as the path leads to the same folder.

    If the folder itself is moved and a link put in its place, the path that is kept is wrong. The real path of the
    open file is checked after this, and then refuses the file.
    """
    return os.path.realpath(folder)


def _fence(root: str | Path) -> str:
    with suppress(OSError):
        status = os.stat(root)
        if stat.S_ISDIR(status.st_mode):
            return _real_folder_of(os.fspath(root), status.st_dev, status.st_ino)
    raise InputError(f"root {show_path(root)} is not a directory")


def _require_inside(real: str, path: str | Path, fence: str | None) -> None:
    if fence is not None and not _is_inside(os.path.normcase(real), os.path.normcase(fence)):
        message = f"file {show_path(path)} is outside root {show_path(Path(fence))} after following links"
        raise InputError(message)


def _is_inside(real: str, fence: str) -> bool:
    # The separator keeps out "media-twin", which is not inside "media". The root of the system ends in one itself.
    return real == fence or real.startswith(fence if fence.endswith(os.sep) else fence + os.sep)


def _require_regular(status: os.stat_result, path: str | Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _NAMED_KINDS.get(stat.S_IFMT(status.st_mode), "special")
        raise InputError(f"{show_path(path)} is {kind}; expected a regular file")
    if status.st_size == 0:
        raise InputError(f"file {show_path(path)} is empty")


def _opened_path(descriptor: int, real: str) -> str:
    """Return the real path of the open file: from the kernel on Linux, by resolving it again elsewhere."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        again = os.path.realpath(real)
        if not os.path.samestat(os.stat(again), os.fstat(descriptor)):
            raise InputError(f"file {show_path(Path(real))} was replaced while it was being opened") from None
        return again
