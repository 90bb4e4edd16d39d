"""
Shows rankings: as lines for a terminal, and as one self-contained HTML page.

    Hit, Ranking    a query and its results
    table           `query | rank | score | picture`, in columns that stay aligned under Chinese
    write_gallery   a page without scripts, readable on a phone and in the dark; needs Pillow (extra `images`)
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from string import Template

from volc_dashscope._media._files import open_fenced
from volc_dashscope._media._shrink import thumbnail
from volc_dashscope._paths import escaped
from volc_dashscope.errors import ConfigError, InputError

__all__ = ["Hit", "Ranking", "table", "words", "write_gallery"]

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root {
  --page: #f4f1ea; --surface: #ffffff; --ink: #1d1b18; --quiet: #645d52; --edge: #e0d9cc; --accent: #9a4a12;
  --tint: #fbf4e9; --track: #ece5d8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15161a; --surface: #1f2127; --ink: #f0ede6; --quiet: #aca69b; --edge: #33363e; --accent: #f0a868;
    --tint: #272420; --track: #363941;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: clamp(1rem, 4vw, 3rem) clamp(0.75rem, 3vw, 2rem);
  background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei",
    "Noto Sans CJK SC", sans-serif;
}
header, main { max-width: 66rem; margin: 0 auto; }
header { margin-bottom: clamp(1.25rem, 3vw, 2.25rem); }
h1 {
  margin: 0 0 0.35rem; font-size: clamp(1.5rem, 4vw, 2.25rem); line-height: 1.2;
  letter-spacing: -0.015em;
}
header p { margin: 0; color: var(--quiet); overflow-wrap: anywhere; text-wrap: balance; }
section {
  display: grid; grid-template-columns: 14rem minmax(0, 1fr); overflow: hidden; margin-bottom: 1.25rem;
  background: var(--surface); border: 1px solid var(--edge); border-radius: 14px;
}
.query {
  display: flex; flex-direction: column; justify-content: center; gap: 0.5rem; padding: 1.1rem;
  background: var(--tint); border-right: 1px solid var(--edge);
}
.query p {
  margin: 0; color: var(--accent); font-size: 0.75rem; font-weight: 600;
  letter-spacing: 0.06em; text-transform: uppercase;
}
h2 { margin: 0; font-size: 1.25rem; line-height: 1.3; overflow-wrap: anywhere; text-wrap: balance; }
img { display: block; width: 100%; height: auto; border-radius: 8px; box-shadow: 0 0 0 1px var(--edge); }
.film {
  display: grid; place-items: center; aspect-ratio: 1; border-radius: 8px; background: var(--track);
  box-shadow: 0 0 0 1px var(--edge); color: var(--quiet); font-size: 2rem;
}
ol {
  display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 1rem; margin: 0;
  align-content: center; padding: 1.1rem; list-style: none;
}
figure { display: flex; flex-direction: column; height: 100%; margin: 0; }
figcaption { display: flex; flex: 1; flex-direction: column; margin-top: 0.55rem; }
.name { flex: 1; font-weight: 600; line-height: 1.3; overflow-wrap: anywhere; }
.score {
  display: flex; justify-content: space-between; color: var(--quiet); font-size: 0.875rem;
  font-variant-numeric: tabular-nums;
}
.bar {
  display: block; height: 4px; margin-top: 0.35rem; overflow: hidden;
  background: var(--track); border-radius: 2px;
}
.bar span { display: block; height: 100%; background: var(--accent); }
@media (max-width: 44rem) {
  section { grid-template-columns: minmax(0, 1fr); }
  .query { border-right: 0; border-bottom: 1px solid var(--edge); padding: 0.85rem; }
  .query.pictured {
    display: grid; grid-template: auto auto / 6.5rem minmax(0, 1fr);
    gap: 0.1rem 0.85rem;
  }
  .pictured img { grid-row: 1 / 3; }
  .pictured p { align-self: end; }
  ol { gap: 0.6rem; padding: 0.85rem; }
  .name { font-size: 0.875rem; }
  .score { font-size: 0.8125rem; }
}
</style>
</head>
<body>
<header>
<h1>$title</h1>
<p>$note</p>
</header>
<main>
$sections
</main>
</body>
</html>
""")


@dataclass(frozen=True, slots=True)
class Hit:
    """
    One picture or video in a ranking.

    ```python
    from volc_dashscope.search.gallery import Hit

    print(Hit(1, 0.87, Path("pictures/red_chair.png"), "red chair").picture.name)
    ```
    ```text
    red_chair.png
    ```

    Attributes:
        rank: Position in the ranking, from 1.
        score: Score shown beside it, usually the cosine similarity.
        picture: Path of the file.
        caption: Text shown below it on the page.
        name: Name in the table; by default the file name.
        vector_rank: Rank by vector, if the results were reranked.
    """

    rank: int
    score: float
    picture: Path
    caption: str
    name: str = ""
    vector_rank: int | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """
    A query by text, picture or both, and its results.

    ```python
    from volc_dashscope.search.gallery import Hit, Ranking, table

    hit = Hit(1, 0.87, Path("pictures/red_chair.png"), "red chair")
    print("\\n".join(table([Ranking("a red chair", None, [hit])])))
    ```
    ```text
    query       | rank | score  | picture
    ------------+------+--------+------------------------
    a red chair |    1 |  0.870 | red_chair.png
    ```

    Attributes:
        query_text: Text of the query; empty if there is none.
        query_picture: Path of the picture of the query; None if there is none.
        hits: The results, best first.
    """

    query_text: str
    query_picture: Path | None
    hits: Sequence[Hit]

    @property
    def label(self) -> str:
        """The query in one line, as a terminal may show it."""
        picture = f"[{words(self.query_picture)}]" if self.query_picture else ""
        return escaped(" + ".join(part for part in (picture, self.query_text) if part))


