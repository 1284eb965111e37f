"""Which answers are kept, under which key, and what a cache in memory lets go of."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from tapeline.policies.cache import CachedResponse, MemoryCache, ResponseCache, is_kept, request_key
from tapeline.types import FinishReason

EXAMPLES = example_settings(max_examples=60)
URL, PATH = "https://api.example.org/v1", "/chat/completions"


def response(body: bytes = b"{}", *, stored_at_s: float = 0.0) -> CachedResponse:
    return CachedResponse(status=200, headers=(), body=body, stored_at_s=stored_at_s, is_stream=False)


def key(body: bytes, *, provider: str = "openai", base_url: str = URL, path: str = PATH) -> str:
    return request_key(provider, base_url, path, body)


# Keys -----------------------------------------------------------------------------------------------

QUESTION = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'


@pytest.mark.parametrize(
    ("body", "is_same"),
    [
        (QUESTION, True),
        (b'{"messages":[{"role":"user","content":"hi"}],"model":"m"}', True),
        (b'{"model": "m", "messages": [{"role": "user", "content": "\\u0068i"}]}', True),
        (b'{"model": "m", "messages": [{"role": "user", "content": "hi "}]}', False),
        (b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true}', False),
        (b"not JSON", False),
        (b"", False),
    ],
    ids=["same", "order and spacing", "escapes", "text", "stream", "no JSON", "empty"],
)
def test_the_same_question_has_the_same_key(body: bytes, is_same: bool) -> None:
    assert (key(body) == key(QUESTION)) == is_same


def test_the_order_inside_a_schema_counts() -> None:
    """Models answer in the order of its properties."""
    one = b'{"schema": {"properties": {"reason": {}, "verdict": {}}}}'
    other = b'{"schema": {"properties": {"verdict": {}, "reason": {}}}}'

    assert key(one) != key(other)


@pytest.mark.parametrize(
    ("changed", "is_same"),
    [
        ({"provider": "ollama"}, False),
        ({"base_url": "https://other.example.org/v1"}, False),
        ({"base_url": f"{URL}/"}, True),
        ({"path": "/responses"}, False),
    ],
    ids=["provider", "host", "slash", "path"],
)
def test_the_same_question_elsewhere_is_another(changed: dict[str, str], is_same: bool) -> None:
    assert (key(QUESTION, **changed) == key(QUESTION)) == is_same


@pytest.mark.parametrize("body", [b"\xff\x00", b"[" * 100_000, b'{"a": NaN}', b"[1, 2]", b"null"])
def test_any_body_has_a_key(body: bytes) -> None:
    assert len(key(body)) == 64
    assert int(key(body), 16) >= 0


@EXAMPLES
@given(
    st.lists(st.text(max_size=3), min_size=3, max_size=3),
    st.lists(st.text(max_size=3), min_size=3, max_size=3),
)
def test_different_places_have_different_keys(one: list[str], other: list[str]) -> None:
    """However their names would run together."""
    places = [(provider, base_url.rstrip("/"), path) for provider, base_url, path in (one, other)]

    keys = [request_key(*place, b"{}") for place in places]

    assert (keys[0] == keys[1]) == (places[0] == places[1])


# Values ---------------------------------------------------------------------------------------------


def test_headers_that_are_nobodys_business_are_not_kept() -> None:
    kept = CachedResponse(
        status=200,
        headers=(
            ("Content-Type", "application/json"),
            ("Set-Cookie", "a=b"),
            ("openai-organization", "acme"),
        ),
        body=b"",
        stored_at_s=0.0,
        is_stream=False,
    )

    assert kept.headers == (("content-type", "application/json"),)


@pytest.mark.parametrize(
    ("status", "finish_reason", "expected"),
    [
        (200, "stop", True),
        (200, "length", True),
        (200, "tool_calls", True),
        (200, "content_filter", False),
        (200, "refusal", False),
        (200, "error", False),
        (200, None, False),
        (201, "stop", False),
        (500, "stop", False),
    ],
)
def test_whole_answers_are_worth_keeping(
    status: int, finish_reason: FinishReason | None, expected: bool
) -> None:
    assert is_kept(status, finish_reason) == expected


# In memory ------------------------------------------------------------------------------------------


def test_what_was_put_is_found_until_it_is_forgotten() -> None:
    cache: ResponseCache = MemoryCache()

    cache.put("a", response(b"1"))
    cache.put("b", response(b"2"))
    cache.put("a", response(b"3"))
    cache.invalidate("b")
    cache.invalidate("never there")

    assert cache.get("a", 0.0) == response(b"3")
    assert cache.get("b", 0.0) is None
    cache.clear()
    assert cache.get("a", 0.0) is None


@pytest.mark.parametrize(
    ("ttl_s", "now_s", "is_found"),
    [(None, 1e9, True), (60, 159, True), (60, 160, False), (60, 1, True), (0, 100, False)],
    ids=["no limit", "young", "old", "clock set back", "at once"],
)
def test_what_is_too_old_is_not_found(ttl_s: float | None, now_s: float, is_found: bool) -> None:
    cache = MemoryCache(ttl_s=ttl_s)
    cache.put("a", response(stored_at_s=100))

    assert (cache.get("a", now_s) is not None) == is_found
    assert len(cache) == is_found


def test_what_was_not_used_for_longest_goes_first() -> None:
    cache = MemoryCache(max_entries=2)
    cache.put("a", response())
    cache.put("b", response())

    cache.get("a", 0.0)
    cache.put("c", response())

    assert [name for name in "abc" if cache.get(name, 0.0)] == ["a", "c"]


def test_bytes_are_counted_too() -> None:
    cache = MemoryCache(max_bytes=10)

    for name, size in [("a", 4), ("b", 4), ("c", 4), ("d", 11)]:
        cache.put(name, response(b"x" * size))

    assert [name for name in "abcd" if cache.get(name, 0.0)] == ["b", "c"]


def test_one_too_large_takes_the_place_of_the_one_before() -> None:
    """What is under the key is not the latest answer any more."""
    cache = MemoryCache(max_bytes=10)
    cache.put("a", response(b"x"))

    cache.put("a", response(b"x" * 11))

    assert cache.get("a", 0.0) is None


@EXAMPLES
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12)), max_size=40))
def test_it_never_holds_more_than_it_may(puts: list[tuple[str, int]]) -> None:
    cache = MemoryCache(max_entries=3, max_bytes=20)

    for name, size in puts:
        cache.put(name, response(b"x" * size))

    held = [found.size_bytes for name in "abcdef" if (found := cache.get(name, 0.0))]
    assert len(held) == len(cache) <= 3
    assert sum(held) <= 20
    assert not puts or cache.get(puts[-1][0], 0.0) == response(b"x" * puts[-1][1])


def test_threads_share_it() -> None:
    cache = MemoryCache(max_entries=50)

    def use(number: int) -> bool:
        name = str(number % 100)
        cache.put(name, response(json.dumps(number).encode()))
        found = cache.get(name, 0.0)
        return found is None or json.loads(found.body) % 100 == number % 100

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(2000)))

    assert len(cache) == 50
