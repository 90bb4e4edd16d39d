"""Reads pairs of query and document from a table, grouped into one rerank request per query."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np

from volc_dashscope.bulk._records import Columns, Kind, Record, item_of_cell
from volc_dashscope.bulk._sources import Source
from volc_dashscope.errors import InputError
from volc_dashscope.inputs import Item

Cell = tuple[Kind, object]


@dataclass(frozen=True, slots=True)
class PairColumns(Columns):
    """
    Which columns of a table hold the query and the documents.

    ```python
    pairs = open_source("pairs.csv", columns=PairColumns(query="question", document="answer"))
    print(rerank_file(pairs, "ranked.parquet", model="qwen3-rerank").rows)
    ```
    ```text
    1
    ```

    A row has one query and one document, or a list of documents in one cell (Parquet, JSONL). If there are several
    columns for the query or the document, each row fills exactly one of them.

    Attributes:
        query: Column with queries that are texts; None for "query", unless `query_image` is given.
        query_image: Column with queries that are images: paths, URLs, or bytes (Parquet).
        document: Column with documents that are texts; None for "document", unless `image` or `video` is given.
        image: Columns with documents that are images.
        video: Columns with documents that are videos, by URL.
        id: Column with the ids; None for the column called "id", or the number of the row if there is none.
        text: Not used; pass `query` and `document`.
    """

    query: str | None = None
    query_image: str | None = None
    document: str | None = None

    @property
    def queries(self) -> tuple[tuple[Kind, str], ...]:
        """Kind and name of each column that may hold the query."""
        named: list[tuple[Kind, str | None]] = [("text", self.query), ("image", self.query_image)]
        return tuple((kind, name) for kind, name in named if name is not None) or (("text", "query"),)

    @property
    def documents(self) -> tuple[tuple[Kind, str], ...]:
        """Kind and name of each column that may hold documents."""
        named: list[tuple[Kind, str]] = [] if self.document is None else [("text", self.document)]
        named += [("image", name) for name in self.image] + [("video", name) for name in self.video]
        return tuple(named) or (("text", "document"),)

    @property
    def given(self) -> tuple[tuple[Kind, str], ...]:
        """Kind and name of each column."""
        return (*self.queries, *self.documents)

    @property
    def usual(self) -> bool:
        """False: a pair needs both of its columns."""
        return False

    def record(self, row: int, values: Mapping[str, object]) -> PairRecord:
        """
        Return the record of one row; `problem` names what is missing.

        Args:
            row: Number of the row in the source, from 0.
            values: The row's cells by column.
        """
        id_, without_id = self.id_of(row, values)
        if without_id is not None:
            return PairRecord(row, id_, (), without_id)
        query, without_query = _filled(self.queries, values, "query")
        found_cell, without_document = _filled(self.documents, values, "document")
        cells: tuple[Cell, ...] = ()
        listed = found_cell is not None and isinstance(found_cell[1], list | tuple)
        if found_cell is not None:
            kind, value = found_cell
            cells = (
                tuple((kind, entry) for entry in value) if isinstance(value, list | tuple) else (found_cell,)
            )
        return PairRecord(row, id_, cells, without_query or without_document, query, listed)


@dataclass(frozen=True, slots=True)
class PairRecord(Record):
    """One row of a table of pairs: `cells` are its documents, one or a whole list."""

    query: Cell | None = field(default=None, repr=False)
    listed: bool = False


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """
    One query with all its documents, which one request ranks.

    Attributes:
        row: The number of the query in the source, from 0.
        rows: Row of each document in the source.
        ids: Id of each document.
        query: Kind and content; None where the row cannot be read.
        documents: Kind and content of each; only the first where they are more than `max_documents`.
        problem: Why it cannot be ranked; None if it can.
        listed: Whether the documents were a list in one cell.
    """

    row: int
    rows: tuple[int, ...]
    ids: tuple[str, ...] = field(repr=False)
    query: Cell | None = field(default=None, repr=False)
    documents: tuple[Cell, ...] = field(default=(), repr=False)
    problem: str | None = None
    listed: bool = False

    @property
    def place(self) -> str:
        """The rows of the source, for messages."""
        first, last = self.rows[0], self.rows[-1]
        return f"row {first}" if first == last else f"rows {first} to {last}"


@dataclass(frozen=True, slots=True)
class PairSource:
    """
    A table of pairs as a source of queries. Rows of one query must be adjacent, and are never split.

    Args:
        max_documents: Documents of one query that are kept in memory; None for all.
    """

    source: Source
    max_documents: int | None

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    def check(self) -> None:
        """
        Refuse a table without the columns, or one in which the rows of a query are not adjacent.

        Raises:
            InputError: With the column, or two rows of the same query.
        """
        self.source.kinds()
        keys, firsts = array("Q"), array("Q")
        before = b""
        for record in self.source.records():
            if not isinstance(record, PairRecord) or record.query is None or record.listed:
                continue
            key = _key(record.query)
            if key != before:
                keys.append(int.from_bytes(key, "little"))
                firsts.append(record.row)
                before = key
        # Sorting eight bytes per query finds a query that occurs again; a set of a million would take 100 MB.
        order = np.argsort(np.frombuffer(keys, dtype=np.uint64), kind="stable") if keys else np.empty(0, int)
        duplicates = (
            np.flatnonzero(np.diff(np.frombuffer(keys, dtype=np.uint64)[order]) == 0) if keys else order
        )
        if len(duplicates):
            first_row, second_row = firsts[order[duplicates[0]]], firsts[order[duplicates[0] + 1]]
            raise InputError(
                f"rows {first_row} and {second_row} of {self.path.name!r} have the same query, with other queries "
                "between them; "
                "scores of two requests cannot be compared, so sort the table by its query column"
            )

    def numbered(self) -> Iterator[tuple[int, Record]]:
        """Yield each row with the number of its query; one that cannot be read has a number of its own."""
        number, following = -1, 0
        before: bytes | None = None
        for record in self.source.records():
            query = record.query if isinstance(record, PairRecord) else None
            if query is None:
                # Its query is unknown, so it does not separate the rows around it.
                yield following, record
                following += 1
                continue
            listed = isinstance(record, PairRecord) and record.listed
            key = None if listed else _key(query)
            if key is None or key != before:
                number, following = following, following + 1
            before = key
            yield number, record

    def records(self) -> Iterator[QueryRecord]:
        """Yield every query, in order; unreadable rows follow the query among whose rows they are."""
        rows: list[Record] = []
        number, unreadable = -1, list[QueryRecord]()
        documents: list[Cell] = []
        problem: str | None = None
        for now, record in self.numbered():
            if not isinstance(record, PairRecord) or record.query is None:
                unreadable.append(QueryRecord(now, (record.row,), (record.id,), problem=record.problem))
                if not rows:
                    yield unreadable.pop()
                continue
            if now != number:
                yield from self._query_records(number, rows, documents, problem, unreadable)
                number, rows, documents, problem, unreadable = now, [], [], None, []
            if record.problem is not None and problem is None:
                problem = f"document {len(rows)}: {record.problem}"
            rows.append(Record(record.row, record.id) if rows else record)
            if self.max_documents is None or len(documents) <= self.max_documents:
                documents.extend(record.cells)
        yield from self._query_records(number, rows, documents, problem, unreadable)

    def layout(self) -> dict[str, str]:
        """Return the layout of the table."""
        return self.source.layout()

    def content(self) -> str:
        """Return the digest of the table's content."""
        return self.source.content()

    def skipped(self) -> int:
        """Return 0, because every row belongs to a query."""
        return 0

    def item(self, record: QueryRecord) -> tuple[Item, list[Item]]:
        """
        Return the query and the documents of a record.

        Raises:
            InputError: It cannot be ranked; `index` is that of the document.
        """
        if record.problem is not None or record.query is None:
            raise InputError(record.problem or "the row has no query")
        query = item_of_cell(record.query, self.source.root)
        documents: list[Item] = []
        for index, cell in enumerate(record.documents):
            try:
                documents.append(item_of_cell(cell, self.source.root))
            except InputError as error:
                raise InputError(f"document {index}: {error}", index=index) from error
        return query, documents

    @staticmethod
    def _query_records(
        number: int,
        rows: Sequence[Record],
        documents: Sequence[Cell],
        problem: str | None,
        unreadable: Sequence[QueryRecord],
    ) -> Iterator[QueryRecord]:
        if rows:
            first = rows[0]
            assert isinstance(first, PairRecord)
            if first.listed:
                places, ids = (first.row,) * len(documents), (first.id,) * len(documents)
            else:
                places, ids = tuple(row.row for row in rows), tuple(row.id for row in rows)
            yield QueryRecord(
                number,
                places or (first.row,),
                ids or (first.id,),
                first.query,
                tuple(documents),
                problem,
                first.listed,
            )
        yield from unreadable


def _filled(
    columns: Sequence[tuple[Kind, str]], values: Mapping[str, object], role: str
) -> tuple[Cell | None, str | None]:
    """Return the one non-empty cell of a row, or the reason why there is none."""
    found = [
        (kind, name, value)
        for kind, name in columns
        if (value := values.get(name)) is not None and value not in ("", b"")
    ]
    if not found:
        return None, f"there is no {role}: {' and '.join(name for _, name in columns)} is empty"
    if len(found) > 1:
        return None, f"a {role} in both {found[0][1]} and {found[1][1]}; each is one text, image or video"
    return (found[0][0], found[0][2]), None


def _key(query: Cell) -> bytes:
    return blake2b(repr(query).encode("utf-8", "surrogatepass"), digest_size=8).digest()
