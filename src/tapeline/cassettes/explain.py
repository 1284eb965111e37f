"""Why no recorded interaction answers a request: the nearest one, and where the two differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.matching import Matcher, normal_url
from tapeline.cassettes.redaction import masked, request_secrets
from tapeline.latency.pacing import IncomingRequest
from tapeline.types import Json

SHOWN_DIFFERENCES = 5
SHOWN_CHARACTERS = 160
SHOWN_BEFORE = 40


def explain_miss(
    request: IncomingRequest,
    interactions: Sequence[Interaction],
    *,
    matcher: Matcher,
    source: str,
) -> str:
    """Return several lines for people: what was asked, what comes nearest, what to do."""
    lines = [f"no interaction in {source} answers {request.method} {normal_url(request.url)}"]
    digest = matcher.digest(request)
    played = [n for n, known in enumerate(interactions, 1) if matcher.digest(known.request) == digest]
    if played:
        numbers = ", ".join(map(str, played))
        lines.append(
            f"  interaction {numbers} is this request, but was already played: it is sent once more now"
        )
    elif interactions:
        lines += _nearest(request, interactions, matcher)
    else:
        lines.append("  the cassette is empty or does not exist")
    lines.append("  Record it with --record-mode=new_episodes (or once, for a new cassette);")
    lines.append("  a part that changes each time belongs into the ignored paths of the match.")
    return masked("\n".join(lines), request_secrets(request))


def _nearest(request: IncomingRequest, interactions: Sequence[Interaction], matcher: Matcher) -> list[str]:
    differences = [list(_request_differences(known.request, request, matcher)) for known in interactions]
    best = min(range(len(interactions)), key=lambda n: len(differences[n]))
    found = differences[best]
    lines = [f"  nearest is interaction {best + 1} of {len(interactions)}, which differs in:"]
    for place, recorded, now in found[:SHOWN_DIFFERENCES]:
        old, new = _excerpts(_readable(recorded), _readable(now))
        lines += [f"    {_readable(place)}", f"      - {old}", f"      + {new}"]
    if len(found) > SHOWN_DIFFERENCES:
        lines.append(f"    and {len(found) - SHOWN_DIFFERENCES} more places")
    return lines


Difference = tuple[str, Json, Json]
_ABSENT = "(absent)"


def _request_differences(
    recorded: IncomingRequest, now: IncomingRequest, matcher: Matcher
) -> Iterator[Difference]:
    if recorded.method != now.method:
        yield "method", recorded.method, now.method
    if normal_url(recorded.url) != normal_url(now.url):
        yield "URL", normal_url(recorded.url), normal_url(now.url)
    old, new = matcher.compared(recorded), matcher.compared(now)
    if old is not None and new is not None:
        yield from _value_differences("$", old, new)
    elif recorded.body != now.body:
        yield "body", recorded.body.decode("utf-8", "replace"), now.body.decode("utf-8", "replace")


def _value_differences(path: str, old: Json, new: Json) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _value_differences(f"{path}.{key}", old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            left = old[index] if index < len(old) else _ABSENT
            right = new[index] if index < len(new) else _ABSENT
            yield from _value_differences(f"{path}[{index}]", left, right)
    elif old != new or type(old) is not type(new):  # True is not 1
        yield path, old, new


def _readable(value: Json) -> str:
    text = masked(value if isinstance(value, str) else repr(value))  # before a cut hides what it is
    return ascii(text)[1:-1] if not text.isprintable() else text


def _excerpts(old: str, new: str) -> tuple[str, str]:
    """Return the parts of two texts where they differ, with a little of what precedes it."""
    pairs = enumerate(zip(old, new, strict=False))
    same = next((index for index, (left, right) in pairs if left != right), min(len(old), len(new)))
    start = 0 if max(len(old), len(new)) <= SHOWN_CHARACTERS else max(0, same - SHOWN_BEFORE)
    return _excerpt(old, start), _excerpt(new, start)


def _excerpt(text: str, start: int) -> str:
    end = start + SHOWN_CHARACTERS
    return f"{'...' if start else ''}{text[start:end]}{'...' if text[end:] else ''}"
