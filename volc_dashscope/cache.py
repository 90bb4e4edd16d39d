"""
Vectors kept on disk: `Client(model, cache=SQLiteCache("vectors.sqlite"))`.

A client makes the keys, from the model, dimension, role, instruction and content, and the values, float32 in
little-endian order. The cache stores bytes under text keys, for any number of threads and processes at a time.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from volc_dashscope._paths import checked_path
from volc_dashscope.errors import ConfigError, InputError

__all__ = ["CacheStats", "SQLiteCache"]

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, value BLOB NOT NULL, used INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS vectors_by_use ON vectors (used)",
)
_APPLICATION_ID = 0x766F6C63  # "volc", in the file's header: another program's database is not written to
_LOCK_SECONDS = 60.0
# Keys looked up in one statement, if SQLite allows as many variables: by default 32,766, but 999 before 3.32.
_KEYS_PER_STATEMENT = 10_000
# The time an entry was used is written at most once a day, so that reading a million does not write a million.
_FRESH = 24 * 3600
_DROPPED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class CacheStats:
    """
    The content of a cache, in numbers.

    ```python
    with SQLiteCache("vectors.db") as cache:
        cache["a"] = b"1234"
        print(cache.stats().entries, cache.stats().value_bytes)
    ```
    ```text
    1 4
    ```

    Attributes:
        entries: Vectors.
        value_bytes: Their bytes together.
        file_bytes: Size of the file on disk, with its journal.
        oldest: When the least recently used entry was used, in seconds since 1970, exact to a day; None when empty.
        newest: The same for the most recently used one.
    """

    entries: int
    value_bytes: int
    file_bytes: int
    oldest: int | None
    newest: int | None


class SQLiteCache(MutableMapping[str, bytes]):
    """
    A mapping of text keys to bytes in one SQLite file (WAL), safe with threads, forks and other processes.

    ```python
    from volc_dashscope import Client

    with SQLiteCache("vectors.db") as cache:
        client = Client("text-embedding-v4", cache=cache)
        client.embed(["a red shoe"])
        client.embed(["a red shoe"])
        print(client.usage.requests)
    ```
    ```text
    1
    ```

    Args:
        path: The file; it is made when it does not exist. Not on a network file system, which WAL forbids.

    Raises:
        ConfigError: The file is something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = checked_path(path, "cache")
        self._db: sqlite3.Connection | None = None
        self._reset()
        with self._connected():
            pass

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the entries of many keys, with one statement for each 10,000."""
        found: dict[str, bytes] = {}
        stale: list[str] = []
        now = int(time.time())
        with self._connected() as db:
            size = min(_KEYS_PER_STATEMENT, db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER))
            for start in range(0, len(keys), size):
                chunk = keys[start : start + size]
                marks = ",".join("?" * len(chunk))
                statement = f"SELECT key, value, used FROM vectors WHERE key IN ({marks})"  # noqa: S608 - only marks
                for key, value, used in db.execute(statement, chunk):
                    found[key] = value
                    if now - used > _FRESH:
                        stale.append(key)
            if stale:
                # On a full disk the time of use is not written, but the entries are still returned.
                with suppress(sqlite3.OperationalError), _writing(db):
                    update = "UPDATE vectors SET used = ? WHERE key = ?"
                    db.executemany(update, [(now, key) for key in stale])
        return found

    def set_many(self, entries: Mapping[str, bytes]) -> None:
        """Write many entries in one transaction."""
        now = int(time.time())
        rows = [(key, bytes(value), now) for key, value in entries.items()]
        with self._connected() as db, _writing(db):
            db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)

    def stats(self) -> CacheStats:
        """Count the entries and their bytes."""
        statement = "SELECT count(*), coalesce(sum(length(value)), 0), min(used), max(used) FROM vectors"
        with self._connected() as db:
            entries, size, oldest, newest = db.execute(statement).fetchone()
        return CacheStats(entries, size, self._file_bytes(), oldest, newest)

    def prune(self, *, max_age: float | None = None, max_bytes: int | None = None) -> int:
        """
        Delete entries, free their space on disk, and return how many were deleted.

        Args:
            max_age: Seconds; entries that were not used for longer are deleted.
            max_bytes: Bytes of all values; the least recently used entries are deleted until they fit.

        Raises:
            InputError: Neither is given, or one is not a number from 0.
        """
        if max_age is None and max_bytes is None:
            raise InputError("there is nothing to prune by: pass max_age, max_bytes or both")
        for name, number in (("max_age", max_age), ("max_bytes", max_bytes)):
            if number is not None and not (isinstance(number, int | float) and number >= 0):
                raise InputError(f"{name} must be a number from 0, got {number!r}")
        with self._connected() as db:
            before = int(db.execute("SELECT count(*) FROM vectors").fetchone()[0])
            if max_age is not None:
                with _writing(db):
                    db.execute("DELETE FROM vectors WHERE used < ?", (time.time() - max_age,))
            if max_bytes is not None:
                _shrink(db, max_bytes)
            after = int(db.execute("SELECT count(*) FROM vectors").fetchone()[0])
            if after < before:
                db.execute("VACUUM")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before - after

    def close(self) -> None:
        """Close the file; the next use opens it again. Closing twice is allowed."""
        with self._lock:
            if self._db is not None and self._process == os.getpid():
                self._db.close()
            self._db = None

    def __getitem__(self, key: str) -> bytes:
        return self.get_many([key])[key]

    def __setitem__(self, key: str, value: bytes) -> None:
        self.set_many({key: value})

    def __delitem__(self, key: str) -> None:
        with self._connected() as db, _writing(db):
            if not db.execute("DELETE FROM vectors WHERE key = ?", (key,)).rowcount:
                raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key in self.get_many([key])

    def __iter__(self) -> Iterator[str]:
        last = ""
        while keys := self._keys_after(last):
            yield from keys
            last = keys[-1]

    def __len__(self) -> int:
        with self._connected() as db:
            return int(db.execute("SELECT count(*) FROM vectors").fetchone()[0])

    def __repr__(self) -> str:
        return f"SQLiteCache({str(self.path)!r})"

    def __enter__(self) -> SQLiteCache:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_db", None) is not None:
            self.close()

    def __reduce__(self) -> tuple[Callable[[Path], SQLiteCache], tuple[Path]]:
        return (_unpickled, (self.path,))

    def _keys_after(self, last: str) -> list[str]:
        statement = "SELECT key FROM vectors WHERE key > ? ORDER BY key LIMIT 10000"
        with self._connected() as db:
            return [key for (key,) in db.execute(statement, (last,))]

    def _file_bytes(self) -> int:
        files = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._db = None

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection to one thread at a time; a forked child opens its own."""
        if self._process != os.getpid():
            # Closing an inherited connection would drop the parent's locks (sqlite.org/howtocorrupt, 2.6).
            _INHERITED.append(self._db)
            self._reset()
        with self._lock:
            if self._db is None:
                self._db = _open(self.path)
            try:
                yield self._db
            except sqlite3.Error as error:
                raise ConfigError(f"the cache {self.path.name!r} cannot be used: {error}") from error


