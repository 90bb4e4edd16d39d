"""
Find the article that answers a question: short questions, longer answers, so the roles differ.

    python examples/scenarios/text_by_text.py
"""

from __future__ import annotations

from ranking import print_ranking
from service import open_client, tell_what_a_key_changes
from tables import read

MODEL = "text-embedding-v4"
TASK = "Given a question of a customer, retrieve the help article that answers it"
QUESTIONS = ("如何重置密码", "照片太多存不下了", "Can I pay in instalments?")


def main() -> None:
    """Embed articles as documents and questions as queries, with the task in English as the vendor advises."""
    articles = [row["article"] for row in read("help")]
    with open_client(MODEL, instruct=TASK) as client:
        stored = client.embed(articles, text_type="document")
        asked = client.embed(QUESTIONS, text_type="query")
        print(f"{len(articles)} articles, {client.usage.requests} requests\n")
        for question, vector in zip(QUESTIONS, asked, strict=True):
            print_ranking(f"query: {question}", stored.vectors @ vector, articles, top=2)
    tell_what_a_key_changes(MODEL, "the article that answers a question ranks first", stored.vectors)


if __name__ == "__main__":
    main()
