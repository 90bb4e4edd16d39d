"""
Find a video by a text. The service fetches each URL itself, so it has to be public.

    python examples/scenarios/video_by_text.py [URL ...]

Without arguments the live service is asked about the vendors' two sample videos; the emulator, which fetches
nothing and goes by the words of a URL, about four that do not exist.
"""

from __future__ import annotations

import sys

from ranking import print_ranking
from service import has_key, open_client, wants_bar

from volc_dashscope import Video

MODEL = "doubao-embedding-vision-251215"
SAMPLES = (
    "https://ark-project.tos-cn-beijing.volces.com/doc_video/ark_vlm_video_input.mp4",
    "https://help-static-aliyun-doc.aliyuncs.com/file-manage-files/zh-CN/20250107/lbcemt/new+video.mp4",
)
IMAGINED = (
    "https://example.com/cat-sleeping-on-a-sofa.mp4",
    "https://example.com/sailing-boat-at-sunset.mp4",
    "https://example.com/making-dumplings.mp4",
    "https://example.com/city-traffic-at-night.mp4",
)
QUERIES = ("a boat on the sea", "城市夜景")


def main(urls: tuple[str, ...]) -> None:
    """Embed videos as documents, one frame for every two seconds, and texts as queries."""
    with open_client(MODEL, target_modality="video", timeout=300) as client:
        videos = client.embed([Video.from_url(url, fps=0.5) for url in urls], progress=wants_bar())
        asked = client.embed(QUERIES, text_type="query")
        names = [url.rpartition("/")[2] for url in urls]
        for query, vector in zip(QUERIES, asked, strict=True):
            print_ranking(f"query: {query}", videos.vectors @ vector, names)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or (SAMPLES if has_key(MODEL) else IMAGINED))