def table(rankings: Sequence[Ranking]) -> Iterator[str]:
    """
    Yield rankings as lines with the columns query, rank, score and picture, and the rank by vector if reranked.

    Args:
        rankings: Each query with its results.
    """
    both = any(hit.vector_rank is not None for ranking in rankings for hit in ranking.hits)
    width = max([len("query"), *(_width(ranking.label) for ranking in rankings)])
    yield f"{'query'.ljust(width)} | rank | {'vector | ' if both else ''}score  | picture"
    for ranking in rankings:
        yield f"{'-' * width}-+------+{'--------+' if both else ''}--------+{'-' * 24}"
        for hit in ranking.hits:
            shown = ranking.label if hit.rank == 1 else ""
            space = " " * (width - _width(shown))
            before = f"{hit.vector_rank or '':>6} | " if both else ""
            name = escaped(hit.name or hit.picture.name)
            yield f"{shown}{space} | {hit.rank:>4} | {before}{hit.score:>6.3f} | {name}"


def write_gallery(path: Path, *, title: str, note: str, rankings: Sequence[Ranking]) -> None:
    """
    Write the page to `path`. It contains the pictures, so that the file can be moved or sent on its own.

    Args:
        path: The HTML file; its folder is created.
        title: Title of the page.
        note: Text below the title.
        rankings: Each query with its results.

    Raises:
        ConfigError: Pillow is not installed.
    """
    sections = "\n".join(_section(number, ranking) for number, ranking in enumerate(rankings, start=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    page = _PAGE.substitute(title=escape(title), note=escape(note), sections=sections)
    path.write_bytes(page.encode(errors="replace"))  # file names may be no UTF-8


def words(picture: Path) -> str:
    """Return the name of a picture as text for people, from its file name: "red chair" for `red_chair.png`."""
    return picture.stem.replace("_", " ")


def _width(text: str) -> int:
    """Return the width of a text in terminal columns."""
    if text.isascii() and text.isprintable():
        return len(text)
    from wcwidth import wcswidth  # its tables take a while to load

    return wcswidth(text)


def _section(number: int, ranking: Ranking) -> str:
    picture, text = ranking.query_picture, ranking.query_text
    kind = " + ".join(part for part, given in (("picture", picture), ("text", text)) if given)
    shown = _image(picture, f"query picture: {words(picture)}") if picture else ""
    heading = text or (words(picture) if picture else "")
    return f"""\
<section aria-labelledby="query-{number}">
<div class="query{" pictured" if picture else ""}">
{shown}
<p>{kind}</p>
<h2 id="query-{number}"{_language(heading)}>{escape(heading)}</h2>
</div>
<ol role="list">
{"".join(_hit(hit) for hit in ranking.hits)}</ol>
</section>"""


def _hit(hit: Hit) -> str:
    filled = max(0.0, min(1.0, hit.score)) * 100
    return f"""\
<li><figure>
{_image(hit.picture, hit.caption)}
<figcaption>
<span class="name"{_language(hit.caption)}>{escape(hit.caption)}</span>
<span class="score"><span>No. {hit.rank}{_before(hit)}</span><span>{hit.score:.3f}</span></span>
<span class="bar" aria-hidden="true"><span style="width: {filled:.1f}%"></span></span>
</figcaption>
</figure></li>
"""


def _before(hit: Hit) -> str:
    return "" if hit.vector_rank is None else f" (by vector {hit.vector_rank})"


def _image(picture: Path, alt: str) -> str:
    found = _thumbnail(picture)
    if found is None:
        return (
            f'<div class="film" role="img" aria-label="{escape(alt)}"><span aria-hidden="true">▶</span></div>'
        )
    uri, wide, high = found
    return f'<img src="{uri}" width="{wide}" height="{high}" alt="{escape(alt)}">'


@lru_cache
def _thumbnail(picture: Path) -> tuple[str, int, int] | None:
    """Return a small copy as a data URI with its size, or None if Pillow cannot read it, as a video."""
    try:
        with open_fenced(picture, None) as file:
            drawn = thumbnail(file, 320)
    except ImportError as error:
        raise ConfigError('a gallery needs Pillow: pip install "volc-dashscope[images]"') from error
    except InputError:
        return None
    if drawn is None:
        return None
    return f"data:image/webp;base64,{b64encode(drawn.data).decode('ascii')}", drawn.width, drawn.height


def _language(text: str) -> str:
    """Return the `lang` attribute of Chinese text, so that it is read and set as Chinese on an English page."""
    return ' lang="zh"' if any(_width(letter) == 2 for letter in text if not letter.isascii()) else ""
