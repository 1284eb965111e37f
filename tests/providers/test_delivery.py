"""What came before an error is delivered first, however the body was cut."""

from __future__ import annotations

import pytest

from tapeline.errors import ErrorCode, LLMError
from tapeline.providers.delivery import Delivery, decode_tail
from tapeline.providers.errors import malformed
from tapeline.types import Chunk


def decode(event: str) -> Chunk | None:
    """Events are texts; "!" cannot be decoded, "!!" is an error the provider sent, "" is a keep-alive."""
    if event == "!":
        raise malformed("!")
    if event == "!!":
        raise LLMError("slow down", code=ErrorCode.RATE_LIMIT)
    return Chunk(text=event) if event else None


def delivered(blocks: list[str]) -> tuple[str, ErrorCode | None]:
    """The text of all chunks, and the code of the error that ended them, if one did."""
    delivery, text = Delivery(), ""
    try:
        for block in blocks:
            text += "".join(chunk.text for chunk in delivery.collect(decode, block))
        delivery.raise_held()
    except LLMError as error:
        return text, error.code
    return text, None


@pytest.mark.parametrize("blocks", [["a", "b", "!"], ["ab", "!"], ["a", "b!"], ["ab!c"]])
def test_the_chunks_before_an_error_come_first(blocks: list[str]) -> None:
    """The error is raised by the next call, and nothing behind it is decoded."""
    assert delivered(blocks) == ("ab", ErrorCode.MALFORMED_RESPONSE)


def test_events_without_a_chunk_deliver_nothing() -> None:
    """A keep-alive is neither a chunk nor an error."""
    assert Delivery().collect(decode, ["", "a", ""]) == [Chunk(text="a")]


@pytest.mark.parametrize(("event", "code"), [("!", ErrorCode.STREAM_CLOSED), ("!!", ErrorCode.RATE_LIMIT)])
def test_what_is_cut_at_the_end_was_closed_too_early(event: str, code: ErrorCode) -> None:
    """Not malformed: the rest of it is missing. An error that arrived whole keeps its code."""
    with pytest.raises(LLMError) as raised:
        decode_tail(decode, [event])

    assert raised.value.code is code
