"""
What users ask for, once in our words and once in the vendors', for every model row and every parameter.

The vendors' side holds arguments of their SDKs, as their pages and signatures spell them; what the SDKs make of
them is seen at the socket only. Rows come from `volc_dashscope.models`, so a new model is compared as soon as it
has a row. `vendors.py` says which SDK stands in for the OpenAI-compatible route.
"""

from __future__ import annotations

import base64
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vendors import FACES

from volc_dashscope.inputs import Frames, Fused, Image, Item, Video
from volc_dashscope.models import ModelCard, models

PICTURE = Path(__file__).with_name("red.png")
TEXT, OTHER = "red shoe", '蓝色的鞋 \n"quoted" \u2028 👟'
LINK, LINK_2 = "https://example.com/red-shoe.png", "https://example.com/a%20b.jpg?x=1&y=%2F"
CLIP = "https://example.com/clip.mp4"
STORED = "oss://shop/red-shoe.png"  # what `Emulator.publish` calls it
DATA = "data:image/png;base64," + base64.b64encode(PICTURE.read_bytes()).decode()
FILM = "data:video/mp4;base64," + base64.b64encode(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(64)).decode()
TASK = "Given a question, find the picture that answers it"
# From reference/ark-api.md, section 3.1: the ends of each range.
KNOBS = {
    "fps": (0.2, 5),
    "max_video_tokens": (10_240, 204_800),
    "min_frame_tokens": (16, 128),
    "max_frame_tokens": (128, 640),
    "min_frames": (5, 16),
}


@dataclass(frozen=True, kw_only=True)
class Intent:
    """
    One wish.

    Attributes:
        claim: What is asked for, in a few words; unique for a row.
        door: The SDK resource that carries it, a key of `vendors.FACES`.
        theirs: Arguments of the SDK's calls, one mapping each.
        items, settings, call: What `Client.embed`, `Client` and `Client.embed` get.
        path: What our base URL ends in; empty for the usual bare host.
        without: Faces of the SDK that cannot say it.
    """

    card: ModelCard
    claim: str
    door: str
    theirs: tuple[Mapping[str, Any], ...]
    items: tuple[Item, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    without: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """The name that goes on the wire."""
        return str(self.theirs[0]["model"])

    @property
    def faces(self) -> tuple[str, ...]:
        """The SDK faces that can say it."""
        return tuple(face for face in FACES[self.door] if face not in self.without)


def intents() -> Iterator[Intent]:
    """Yield every intent, row by row."""
    for row in models():
        if not row.ready or row.endpoint == "async":
            continue  # one-peace cannot be used; file jobs have tests of their own
        if row.provider == "ark":
            yield from _ark_media(row) if row.endpoint == "multimodal" else _ark_texts(row)
        elif row.endpoint == "text":
            yield from _dashscope_texts(row)
            yield from _openai(row)
        else:
            yield from _dashscope_media(row)


# --- Ark ------------------------------------------------------------------------------------------------------


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _video(url: str, **knobs: float) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url, **knobs}}


def _corpus(kinds: str) -> str:
    """Return the corpus template of reference/ark-api.md, section 8; only the braces may change."""
    return "Instruction:Compress the {} into one word.\nQuery:".format(kinds)  # noqa: UP032 - as the page prints it


def _search(target: str, instruction: str) -> str:
    """Return the query template of the same section."""
    return "Target_modality: {}.\nInstruction:{}\nQuery:".format(target, instruction)  # noqa: UP032


