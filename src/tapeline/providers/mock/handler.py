"""The mock itself: its settings, the calls it took, and the way of a request through its parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from threading import RLock

from tapeline.clock import NS_PER_S, Clock, SystemClock, ns
from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.latency.pacing import Handler, Immediate, IncomingRequest, ScheduledResponse
from tapeline.providers.errors import invalid_request
from tapeline.providers.mock.blocks import content_blocks, end_block, plain_block
from tapeline.providers.mock.capacity import Capacity, WhenFull
from tapeline.providers.mock.chance import Chance, Chances
from tapeline.providers.mock.codec import MockCodec
from tapeline.providers.mock.faults import Failure, Faults, error_response, sendable
from tapeline.providers.mock.script import Line, Script
from tapeline.providers.mock.tempo import Profile, delayed, pace_of, schedule
from tapeline.providers.mock.wording import tokens_of
from tapeline.types import ChatRequest, HttpRequest, Reply, ToolCall, Usage


class Mock:
    """A model without a model: `chat_model("mock:any", client=mock)`. It echoes, unless told what to say.

    What it says:
        replies: said in turn, the last one for ever: text, a mapping (as JSON), a ToolCall, a Message, a
            Reply (as it is), an ErrorCode or LLMError (as an HTTP error), or a function of the ChatRequest.
        words: made-up answers of that many words, or (from, to); the same request gets the same answer.
        tool_calls: made first, wherever tools are offered, until a result has come.
        thinking: goes before every answer. usage: figures in place of the counted ones.
        Without replies, a schema gets its smallest instance, and a tool that must be called is called so.
    What goes wrong:
        errors: number of the call, from 1 -> code or LLMError. error_rate, error_code: how often else.
            stream_closed, alone of all codes, starts an answer and breaks it off halfway.
        cut_after_chunks: streams break off after that many.
    When:
        profile: a name, a LatencyProfile or a Pace. tokens_per_s: in place of the profile's gaps.
        variability: how far the speed of an answer, and its length if made up, may be off, as a share.
    How much:
        max_concurrency, requests_per_minute: more is a 429 with Retry-After; or, of the former, with
            when_full="queue", waits. Only an answer that takes time is in another's way.
        memory_bytes_per_token: held for prompt and answer, from the request to the end of the answer.
    calls_kept: how many of the last requests are remembered; None: all.
    seed: same seed, same requests in the same order: same bytes at the same times.

    It does not notice a client that leaves early: the answer stays in flight to its end.
    Thread-safe. On one clock at a time. Raises ConfigError for a setting out of range.
    """

    def __init__(
        self,
        *,
        replies: Line | Sequence[Line] = (),
        words: int | tuple[int, int] | None = None,
        tool_calls: Sequence[ToolCall] = (),
        thinking: str = "",
        usage: Usage = Usage(),
        errors: Mapping[int, Failure] | None = None,
        error_rate: float = 0.0,
        error_code: ErrorCode = ErrorCode.INTERNAL_ERROR,
        cut_after_chunks: int | None = None,
        profile: Profile | None = None,
        tokens_per_s: float | None = None,
        variability: float = 0.0,
        max_concurrency: int | None = None,
        when_full: WhenFull = "reject",
        requests_per_minute: int | None = None,
        memory_bytes_per_token: int = 0,
        calls_kept: int | None = None,
        seed: int = 0,
    ) -> None:
        for name, number in {
            "cut_after_chunks": cut_after_chunks,
            "memory_bytes_per_token": memory_bytes_per_token,
        }.items():
            if number is not None and number < 0:
                raise ConfigError(f"{name} is 0 or more, not {number}")
        self._script = Script(
            replies=replies, words=words, tool_calls=tool_calls, thinking=thinking, usage=usage
        )
        self._faults = Faults(at=errors or {}, rate=error_rate, code=error_code)
        self._cut_after_chunks = cut_after_chunks
        self._pace = pace_of(profile, tokens_per_s, seed=seed)
        self._chances = Chances(seed=seed, variability=variability)
        # Drawing costs a digest of the request, which a mere echo can spare.
        self._is_sure = not (error_rate or variability or words or self._pace != Immediate())
        self._capacity = Capacity(
            max_concurrency=max_concurrency, when_full=when_full, requests_per_minute=requests_per_minute
        )
        self._bytes_per_token = memory_bytes_per_token
        self._calls: deque[ChatRequest] = deque(maxlen=calls_kept)
        self._count = 0
        self._clock: Clock = SystemClock()
        self._lock = RLock()  # not a Lock: a function among the replies may ask this mock again

    @property
    def calls(self) -> tuple[ChatRequest, ...]:
        """The requests, as decoded, in the order in which they came; those it refused too."""
        with self._lock:
            return tuple(self._calls)

    @property
    def memory_bytes(self) -> int:
        """What the answers hold that are in flight now."""
        with self._lock:
            return self._capacity.memory_bytes(self._clock.now_ns())

    @property
    def peak_memory_bytes(self) -> int:
        """The most they have held."""
        return self._capacity.peak_memory_bytes

    @property
    def peak_concurrency(self) -> int:
        """The most calls that were in flight at once, those in the queue included."""
        return self._capacity.peak_concurrency

    def reset(self) -> None:
        """Forget all calls: it is as it was when it was made."""
        with self._lock:
            self._calls.clear()
            self._count = 0
            self._script.rewind()
            self._chances.clear()
            self._capacity.clear()

    def on(self, clock: Clock) -> Handler:
        """Return what answers requests on a clock, for a HandlerTransport."""
        with self._lock:
            if not _share_time(clock, self._clock):
                self._capacity.restart()  # times of another clock mean nothing on this one
            self._clock = clock
        return partial(self._respond, clock)

    def _respond(self, clock: Clock, incoming: IncomingRequest) -> ScheduledResponse:
        with self._lock:
            now_ns = clock.now_ns()
            try:
                return self._answer(_decoded(incoming), now_ns)
            except ConfigError:
                raise  # of who wrote the mock, not of who calls it
            except LLMError as error:
                return error_response(sendable(error))

    def _answer(self, request: ChatRequest, now_ns: int) -> ScheduledResponse:
        self._calls.append(request)
        self._count += 1
        chance = Chance() if self._is_sure else self._chances.draw(request)
        self._capacity.admit(now_ns)
        fault = self._faults.of(self._count, chance)
        if fault is not None and fault != ErrorCode.STREAM_CLOSED:
            raise sendable(fault)
        reply = self._script.reply(request, number=self._count, chance=chance)
        return self._delivered(request, reply, chance, now_ns, is_broken=fault is not None)

    def _delivered(
        self, request: ChatRequest, reply: Reply, chance: Chance, now_ns: int, *, is_broken: bool
    ) -> ScheduledResponse:
        blocks = self._blocks(request, reply, is_broken=is_broken)
        tokens = 0 if request.is_stream else sum(map(tokens_of, reply.message.content))
        due = schedule(self._pace, blocks, tokens=tokens, chance=chance)
        end_s = due.blocks[-1].due_s if due.blocks else due.head_due_s
        memory_bytes = self._bytes_per_token * (reply.usage.total_tokens or 0)
        start_ns = self._capacity.book(now_ns, duration_ns=ns(end_s), memory_bytes=memory_bytes)
        if start_ns > now_ns:
            due = delayed(due, (start_ns - now_ns) / NS_PER_S)
        media_type = MockCodec.stream_media_type if request.is_stream else "application/json"
        return ScheduledResponse(
            status=200,
            reason="OK",
            headers=(("content-type", media_type),),
            head_due_s=due.head_due_s,
            blocks=due.blocks,
        )

    def _blocks(self, request: ChatRequest, reply: Reply, *, is_broken: bool) -> list[bytes]:
        if not request.is_stream:
            body = plain_block(reply)
            return [body[: len(body) // 2] if is_broken else body]
        content = content_blocks(reply)
        kept = len(content) // 2 if is_broken else self._cut_after_chunks
        return [*content, end_block(reply)] if kept is None else content[:kept]


def _decoded(incoming: IncomingRequest) -> ChatRequest:
    http = HttpRequest(
        method=incoming.method, path=incoming.url, headers=incoming.headers, body=incoming.body
    )
    try:
        request = MockCodec.decode_request(http)
    except (LLMError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise invalid_request(f"not a chat request: {type(error).__name__}: {error}") from error
    if not request.messages:
        raise invalid_request("not a chat request: it has no messages")
    return request


def _share_time(one: Clock, other: Clock) -> bool:
    return one is other or (isinstance(one, SystemClock) and isinstance(other, SystemClock))
