"""
Classify without any examples: the label whose text is nearest.

    python examples/scenarios/zero_shot.py
"""

from __future__ import annotations

from ranking import ranked
from service import open_client, tell_what_a_key_changes

MODEL = "text-embedding-v4"
LABELS = ("数码产品", "服装配饰", "食品饮料", "家居生活")
TEXTS = (
    "这件衣服的料子很舒服，款式也好看",
    "耳机降噪效果不错，续航能用一整天",
    "饼干酥脆，不太甜，配茶正好",
    "床垫软硬适中，睡醒腰不酸",
)


def main() -> None:
    """Texts and labels play the same role, so none is given."""
    with open_client(MODEL) as client:
        vectors = client.embed([*LABELS, *TEXTS], text_type=None).vectors
        labels, texts = vectors[: len(LABELS)], vectors[len(LABELS) :]
        for text, vector in zip(TEXTS, texts, strict=True):
            scores = labels @ vector
            best, second = ranked(scores, top=2)
            print(f"{LABELS[best]} ({scores[best]:.3f}, then {LABELS[second]} {scores[second]:.3f})  {text}")
        print(f"\n{len(TEXTS)} texts, {len(LABELS)} labels, {client.usage.requests} request")
    tell_what_a_key_changes(MODEL, "a text is nearest to the label of its subject", vectors)


if __name__ == "__main__":
    main()
