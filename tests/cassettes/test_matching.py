"""Which recorded request a new one is: what counts, and what does not."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import URL, chat, request

from tapeline.cassettes.matching import Matcher, normal_url, parse_path
from tapeline.errors import ConfigError
from tapeline.latency.pacing import IncomingRequest
from tapeline.types import Json

pure = settings(max_examples=100)


def are_same(one: IncomingRequest, other: IncomingRequest, *, ignore: tuple[str, ...] = ()) -> bool:
    matcher = Matcher(ignore)
    return matcher.digest(one) == matcher.digest(other)


# Bodies -------------------------------------------------------------------------------------------------

SAME_BODIES = {
    "key order": (b'{"a": 1, "b": {"c": 2, "d": 3}}', b'{"b": {"d": 3, "c": 2}, "a": 1}'),
    "spacing": (b'{"a":[1,2]}', b'\n{ "a" : [1,\t2] }\n'),
    "escapes": ('{"a": "ü"}'.encode(), b'{"a": "\\u00fc"}'),
    "a whole number as a float": (b'{"temperature": 0}', b'{"temperature": 0.0}'),
    "exponents": (b'{"n": 100}', b'{"n": 1e2}'),
    "an account in an ARN": (
        b'{"arn": "arn:aws:bedrock:us-east-1:123456789012:inference-profile/x"}',
        b'{"arn": "arn:aws:bedrock:us-east-1:999999999999:inference-profile/x"}',
    ),
}

OTHER_BODIES = {
    "text": (b'{"a": "x"}', b'{"a": "y"}'),
    "item order": (b"[1, 2]", b"[2, 1]"),
    "true and one": (b'{"a": true}', b'{"a": 1}'),
    "text and number": (b'{"a": "1"}', b'{"a": 1}'),
    "null and absent": (b'{"a": null}', b"{}"),
    "a body and none": (b"{}", b""),
    "fractions": (b'{"temperature": 0.1}', b'{"temperature": 0.2}'),
    "large numbers": (b'{"seed": 9007199254740992}', b'{"seed": 9007199254740993}'),
    "text that is no JSON": (b"a b", b"a  b"),
    "cut JSON": (b'{"a": 1', b'{"a":1'),
    "bytes": (b"\xff\x00", b"\xff\x01"),
}


@pytest.mark.parametrize(("one", "other"), SAME_BODIES.values(), ids=SAME_BODIES.keys())
def test_bodies_that_mean_the_same_are_the_same(one: bytes, other: bytes) -> None:
    assert are_same(request(one), request(other))


@pytest.mark.parametrize(("one", "other"), OTHER_BODIES.values(), ids=OTHER_BODIES.keys())
def test_bodies_that_mean_another_thing_are_not(one: bytes, other: bytes) -> None:
    assert not are_same(request(one), request(other))


json_values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pure
@given(st.dictionaries(st.text(), json_values, max_size=4), st.randoms())
def test_no_key_order_and_no_spacing_matters(value: dict[str, Json], random: object) -> None:
    keys = list(value)
    random.shuffle(keys)  # type: ignore[attr-defined]
    written = json.dumps({key: value[key] for key in keys}, indent=2, ensure_ascii=False)

    assert are_same(request(json.dumps(value).encode()), request(written.encode("utf-8", "surrogatepass")))


def test_deeply_nested_bodies_are_compared_as_they_stand() -> None:
    deep = b"[" * 100_000

    assert are_same(request(deep), request(deep))
    assert not are_same(request(deep), request(deep + b"["))


# URLs and methods ---------------------------------------------------------------------------------------

URLS = {
    "as it is": ("http://h/v1/chat", "http://h/v1/chat"),
    "upper case host": ("HTTP://Model.Test:80/A", "http://model.test:80/A"),
    "query order": ("http://h/?b=2&a=1", "http://h/?a=1&b=2"),
    "an empty value": ("http://h/?a=", "http://h/?a="),
    "fragment": ("http://h/#part", "http://h/"),
    "user and password": ("http://user:pass@h/x", "http://h/x"),
    "a key": ("http://h/?key=SECRET&v=1", "http://h/?v=1"),
    "an API key": ("http://h/?api_key=SECRET&apiKey=SECRET&apikey=SECRET&X-API-KEY=SECRET", "http://h/"),
    "a token": ("http://h/?access_token=SECRET&token=SECRET&max_tokens=5", "http://h/?max_tokens=5"),
    "a signature": ("http://h/?sig=SECRET&X-Amz-Signature=SECRET&X-Amz-Date=1", "http://h/"),
    "a password": ("http://h/?client_secret=SECRET&password=SECRET", "http://h/"),
    "an account": (
        "http://h/model/arn:aws:bedrock:us-east-1:123456789012:profile%2Fx/converse",
        "http://h/model/arn:aws:bedrock:us-east-1:000000000000:profile%2Fx/converse",
    ),
    "an escaped account": (
        "http://h/model/arn%3Aaws-cn%3Abedrock%3A%3A123456789012%3Aprofile/converse",
        "http://h/model/arn%3Aaws-cn%3Abedrock%3A%3A000000000000%3Aprofile/converse",
    ),
}


@pytest.mark.parametrize(("url", "stored"), URLS.values(), ids=URLS.keys())
def test_urls_are_stored_without_what_is_secret_or_arbitrary(url: str, stored: str) -> None:
    assert normal_url(url) == stored
    assert normal_url(stored) == stored


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"url": "https://model.test/v1/chat/completions"},
        {"url": "http://other.test/v1/chat/completions"},
        {"url": "http://model.test:81/v1/chat/completions"},
        {"url": "http://model.test/v1/messages"},
        {"url": f"{URL}?version=2"},
    ],
    ids=lambda change: str(*change.values()),
)
def test_another_method_or_url_is_another_request(change: Mapping[str, str]) -> None:
    assert not are_same(request({}), request({}, **change))


def test_headers_do_not_count() -> None:
    assert are_same(request({}, headers={"user-agent": "a"}), request({}, headers={"user-agent": "b"}))


# Multipart ----------------------------------------------------------------------------------------------


def upload(boundary: str, content: str = "data", quote: str = "") -> IncomingRequest:
    body = f"--{boundary}\r\n\r\n{content}\r\n--{boundary}--\r\n".encode()
    return request(
        body, headers={"content-type": f"multipart/form-data; boundary={quote}{boundary}{quote}; charset=x"}
    )


def test_the_boundary_of_a_multipart_body_does_not_count() -> None:
    assert are_same(upload("1234"), upload("abcdef"))
    assert are_same(upload("1234"), upload("abcdef", quote='"'))


def test_the_content_of_a_multipart_body_counts() -> None:
    assert not are_same(upload("1234"), upload("1234", content="other"))


# Ignored paths ------------------------------------------------------------------------------------------

IGNORED = {
    "a key": ("$.seed", {"seed": 1}, {"seed": 2}),
    "a key that is not there": ("$.seed", {"seed": 1}, {}),
    "a nested key": ("$.meta.user.id", {"meta": {"user": {"id": 1}}}, {"meta": {"user": {"id": 2}}}),
    "an item": ("$.messages[0]", {"messages": ["a", "c"]}, {"messages": ["b", "c"]}),
    "a key of an item": ("$.tools[1].id", {"tools": [{}, {"id": 1}]}, {"tools": [{}, {"id": 2}]}),
    "a key of every item": ("$.tools[*].id", {"tools": [{"id": 1}, {"id": 2}]}, {"tools": [{"id": 3}, {}]}),
    "a key of every value": ("$.tools.*.id", {"tools": {"a": {"id": 1}}}, {"tools": {"a": {"id": 2}}}),
    "every item": ("$.stop[*]", {"stop": ["a"]}, {"stop": ["b", "c"]}),
    "every value": ("$.*", {"a": 1}, {"b": 2}),
    "inside a list at the top": ("$[0].id", [{"id": 1}], [{"id": 2}]),
    "a key with hyphens": ("$.x-request-id", {"x-request-id": 1}, {"x-request-id": 2}),
}

COUNTED = {
    "another key": ("$.seed", {"model": 1}, {"model": 2}),
    "another item": ("$.messages[0]", {"messages": ["a", "b"]}, {"messages": ["a", "c"]}),
    "an index past the end": ("$.messages[5]", {"messages": ["a"]}, {"messages": ["b"]}),
    "a path through a text": ("$.model.name", {"model": "a"}, {"model": "b"}),
    "an index into a table": ("$.model[0]", {"model": {"0": "a"}}, {"model": {"0": "b"}}),
    "every item of a text": ("$.model[*].x", {"model": "a"}, {"model": "b"}),
}


@pytest.mark.parametrize(("path", "one", "other"), IGNORED.values(), ids=IGNORED.keys())
def test_what_a_path_names_may_differ(path: str, one: Json, other: Json) -> None:
    assert are_same(request(one), request(other), ignore=(path,))
    assert not are_same(request(one), request(other))


@pytest.mark.parametrize(("path", "one", "other"), COUNTED.values(), ids=COUNTED.keys())
def test_what_a_path_does_not_name_may_not(path: str, one: Json, other: Json) -> None:
    assert not are_same(request(one), request(other), ignore=(path,))


def test_several_paths_are_ignored() -> None:
    one, other = chat("hi") | {"seed": 1, "user": "a"}, chat("hi") | {"seed": 2, "user": "b"}

    assert are_same(request(one), request(other), ignore=("$.seed", "$.user"))


def test_ignored_paths_do_not_touch_bodies_that_are_no_json() -> None:
    assert are_same(request(b"text"), request(b"text"), ignore=("$.seed",))


@pytest.mark.parametrize(
    "path", ["", "$", "seed", ".seed", "$seed", "$.a..b", "$.a[x]", "$.a[0", "$.a[-1]", "$.", "$.a b.[0]"]
)
def test_a_path_that_is_none_is_an_error_at_once(path: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Matcher((path,))

    assert (
        raised.value.message == f"not a JSON path: {path!r}; write it like $.messages[0].id or $.tools[*].id"
    )


def test_paths_are_read_as_keys_and_indices() -> None:
    assert parse_path("$.a[0].b-c[*].d e") == ["a", 0, "b-c", "*", "d e"]