def _ark_media(row: ModelCard) -> Iterator[Intent]:
    def one(claim: str, item: Item, parts: Sequence[Any], kinds: str = "text", **more: Any) -> Intent:
        said = more.pop("said", {})
        if row.instruct and "instructions" not in said:
            said = {"instructions": _corpus(kinds), **said}
        theirs = {"model": row.name, "input": list(parts), **said}
        return Intent(
            card=row,
            claim=claim,
            door=more.pop("door", "ark.multimodal"),
            theirs=(theirs,),
            items=(item,),
            **more,
        )

    text, image = [_text(TEXT)], [_image(LINK)]
    both, fused = [_image(DATA), _text(TEXT)], Fused(Image.from_url(DATA), TEXT)
    yield one("text", TEXT, text)
    yield one("text with every script", OTHER, [_text(OTHER)])
    yield one("image url", Image.from_url(LINK), image, "image")
    yield one("image url with escapes", Image.from_url(LINK_2), [_image(LINK_2)], "image")
    yield one("image data uri", Image.from_url(DATA), [_image(DATA)], "image")
    yield one("image bytes", Image.from_bytes(PICTURE.read_bytes()), [_image(DATA)], "image")
    yield one("image file", Image.from_path(PICTURE), [_image(DATA)], "image")
    yield one("fused", fused, both, "text and image")
    yield one("float encoding", TEXT, text, settings={"extra_body": {"encoding_format": "float"}})
    yield one("base64 encoding", TEXT, text, said={"encoding_format": "base64"})
    yield one(
        "unknown field", TEXT, text, settings={"extra_body": {"n": [1]}}, said={"extra_body": {"n": [1]}}
    )
    named = {"X-Project-Name": "shop"}
    yield one("own header", TEXT, text, settings={"default_headers": named}, said={"extra_headers": named})
    for length in row.dimensions:
        asked = {"dimensions": length} if row.reduces == "server" else {}
        yield one(f"dimensions {length}", TEXT, text, settings={"dimensions": length}, said=asked)
    if row.api_path is None:
        yield one("batch inference", fused, both, "text and image", door="ark.batch", path="/api/v3/batch")
    yield _many_ark(row)
    yield from _ark_roles(row, one, text)
    yield from _ark_video(row, one)
    yield from _ark_outputs(row, one, text)


def _many_ark(row: ModelCard) -> Intent:
    said = {"instructions": _corpus("text")} if row.instruct else {}
    calls = [{"model": row.name, "input": [_text(text)], **said} for text in (TEXT, OTHER, TEXT + "s")]
    return Intent(
        card=row, claim="texts", door="ark.multimodal", theirs=tuple(calls), items=(TEXT, OTHER, TEXT + "s")
    )


def _ark_roles(row: ModelCard, one: Any, text: list[Any]) -> Iterator[Intent]:
    roles = {"query": {"text_type": "query"}, "no role": {"text_type": None}}
    if not row.instruct:
        for role, call in roles.items():
            yield one(role, TEXT, text, call=call)
        return
    word = "Compress the text into one word."
    for role, call in roles.items():
        asked = {"instructions": _search("text/image/video", word)}
        yield one(role, TEXT, text, call=call, said=asked)
        asked = {"instructions": _search("text/image/video", TASK)}
        yield one(f"{role} with instruct", TEXT, text, call=call, settings={"instruct": TASK}, said=asked)
        asked = {"instructions": _search("image", word)}
        yield one(
            f"{role} for images", TEXT, text, call=call, settings={"target_modality": "image"}, said=asked
        )
        asked = {"instructions": "as it is"}
        verbatim = {"query_instructions": "as it is"}
        yield one(f"{role} verbatim", TEXT, text, call=call, settings=verbatim, said=asked)
    asked = {"instructions": _search("text/image/video", "Compress the text and image into one word.")}
    both = [_image(DATA), _text(TEXT)]
    yield one("fused query", Fused(Image.from_url(DATA), TEXT), both, call=roles["query"], said=asked)
    yield one("document with instruct", TEXT, text, settings={"instruct": TASK})
    verbatim = {"document_instructions": "as it is"}
    yield one("document verbatim", TEXT, text, settings=verbatim, said={"instructions": "as it is"})


def _ark_video(row: ModelCard, one: Any) -> Iterator[Intent]:
    if "video" not in row.modalities:
        return
    yield one("video url", Video.from_url(CLIP), [_video(CLIP)], "video")
    yield one("video data uri", Video.from_url(FILM), [_video(FILM)], "video")
    parts = [_text(TEXT), _image(LINK), _image(LINK_2), _video(CLIP)]
    whole = Fused(TEXT, Image.from_url(LINK), Image.from_url(LINK_2), Video.from_url(CLIP))
    yield one("fused with video", whole, parts, "text and image and video")
    if not row.video_knobs:
        return
    for name, ends in KNOBS.items():
        for value in ends:
            knob: dict[str, Any] = {name: value}
            yield one(f"{name} {value}", Video.from_url(CLIP, **knob), [_video(CLIP, **knob)], "video")
    knobs: dict[str, Any] = {name: low for name, (low, _) in KNOBS.items()}
    yield one("every knob", Video.from_url(CLIP, **knobs), [_video(CLIP, **knobs)], "video")


