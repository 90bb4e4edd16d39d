"""
Find a picture by a picture and what should be different about it: "this, but dark blue".

    python examples/scenarios/picture_and_text.py
"""

from __future__ import annotations

from drawings import picture
from ranking import print_ranking
from service import open_client, wants_bar

from volc_dashscope import Fused

MODEL = "doubao-embedding-vision-251215"
GOODS = ("red_chair", "blue_chair", "yellow_chair", "green_sofa", "wooden_table", "blue_square", "red_car")
CHANGES = ("", "深蓝色的", "the same in yellow")


def main() -> None:
    """Ask with a red chair alone, then with the chair and a colour fused into one vector."""
    with open_client(MODEL, target_modality="image") as client:
        goods = client.embed([picture(name) for name in GOODS], progress=wants_bar())
        seen = picture("red_chair")
        asked = client.embed(
            [Fused(seen, change) if change else seen for change in CHANGES], text_type="query"
        )
        for change, vector in zip(CHANGES, asked, strict=True):
            title = f"query: [red chair] {change}".rstrip()
            print_ranking(title, goods.vectors @ vector, GOODS, top=3)


if __name__ == "__main__":
    main()
