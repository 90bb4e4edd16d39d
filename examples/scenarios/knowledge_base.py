"""
Search a knowledge base whose articles are text with a picture, by a text with a picture.

    python examples/scenarios/knowledge_base.py
"""

from __future__ import annotations

from drawings import drawn, empty_battery, full_storage, no_network, signed_in
from ranking import print_ranking
from service import open_client, wants_bar

from volc_dashscope import Fused

MODEL = "doubao-embedding-vision-251215"
ARTICLES = (
    ("网络连接故障", "无法连接网络时，请还原网络设置并重启路由器。", no_network),
    ("电池耗电", "电量下降过快时，请检查后台应用并更换电池。", empty_battery),
    ("存储空间", "空间已满时，请清理缓存或把照片移到云端。", full_storage),
    ("账号登录", "登录成功后可在“我的”页面修改资料和密码。", signed_in),
)


def main() -> None:
    """Embed articles and question alike: text and picture fused into one vector each."""
    titles = [title for title, _, _ in ARTICLES]
    # What is searched is text with a picture; "and" joins the modalities of one item.
    with open_client(MODEL, target_modality="text and image") as client:
        items = [Fused(f"{title}：{text}", drawn(screen)) for title, text, screen in ARTICLES]
        articles = client.embed(items, progress=wants_bar())
        question = Fused("无法连接网络", drawn(no_network))
        asked = client.embed([question], text_type="query")
        print_ranking("query: [screenshot] 无法连接网络", articles.vectors @ asked.vectors[0], titles)


if __name__ == "__main__":
    main()
