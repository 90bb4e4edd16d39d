"""A retrieval agent whose tool returns pictures as content blocks, with a model that only looks what it is sent."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore
from paintings import painted
from pydantic import Field

from langchain_volc_dashscope import ArkEmbeddings, MediaDocument, content_blocks
from volc_dashscope import Image


class Looker(BaseChatModel):
    """Asks the tool once, then says which pictures it was shown."""

    seen: list[bytes] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "looker"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        shown = [message for message in messages if isinstance(message, ToolMessage)]
        if not shown:
            call = {"name": "find_pictures", "args": {"query": "a red picture"}, "id": "1"}
            return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=[call]))])
        for block in shown[0].content_blocks:
            if block["type"] == "image":
                self.seen.append(b64decode(block["base64"]))
        return ChatResult(generations=[ChatGeneration(message=AIMessage("seen"))])


@pytest.fixture
def setup(inside, embed_model_of, tmp_path):
    """A store of pictures by path."""
    store = InMemoryVectorStore(embed_model_of(ArkEmbeddings, inside))
    for colour in ("red", "green", "yellow"):
        path = tmp_path / f"{colour}.png"
        path.write_bytes(painted(colour))
        store.add_documents([MediaDocument(Image.from_path(path))])
    return store


@pytest.mark.parametrize("awaited", [False, True])
async def test_the_model_is_shown_the_pictures_that_were_found(setup, tmp_path, awaited):
    @tool
    def find_pictures(query: str) -> list[Any]:
        """Find pictures by what they show."""
        return content_blocks(setup.similarity_search(query, k=1), root=tmp_path)

    model = Looker()
    agent = create_agent(model, [find_pictures])
    question = {"messages": [("user", "show me something red")]}

    answer = await agent.ainvoke(question) if awaited else agent.invoke(question)

    assert "seen" == answer["messages"][-1].content
    assert [painted("red")] == model.seen
