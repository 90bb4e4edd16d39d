"""The same wrong argument is refused in the same way by every class of both frameworks."""

from __future__ import annotations

import copy
import pickle
import re
from threading import Lock

import pytest
from canary import KEY
from langchain_core.rate_limiters import BaseRateLimiter, InMemoryRateLimiter
from samples import KINDS

import langchain_volc_dashscope as lc
import llama_index_ext as li
from volc_dashscope import ConfigError

NAMES = [f"{kind.__module__.split('_')[0]}-{kind.__name__}" for kind in KINDS]
# A setting, a wrong value, and what every class says of it.
WRONG = {
    "a client that is a number": ("http_client", 5, "must be a client like httpx.Client, got int"),
    "a client of the other kind": (
        "http_async_client",
        "x",
        "must be a client like httpx.AsyncClient, got str",
    ),
    "a limiter that is none": ("limiter", 5, "must have acquire() and aacquire(), and acquire() is missing"),
    "a cache that is none": (
        "cache",
        5,
        "must be a mapping of str to bytes, such as SQLiteCache(path), got int",
    ),
    "a number in words": ("max_concurrency", "many", "must be a valid integer, got str"),
    "a number that is true": ("max_concurrency", True, "must be a number, got True"),
    "a count that is false": ("max_retries", False, "must be a number, got False"),
    "a time that is true": ("timeout", True, "must be a number, got True"),
    "a rate that is true": ("requests_per_minute", True, "must be a number, got True"),
    "half a retry": ("max_retries", 1.5, "must be a valid integer, got 1.5"),
    "no time at all": ("deadline", -1, "must be a positive number of seconds, got -1.0"),
    "a flag that is none": ("truncate", "perhaps", "must be a valid boolean, got str"),
    "headers in a list": ("default_headers", [1], "must be a valid dictionary, got list"),
    "a region of no name": ("region", 3, "must be a valid string, got 3"),
    "a folder that is none": ("media_root", 3, "must be a valid string, got 3"),
    "a route there is none of": ("route", "by foot", "must be 'native'"),
}


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
@pytest.mark.parametrize(("name", "value", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_a_config_error_with_the_same_words(kind, name, value, said):
    with pytest.raises(ConfigError, match=re.escape(f"{name} {said}")):
        kind(api_key=KEY, **{name: value})


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
@pytest.mark.parametrize(("name", "value", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_set_later_is_refused_and_changed_back(kind, name, value, said):
    made = kind(api_key=KEY)
    before = getattr(made, name)

    with pytest.raises(ConfigError, match=re.escape(f"{name} {said}")):
        setattr(made, name, value)

    assert before == getattr(made, name)


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_an_unknown_name_is_answered_with_the_one_it_resembles(kind):
    with pytest.raises(ConfigError, match=f"{kind.__name__} has no max_retry=; did you mean max_retries="):
        kind(api_key=KEY, max_retry=5)


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_an_unknown_name_set_later_is_refused_as_well(kind):
    made = kind(api_key=KEY)

    with pytest.raises(ConfigError, match=f"{kind.__name__} has no request_timeout=; use timeout="):
        made.request_timeout = 5


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_the_text_of_a_wrong_value_is_never_shown(kind):
    with pytest.raises(ConfigError) as caught:
        kind(api_key=KEY, max_concurrency=KEY)

    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_a_key_that_is_a_number_is_not_shown(kind):
    with pytest.raises(ConfigError, match=r"api_key must be .*, got int") as caught:
        kind(api_key=9876543210)

    assert "9876543210" not in str(caught.value)


@pytest.mark.parametrize("kind", [li.ArkMultiModalEmbedding, lc.ArkEmbeddings])
def test_a_rate_limiter_of_the_framework_that_is_none_is_refused(kind):
    with pytest.raises(ConfigError, match="rate_limiter must be an instance of BaseRateLimiter, got 3"):
        kind(api_key=KEY, rate_limiter=3)


@pytest.mark.parametrize("kind", KINDS[3:7], ids=NAMES[3:7])
def test_fewer_workers_than_none_are_refused_by_dense_and_sparse(kind):
    with pytest.raises(ConfigError, match="num_workers must be greater than or equal to 0, got -1"):
        kind(api_key=KEY, num_workers=-1)


@pytest.mark.parametrize(
    ("kind", "size"), [(li.ArkSparseEmbedding, 4 * 1 * 3), (li.DashScopeSparseEmbedding, 4 * 10 * 3)]
)
def test_core_s_batches_are_large_enough_for_requests_of_sparse_vectors_to_overlap(kind, size):
    assert size == kind(api_key=KEY, max_concurrency=3).embed_batch_size


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_every_setting_of_ours_is_described_in_the_schema(kind):
    """From the docstrings, which say it already. `callback_manager` is core's, and has none there."""
    properties = kind.model_json_schema()["properties"]

    undescribed = {name for name, field in properties.items() if "description" not in field}
    assert set() == undescribed - {"callback_manager", "class_name"}


# What travels, and what does not.


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_a_dict_as_cache_does_not_travel_silently(kind):
    with pytest.warns(UserWarning, match="cache= is a dict, so another process gets a copy"):
        pickle.dumps(kind(api_key=KEY, cache={}))


class Locked:
    """A limiter that cannot be pickled."""

    def __init__(self):
        self.lock = Lock()

    def acquire(self):
        return None

    async def aacquire(self):
        return None


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_what_cannot_be_pickled_raises_and_stays(kind):
    """Core would delete it from the live object, which then works without it."""
    made = kind(api_key=KEY, limiter=Locked())

    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(made)

    assert isinstance(made.limiter, Locked)


DEEP = {"deepcopy": copy.deepcopy, "model_copy": lambda made: made.model_copy(deep=True)}


@pytest.mark.parametrize("deep", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_a_copy_in_this_process_shares_limiter_and_cache(kind, deep):
    limiter, cache = Locked(), {}

    copied = deep(kind(api_key=KEY, limiter=limiter, cache=cache))

    assert limiter is copied.limiter
    assert cache is copied.cache


@pytest.mark.parametrize("deep", DEEP.values(), ids=DEEP)
def test_a_copy_in_this_process_shares_langchain_s_rate_limiter(deep, emulate):
    served = emulate(socket=True)
    limiter, cache = InMemoryRateLimiter(requests_per_second=1000), {}
    made = lc.ArkEmbeddings(rate_limiter=limiter, cache=cache, **served.settings("ark"))

    copied = deep(made)
    made.embed_query("a")
    copied.embed_query("a")

    assert limiter is copied.rate_limiter
    assert 1 == len(served.emulator.ledger)
    made.close()
    copied.close()


class Counter:
    """A limiter of the client's protocol that counts."""

    calls = 0

    def acquire(self):
        self.calls += 1

    async def aacquire(self):
        self.calls += 1


class Unlimited(BaseRateLimiter):
    """A limiter of LangChain's that counts."""

    calls = 0

    def acquire(self, *, blocking=True):
        self.calls += 1
        return True

    async def aacquire(self, *, blocking=True):
        return self.acquire()


async def test_langchain_s_limiter_does_not_replace_the_client_s(inside, embed_model_of):
    own, framework_s = Counter(), Unlimited()
    embed_model = embed_model_of(lc.ArkEmbeddings, inside, limiter=own, rate_limiter=framework_s)

    embed_model.embed_query("a")
    await embed_model.aembed_query("b")

    assert (2, 2) == (own.calls, framework_s.calls)