def _ark_outputs(row: ModelCard, one: Any, text: list[Any]) -> Iterator[Intent]:
    if row.sparse:
        asked = {"sparse_embedding": {"type": "enabled"}}
        for output in ("sparse", "dense&sparse"):
            yield one(output, TEXT, text, call={"output_type": output}, said=asked)
    if row.multi_vector:
        # We ask for compression where the extra `multi` is installed.
        packed = {"compression": "zstd"} if importlib.util.find_spec("zstandard") else {}
        body = {"multi_embedding": {"type": "enabled", **packed}}
        yield one("multi", TEXT, text, call={"output_type": "multi"}, said={"extra_body": body})
    if row.name == "doubao-embedding-vision-251215":
        endpoint = "ep-20261121081012-abcde"
        asked = {"model": endpoint, "input": text, "instructions": _corpus("text")}
        like = {"like": row.name}
        yield Intent(
            card=row,
            claim="endpoint id",
            door="ark.multimodal",
            theirs=(asked,),
            items=(TEXT,),
            settings=like,
        )
        asked = {"model": endpoint, "input": text}
        unknown = {"provider": "ark"}
        yield Intent(
            card=row,
            claim="unknown name",
            door="ark.multimodal",
            theirs=(asked,),
            items=(TEXT,),
            settings=unknown,
        )


def _ark_texts(row: ModelCard) -> Iterator[Intent]:
    def some(claim: str, texts: Sequence[str], **more: Any) -> Intent:
        said, spoken = more.pop("said", {}), more.pop("spoken", texts)
        calls = [{"model": row.name, "input": list(chunk), **said} for chunk in _chunks(spoken, row.batch)]
        return Intent(
            card=row,
            claim=claim,
            door=more.pop("door", "ark.text"),
            theirs=tuple(calls),
            items=tuple(texts),
            **more,
        )

    yield some("text", [TEXT])
    yield some("text with every script", [OTHER])
    yield some("texts", [TEXT, OTHER])
    yield some("texts beyond a batch", _words(row.batch + 1))
    yield some("query", [TEXT], call={"text_type": "query"})
    yield some("no role", [TEXT], call={"text_type": None})
    yield some("base64 encoding", [TEXT], said={"encoding_format": "base64"})
    yield some("float encoding", [TEXT], settings={"extra_body": {"encoding_format": "float"}})
    yield some("unknown field", [TEXT], settings={"extra_body": {"user": "u"}}, said={"user": "u"})
    yield some("batch inference", [TEXT, OTHER], door="ark.batch", path="/api/v3/batch")
    for length in row.dimensions:  # cut here: the endpoint has no such field
        yield some(f"dimensions {length}", [TEXT], settings={"dimensions": length})
    if row.instruct:
        task = {"settings": {"instruct": TASK}}
        asked = [f"Instruct: {TASK}\nQuery: {TEXT}"]
        yield some("query with instruct", [TEXT], spoken=asked, call={"text_type": "query"}, **task)
        yield some("document with instruct", [TEXT], **task)


# --- DashScope ------------------------------------------------------------------------------------------------


