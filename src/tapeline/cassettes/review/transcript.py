"""What was asked and answered, as people read it: JSON set out, streams event by event with their times.

Secrets that a file still holds are not shown. Lines are not safe for a terminal yet: who prints them makes
them so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Literal, NamedTuple

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.review.contents import Content, Event, content_of, plain_body
from tapeline.cassettes.review.event_times import timed_events
from tapeline.cassettes.review.inventory import Call, call_of
from tapeline.cassettes.review.showable import shown, shown_body, shown_value
from tapeline.cassettes.review.spending import usd
from tapeline.cassettes.secrets.redaction import masked
from tapeline.latency.pacing import TransportFailure
from tapeline.types import Json

SHOWN_LINES = 40
SHOWN_AT_END = 10
SHOWN_CHARACTERS = 400
"""Of each body, those at its end among them, and of each of its lines, unless all of it is wanted."""

FEW_EVENTS = 3

Tone = Literal["head", "bad", "plain", "note"]


class Line(NamedTuple):
    """One line; tone: what it is, for colours."""

    text: str
    tone: Tone = "plain"


def transcript(interaction: Interaction, *, is_full: bool = False) -> Iterator[Line]:
    """Yield a request and its response, then what is known of them: times, cost, origin."""
    interaction = shown(interaction)
    request, response = interaction.request, interaction.response
    yield Line(masked(f"{request.method} {request.url}"), "head")
    yield from _headers(request.headers.items())
    yield from _body(_set_out(shown_body(request.body)), is_full=is_full)
    yield Line("")
    yield _status_line(response)
    yield from _headers(response.headers)
    yield from _body(_response_lines(response), is_full=is_full)
    yield Line("")
    yield from (Line(masked(text), "note") for text in _facts(interaction))


def _status_line(response: RecordedResponse) -> Line:
    is_fine = 200 <= response.status < 300 and response.failure is None
    text = f"{response.status} {response.reason}" if response.status else "no answer"
    return Line(masked(text), "head" if is_fine else "bad")


# Headers and bodies -------------------------------------------------------------------------------------


def _headers(headers: Iterable[tuple[str, str]]) -> Iterator[Line]:
    yield from (Line(f"  {name}: {value}", "note") for name, value in headers)


def _body(lines: Sequence[str], *, is_full: bool) -> Iterator[Line]:
    """Yield a body below an empty line. If it is long, its middle is left out, unless all of it is wanted."""
    if lines:
        yield Line("")
    if is_full or len(lines) <= SHOWN_LINES:
        yield from (Line(f"  {text if is_full else _cut(text)}") for text in lines)
        return
    yield from (Line(f"  {_cut(text)}") for text in lines[: SHOWN_LINES - SHOWN_AT_END])
    yield Line(f"  ... {len(lines) - SHOWN_LINES:,} more lines: --full shows them", "note")
    yield from (Line(f"  {_cut(text)}") for text in lines[-SHOWN_AT_END:])


def _cut(text: str) -> str:
    """Return the beginning of a long line, and how much is missing."""
    missing = len(text) - SHOWN_CHARACTERS
    return f"{text[:SHOWN_CHARACTERS]} ... {missing:,} more characters" if missing > 0 else text


def _set_out(value: Json) -> list[str]:
    """Return JSON set out over lines, or the lines of a text."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return text.splitlines()


def _response_lines(response: RecordedResponse) -> list[str]:
    content = content_of(response)
    if content.kind in ("json", "text"):
        return _set_out(shown_body(plain_body(response)))
    return list(_event_lines(response, content))


def _event_lines(response: RecordedResponse, content: Content) -> Iterator[str]:
    """Yield each event on a line: when it had come, its type, what it says; first what all say."""
    repeated = _repeated([event.value for event in content.events if isinstance(event.value, dict)])
    if repeated:
        yield f"in every event  {_on_one_line(repeated)}"
    for at_s, event in timed_events(response, content):
        at = f"{f'+{at_s * 1000:.0f} ms':>9}" if at_s is not None else ""
        yield "  ".join(filter(None, (at, event.type, _on_one_line(_without(event, repeated)))))


