"""
Find texts that do not belong: far from the middle of those known to be normal.

    python examples/scenarios/anomaly.py

No fixed threshold fits every model and every collection. Here it comes from the normal texts: how near the
least normal of them is to the middle of the others.
"""

from __future__ import annotations

import numpy as np
from ranking import unit
from service import open_client, tell_what_a_key_changes

MODEL = "text-embedding-v4"
NORMAL = (
    "今天的会议很有成效",
    "项目进展顺利",
    "下周发布新版本",
    "用户反馈良好",
    "测试环境已经恢复",
    "文档更新完毕，请大家查阅",
    "新版本的功能测试通过",
    "下周的项目会议改到周三",
)
NEW = ("新版本的功能符合预期", "asdfghjkl zxcvbnm", "限时特惠！加微信领红包")


def main() -> None:
    """All texts are alike, so no role is given."""
    with open_client(MODEL) as client:
        vectors = client.embed([*NORMAL, *NEW], text_type=None).vectors
    normal, new = vectors[: len(NORMAL)], vectors[len(NORMAL) :]
    whole = normal.sum(axis=0)
    threshold = min(float(row @ unit(whole - row)) for row in normal)
    print(f"threshold {threshold:.3f}: the least normal of {len(NORMAL)} normal texts, against the others")
    for text, score in zip(NEW, new @ unit(whole), strict=True):
        print(f"  {'odd   ' if score < threshold else 'normal'} {score:.3f}  {text}")
    print(f"{np.count_nonzero(new @ unit(whole) < threshold)} of {len(NEW)} set apart")
    tell_what_a_key_changes(MODEL, "advertising and noise are far from the normal texts", vectors)


if __name__ == "__main__":
    main()
