"""Sample nodes: notes, pictures, a product, a plain `Node` with a picture and one with a video."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from llama_index.core.schema import BaseNode, ImageNode, MediaResource, Node, TextNode
from paintings import painted

MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(64)
COLOURS = ("red", "green", "yellow", "royalblue")


def uid(number: int) -> str:
    """Return an id that stays the same from run to run; Qdrant accepts only UUIDs."""
    return str(UUID(int=number))


RENT, RICE, RED, GREEN, RAINCOAT, BLUE, CAT = (uid(number) for number in range(1, 8))


def draw(folder: Path) -> dict[str, Path]:
    """Write one picture of each colour, and the header of a video."""
    paths = {}
    for colour in COLOURS:
        paths[colour] = folder / f"{colour}.png"
        paths[colour].write_bytes(painted(colour))
    paths["cat"] = folder / "cat.mp4"
    paths["cat"].write_bytes(MP4)
    return paths


def samples(paths: dict[str, Path]) -> list[BaseNode]:
    """Return nodes that every store can keep."""
    return [
        TextNode(id_=RENT, text="invoice for the office rent"),
        TextNode(id_=RICE, text="recipe with rice and chicken"),
        ImageNode(id_=RED, image_path=str(paths["red"])),
        ImageNode(id_=GREEN, image_path=str(paths["green"])),
        ImageNode(id_=RAINCOAT, text="raincoat for children", image_path=str(paths["yellow"])),
    ]


def plain_nodes(paths: dict[str, Path]) -> list[BaseNode]:
    """Return nodes that Milvus and core's multimodal index cannot keep."""
    return [
        Node(id_=BLUE, image_resource=MediaResource(path=paths["royalblue"])),
        Node(id_=CAT, video_resource=MediaResource(path=paths["cat"])),
    ]
