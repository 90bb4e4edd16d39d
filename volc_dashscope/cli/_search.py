"""`volc-dashscope search`: the pictures of a folder, ranked by a text, a picture, or both at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from volc_dashscope.cli._folder import HOW_TO_RESUME, FolderOptions, folder_options, opened
from volc_dashscope.cli._options import PICTURE_RERANK_MODEL_NAME
from volc_dashscope.cli._output import errors_reported, media_count, note, print_json, print_line
from volc_dashscope.cli._paths import PathArgument
from volc_dashscope.cli._picture_reranker import rerank_summary, reranking, vector_fields, vector_rank_of
from volc_dashscope.client import Client
from volc_dashscope.errors import ConfigError
from volc_dashscope.inputs import Fused, Image, Item
from volc_dashscope.search import Album, Found
from volc_dashscope.search.gallery import Hit, Ranking, table, words, write_gallery


@dataclass(frozen=True)
class _Query:
    """A text, a picture, or both in one vector."""

    text: str = ""
    picture: Path | None = None

    def item(self) -> Item:
        """Return the item to embed."""
        if self.picture is None:
            return self.text
        image = Image.from_path(self.picture)
        return Fused(self.text, image) if self.text else image


@click.command()
@click.argument("folder", type=PathArgument(exists=True, file_okay=False))
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
@click.option(
    "--image",
    "picture",
    type=PathArgument(exists=True, dir_okay=False),
    help="Search by this image.",
)
@click.option(
    "--fused",
    is_flag=True,
    help="Combine TEXT and --image into one query: this image, changed as TEXT says.",
)
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="Number of results.")
@click.option(
    "--kind", type=click.Choice(["image", "video"]), help="Show only images or only videos. Default: both."
)
@click.option(
    "--rerank",
    type=PICTURE_RERANK_MODEL_NAME,
    help="Rerank the nearest images with this model, such as qwen3-vl-rerank.",
)
@click.option("--html", type=PathArgument(dir_okay=False), help="Also write the results as an HTML page.")
@folder_options
def search(
    folder: Path,
    texts: tuple[str, ...],
    picture: Path | None,
    fused: bool,
    top: int,
    kind: Any,
    rerank: str | None,
    html: Path | None,
    **options: Any,
) -> None:
    """
    Search the images and videos of FOLDER by text, by image, or by both.

    The first search embeds the folder; later searches embed only new and changed files. Vectors are stored in
    FOLDER/.volc-dashscope, or in --store.

    \b
    Examples:
      volc-dashscope search photos/ "蓝色海景"
      volc-dashscope search photos/ --image chair.png --top 10
      volc-dashscope search photos/ "this, but blue" --image chair.png --fused
      volc-dashscope search photos/ "a red chair" --rerank qwen3-vl-rerank
      volc-dashscope search photos/ "a red chair" --emulator       (no key needed)
    """
    queries = list(_queries(texts, picture, fused=fused))
    chosen = FolderOptions(**options)
    with errors_reported(as_json=chosen.as_json, hint=[HOW_TO_RESUME]):
        items = [query.item() for query in queries]
        with (
            reranking(rerank, folder, chosen, kind) as reranker,
            opened(folder, chosen) as (album, client),
        ):
            vectors = client.embed(items, text_type="query").vectors
            if reranker is None:
                found: list[Sequence[Found]] = [
                    album.search(vector, top=top, kind=kind) for vector in vectors
                ]
            else:
                nearest = [album.search(vector, top=reranker.candidates, kind="image") for vector in vectors]
                found = [reranker.best(*each, album, top=top) for each in zip(items, nearest, strict=True)]
            rankings = [_ranking(*each, album) for each in zip(queries, found, strict=True)]
            _show(rankings, found, album, client, html=html, as_json=chosen.as_json)
            if reranker is not None:
                note(rerank_summary(reranker))


def _queries(texts: Sequence[str], picture: Path | None, *, fused: bool) -> Iterator[_Query]:
    if not texts and picture is None:
        raise click.UsageError("the query is missing: pass a text, --image, or both")
    if fused:
        if len(texts) != 1 or picture is None:
            raise click.UsageError("--fused needs one text and one --image")
        yield _Query(texts[0], picture)
        return
    if not all(texts):
        raise click.UsageError("the text is empty")
    yield from (_Query(text) for text in texts)
    if picture is not None:
        yield _Query(picture=picture)


def _ranking(query: _Query, found: Sequence[Found], album: Album) -> Ranking:
    hits = [
        Hit(
            hit.rank,
            hit.score,
            album.path(hit.entry),
            words(Path(hit.entry.name)),
            hit.entry.name,
            vector_rank_of(hit),
        )
        for hit in found
    ]
    return Ranking(query.text, query.picture, hits)


def _show(
    rankings: Sequence[Ranking],
    found: Sequence[Sequence[Found]],
    album: Album,
    client: Client,
    *,
    html: Path | None,
    as_json: bool,
) -> None:
    if html is not None:
        about = f"{media_count(len(album))} of {album.folder.resolve().name}, {client.model_info.name}"
        try:
            write_gallery(html, title="Search results", note=about, rankings=rankings)
        except OSError as error:
            raise ConfigError(f"{str(html)!r} cannot be written ({error.strerror})") from error
        note(f"gallery: {html}")
    if not as_json:
        for line in table(rankings):
            print_line(line)
        return
    usage = {name: value for name, value in asdict(client.usage).items() if name != "detail"}
    print_json(
        {
            "model": client.model_info.name,
            "folder": str(album.folder),
            "files": len(album),
            "left_out": dict(album.left_out),
            "usage": usage,
            "html": html and str(html),
            "rankings": [_as_json(*each) for each in zip(rankings, found, strict=True)],
        }
    )


def _as_json(ranking: Ranking, found: Sequence[Found]) -> dict[str, Any]:
    return {
        "text": ranking.query_text,
        "image": ranking.query_picture and str(ranking.query_picture),
        "hits": [
            {
                "rank": hit.rank,
                "score": hit.score,
                "name": hit.entry.name,
                "kind": hit.entry.kind,
                **vector_fields(hit),
            }
            for hit in found
        ],
    }