# Connections of a parent process, kept from being closed by the collector.
_INHERITED: list[sqlite3.Connection | None] = []


def _unpickled(path: Path) -> SQLiteCache:
    """Unpickle a cache: an error of its file is raised at its first use, not here."""
    cache = SQLiteCache.__new__(SQLiteCache)
    cache.path = path
    cache._reset()  # noqa: SLF001 - an object of this class
    return cache


def _open(path: Path) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError as error:
        raise ConfigError(f"the cache {path.name!r} cannot be opened: {error}") from error
    try:
        _retry_while_locked(db, "PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA mmap_size = 1073741824")
        with _writing(db):
            application_id = db.execute("PRAGMA application_id").fetchone()[0]
            tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if application_id != _APPLICATION_ID and tables:
                raise ConfigError(f"{path.name!r} is a database of another program; use another path")
            for statement in _SCHEMA:
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    except sqlite3.DatabaseError as error:
        db.close()
        raise ConfigError(f"the cache {path.name!r} cannot be used: {error}") from error
    except BaseException:
        db.close()
        raise
    return db


def _retry_while_locked(db: sqlite3.Connection, statement: str) -> None:
    """Execute a statement; wait while another process opens the file, which SQLite itself does not."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            db.execute(statement)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            threading.Event().wait(0.01)
        else:
            return


@contextmanager
def _writing(db: sqlite3.Connection) -> Iterator[None]:
    # IMMEDIATE waits for the lock at the start; a transaction that reads first could not wait for it later.
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # SQLite itself rolls back when the disk is full.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _shrink(db: sqlite3.Connection, max_bytes: int) -> None:
    """Delete the least recently used entries until the values fit."""
    size = int(db.execute("SELECT coalesce(sum(length(value)), 0) FROM vectors").fetchone()[0])
    while size > max_bytes:
        statement = "SELECT rowid, length(value) FROM vectors ORDER BY used, rowid LIMIT ?"
        with _writing(db):
            dropped = []
            for row, length in db.execute(statement, (_DROPPED_AT_ONCE,)).fetchall():
                if size <= max_bytes:
                    break
                dropped.append((row,))
                size -= length
            db.executemany("DELETE FROM vectors WHERE rowid = ?", dropped)
        if not dropped:
            break
