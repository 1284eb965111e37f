"""Content encodings: undone piece by piece, and bounded."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.errors import ErrorCode, LLMError
from tapeline.http.decoding import PIECE_BYTES, BoundedBody, inflater

PACK = {"gzip": gzip.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("encoding", PACK)
@given(body=st.binary(max_size=2_000), cut=st.integers(1, 64))
def test_what_was_packed_comes_out_again_however_it_was_cut(encoding: str, body: bytes, cut: int) -> None:
    packed, inflated = PACK[encoding](body), inflater()

    blocks = [packed[start : start + cut] for start in range(0, len(packed), cut)]

    assert b"".join(piece for block in blocks for piece in inflated(block)) == body


def test_a_small_block_that_grows_large_comes_in_pieces() -> None:
    """So that a limit is looked at before the memory is taken."""
    packed = gzip.compress(b"a" * 10 * PIECE_BYTES)

    sizes = [len(piece) for piece in inflater()(packed)]

    assert (max(sizes), sum(sizes)) == (PIECE_BYTES, 10 * PIECE_BYTES)


def test_what_is_not_packed_as_it_says_is_malformed() -> None:
    with pytest.raises(LLMError, match="not in the encoding it says") as raised:
        list(inflater()(b'{"plain": true}'))

    assert raised.value.code is ErrorCode.MALFORMED_RESPONSE


def test_a_body_is_collected_up_to_its_limit() -> None:
    body = BoundedBody(limit_bytes=4)
    body.add(b"ab")
    body.add(b"cd")

    assert body.whole() == b"abcd"
    with pytest.raises(LLMError, match="larger than 4 bytes") as raised:
        body.add(b"e")
    assert (raised.value.code, raised.value.retryable) == (ErrorCode.RESPONSE_TOO_LARGE, False)


def test_no_blocks_are_an_empty_body() -> None:
    assert BoundedBody().whole() == b""
