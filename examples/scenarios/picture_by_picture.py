"""
Find pictures of the same kind of thing: a chair that is not in the store.

    python examples/scenarios/picture_by_picture.py
"""

from __future__ import annotations

from functools import partial

from drawings import chair, drawn, picture
from ranking import print_ranking
from service import open_client, wants_bar

MODEL = "doubao-embedding-vision-251215"
GOODS = ("red_chair", "blue_chair", "yellow_chair", "green_sofa", "wooden_table", "table_lamp", "bed")
UPLOADED = partial(chair, colour=("#5fc3b8", "#2b8f88"), x=164, size=0.75)


def main() -> None:
    """Embed what is for sale as documents and a customer's picture as the query."""
    with open_client(MODEL, target_modality="image") as client:
        goods = client.embed([picture(name) for name in GOODS], progress=wants_bar())
        asked = client.embed([drawn(UPLOADED)], text_type="query")
        print_ranking("query: [a small teal chair]", goods.vectors @ asked.vectors[0], GOODS, top=3)


if __name__ == "__main__":
    main()
