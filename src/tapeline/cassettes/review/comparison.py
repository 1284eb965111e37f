"""What a new recording changed: two cassettes side by side, request by request, as a person would review it.

Streams are compared by what their events add up to, because no two are cut alike. What is new in every
answer, such as ids, dates and durations, is counted and not shown.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.matching import Matcher, json_of, normal_url
from tapeline.cassettes.review.contents import Content, Event, content_of, media_type
from tapeline.cassettes.review.differences import (
    ABSENT,
    ValueDifference,
    beside,
    is_volatile,
    likeness,
    readable,
    value_differences,
)
from tapeline.cassettes.review.spending import cost_of
from tapeline.latency.pacing import IncomingRequest
from tapeline.types import Json

SHOWN_CHANGES = 12
LOOKED_AHEAD = 8
"""Among so many that follow, a request that changed is looked for: all with all takes time squared."""

LEAST_LIKENESS = 0.4

NEW_EACH_TIME = frozenset(
    {
        *("id", "call_id", "item_id", "response_id", "tool_use_id", "toolUseId", "previous_response_id"),
        *(
            "created",
            "created_at",
            "completed_at",
            "system_fingerprint",
            "sequence_number",
            "obfuscation",
            "p",
        ),
        *("signature", "encrypted_content", "total_duration", "load_duration", "prompt_eval_duration"),
        *("eval_duration", "latencyMs"),
    }
)
"""Keys whose values no two answers share."""


class Timing(NamedTuple):
    """When an answer came: milliseconds to its head and to its end, and in how many blocks."""

    head_ms: float
    total_ms: float
    blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One place of a request or an answer. old, new: excerpts fit to be shown."""

    place: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairComparison:
    """An old and a new interaction that belong together, by position. hidden: changes that mean nothing.

    timing, tokens (input and output): of both; None where it is not known.
    """

    old_position: int
    new_position: int
    name: str
    request: tuple[Change, ...]
    answer: tuple[Change, ...]
    hidden: int
    timing: tuple[Timing | None, Timing | None]
    tokens: tuple[tuple[int, int] | None, tuple[int, int] | None]

    @property
    def has_changes(self) -> bool:
        """Whether it says anything else; times always differ, and do not count."""
        return bool(self.request or self.answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two cassettes side by side. removed, added: position -> the request."""

    pairs: tuple[PairComparison, ...]
    removed: Mapping[int, str]
    added: Mapping[int, str]

    @property
    def changed(self) -> tuple[PairComparison, ...]:
        return tuple(pair for pair in self.pairs if pair.has_changes)

    @property
    def has_changes(self) -> bool:
        return bool(self.changed or self.removed or self.added)

    def lines(self) -> Iterator[str]:
        """Yield the comparison for people: a line of counts, then what changed, then times and tokens."""
        same = len(self.pairs) - len(self.changed)
        yield (
            f"{same} same, {len(self.changed)} changed, {len(self.removed)} removed, {len(self.added)} added"
        )
        yield from (f"- interaction {n + 1}: {name}" for n, name in self.removed.items())
        yield from (f"+ interaction {n + 1}: {name}" for n, name in self.added.items())
        for pair in self.changed:
            yield from _pair_lines(pair)
        yield from _summary_lines(self.pairs)


def compare(
    old: Sequence[Interaction], new: Sequence[Interaction], matcher: Matcher | None = None
) -> Comparison:
    """Compare two cassettes. Equal requests belong together; of the rest, those that are much alike."""
    matcher = matcher or Matcher()
    pairs = _equal_requests(old, new, matcher)
    pairs |= _like_requests(old, new, pairs)
    return Comparison(
        pairs=tuple(_compared(p, old[p], n, new[n], matcher) for n, p in sorted(pairs.items())),
        removed={p: _named(old[p].request) for p in sorted({*range(len(old))} - {*pairs.values()})},
        added={n: _named(new[n].request) for n in sorted({*range(len(new))} - pairs.keys())},
    )


# What belongs together ----------------------------------------------------------------------------------

Pairs = dict[int, int]
"""New position -> old position."""


def _equal_requests(old: Sequence[Interaction], new: Sequence[Interaction], matcher: Matcher) -> Pairs:
    waiting: dict[bytes, deque[int]] = defaultdict(deque)
    for position, known in enumerate(old):
        waiting[matcher.digest(known.request)].append(position)
    return {
        position: positions.popleft()
        for position, known in enumerate(new)
        if (positions := waiting[matcher.digest(known.request)])
    }


def _like_requests(old: Sequence[Interaction], new: Sequence[Interaction], pairs: Pairs) -> Pairs:
    """Pair what is left over: requests to one address, most alike first, in the order they were made."""
    left: dict[tuple[str, str], list[int]] = defaultdict(list)
    for position in sorted({*range(len(old))} - {*pairs.values()}):
        left[_address(old[position].request)].append(position)
    found: Pairs = {}
    for position in sorted({*range(len(new))} - pairs.keys()):
        asked = new[position].request
        near = left[_address(asked)][:LOOKED_AHEAD]
        alike = {known: likeness(old[known].request.body, asked.body) for known in near}
        best = max(alike, key=lambda known: alike[known], default=None)
        if best is not None and alike[best] >= LEAST_LIKENESS:
            left[_address(asked)].remove(best)
            found[position] = best
    return found


def _address(request: IncomingRequest) -> tuple[str, str]:
    return request.method, normal_url(request.url)


def _named(request: IncomingRequest) -> str:
    return readable(f"{request.method} {normal_url(request.url)}")


# What changed -------------------------------------------------------------------------------------------


def _compared(
    old_position: int, old: Interaction, new_position: int, new: Interaction, matcher: Matcher
) -> PairComparison:
    asked = list(_request_differences(old.request, new.request, matcher))
    answered = list(_answer_differences(old.response, new.response))
    return PairComparison(
        old_position=old_position,
        new_position=new_position,
        name=_named(new.request),
        request=_changes(asked),
        answer=_changes(answered),
        hidden=sum(_is_hidden(found) for found in (*asked, *answered)),
        timing=(_timing(old.response), _timing(new.response)),
        tokens=(_tokens(old), _tokens(new)),
    )


def _changes(found: Sequence[ValueDifference]) -> tuple[Change, ...]:
    shown = (item for item in found if not _is_hidden(item))
    excerpts = ((item.path, *beside(item.old, item.new)) for item in shown)
    return tuple(Change(place=readable(place), old=old, new=new) for place, old, new in excerpts)


def _is_hidden(found: ValueDifference) -> bool:
    key = found.path.rpartition(".")[2]
    return key in NEW_EACH_TIME or (is_volatile(found.old) and is_volatile(found.new))


def _request_differences(
    old: IncomingRequest, new: IncomingRequest, matcher: Matcher
) -> Iterator[ValueDifference]:
    left, right = json_of(old.body), json_of(new.body)
    if left is not None and right is not None:
        yield from value_differences(left, right)
    elif matcher.canonical_body(old) != matcher.canonical_body(new):
        yield ValueDifference("body", _text(old.body), _text(new.body))


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _answer_differences(old: RecordedResponse, new: RecordedResponse) -> Iterator[ValueDifference]:
    for place, left, right in (
        ("status", old.status, new.status),
        ("content-type", media_type(old), media_type(new)),
        ("connection", _ending(old), _ending(new)),
    ):
        if left != right:
            yield ValueDifference(place, left, right)
    if old.body != new.body:
        yield from _content_differences(content_of(old), content_of(new))


def _ending(response: RecordedResponse) -> str:
    if response.failure is not None:
        return response.failure.kind
    return "closed early by the client" if response.is_cut else "complete"


def _content_differences(old: Content, new: Content) -> Iterator[ValueDifference]:
    if {old.kind, new.kind} <= {"json", "text"}:
        left, right = (content.events[0].value if content.events else "" for content in (old, new))
        yield from (
            found._replace(path="body") if found.path == "$" else found
            for found in value_differences(left, right)
        )
        return
    if old.kind != new.kind:
        return  # a stream and a plain answer: the content type says it all
    before, after = _added_up(old.events), _added_up(new.events)
    for place in (*before, *(place for place in after if place not in before)):
        left, right = before.get(place, ABSENT), after.get(place, ABSENT)
        yield from (found._replace(path=place) for found in value_differences(left, right))


def _added_up(events: Sequence[Event]) -> dict[str, Json]:
    """Return what the events of a stream say in each place: texts joined, of other values the last."""
    values: dict[str, list[Json]] = defaultdict(list)
    for event in events:
        for path, value in _leaves(event.value):
            values[f"event {event.type} {path}" if event.type else path].append(value)
    return {place: _sum(found) for place, found in values.items()}


def _sum(values: Sequence[Json]) -> Json:
    if all(value == values[0] for value in values):
        return values[0]  # an id, a model, a type: said again with every event
    texts = [value for value in values if value is not None]
    return "".join(texts) if all(isinstance(value, str) for value in texts) else values[-1]


def _leaves(value: Json) -> Iterator[tuple[str, Json]]:
    """Yield the paths of all values that hold no others. No recursion: they may be nested at will."""
    waiting = [("$", value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += ((f"{path}.{key}", item) for key, item in reversed(value.items()))
        elif isinstance(value, list) and value:
            waiting += ((f"{path}[{index}]", item) for index, item in reversed(list(enumerate(value))))
        else:
            yield path, value


# Times and tokens ---------------------------------------------------------------------------------------


def _timing(response: RecordedResponse) -> Timing | None:
    times = response.times
    if times is None:
        return None
    end_s = times.blocks[-1][1] if times.blocks else 0.0
    return Timing(times.head_s * 1000, (times.head_s + end_s) * 1000, len(times.blocks))


def _tokens(known: Interaction) -> tuple[int, int] | None:
    spent = cost_of(known)
    if spent is None or spent.input_tokens is None or spent.output_tokens is None:
        return None
    return spent.input_tokens, spent.output_tokens


# Lines --------------------------------------------------------------------------------------------------


def _pair_lines(pair: PairComparison) -> Iterator[str]:
    yield f"~ interaction {pair.old_position + 1} -> {pair.new_position + 1}: {pair.name}"
    changes = [("request", change) for change in pair.request]
    changes += [("answer", change) for change in pair.answer]
    for part, change in changes[:SHOWN_CHANGES]:
        yield from (f"    {part} {change.place}", f"      - {change.old}", f"      + {change.new}")
    if len(changes) > SHOWN_CHANGES:
        yield f"    and {len(changes) - SHOWN_CHANGES} more places"
    if pair.hidden:
        yield f"    and {pair.hidden} ids, times or the like"
    old, new = pair.timing
    if old and new:
        yield f"    {_timing_text(old, new)}"
    before, after = pair.tokens
    if before and after and before != after:
        yield f"    {_token_text(before, after)}"


def _summary_lines(pairs: Sequence[PairComparison]) -> Iterator[str]:
    """Yield what all pairs took together, of those where it is known of both sides."""
    timings = [(old, new) for old, new in (pair.timing for pair in pairs) if old and new]
    tokens = [(old, new) for old, new in (pair.tokens for pair in pairs) if old and new]
    if timings:
        old, new = (Timing(*map(sum, zip(*side, strict=True))) for side in zip(*timings, strict=True))
        yield f"{len(timings)} together: {_timing_text(old, new)}"
    if tokens:
        before, after = (tuple(map(sum, zip(*side, strict=True))) for side in zip(*tokens, strict=True))
        yield f"{len(tokens)} together: {_token_text(before, after)}"


def _timing_text(old: Timing, new: Timing) -> str:
    return (
        f"head {old.head_ms:.0f} -> {new.head_ms:.0f} ms, total {old.total_ms:.0f} -> {new.total_ms:.0f} ms, "
        f"blocks {old.blocks} -> {new.blocks}"
    )


def _token_text(old: Sequence[int], new: Sequence[int]) -> str:
    return f"tokens in {old[0]:,} -> {new[0]:,}, out {old[1]:,} -> {new[1]:,}"
