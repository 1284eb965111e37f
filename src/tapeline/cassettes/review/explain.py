"""Why no recorded interaction answers a request: the nearest one, where the two differ, what to do.

Whatever the number and the size of the interactions, few are looked at closely: those whose method and URL
are right, and of these the ones that have most of their bytes in common with the request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from heapq import nlargest
from itertools import islice

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.matching import Matcher, normal_url
from tapeline.cassettes.review.differences import (
    ValueDifference,
    beside,
    likeness,
    readable,
    value_differences,
)
from tapeline.cassettes.secrets.known_secrets import request_secrets
from tapeline.cassettes.secrets.redaction import masked, redacted_request
from tapeline.latency.pacing import IncomingRequest

SHOWN_DIFFERENCES = 5
COUNTED_DIFFERENCES = 200
LOOKED_AT_CLOSELY = 8

_MESSAGE = re.compile(r"\$\.(messages|input|contents)\[(\d+)\]")


def explain_miss(
    request: IncomingRequest,
    interactions: Sequence[Interaction],
    *,
    matcher: Matcher,
    source: str,
    command: str | None = None,
    play_counts: Mapping[int, int] | None = None,
) -> str:
    """Return several lines for people: what was asked, what comes nearest, what to do.

    command: the one that would record the call. play_counts: how often each position was played so far.
    """
    secrets = list(request_secrets(request))
    request = redacted_request(request)  # recorded ones are, too
    lines = [f"no interaction in {source} answers {request.method} {normal_url(request.url)}"]
    if not interactions:
        lines.append("  the cassette is empty or does not exist")
    elif same := _same(request, interactions, matcher, play_counts):
        lines.append(f"  {_are_this_request(same)}: it is sent once more now")
    else:
        lines += _nearest(request, interactions, matcher)
    if played := sum(count > 0 for count in (play_counts or {}).values()):
        lines.append(f"  {played} of {len(interactions)} interactions had been played before")
    lines += _advice(command)
    return masked("\n".join(lines), secrets)


def _advice(command: str | None) -> list[str]:
    how = f"with: {command}" if command else "with record_mode='all', or --record-mode=rewrite under pytest"
    return [
        f"  Record it {how}",
        "  What changes each time can be left out of the match, such as ignore=['$.metadata.user_id'].",
    ]


def _are_this_request(positions: Sequence[int]) -> str:
    numbers = ", ".join(str(position + 1) for position in positions)
    if len(positions) == 1:
        return f"interaction {numbers} is this request, but was already played"
    return f"interactions {numbers} are this request, but were already played"


def _same(
    request: IncomingRequest,
    interactions: Sequence[Interaction],
    matcher: Matcher,
    play_counts: Mapping[int, int] | None,
) -> list[int]:
    """Return the positions of this very request. If it is known what was played, it is one of those."""
    digest = matcher.digest(request)
    return [
        position
        for position in _of_one_address(request, interactions)
        if (play_counts is None or play_counts.get(position))
        and matcher.digest(interactions[position].request) == digest
    ]


def _of_one_address(request: IncomingRequest, interactions: Sequence[Interaction]) -> list[int]:
    """Return the positions with the method and URL of a request. Most cassettes have only a few URLs."""
    normal = cache(normal_url)
    url = normal(request.url)
    return [
        position
        for position, known in enumerate(interactions)
        if known.request.method == request.method and normal(known.request.url) == url
    ]


# The nearest --------------------------------------------------------------------------------------------


def _nearest(request: IncomingRequest, interactions: Sequence[Interaction], matcher: Matcher) -> list[str]:
    differences = {
        position: list(
            islice(_differences(interactions[position].request, request, matcher), COUNTED_DIFFERENCES)
        )
        for position in _near(request, interactions)
    }
    best = min(differences, key=lambda position: len(differences[position]))  # of equals, the first
    found = differences[best]
    lines = [f"  nearest is interaction {best + 1} of {len(interactions)}, which differs in:"]
    for place, recorded, now in found[:SHOWN_DIFFERENCES]:
        old, new = beside(recorded, now)
        lines += [f"    {readable(place)}{_message(place)}", f"      - {old}", f"      + {new}"]
    if len(found) > SHOWN_DIFFERENCES:
        lines.append(f"    and {len(found) - SHOWN_DIFFERENCES} more places")
    return lines


def _near(request: IncomingRequest, interactions: Sequence[Interaction]) -> list[int]:
    """Return the few positions that may be the nearest, best first, by what takes no reading of JSON."""
    positions = _of_one_address(request, interactions) or range(len(interactions))
    return nlargest(
        LOOKED_AT_CLOSELY, positions, key=lambda n: likeness(interactions[n].request.body, request.body)
    )


def _differences(
    recorded: IncomingRequest, now: IncomingRequest, matcher: Matcher
) -> Iterator[ValueDifference]:
    if recorded.method != now.method:
        yield ValueDifference("method", recorded.method, now.method)
    if normal_url(recorded.url) != normal_url(now.url):
        yield ValueDifference("URL", normal_url(recorded.url), normal_url(now.url))
    old, new = matcher.compared(recorded), matcher.compared(now)
    if old is not None and new is not None:
        yield from value_differences(old, new)
    elif recorded.body != now.body:
        yield ValueDifference("body", _text(recorded.body), _text(now.body))


def _message(path: str) -> str:
    """Return which message a path leads to, counted as people count."""
    found = _MESSAGE.match(path)
    return f" (message {int(found[2]) + 1})" if found else ""


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