def _dashscope_texts(row: ModelCard) -> Iterator[Intent]:
    def some(claim: str, texts: Sequence[str], **more: Any) -> Intent:
        said = more.pop("said", {"text_type": "document"})
        calls = [{"model": row.name, "input": list(chunk), **said} for chunk in _chunks(texts, row.batch)]
        return Intent(
            card=row, claim=claim, door="dashscope.text", theirs=tuple(calls), items=tuple(texts), **more
        )

    document, query = {"text_type": "document"}, {"text_type": "query"}
    yield some("text", [TEXT])
    yield some("text with every script", [OTHER])
    yield some("texts", [TEXT, OTHER])
    yield some("texts beyond a batch", _words(row.batch + 1))
    yield some("text that names a file", [str(PICTURE)])
    yield some("query", [TEXT], call=query, said=query)
    yield some("no role", [TEXT], call={"text_type": None}, said={})
    space = {"workspace": "ws-shop"}
    yield some("workspace", [TEXT], settings=space, said={**document, **space})
    more = {"parameters": {"later": {"n": 1}}}
    yield some("unknown parameter", [TEXT], settings={"extra_body": more}, said={**document, **more})
    for length in row.dimensions:
        asked = {**document, "dimension": length}
        yield some(f"dimensions {length}", [TEXT], settings={"dimensions": length}, said=asked)
    if row.instruct:
        task = {"instruct": TASK}
        yield some("query with instruct", [TEXT], settings=task, call=query, said={**query, **task})
        yield some("document with instruct", [TEXT], settings=task)
        yield some("no role with instruct", [TEXT], settings=task, call={"text_type": None}, said={})
    if row.sparse:
        for output in ("sparse", "dense&sparse"):
            form = {"output_type": output}
            yield some(output, [TEXT], call=form, said={**document, **form})
    if row.sparse and row.instruct and row.dimensions:
        task, form, least = {"instruct": TASK}, {"output_type": "dense&sparse"}, min(row.dimensions)
        asked = {**query, **task, **form, **space, "dimension": least}
        settings = {**task, **space, "dimensions": least}
        yield some("everything", [TEXT, OTHER], settings=settings, call={**query, **form}, said=asked)


def _openai(row: ModelCard) -> Iterator[Intent]:
    if "openai" not in row.routes:
        return

    def some(claim: str, texts: Sequence[str], **more: Any) -> Intent:
        # The page's samples send "float"; it is also this SDK's default where Ark's fork is used.
        said = {"encoding_format": "float", **more.pop("said", {})}
        calls = [{"model": row.name, "input": list(chunk), **said} for chunk in _chunks(texts, row.batch)]
        settings = {"route": "openai", **more.pop("settings", {})}
        return Intent(
            card=row,
            claim=f"openai {claim}",
            door="openai",
            theirs=tuple(calls),
            items=tuple(texts),
            settings=settings,
            **more,
        )

    yield some("text", [TEXT])
    yield some("texts", [TEXT, OTHER])
    yield some("texts beyond a batch", _words(row.batch + 1))
    yield some("query", [TEXT], call={"text_type": "query"})
    body = {"encoding_format": "base64"}
    yield some("base64 encoding", [TEXT], settings={"extra_body": body}, said=body)
    space = {"X-DashScope-WorkSpace": "ws-shop"}
    yield some("workspace", [TEXT], settings={"workspace": "ws-shop"}, said={"extra_headers": space})
    for length in row.dimensions:
        asked = {"dimensions": length}
        yield some(f"dimensions {length}", [TEXT], settings=asked, said=asked)


