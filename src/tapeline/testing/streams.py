"""Checks of streams: their pieces, what these add up to, when they come, how bytes may be cut."""

from __future__ import annotations

import pytest

from tapeline.client import ProviderModel, ReplyStream
from tapeline.latency.pacing import ScheduledResponse
from tapeline.testing.answers import require_text, require_usage
from tapeline.testing.prompts import COUNT, QUESTION, SHORT_TOKENS
from tapeline.testing.stand_in import reply_of, stream_blocks, streamed
from tapeline.testing.subject import Subject
from tapeline.testing.verdicts import require
from tapeline.types import ChatRequest, Chunk, Reply

UMLAUTS = "Grüße aus Zürich: 你好, 🙂 and a \u2028 line."


def read(stream: ReplyStream) -> tuple[list[Chunk], Reply]:
    """Return all chunks of a stream, and what they add up to."""
    with stream:
        chunks = list(stream)
    return chunks, stream.reply


async def aread(model: ProviderModel, prompt: str) -> tuple[list[Chunk], Reply]:
    """`read` for asyncio."""
    async with model.astream(prompt) as stream:
        chunks = [chunk async for chunk in stream]
    return chunks, stream.reply


class StreamChecks(Subject):
    """What `stream` and `astream` hand out."""

    def test_the_chunks_are_the_answer(self) -> None:
        """Put together, their texts are that of the reply: none is lost, none comes twice."""
        chunks, reply = read(self.model().stream(QUESTION))

        require_text(reply)
        text = "".join(chunk.text for chunk in chunks)
        require(text == reply.text, f"chunks that add up to {reply.text!r}", text)

    def test_a_stream_says_what_a_plain_answer_says(self) -> None:
        """The same request gets the same message, streamed or not."""
        model = self.model()
        plain = model.generate(QUESTION)
        _, reply = read(model.stream(QUESTION))

        require(reply.finish_reason == plain.finish_reason, f"{plain.finish_reason!r}", reply.finish_reason)
        if self.is_repeatable:
            require(reply.message == plain.message, f"{plain.message}", reply.message)

    def test_an_answer_comes_in_pieces(self) -> None:
        """A long one in more than one: nobody waits for the end first."""
        chunks, _ = read(self.model().stream(COUNT))

        pieces = [chunk.text for chunk in chunks if chunk.text]
        require(len(pieces) > 1, "a long answer in more than one piece", pieces)

    def test_a_stream_ends_for_a_reason(self) -> None:
        """It is said once, at the end."""
        chunks, reply = read(self.model().stream(QUESTION))

        reasons = [chunk.finish_reason for chunk in chunks if chunk.finish_reason]
        require(reasons == ["stop"], "one finish_reason, 'stop'", reasons)
        require(reply.finish_reason == "stop", "that of the reply to be it", reply.finish_reason)

    def test_a_stream_can_be_cut_short(self) -> None:
        """max_tokens holds there too."""
        _, reply = read(self.model().stream(COUNT, max_tokens=SHORT_TOKENS))

        require(reply.finish_reason == "length", "finish_reason 'length' of a cut answer", reply)

    def test_the_usage_of_a_stream_is_counted(self) -> None:
        """As that of a plain answer: the same prompt is as many tokens. It is not made up of chunks."""
        self.needs(self.reports_usage, "reports no usage")
        model = self.model()
        plain = model.generate(QUESTION).usage
        chunks, reply = read(model.stream(QUESTION))

        require_usage(reply.usage)
        require(reply.usage.input_tokens == plain.input_tokens, f"usage as plain: {plain}", reply.usage)
        if self.is_repeatable:
            require(reply.usage == plain, f"usage as plain: {plain}", reply.usage)
        said = [chunk.usage for chunk in chunks if chunk.usage]
        require(said[-1:] == [reply.usage], f"the usage of the last chunk that has one, {said}", reply.usage)

    def test_a_stream_says_who_answered(self) -> None:
        """The model and the id, where plain answers say them."""
        _, reply = read(self.model().stream(QUESTION))

        require(bool(reply.model) or not self.reports_model, "the model in reply.model", reply.model)
        require(bool(reply.id) or not self.reports_id, "an id in reply.id", reply.id)

    def test_time_goes_forward(self) -> None:
        """Chunks are stamped in order; the first content is the time to first token."""
        chunks, reply = read(self.model().stream(COUNT))

        times = [chunk.at_s for chunk in chunks]
        require(times == sorted(times), "times that never go back", times)
        content = tuple(chunk.at_s for chunk in chunks if chunk.has_content)
        timing = reply.timing
        require(timing.chunk_at_s == content, f"the times of the chunks with content, {content}", timing)
        require(timing.ttft_s == content[0], f"the first of them as ttft_s, {content[0]}", timing)
        require(content[-1] <= timing.total_s, "no chunk after the end", timing)

    def test_the_events_are_there(self) -> None:
        """reply.raw is what the provider sent, event by event."""
        _, reply = read(self.model().stream(QUESTION))

        events = reply.raw
        require(isinstance(events, list) and bool(events), "a list of JSON events in reply.raw", events)

    def test_a_stream_needs_no_with(self) -> None:
        """It can be iterated as it is, to its end."""
        stream = self.model().stream(QUESTION)

        text = "".join(chunk.text for chunk in stream)

        require(text == stream.reply.text, f"{stream.reply.text!r}", text)

    def test_there_is_no_reply_before_the_end(self) -> None:
        """Half an answer is not taken for a whole one."""
        with self.stand_in(UMLAUTS).model().stream(QUESTION) as stream:
            next(stream)
            with pytest.raises(RuntimeError):
                _ = stream.reply

    def test_asyncio_streams_as_threads_do(self) -> None:
        """astream is stream."""
        _, reply = read(self.model().stream(QUESTION))
        chunks, other = self.run(lambda model: aread(model, QUESTION))

        require_text(other)
        text = "".join(chunk.text for chunk in chunks)
        require(text == other.text, f"chunks that add up to {other.text!r}", text)
        require(other.finish_reason == reply.finish_reason, f"{reply.finish_reason!r}", other.finish_reason)
        if self.is_repeatable:
            require(other.message == reply.message, f"{reply.message}", other.message)

    @pytest.mark.parametrize("block_bytes", [1, 7, 1 << 16])
    def test_it_does_not_matter_how_bytes_are_cut(self, block_bytes: int) -> None:
        """A network cuts where it likes, inside letters too; or it sends all in one."""

        def cut(request: ChatRequest) -> ScheduledResponse:
            body = b"".join(stream_blocks(codec, reply_of(UMLAUTS, model=request.model)))
            starts = range(0, len(body), block_bytes)
            return streamed(codec, [body[start : start + block_bytes] for start in starts])

        codec = self.chat_model().codec
        _, reply = read(self.stand_in(cut).model().stream(QUESTION))

        require(reply.text == UMLAUTS, f"{UMLAUTS!r} in blocks of {block_bytes} bytes", reply.text)

    def test_the_first_piece_does_not_wait_for_the_last(self) -> None:
        """It is handed out when it comes."""
        _, reply = read(self.stand_in("one two three four").model().stream(QUESTION))

        timing = reply.timing
        is_early = timing.ttft_s is not None and timing.ttft_s < timing.total_s
        require(is_early, "the first content before the end", timing)

    def test_nothing_is_sent_before_it_is_read(self) -> None:
        """A stream that nobody reads costs nothing."""
        server = self.stand_in("unread")

        server.model().stream(QUESTION).close()

        require(not server.incoming, "no request before the first chunk is asked for", server.incoming)
