"""What users ask of Ark, for one model row."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import Any

from intent_types import (
    CLIP,
    DATA,
    FILM,
    KNOBS,
    LINK,
    LINK_2,
    OTHER,
    PICTURE,
    TASK,
    TEXT,
    Intent,
    chunks,
    words,
)

from volc_dashscope.inputs import Fused, Image, Item, Video
from volc_dashscope.models import ModelInfo


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


def ark_media(row: ModelInfo) -> Iterator[Intent]:
    """Yield the intents of a vision model."""

    def one(claim: str, item: Item, parts: Sequence[Any], kinds: str = "text", **more: Any) -> Intent:
        said = more.pop("said", {})
        if row.instruct and "instructions" not in said:
            said = {"instructions": _corpus(kinds), **said}
        theirs = {"model": row.name, "input": list(parts), **said}
        return Intent(
            model_info=row,
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


def _many_ark(row: ModelInfo) -> Intent:
    said = {"instructions": _corpus("text")} if row.instruct else {}
    calls = [{"model": row.name, "input": [_text(text)], **said} for text in (TEXT, OTHER, TEXT + "s")]
    return Intent(
        model_info=row,
        claim="texts",
        door="ark.multimodal",
        theirs=tuple(calls),
        items=(TEXT, OTHER, TEXT + "s"),
    )


def _ark_roles(row: ModelInfo, one: Any, text: list[Any]) -> Iterator[Intent]:
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


def _ark_video(row: ModelInfo, one: Any) -> Iterator[Intent]:
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


def _ark_outputs(row: ModelInfo, one: Any, text: list[Any]) -> Iterator[Intent]:
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
        base_model = {"base_model": row.name}
        yield Intent(
            model_info=row,
            claim="endpoint id",
            door="ark.multimodal",
            theirs=(asked,),
            items=(TEXT,),
            settings=base_model,
        )
        asked = {"model": endpoint, "input": text}
        unknown = {"provider": "ark"}
        yield Intent(
            model_info=row,
            claim="unknown name",
            door="ark.multimodal",
            theirs=(asked,),
            items=(TEXT,),
            settings=unknown,
        )


def ark_texts(row: ModelInfo) -> Iterator[Intent]:
    """Yield the intents of a text model."""

    def some(claim: str, texts: Sequence[str], **more: Any) -> Intent:
        said, spoken = more.pop("said", {}), more.pop("spoken", texts)
        calls = [{"model": row.name, "input": list(chunk), **said} for chunk in chunks(spoken, row.batch)]
        return Intent(
            model_info=row,
            claim=claim,
            door=more.pop("door", "ark.text"),
            theirs=tuple(calls),
            items=tuple(texts),
            **more,
        )

    yield some("text", [TEXT])
    yield some("text with every script", [OTHER])
    yield some("texts", [TEXT, OTHER])
    yield some("texts beyond a batch", words(row.batch + 1))
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
