"""The `index=` settings of LangGraph's stores for an embedding class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from langchain_volc_dashscope.embeddings import ArkEmbeddings, DashScopeEmbeddings
from volc_dashscope import ConfigError, InputError
from volc_dashscope.integrations.settings import convert_each

# Maximum dimensions of an HNSW index, by column type (pgvector's README).
_MAX_DIMENSIONS = {"vector": 2_000, "halfvec": 4_000}


def langgraph_index(
    embeddings: ArkEmbeddings | DashScopeEmbeddings,
    *,
    fields: Sequence[str] | None = None,
    postgres: Literal["vector", "halfvec"] | None = None,
) -> dict[str, Any]:
    """
    Return the `index=` of a LangGraph store: `SqliteStore`, `PostgresStore`, their async classes, `InMemoryStore`.

    The database stores embed queries by `embed_documents`, like memories. So if `text_type` is "auto", everything is
    embedded in the same role (None), which suits both.

    ```python
    embeddings = DashScopeEmbeddings(model="text-embedding-v4")
    print(langgraph_index(embeddings, fields=["text"])["dims"])
    ```
    ```text
    1024
    ```

    Args:
        embeddings: An embedding object of a known model, or with `dimensions=`.
        fields: Paths in a memory's value that are embedded; the whole value if None.
        postgres: The type of `PostgresStore`'s column: "vector" is indexed up to 2,000 dimensions, "halfvec" up to
            4,000. None for other stores.

    Raises:
        ConfigError: The dimension is unknown, PostgreSQL cannot index it, or `postgres` is not one of its types.
        InputError: `fields` is one path instead of a list of paths.
    """
    if not isinstance(embeddings, ArkEmbeddings | DashScopeEmbeddings):
        raise ConfigError(
            f"embeddings must be ArkEmbeddings or DashScopeEmbeddings, got {type(embeddings).__name__}"
        )
    if postgres not in (None, *_MAX_DIMENSIONS):
        raise ConfigError(f"postgres must be 'vector', 'halfvec' or None, got {postgres!r}")
    length = embeddings.dimension
    if length is None:
        raise ConfigError(
            f"{embeddings.model} is not in the table of models; pass dimensions=, which the store needs"
        )
    if postgres is not None and length > _MAX_DIMENSIONS[postgres]:
        remedy = "dimensions=1024" + (
            ' or postgres="halfvec"' if length <= _MAX_DIMENSIONS["halfvec"] else ""
        )
        raise ConfigError(
            f"{embeddings.model} has {length} dimensions; PostgreSQL indexes at most {_MAX_DIMENSIONS[postgres]} of a "
            f"{postgres}; use {remedy}"
        )
    index: dict[str, Any] = {"dims": length, "embed": _in_one_role(embeddings)}
    if fields is not None:
        index["fields"] = convert_each(fields, _path, name="fields")
    if postgres is not None:
        index["distance_type"] = "cosine"
        index["ann_index_config"] = {"kind": "hnsw", "vector_type": postgres}
    return index


def _path(value: object) -> str:
    if not isinstance(value, str):
        raise InputError(f"a path in fields must be str, got {type(value).__name__}")
    return value


def _in_one_role(embeddings: ArkEmbeddings | DashScopeEmbeddings) -> ArkEmbeddings | DashScopeEmbeddings:
    if embeddings.text_type != "auto":
        return embeddings
    return embeddings.model_copy(update={"text_type": None})
