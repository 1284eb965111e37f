"""The two streams: read to their end, left early, dropped, cancelled or broken."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from exchanges import BLOCKING, QUESTION, answer, every_wire, failure, stream_of, two_carriers
from wires import FACES, GAP_S, HEAD_S, Server, Wire, streamed

from tapeline.client import ProviderModel
from tapeline.clock import VirtualClock
from tapeline.errors import LLMError
from tapeline.types import Reply, Timing

# Leaving early -------------------------------------------------------------------------------------


def test_a_stream_left_early_is_closed_and_keeps_what_came(clock: VirtualClock) -> None:
    """`with` and break: the response is closed at once, and the reply is what had come by then."""
    server = Server(clock, stream_of(head_s=HEAD_S, gap_s=GAP_S))

    with FACES["blocking"].model(server).stream(QUESTION) as stream:
        for _ in stream:
            break
        assert server.open_responses == 1
        with pytest.raises(RuntimeError, match="has not ended"):
            _ = stream.reply

    assert server.open_responses == 0
    assert (stream.reply.text, stream.reply.finish_reason) == ("Paris, ", None)
    assert stream.reply.timing == Timing(total_s=0.25, ttft_s=0.25, chunk_at_s=(0.25,))
    assert list(stream) == []


def test_an_asyncio_stream_left_early_is_closed_and_keeps_what_came(clock: VirtualClock) -> None:
    """The same for `async with`: nothing is left for the garbage collector or a later turn of the loop."""
    server = Server(clock, stream_of(head_s=HEAD_S, gap_s=GAP_S))

    async def main() -> tuple[int, Reply]:
        async with FACES["asyncio"].model(server).astream(QUESTION) as stream:
            await anext(stream)
            with pytest.raises(RuntimeError, match="has not ended"):
                _ = stream.reply
        return server.open_responses, stream.reply

    open_responses, reply = clock.run(main())

    assert open_responses == 0
    assert (reply.text, reply.timing.total_s) == ("Paris, ", 0.25)


def test_breaking_out_of_the_loop_is_enough(clock: VirtualClock) -> None:
    """Without `with` the response is closed when the stream is dropped, and whoever listens is told."""
    server = Server(clock, stream_of())
    model = BLOCKING.model(server)

    with pytest.warns(ResourceWarning, match="a stream was left open: use `with`"):
        read_one_chunk(model)

    assert server.open_responses == 0


def read_one_chunk(model: ProviderModel) -> None:
    for _ in model.stream(QUESTION):
        break


def test_breaking_out_of_an_asyncio_loop_is_enough(clock: VirtualClock) -> None:
    """The event loop closes a dropped stream at its next turns."""
    server = Server(clock, stream_of())
    model = FACES["asyncio"].model(server)

    async def read() -> int:
        async for _ in model.astream(QUESTION):
            break
        await clock.asleep(0.001)
        return server.open_responses

    with pytest.warns(ResourceWarning, match="a stream was left open"):
        open_responses = clock.run(read())

    assert open_responses == 0


def test_a_stream_that_was_closed_has_a_reply(clock: VirtualClock) -> None:
    """Whether it was begun or not: closing is one of the two ways to end it."""
    server = Server(clock, stream_of())
    model = BLOCKING.model(server)
    stream = model.stream(QUESTION)

    with pytest.raises(RuntimeError, match="has not ended"):
        _ = stream.reply
    stream.close()
    with model.stream(QUESTION) as other:
        next(other)

    assert (stream.reply.text, other.reply.text) == ("", "Paris, ")
    assert len(server.requests) == 1


def test_a_stream_that_failed_has_ended(clock: VirtualClock) -> None:
    """What had come is its reply, were it nothing: the error has told why."""
    stream = BLOCKING.model(Server(clock, failure(401))).stream(QUESTION)

    with pytest.raises(LLMError):
        next(stream)

    assert (stream.reply.text, stream.reply.finish_reason) == ("", None)


@every_wire
def test_a_cancelled_stream_is_closed(wire: Wire, clock: VirtualClock) -> None:
    """Cancelled while it waits for the next block, the task ends, the response closes, the reply stays."""
    server = Server(clock, stream_of(wire, head_s=HEAD_S, gap_s=1.0))
    stream = FACES["asyncio"].model(server, wire).astream(QUESTION)
    seen: list[str] = []

    async def read() -> None:
        async for chunk in stream:
            seen.append(chunk.text)

    async def main() -> float:
        with suppress(TimeoutError):
            async with asyncio.timeout(60.0):
                task = asyncio.create_task(read())
                while not any(seen):
                    await asyncio.sleep(0.5)
                task.cancel()
                await asyncio.wait([task])
        assert task.cancelled()
        assert server.open_responses == 0
        return clock.now_ns() / 1e9

    ended_at_s = clock.run(main())

    assert ended_at_s < 10
    assert (stream.reply.text, "".join(seen)) == ("Paris, ", "Paris, ")


@two_carriers
def test_a_cancelled_call_closes_its_response(wire: Wire, clock: VirtualClock) -> None:
    """While the rest of the body is still to come."""
    body = wire.codec.encode_response(wire.reply())
    server = Server(clock, streamed([body[:9], body[9:]], gap_s=60.0))
    model = FACES["asyncio"].model(server, wire)

    async def main() -> int:
        with suppress(TimeoutError):
            await asyncio.wait_for(model.agenerate(QUESTION), timeout=1.0)
        return server.open_responses

    assert (clock.run(main()), clock.now_ns()) == (0, 1_000_000_000)


def test_the_blocking_face_works_inside_a_running_loop(clock: VirtualClock) -> None:
    """In a notebook, say: no thread, no nested loop, and a stream left early is closed at once there too."""
    server = Server(clock, answer(due_s=1.0), stream_of())
    model = FACES["blocking"].model(server)

    async def main() -> tuple[str, int]:
        text = model.generate(QUESTION).text
        with model.stream(QUESTION) as stream:
            next(stream)
        return text, server.open_responses

    assert clock.run(main()) == ("Paris, of course.", 0)


def test_many_calls_at_once_do_not_disturb_each_other(clock: VirtualClock) -> None:
    """Ten streams over one model, each a second long: asyncio takes one second for all of them."""
    server = Server(clock, stream_of(head_s=1.0))
    model = FACES["asyncio"].model(server)

    async def read() -> Reply:
        async with model.astream(QUESTION) as stream:
            async for _ in stream:
                pass
        return stream.reply

    async def main() -> list[Reply]:
        return await asyncio.gather(*(read() for _ in range(10)))

    replies = clock.run(main())

    assert [reply.timing.ttft_s for reply in replies] == [1.0] * 10
    assert clock.now_ns() == 1_000_000_000