def _dashscope_media(row: ModelCard) -> Iterator[Intent]:
    def some(claim: str, items: Sequence[Item], contents: Sequence[Any], **more: Any) -> Intent:
        said = more.pop("said", {})
        whole = any(isinstance(item, Fused) for item in items)
        chunks = [list(contents)] if whole else _chunks(contents, row.batch)
        calls = [{"model": row.name, "input": list(chunk), **said} for chunk in chunks]
        return Intent(
            card=row, claim=claim, door="dashscope.media", theirs=tuple(calls), items=tuple(items), **more
        )

    text, image = [{"text": TEXT}], [{"image": LINK}]
    yield some("text", [TEXT], text)
    yield some("text with every script", [OTHER], [{"text": OTHER}])
    yield some("texts", [TEXT, OTHER], [{"text": TEXT}, {"text": OTHER}])
    words = _words(row.batch + 1)
    yield some("texts beyond a batch", words, [{"text": word} for word in words])
    yield some("text that names a file", [str(PICTURE)], [{"text": str(PICTURE)}])
    yield some("image url", [Image.from_url(LINK)], image)
    yield some("image url with escapes", [Image.from_url(LINK_2)], [{"image": LINK_2}])
    yield some("image data uri", [Image.from_url(DATA)], [{"image": DATA}])
    yield some("image bytes", [Image.from_bytes(PICTURE.read_bytes())], [{"image": DATA}])
    yield some("image file", [Image.from_path(PICTURE)], [{"image": str(PICTURE)}])
    stored = {"upload": True}
    yield some("image file uploaded", [Image.from_path(PICTURE)], [{"image": str(PICTURE)}], settings=stored)
    yield some("stored image", [Image.from_url(STORED)], [{"image": STORED}])
    yield some("text and image apart", [TEXT, Image.from_url(LINK)], [{"text": TEXT}, {"image": LINK}])
    for role in ("query", None):
        yield some(f"{role or 'no'} role", [TEXT], text, call={"text_type": role})
    space = {"workspace": "ws-shop"}
    yield some("workspace", [TEXT], text, settings=space, said=space)
    more = {"parameters": {"later": {"n": 1}}}
    yield some("unknown parameter", [TEXT], text, settings={"extra_body": more}, said=more)
    for length in row.dimensions:
        asked = {"dimension": length}
        yield some(f"dimensions {length}", [TEXT], text, settings={"dimensions": length}, said=asked)
    if row.instruct:
        task: dict[str, Any] = {"instruct": TASK}
        yield some("query with instruct", [TEXT], text, settings=task, call={"text_type": "query"}, said=task)
        yield some("no role with instruct", [TEXT], text, settings=task, call={"text_type": None}, said=task)
        yield some("document with instruct", [TEXT], text, settings=task)
    yield from _dashscope_video(row, some)
    yield from _dashscope_fused(row, some)
    yield from _dashscope_knobs(row, some, image)


def _dashscope_video(row: ModelCard, some: Any) -> Iterator[Intent]:
    if "video" not in row.modalities:
        return
    yield some("video url", [Video.from_url(CLIP)], [{"video": CLIP}])
    if row.fps is not None:
        for share in (0.0, 0.5, 1.0):
            asked = {"fps": share}
            yield some(f"fps {share}", [Video.from_url(CLIP, fps=share)], [{"video": CLIP}], said=asked)


def _dashscope_fused(row: ModelCard, some: Any) -> Iterator[Intent]:
    both = Fused(TEXT, Image.from_url(LINK))
    apart, together = [{"text": TEXT}, {"image": LINK}], [{"text": TEXT, "image": LINK}]
    if row.fusion == "flag":
        yield some("fused", [both], apart, said={"enable_fusion": True})
        yield some("fused as the guide has it", [both], together)
        everything = Fused(TEXT, Image.from_url(DATA), Image.from_url(LINK), Video.from_url(CLIP, fps=0.5))
        contents = [{"text": TEXT}, {"image": DATA}, {"image": LINK}, {"video": CLIP}]
        yield some("fused with video", [everything], contents, said={"enable_fusion": True, "fps": 0.5})
    elif row.fusion is not None:
        yield some("fused", [both], together if row.fusion == "object" else apart)
        everything = Fused(TEXT, Image.from_url(DATA), Video.from_url(CLIP, fps=0.5))
        contents = [{"text": TEXT}, {"image": DATA}, {"video": CLIP}]
        if row.fusion == "object":
            contents = [{"text": TEXT, "image": DATA, "video": CLIP}]
        yield some("fused with video", [everything], contents, said={"fps": 0.5})


def _dashscope_knobs(row: ModelCard, some: Any, image: list[Any]) -> Iterator[Intent]:
    if "frames" in row.modalities:
        frames = Frames([Image.from_url(LINK), Image.from_url(DATA)])
        contents = [{"multi_images": [LINK, DATA]}]
        # v2 refuses the key itself: "each input item needs one of text/image/audio/video".
        yield some("multi images", [frames], contents, without=("v2",))
        if row.fusion == "object":
            together = [{"text": TEXT, "multi_images": [LINK, DATA]}]
            yield some("fused with multi images", [Fused(TEXT, frames)], together)
    for name, least in (("res_level", 0), ("max_video_frames", 1)):
        most = getattr(row, name)
        for value in () if most is None else (least, most):
            asked = {name: value}
            yield some(f"{name} {value}", [Image.from_url(LINK)], image, settings=asked, said=asked)


def _chunks(values: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def _words(count: int) -> list[str]:
    return [f"text {number}" for number in range(count)]


INTENTS = tuple(intents())
