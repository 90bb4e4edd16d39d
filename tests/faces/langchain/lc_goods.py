"""What goes into the stores, one item for each modality, and what is asked of them."""

from __future__ import annotations

from pathlib import Path

from langchain_core.documents import Document
from langchain_volc_dashscope import MediaDocument, MediaStr, media
from samples import png

from volc_dashscope import Fused, Image, Item, Video

MODALITIES = ("text", "image", "image+text", "video")

BOAT = "https://example.com/yellow-boat.mp4"


def lay_out(folder: Path) -> dict[str, Item]:
    """Write the pictures and return an item for each modality."""
    folder.mkdir(parents=True, exist_ok=True)
    for colour in ("red", "green"):
        (folder / f"{colour}.png").write_bytes(png(colour))
    return {
        "text": "the blue sea at night",
        "image": Image.from_path(folder / "red.png"),
        "image+text": Fused("a green chair", Image.from_path(folder / "green.png")),
        "video": Video.from_url(BOAT),
    }


def text_of(item: Item) -> str:
    """Return what `add_texts` is given."""
    return item if isinstance(item, str) else media(item)


def metadata_of(text: str, modality: str) -> dict[str, str]:
    """Return what `add_texts` is given as metadata."""
    return {"modality": modality, **(text.metadata if isinstance(text, MediaStr) else {})}


def document_of(item: Item, modality: str) -> Document:
    """Return what `add_documents` is given."""
    if isinstance(item, str):
        return Document(item, metadata={"modality": modality})
    return MediaDocument(item, metadata={"modality": modality})


def decoy() -> Document:
    """Return a document that answers nothing."""
    return Document("quarterly figures", metadata={"modality": "none"})
