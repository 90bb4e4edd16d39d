"""The words of texts as numbers: the same as a plain count gives, in every order, thread and state of the caches."""

from __future__ import annotations

import random
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

import numpy as np
import pytest

from volc_dashscope.emulator import tokens, word_features
from volc_dashscope.emulator.word_features import COMMON, FEATURES, rows

SAMPLES = {
    "chinese": "红色的自行车停在海边，旁边是一只黑猫，红色的。",
    "english": "Cats and ladies running; the running cats of 2024.",
    "mixed": "车s 苹果es t恤 上海abc中12文",
    "common only": "我们的他们",
    "one": "猫",
    "other alphabets": "Ω ßüß 한국어 カタカナ русский İstanbul",
    "beyond the first plane": "猫𠀀狗😀鸟",
    "zeros inside": "猫\0狗\0\0鸟",
    "half a character": "猫\ud83d狗",
    "no words": " ?! ，。",
    "nothing": "",
    "a long word": "x" * 9000,
}
RUN = re.compile(r"[a-z]+|[0-9]+|[\u3400-\u9fff]+|[^\W\d_a-z\u3400-\u9fff]+")


def counted(text: str) -> np.ndarray:
    """Return the features of a text, counted gram by gram."""
    grams: Counter[tuple[str, float]] = Counter()
    for run in RUN.findall(text.lower()):
        if "\u3400" <= run[0] <= "\u9fff":
            grams.update((letter, 0.08 if letter in COMMON else 0.35) for letter in run)
            pairs = [run[at : at + 2] for at in range(len(run) - 1)]
            grams.update((pair, 0.2 if set(pair) & COMMON else 1.0) for pair in pairs)
        elif run in COMMON:
            grams[run, 0.1] += 1
        else:
            grams[re.sub(r"(?<=...)(ing|ed|es|s)$", "", run), 1.0] += 1
            framed = f"^{run}$"
            grams.update((framed[at : at + 3], 0.2) for at in range(len(framed) - 2))
    row = np.zeros(FEATURES)
    for (gram, weight), times in grams.items():
        data = gram.encode("utf-8", "replace")
        hashed = blake2b(len(data).to_bytes(8, "little") + data, digest_size=8).digest()
        number = int.from_bytes(hashed, "little")
        row[number % FEATURES] += (1 if number & 1 << 40 else -1) * weight * times**0.5
    return row / (np.linalg.norm(row) or 1)


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_features_are_those_of_a_plain_count(text):
    assert counted(text) == pytest.approx(rows([text])[0], abs=1e-6)


def test_texts_of_one_request_are_counted_apart():
    together = rows(list(SAMPLES.values()))

    alone = [rows([text])[0] for text in SAMPLES.values()]

    assert [row.tobytes() for row in alone] == [row.tobytes() for row in together]


def pairs(count: int, seed: int) -> str:
    draw = random.Random(seed)
    return "".join(chr(draw.randrange(0x3400, 0xA000)) for _ in range(count))


def test_the_cache_neither_grows_nor_changes_what_it_is_asked():
    before, size = rows([SAMPLES["chinese"]]), word_features._CACHE.nbytes

    rows([pairs(300_000, 1)])

    assert size == word_features._CACHE.nbytes == 2 * 2**20
    assert before.tobytes() == rows([SAMPLES["chinese"]]).tobytes()


def test_long_words_are_not_remembered():
    """A corpus of base64 would otherwise fill the memory."""
    before = word_features._remembered.cache_info().currsize

    rows(["x" * 5000 + str(number) for number in range(3)] + ["y" * 5000])

    assert before + 3 >= word_features._remembered.cache_info().currsize


def test_threads_that_share_the_cache_find_the_same():
    texts = [pairs(2_000, seed) for seed in range(40)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda text: rows([text]), texts))

    assert [rows([text]).tobytes() for text in texts] == [row.tobytes() for row in found]


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_tokens_are_counted_without_making_them(text):
    assert len(tokens.words(text)) == tokens.text(text)


@pytest.mark.parametrize("text", ["abcd\U00020000x", "a\u3000b", "!。!", "猫cat狗12。", "a_b", "  "])
def test_tokens_are_counted_where_kinds_of_letters_meet(text):
    assert len(tokens.words(text)) == tokens.text(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("猫狗", False), ("猫狗鸟", True), ("abcdefgh", False), ("", False)]
)
def test_a_text_exceeds_tokens_and_not_characters(text, expected):
    assert expected == tokens.exceeds(text, 2)