def _repeated(values: Sequence[dict[str, Json]]) -> dict[str, Json]:
    """Return what several events have in common, such as the id and the model in OpenAI's chunks."""
    if len(values) < FEW_EVENTS:
        return {}
    first, *others = values
    return {
        key: item
        for key, item in first.items()
        if all(key in other and other[key] == item for other in others)
    }


def _without(event: Event, repeated: Mapping[str, Json]) -> Json:
    if event.value == event.type:  # [DONE]
        return ""
    if not isinstance(event.value, dict):
        return event.value
    return {key: item for key, item in event.value.items() if key not in repeated}


def _on_one_line(value: Json) -> str:
    """Return a value on one line; line ends of a text as \\n, for an event is one line."""
    shown = shown_value(value)
    return shown.replace("\n", "\\n") if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)


# Facts --------------------------------------------------------------------------------------------------


def _facts(interaction: Interaction) -> Iterator[str]:
    response, call = interaction.response, call_of(interaction)
    yield from _time_facts(response)
    if response.failure is not None:
        yield f"failed: {_failure_text(response.failure)}"
    if response.is_cut:
        yield "cut: the client stopped reading here"
    yield _spent_text(call)
    yield from (f"{name.replace('_', ' ')}: {value}" for name, value in response.meta.items())


def _time_facts(response: RecordedResponse) -> Iterator[str]:
    if (times := response.times) is None:
        yield "no times: not recorded by tapeline, or edited since"
        return
    ends_s = [at_s for _, at_s in times.blocks]
    end_s = times.head_s + max(ends_s, default=0.0)
    chunks = f"{len(ends_s):,} chunk{'' if len(ends_s) == 1 else 's'}"
    yield f"head after {_ms(times.head_s)}, {chunks} of {len(response.body):,} bytes in all by {_ms(end_s)}"
    if gaps_s := [after - before for before, after in pairwise(ends_s)]:
        yield f"gaps between chunks: median {_ms(median(gaps_s))}, longest {_ms(max(gaps_s))}"


def _ms(duration_s: float) -> str:
    return f"{duration_s * 1000:,.0f} ms" if duration_s >= 0.01 else f"{duration_s * 1000:.1f} ms"


def _failure_text(failure: TransportFailure) -> str:
    part = "in the body" if failure.has_head else "before the answer"
    return f"{failure.kind.replace('_', ' ')} {part}, after {_ms(failure.at_s)}"


def _spent_text(call: Call) -> str:
    if (spent := call.spent) is None:
        return call.source
    tokens = f"{_count(spent.input_tokens)} tokens in, {_count(spent.output_tokens)} out"
    cost = "price not known" if spent.cost_usd is None else f"{usd(spent.cost_usd)} USD"
    return f"{call.source}, {tokens}, {cost}"


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"


# As data ------------------------------------------------------------------------------------------------


def transcript_json(interaction: Interaction) -> dict[str, Any]:
    """Return an interaction as JSON; a stream as its events."""
    interaction = shown(interaction)
    request, response, call = interaction.request, interaction.response, call_of(interaction)
    spent, failure = call.spent, response.failure
    return {
        "source": call.source,
        "request": {
            "method": request.method,
            "url": masked(request.url),
            "headers": dict(request.headers),
            "body": shown_body(request.body) if request.body else None,
        },
        "response": {
            "status": response.status,
            "reason": masked(response.reason),
            "headers": [list(header) for header in response.headers],
            **_content_json(response),
            "is_cut": response.is_cut,
            "failure": failure and _failure_text(failure),
        },
        "head_s": response.times and response.times.head_s,
        "chunks": response.times and [list(block) for block in response.times.blocks],
        "input_tokens": spent and spent.input_tokens,
        "output_tokens": spent and spent.output_tokens,
        "cost_usd": str(spent.cost_usd) if spent and spent.cost_usd is not None else None,
        "meta": {name: masked(str(value)) for name, value in response.meta.items()},
    }


def _content_json(response: RecordedResponse) -> dict[str, Json]:
    content = content_of(response)
    if content.kind in ("json", "text"):
        return {
            "body": shown_body(plain_body(response)) if response.body else None,
            "events": None,
        }
    events = [
        {"at_s": at_s, "type": event.type, "value": shown_value(event.value)}
        for at_s, event in timed_events(response, content)
    ]
    return {"body": None, "events": events}
