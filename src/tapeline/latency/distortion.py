"""What a network, a proxy or a broken server does to a response, done to one that is scheduled.

Each function takes a response and returns another; nothing is drawn and nothing waits. Events are counted
from 1; where there are fewer, the last one is meant. Bytes keep the time at which they came: a block that
is cut anew is due when the last of its bytes was. Bodies are taken as they are: of a compressed one nothing
is known but its bytes.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from zlib import crc32

from tapeline.latency.framing import FRAMES, Span, event_spans, is_streamed, media_type
from tapeline.latency.pacing import DueBlock, FailureKind, ScheduledResponse, TransportFailure

_WITHIN_CHARACTER = re.compile(rb"(?<=[\xc2-\xf4])[\x80-\xbf]")
_CRC_BYTES = 4  # at the end of a frame

# The connection -----------------------------------------------------------------------------------------


def cut_after_bytes(
    response: ScheduledResponse, kept_bytes: int, kind: FailureKind, *, silence_s: float = 0.0
) -> ScheduledResponse:
    """Let the connection fail after the first bytes of the body and a silence, unless it never had a head."""
    if response.failure is not None and not response.failure.has_head:
        return response
    kept_bytes = min(kept_bytes, len(_body(response)))
    ends = [end for end in _ends(response.blocks) if end < kept_bytes]
    blocks = _recut(response.blocks, [*ends, kept_bytes]) if kept_bytes else []
    last_s = blocks[-1].due_s if blocks else response.head_due_s
    failure = TransportFailure(kind=kind, at_s=last_s + silence_s, has_head=True)
    return replace(response, blocks=blocks, failure=failure)


def cut_after_events(
    response: ScheduledResponse, kept: int, kind: FailureKind, *, silence_s: float = 0.0
) -> ScheduledResponse:
    """Let the connection fail after the first events of the body and a silence."""
    ends = [0, *(span.end for span in _spans(response)[:kept])]
    return cut_after_bytes(response, ends[-1], kind, silence_s=silence_s)


# Blocks -------------------------------------------------------------------------------------------------


def rechunked(response: ScheduledResponse, block_bytes: int) -> ScheduledResponse:
    """Deliver the same bytes in blocks of this size; of 0: in one block."""
    body_bytes = len(_body(response))
    inner = range(block_bytes, body_bytes, block_bytes) if block_bytes else ()
    return replace(response, blocks=_recut(response.blocks, [*inner, body_bytes])) if body_bytes else response


def dripped(response: ScheduledResponse, block_bytes: int, every_s: float) -> ScheduledResponse:
    """Deliver blocks of this size, each at least so long after the one before."""
    blocks: list[DueBlock] = []
    for due_s, data in rechunked(response, block_bytes).blocks:
        earliest_s = blocks[-1].due_s + every_s if blocks else due_s
        blocks.append(DueBlock(max(due_s, earliest_s), data))
    return replace(response, blocks=blocks)


def split(response: ScheduledResponse, event: int) -> ScheduledResponse:
    """Deliver an event in two blocks, cut inside a character if it has one of several bytes."""
    if not (spans := _spans(response)):
        return response
    middle = _middle(_body(response), _nth(spans, event))
    return replace(response, blocks=_cut_at(response.blocks, middle))


def _middle(body: bytes, span: Span) -> int:
    within = _WITHIN_CHARACTER.search(body, span.start + 1, span.end)
    return within.start() if within else sum(span) // 2


# Events -------------------------------------------------------------------------------------------------


def duplicated(response: ScheduledResponse, event: int) -> ScheduledResponse:
    """Deliver an event twice, the second time in a block of its own. A body without events stays as it is."""
    if not (spans := _spans(response)) or not is_streamed(_content_type(response)):
        return response
    start, end = _nth(spans, event)
    blocks = _cut_at(response.blocks, end)
    last = _ends(blocks).index(end)
    blocks.insert(last + 1, DueBlock(blocks[last].due_s, _body(response)[start:end]))
    return replace(response, blocks=blocks)


def garbled(response: ScheduledResponse, event: int) -> ScheduledResponse:
    """Take the last brace off the JSON of an event, which is framed as well as before; some have no JSON."""
    body = _body(response)
    if not (spans := [span for span in _spans(response) if b"}" in body[slice(*span)]]):
        return response
    start, end = _nth(spans, event)
    spoiled = _without_brace(body[start:end], is_frame=media_type(_content_type(response)) == FRAMES)
    return replace(response, blocks=_refilled(response.blocks, body[:start] + spoiled + body[end:]))


def _without_brace(event: bytes, *, is_frame: bool) -> bytes:
    end = len(event) - _CRC_BYTES if is_frame else len(event)
    brace = event.rfind(b"}", 0, end)
    spoiled = event[:brace] + b" " + event[brace + 1 : end]
    return spoiled + crc32(spoiled).to_bytes(_CRC_BYTES, "big") if is_frame else spoiled


def _spans(response: ScheduledResponse) -> list[Span]:
    return event_spans(_body(response), _content_type(response))


def _nth(spans: Sequence[Span], event: int) -> Span:
    return spans[min(event, len(spans)) - 1]


def _content_type(response: ScheduledResponse) -> str:
    return next((value for name, value in response.headers if name.lower() == "content-type"), "")


# Bytes --------------------------------------------------------------------------------------------------


def _body(response: ScheduledResponse) -> bytes:
    return b"".join(block.data for block in response.blocks)


def _ends(blocks: Sequence[DueBlock]) -> list[int]:
    """Return where in the body the blocks end."""
    return list(accumulate(len(block.data) for block in blocks))


def _recut(blocks: Sequence[DueBlock], ends: Sequence[int]) -> list[DueBlock]:
    """Return the body up to the last of these ends, in blocks that end there."""
    body = b"".join(block.data for block in blocks)
    arrived = _ends(blocks)
    return [
        DueBlock(blocks[bisect_left(arrived, end)].due_s, body[start:end])
        for start, end in pairwise([0, *ends])
    ]


def _cut_at(blocks: Sequence[DueBlock], end: int) -> list[DueBlock]:
    """Return the blocks with one end more."""
    return _recut(blocks, sorted({end, *_ends(blocks)} - {0}))


def _refilled(blocks: Sequence[DueBlock], body: bytes) -> list[DueBlock]:
    """Return blocks of the same sizes and times that hold another body."""
    spans = pairwise([0, *_ends(blocks)])
    return [DueBlock(block.due_s, body[slice(*span)]) for block, span in zip(blocks, spans, strict=True)]
