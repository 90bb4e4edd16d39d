"""`DashScopeRerank`: reorders retrieved nodes, pictures and videos included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from llama_index.core.callbacks import CBEventType, EventPayload
from llama_index.core.instrumentation.events.rerank import ReRankEndEvent, ReRankStartEvent
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle, TextNode
from llama_index_instrumentation import get_dispatcher
from pydantic import ConfigDict

from llama_index_ext.events import event_label
from llama_index_ext.media import medium, node_name, parts_of
from llama_index_ext.pickling import Portable
from llama_index_ext.queries import MediaQueryBundle
from llama_index_ext.settings import SPELLINGS
from volc_dashscope import Image, InputError, Item, Part, RerankResult
from volc_dashscope.inputs import as_iterable, label
from volc_dashscope.integrations.rerank import RerankFields

_dispatcher = get_dispatcher(__name__)


class DashScopeRerank(Portable, RerankFields, BaseNodePostprocessor):
    """
    Reorders retrieved nodes by DashScope's rerank models.

    ```python
    engine = index.as_query_engine(
        similarity_top_k=50, node_postprocessors=[DashScopeRerank(top_n=5)]
    )
    ```

    A node with a picture or video is ranked by it where the model can (qwen3-vl-rerank), any other by its text. All
    nodes of a call go into one request: scores of two requests cannot be compared, so a list over the model's limit
    is an error.

    Args:
        model: qwen3-vl-rerank ranks texts, images and videos; the other models texts.
        api_key: Default: `DASHSCOPE_API_KEY`.
        top_n: How many of the best to return; None for all.
        media_root: Local files named by nodes must be inside this folder.

    Raises:
        ConfigError: No key, an unknown or stopped model, a setting it does not have.
    """

    spellings: ClassVar[Mapping[str, str]] = SPELLINGS

    model_config = ConfigDict(frozen=False)  # query engines set `callback_manager`

    @classmethod
    def class_name(cls) -> str:
        """Return the name this class has in serialised pipelines."""
        return "DashScopeRerank"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query, items = self._prepare(nodes, query_bundle)
        with self._instrumented(query, items, nodes) as results:
            results.extend(_scored(nodes, self._reranker.rerank(query, items, top_n=self.top_n)))
        return results

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query, items = self._prepare(nodes, query_bundle)
        with self._instrumented(query, items, nodes) as results:
            results.extend(_scored(nodes, await self._reranker.aio.rerank(query, items, top_n=self.top_n)))
        return results

    def _prepare(
        self, nodes: Sequence[NodeWithScore], query_bundle: QueryBundle | None
    ) -> tuple[Item, list[Item]]:
        if query_bundle is None:
            raise InputError("reranking needs a query; pass query_bundle= or query_str=")
        items: list[Item] = []
        for index, scored in enumerate(as_iterable(nodes, name="nodes")):
            if not isinstance(scored, NodeWithScore):
                raise InputError(
                    f"document {index}: expected NodeWithScore, got {type(scored).__name__}", index=index
                )
            items.append(self._item(index, scored.node))
        return self._query(query_bundle), items

    def _query(self, bundle: QueryBundle) -> Item:
        parts: list[Part] = list(bundle.parts) if isinstance(bundle, MediaQueryBundle) else []
        if not parts:
            parts = [bundle.query_str] if bundle.query_str else []
            if bundle.image_path:
                parts.append(medium(bundle.image_path, Image, root=self.media_root))
        if len(parts) > 1:
            actual = " and ".join(label(part) for part in parts)
            raise InputError(f"the query is {actual}; {self.model} accepts one text, image or video")
        return parts[0] if parts else ""

    def _item(self, index: int, node: BaseNode) -> Item:
        """Return a node's medium if the model ranks media, else its text."""
        try:
            parts = parts_of(node, root=self.media_root)
        except InputError as error:
            raise InputError(f"document {index} ({node_name(node)}): {error}", index=index) from error
        media = [part for part in parts if not isinstance(part, str)]
        texts = [part for part in parts if isinstance(part, str)]
        if self._reranker.model_info.multimodal:
            return (media or texts)[0]
        return (texts or media)[0]

    @contextmanager
    def _instrumented(
        self, query: Item, items: Sequence[Item], nodes: Sequence[NodeWithScore]
    ) -> Iterator[list[NodeWithScore]]:
        """Raise core's dispatcher and callback events, with labels instead of media."""
        query_label, results = event_label(query), list[NodeWithScore]()
        top_n = len(nodes) if self.top_n is None else self.top_n
        labelled = [
            NodeWithScore(node=TextNode(id_=scored.node.node_id, text=event_label(item)), score=scored.score)
            for scored, item in zip(nodes, items, strict=True)
        ]
        _dispatcher.event(
            ReRankStartEvent(query=query_label, nodes=labelled, top_n=top_n, model_name=self.model)
        )
        payload: dict[str, Any] = {
            EventPayload.NODES: labelled,
            EventPayload.MODEL_NAME: self.model,
            EventPayload.QUERY_STR: query_label,
            EventPayload.TOP_K: top_n,
        }
        with self.callback_manager.event(CBEventType.RERANKING, payload=payload) as event:
            yield results
            ranked = _with_labels(results, labelled)
            event.on_end(payload={EventPayload.NODES: ranked})
        _dispatcher.event(ReRankEndEvent(nodes=ranked))


def _scored(nodes: Sequence[NodeWithScore], results: Sequence[RerankResult]) -> list[NodeWithScore]:
    return [NodeWithScore(node=nodes[result.index].node, score=result.score) for result in results]


def _with_labels(results: Sequence[NodeWithScore], labelled: Sequence[NodeWithScore]) -> list[NodeWithScore]:
    labels = {scored.node.node_id: scored.node for scored in labelled}
    return [NodeWithScore(node=labels[result.node.node_id], score=result.score) for result in results]
