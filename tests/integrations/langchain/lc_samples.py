"""Sample items for the stores, one for each modality, and queries for them."""

from __future__ import annotations

from pathlib import Path

from langchain_core.documents import Document
from paintings import painted

from langchain_volc_dashscope import MediaDocument, MediaStr, media
from volc_dashscope import Fused, Image, Item, Video

MODALITIES = ("text", "image", "image+text", "video")
# Samples of different colours can be in one store without being confused.
COLOURS = ("red", "green", "royalblue", "yellow", "orange", "purple", "black", "pink")


def samples(folder: Path, colour: str = "red") -> dict[str, Item]:
    """Return an item for each modality; the picture is written into the folder."""
    path = picture_of(folder, colour)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(painted(colour))
    return {
        "text": f"the {colour} sea at night",
        "image": Image.from_path(path),
        "image+text": Fused(f"a chair that is {colour}", Image.from_path(path)),
        "video": Video.from_url(video_of(colour)),
    }


def picture_of(folder: Path, colour: str) -> Path:
    return folder / f"{colour}.png"


def video_of(colour: str) -> str:
    return f"https://example.com/{colour}-boat.mp4"


def address_of(modality: str, folder: Path, colour: str = "red") -> str | None:
    """Return what a hit's `media_uri` has to be."""
    if modality == "text":
        return None
    return video_of(colour) if modality == "video" else picture_of(folder, colour).as_uri()


def text_of(item: Item) -> str:
    """Return the text for `add_texts`, which is also the query that finds it."""
    return item if isinstance(item, str) else media(item)


def metadata_of(text: str, modality: str) -> dict[str, str]:
    """Return the metadata for `add_texts`."""
    return {"modality": modality, **(text.metadata if isinstance(text, MediaStr) else {})}


def document_of(item: Item, modality: str) -> Document:
    """Return the document for `add_documents`."""
    if isinstance(item, str):
        return Document(item, metadata={"modality": modality})
    return MediaDocument(item, metadata={"modality": modality})


def decoy() -> Document:
    """Return a document that answers nothing."""
    return Document("quarterly figures", metadata={"modality": "none"})
