"""In which order targets are tried, and which errors another one may cure."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from tapeline.capabilities import Capabilities, StructuredOutput
from tapeline.errors import ConfigError, ErrorCode
from tapeline.media import Audio, Document, Image
from tapeline.policies.pricing import Price
from tapeline.policies.routing import (
    CapabilityRoute,
    ChainedRoute,
    CostRoute,
    LatencyRoute,
    LearningRoute,
    OrderedRoute,
    PromptSizeRoute,
    Route,
    RouteTarget,
    falls_back,
)
from tapeline.types import ChatRequest, Part, Text, Timing, Tool, tool_result, user


def target(name: str, **capabilities: Any) -> RouteTarget:
    provider, _, model = name.partition(":")
    return RouteTarget(name=name, provider=provider, model=model, capabilities=Capabilities(**capabilities))


def asking(*content: str | Part, **options: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=(user(*content),), **options)


def names(route: Route, request: ChatRequest, targets: Sequence[RouteTarget]) -> list[str]:
    return [targets[index].name for index in route.order(request, targets)]


A, B, C = target("mock:a"), target("mock:b"), target("mock:c")
HI = asking("hi")

# Falling back ---------------------------------------------------------------------------------------

CURES = {
    ErrorCode.INVALID_CONFIG: False,
    ErrorCode.UNSUPPORTED_PROVIDER: False,
    ErrorCode.AUTHENTICATION_ERROR: True,
    ErrorCode.AUTHORIZATION_ERROR: True,
    ErrorCode.QUOTA_EXCEEDED: True,
    ErrorCode.RATE_LIMIT: True,
    ErrorCode.OVERLOADED: True,
    ErrorCode.INTERNAL_ERROR: True,
    ErrorCode.TIMEOUT: True,
    ErrorCode.NETWORK_ERROR: True,
    ErrorCode.NOT_FOUND: True,
    ErrorCode.MODEL_NOT_AVAILABLE: True,
    ErrorCode.INVALID_REQUEST: False,
    ErrorCode.REQUEST_TOO_LARGE: True,
    ErrorCode.CONTEXT_LENGTH_EXCEEDED: True,
    ErrorCode.CONTENT_FILTERED: False,
    ErrorCode.INVALID_RESPONSE: False,
    ErrorCode.EMPTY_RESPONSE: True,
    ErrorCode.MALFORMED_RESPONSE: True,
    ErrorCode.RESPONSE_TOO_LARGE: False,
    ErrorCode.STREAM_ERROR: True,
    ErrorCode.STREAM_TIMEOUT: True,
    ErrorCode.STREAM_CLOSED: True,
    ErrorCode.TOOL_CALL_ERROR: False,
    ErrorCode.TOOL_NOT_FOUND: False,
    ErrorCode.TOOL_EXECUTION_ERROR: False,
    ErrorCode.CONTEXT_CANCELED: False,
    ErrorCode.DEADLINE_EXCEEDED: False,
    ErrorCode.CASSETTE_MISS: False,
    ErrorCode.INVALID_CASSETTE: False,
    ErrorCode.BUDGET_EXCEEDED: False,
}


@pytest.mark.parametrize("code", ErrorCode)
def test_another_target_is_tried_for_what_it_may_cure(code: ErrorCode) -> None:
    """A new code must be decided about here."""
    assert falls_back(code) == CURES[code]


# As given, and by capability ------------------------------------------------------------------------


def test_targets_are_tried_as_given() -> None:
    assert names(OrderedRoute(), HI, [B, A, C]) == ["mock:b", "mock:a", "mock:c"]


PICTURE = Image(media_type="image/png", url="https://example.org/a.png")
PAPER = Document(media_type="application/pdf", url="https://example.org/a.pdf")
SOUND = Audio(media_type="audio/wav", data=b"")
SHOWN = ChatRequest(model="m", messages=(tool_result("1", Text("see"), PICTURE),))


@pytest.mark.parametrize(
    ("request_", "need"),
    [
        (asking("hi", tools=(Tool(name="f"),)), "tools"),
        (asking("see", PICTURE), "images"),
        (SHOWN, "images"),
        (asking("read", PAPER), "documents"),
        (asking("hear", SOUND), "audio"),
        (asking("think", reasoning_effort="low"), "thinking"),
    ],
    ids=["tools", "picture", "picture of a tool", "document", "sound", "thinking"],
)
def test_only_those_who_can_are_tried(request_: ChatRequest, need: str) -> None:
    able, unable = target("mock:able"), target("mock:unable", **{need: False})

    assert names(CapabilityRoute(), request_, [unable, able]) == ["mock:able"]
    assert names(CapabilityRoute(), request_, [unable]) == []


def test_who_needs_nothing_gets_everybody() -> None:
    nothing = target("mock:x", tools=False, images=False, documents=False, audio=False, thinking=False)

    assert names(CapabilityRoute(), asking("hi", reasoning_effort="none"), [nothing, A]) == [
        "mock:x",
        "mock:a",
    ]


@pytest.mark.parametrize("way", ["tool", "prompt"])
def test_a_schema_goes_first_to_those_who_keep_to_it(way: StructuredOutput) -> None:
    """The others can be made to, with less certainty."""
    other = target("mock:other", structured_output=way)

    assert names(CapabilityRoute(), asking("hi", schema={"type": "object"}), [other, A, B]) == [
        "mock:a",
        "mock:b",
        "mock:other",
    ]
    assert names(CapabilityRoute(), HI, [other, A]) == ["mock:other", "mock:a"]


# By cost --------------------------------------------------------------------------------------------

MINI, LARGE = target("openai:gpt-4o-mini"), target("openai:gpt-4o")


def test_the_cheapest_is_tried_first_and_the_unknown_last() -> None:
    assert names(CostRoute(), HI, [A, LARGE, MINI, B]) == [MINI.name, LARGE.name, A.name, B.name]


def priced(name: str, plain: str, output: str) -> tuple[str, Price]:
    return name, Price(input=Decimal(plain), output=Decimal(output))


READER, WRITER = priced("mock:a", "1", "10"), priced("mock:b", "3", "1")


@pytest.mark.parametrize(
    ("request_", "route", "expected"),
    [
        (asking("x" * 40_000), CostRoute(prices=dict([READER, WRITER])), ["mock:a", "mock:b"]),
        (HI, CostRoute(prices=dict([READER, WRITER])), ["mock:b", "mock:a"]),
        (asking("x" * 4_000, max_tokens=10), CostRoute(prices=dict([READER, WRITER])), ["mock:a", "mock:b"]),
        (
            asking("x" * 4_000),
            CostRoute(prices=dict([READER, WRITER]), answer_tokens=10),
            ["mock:a", "mock:b"],
        ),
        (asking("x" * 4_000), CostRoute(prices=dict([READER, WRITER])), ["mock:b", "mock:a"]),
    ],
    ids=["long prompt", "short prompt", "limited answer", "short answers", "usual answers"],
)
def test_prompt_and_answer_are_estimated(
    request_: ChatRequest, route: CostRoute, expected: list[str]
) -> None:
    assert names(route, request_, [B, A]) == expected


# By size --------------------------------------------------------------------------------------------

SIZES = PromptSizeRoute({"mock:a": 1_000, "mock:b": 8_000})


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asking("x" * 4_000), ["mock:a", "mock:b", "mock:c"]),
        (asking("x" * 4_001), ["mock:b", "mock:c", "mock:a"]),
        (asking("x" * 4_000, max_tokens=1), ["mock:b", "mock:c", "mock:a"]),
        (asking("x" * 40_000), ["mock:c", "mock:b", "mock:a"]),
    ],
    ids=["fits all", "too long for one", "no room for the answer", "too long for two"],
)
def test_a_prompt_goes_where_it_fits(request_: ChatRequest, expected: list[str]) -> None:
    """It may fit elsewhere too, as its size is an estimate: into the largest first."""
    assert names(SIZES, request_, [A, B, C]) == expected


# By latency -----------------------------------------------------------------------------------------


def plain(total_s: float) -> Timing:
    return Timing(total_s=total_s)


def test_the_quickest_is_tried_first_and_the_unmeasured_before_it() -> None:
    route = LatencyRoute()

    assert names(route, HI, [A, B, C]) == ["mock:a", "mock:b", "mock:c"]
    route.learn("mock:a", plain(2.0))
    assert names(route, HI, [A, B, C]) == ["mock:b", "mock:c", "mock:a"]
    route.learn("mock:b", plain(3.0))
    route.learn("mock:c", plain(1.0))
    assert names(route, HI, [A, B, C]) == ["mock:c", "mock:a", "mock:b"]


def test_streams_are_compared_by_their_first_token() -> None:
    route = LatencyRoute()
    route.learn("mock:a", Timing(total_s=9.0, ttft_s=0.1))
    route.learn("mock:b", Timing(total_s=2.0, ttft_s=0.5))
    route.learn("mock:a", plain(9.0))
    route.learn("mock:b", plain(2.0))

    assert names(route, asking("hi", is_stream=True), [B, A]) == ["mock:a", "mock:b"]
    assert names(route, HI, [A, B]) == ["mock:b", "mock:a"]


@pytest.mark.parametrize(
    ("weight", "slow_calls", "first"),
    [(0.3, 1, "mock:a"), (0.3, 2, "mock:b"), (1.0, 1, "mock:b"), (0.05, 5, "mock:a")],
)
def test_what_was_measured_of_late_counts_more(weight: float, slow_calls: int, first: str) -> None:
    """One takes 1 s and then 4 s, the other 2 s."""
    route = LatencyRoute(weight=weight)
    route.learn("mock:a", plain(1.0))
    route.learn("mock:b", plain(2.0))

    for _ in range(slow_calls):
        route.learn("mock:a", plain(4.0))

    assert names(route, HI, [A, B])[0] == first


def test_measurements_come_from_any_thread() -> None:
    """Of the same value, as an average does not depend on their order then."""
    route = LatencyRoute()

    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda number: route.learn(f"mock:{'ab'[number % 2]}", plain(1.0 + number % 2)), range(400)
            )
        )

    assert names(route, HI, [B, A]) == ["mock:a", "mock:b"]


@pytest.mark.parametrize("weight", [0, -1, 1.1])
def test_a_weight_that_makes_no_sense_is_refused(weight: float) -> None:
    with pytest.raises(ConfigError, match="weight="):
        LatencyRoute(weight=weight)


# Together -------------------------------------------------------------------------------------------


def test_routes_can_be_chained() -> None:
    """The cheapest of those that are able; what is left out stays out."""
    blind = target("mock:a", images=False)
    prices = dict([priced("mock:a", "1", "1"), priced("mock:b", "3", "3"), priced("mock:c", "2", "2")])
    route = ChainedRoute(CapabilityRoute(), CostRoute(prices=prices))

    assert names(route, asking("see", PICTURE), [blind, B, C]) == ["mock:c", "mock:b"]
    assert names(route, HI, [blind, B, C]) == ["mock:a", "mock:c", "mock:b"]


def test_a_chain_learns_for_its_links() -> None:
    route = ChainedRoute(CapabilityRoute(), LatencyRoute())

    route.learn("mock:a", plain(1.0))

    assert names(route, HI, [A, B]) == ["mock:b", "mock:a"]


@pytest.mark.parametrize(
    ("route", "is_learning"),
    [
        (OrderedRoute(), False),
        (CapabilityRoute(), False),
        (CostRoute(), False),
        (SIZES, False),
        (LatencyRoute(), True),
        (ChainedRoute(OrderedRoute()), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_it_is_known_which_routes_learn(route: Route, is_learning: bool) -> None:
    assert isinstance(route, LearningRoute) == is_learning


ROUTES = [
    OrderedRoute(),
    CapabilityRoute(),
    CostRoute(),
    SIZES,
    LatencyRoute(),
    ChainedRoute(SIZES, CapabilityRoute()),
]


@example_settings(max_examples=60)
@given(
    route=st.sampled_from(ROUTES),
    targets=st.lists(
        st.builds(target, st.sampled_from(["mock:a", "mock:b", MINI.name]), images=st.booleans())
    ),
    content=st.sampled_from([("hi",), ("x" * 5_000,), ("see", PICTURE)]),
)
def test_any_order_is_one(route: Route, targets: list[RouteTarget], content: tuple[str | Part, ...]) -> None:
    """Of targets there are, none twice, and the same each time."""
    order = route.order(asking(*content), targets)

    assert sorted(set(order)) == sorted(order)
    assert set(order) <= set(range(len(targets)))
    assert order == route.order(asking(*content), targets)
