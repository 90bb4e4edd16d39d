"""
Ask a folder of pictures, page scans and notes, and get an answer with the sources it used.

    python examples/langchain_multimodal_rag.py

One store holds all three kinds. A chain finds what fits a question (a text, or a text with a picture), shows
the pictures themselves to a chat model, and returns its answer beside the documents. With ARK_API_KEY or
DASHSCOPE_API_KEY set the vectors come from the service, else from the emulator, which has no model.
RAG_CHAT_MODEL names a vision model for `init_chat_model` (pip install langchain), for example "openai:qwen3-vl-plus";
without it a stand-in lists what it was shown.
"""

from __future__ import annotations

import os
import sys
from base64 import b64decode
from collections.abc import Sequence
from hashlib import sha256
from operator import itemgetter
from pathlib import Path
from typing import Any

from demo import open_embed_model
from draw_pictures import draw_all
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from langchain_volc_dashscope import MediaDocument, MediaStr, content_blocks, media
from volc_dashscope import EmbeddingError, Fused, Image
from volc_dashscope.search.gallery import words

OUTPUT = Path("demo-output/rag")
TOP = 4
TASK = "Answer from the numbered sources only, texts and pictures, and name the numbers you used."

NOTES = (
    "The red chair was bought in 2019 for 120 euros; the receipt is in the blue folder.",
    "The sailing boat is moored at berth 14 and has to be painted in spring.",
    "Watermelons are on order for the summer party; ask Mei about the rest of the fruit.",
)
PAGES = {
    "page_1": ("Garden handbook, page 1", "Sunflowers want full sun", "and water in the morning."),
    "page_2": ("Garden handbook, page 2", "Apple trees are pruned", "in winter, before the buds open."),
    "page_3": ("Boat handbook, page 3", "Reef the sails early", "when the sea turns white."),
}


class Viewer(BaseChatModel):
    """
    A stand-in for a vision model: it reads nothing, but says which pictures of a folder it was really shown.

    Raises:
        ValueError: It was shown no picture, or one that is not in the folder.
    """

    folder: Path

    @property
    def _llm_type(self) -> str:
        return "viewer"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        known = {sha256(path.read_bytes()).hexdigest(): path.stem for path in self.folder.glob("*.png")}
        blocks = [block for message in messages for block in message.content_blocks]
        shown = [b64decode(block["base64"]) for block in blocks if block["type"] == "image"]
        names = [known.get(sha256(picture).hexdigest(), "") for picture in shown]
        if not names or "" in names:
            raise ValueError(f"shown {len(names)} pictures, {names.count('')} of them unknown")
        texts = sum(block["type"] == "text" for block in blocks)
        answer = f"I was shown {', '.join(map(words, map(Path, names)))}, and read {texts} texts."
        return ChatResult(generations=[ChatGeneration(message=AIMessage(answer))])


def scan(lines: Sequence[str], path: Path) -> Path:
    """Draw a page as a scanner would deliver it."""
    page = Pillow.new("RGB", (480, 320), "#fbf8f0")
    pen = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        pen.text(
            (32, 40 + 64 * number), line, fill="#1d1b18", font=ImageFont.load_default(30 - 6 * (number > 0))
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)
    return path


def documents(folder: Path) -> list[Document]:
    """Return pictures, scans fused with the text that is on them, and notes."""
    pictures = [MediaDocument(Image.from_path(path), caption=words(path)) for path in draw_all(folder)]
    pages = [
        MediaDocument(
            Fused(" ".join(lines), Image.from_path(scan(lines, folder / f"{name}.png"))), caption=lines[0]
        )
        for name, lines in PAGES.items()
    ]
    return [*pictures, *pages, *(Document(note) for note in NOTES)]


def build_chain(store: VectorStore, chat: BaseChatModel, folder: Path) -> Runnable[Any, Any]:
    """Return a chain from {"question"} to {"question", "sources", "answer"}."""

    def ask(state: dict[str, Any]) -> list[BaseMessage]:
        """Show the model the question and the sources, pictures as pictures."""
        question = state["question"]
        blocks: list[Any] = [{"type": "text", "text": TASK}, *_blocks(question, folder)]
        for number, source in enumerate(state["sources"], start=1):
            blocks += [{"type": "text", "text": f"Source {number}:"}, *content_blocks([source], root=folder)]
        return [HumanMessage(blocks)]

    retriever = store.as_retriever(search_kwargs={"k": TOP})
    answer = RunnableLambda(ask) | chat | RunnableLambda(lambda message: message.text)
    return RunnablePassthrough.assign(
        sources=itemgetter("question") | retriever
    ) | RunnablePassthrough.assign(answer=answer)


def _blocks(question: str, folder: Path) -> list[Any]:
    """Return a question as content blocks; one with a picture is a `MediaStr`."""
    metadata = question.metadata if isinstance(question, MediaStr) else {}
    return list(content_blocks([Document(question, metadata=metadata)], root=folder))


def open_chat(folder: Path) -> BaseChatModel:
    """Return the chat model the environment names, else the stand-in."""
    name = os.environ.get("RAG_CHAT_MODEL")
    if not name:
        return Viewer(folder=folder)
    from langchain.chat_models import init_chat_model

    model: BaseChatModel = init_chat_model(name)
    return model


def run(folder: Path) -> list[dict[str, Any]]:
    """Build the index, ask, and return what the chain gave."""
    with open_embed_model() as (embed_model, note):
        print(note)
        store = InMemoryVectorStore(embed_model)
        stored = store.add_documents(documents(folder))
        print(f"{len(stored)} documents in one store, {embed_model.fingerprint}\n")
        chain = build_chain(store, open_chat(folder), folder)
        questions = [
            "What did the red chair cost?",
            "When do sunflowers want water?",
            media(Fused("Do we have one like this?", Image.from_path(folder / "sailing_boat.png"))),
        ]
        return [chain.invoke({"question": question}) for question in questions]


def show(answered: dict[str, Any]) -> None:
    """Print a question, its answer and the sources."""
    question = answered["question"]
    print(f"Q: {question.partition(' ⟦')[0]}{' [with a picture]' * isinstance(question, MediaStr)}")
    print(f"A: {answered['answer']}")
    for number, source in enumerate(answered["sources"], start=1):
        where = source.metadata.get("media_uri", "note").rpartition("/")[2]
        print(f"   [{number}] {source.page_content.partition(' ⟦')[0]} ({where})")
    print()


def main() -> int:
    """Run the example; one line and exit code 1 for an error of ours."""
    try:
        for answered in run(OUTPUT):
            show(answered)
    except EmbeddingError as error:
        print(f"rag: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
