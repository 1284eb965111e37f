"""Checks of servers that fail: what the error says, and whether there is another try."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import httpx2
import pytest

from tapeline.client import ProviderModel
from tapeline.errors import ErrorCode, LLMError
from tapeline.latency.pacing import ScheduledResponse
from tapeline.testing.answers import require_text
from tapeline.testing.prompts import QUESTION
from tapeline.testing.stand_in import failure, plain, reply_of, stream_blocks, streamed
from tapeline.testing.streams import read
from tapeline.testing.subject import SECRET, Subject
from tapeline.testing.verdicts import error_of, require

MEANINGS: Mapping[int, set[ErrorCode]] = {
    400: {ErrorCode.INVALID_REQUEST},
    401: {ErrorCode.AUTHENTICATION_ERROR},
    403: {ErrorCode.AUTHORIZATION_ERROR, ErrorCode.AUTHENTICATION_ERROR},
    404: {ErrorCode.NOT_FOUND, ErrorCode.MODEL_NOT_AVAILABLE},
    413: {ErrorCode.REQUEST_TOO_LARGE},
    429: {ErrorCode.RATE_LIMIT},
    500: {ErrorCode.INTERNAL_ERROR},
    503: {ErrorCode.OVERLOADED},
}
"""Status -> what it may mean where the body says no more."""

WORTH_ANOTHER_TRY = frozenset({429, 500, 503})
GATEWAY_PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
RETRY_AFTER_S = 2


class OutageChecks(Subject):
    """What callers hear of a server that fails."""

    def _failure(self, status: int, **headers: str) -> ScheduledResponse:
        """Return an error as this provider says it."""
        code = min(MEANINGS[status])
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        error = LLMError("no", code=code)
        return failure(self.chat_model().codec, error, status=status, headers=named)

    def _error(self, *answers: ScheduledResponse | Exception) -> LLMError:
        """Return the error of a call that is not tried again."""
        model = self.stand_in(*answers).model(max_retries=0)
        return error_of(lambda: model.generate(QUESTION), "of a call that failed")

    @pytest.mark.parametrize("status", MEANINGS)
    def test_a_status_has_its_meaning(self, status: int) -> None:
        """The same code for every provider; whether to try again follows from it."""
        error = self._error(self._failure(status))

        require(error.code in MEANINGS[status], f"one of {sorted(MEANINGS[status])} for HTTP {status}", error)
        require(error.status == status, f"error.status {status}", error.status)
        is_worth = status in WORTH_ANOTHER_TRY
        require(error.retryable == is_worth, f"error.retryable {is_worth} for HTTP {status}", error.retryable)

    def test_an_error_says_where(self) -> None:
        """Operation, provider and model."""
        model = self.chat_model()
        error = self._error(self._failure(500))

        require(error.provider == model.provider, f"error.provider {model.provider!r}", error.provider)
        require(error.model == model.name, f"error.model {model.name!r}", error.model)
        require(error.op == f"{model.provider}.generate", f"'{model.provider}.generate'", error.op)

    def test_an_error_of_a_stream_is_the_same(self) -> None:
        """And it is raised by the stream, not swallowed."""
        model = self.stand_in(self._failure(401)).model(max_retries=0)

        error = error_of(lambda: read(model.stream(QUESTION)), "of a stream that never began")

        require(error.code == ErrorCode.AUTHENTICATION_ERROR, "authentication_error", error)
        require(error.op.endswith(".stream"), "error.op of the stream", error.op)

    def test_an_error_of_asyncio_is_the_same(self) -> None:
        """From agenerate as from generate."""
        server = self.stand_in(self._failure(401))
        model = server.async_model(max_retries=0)

        error = error_of(lambda: server.run(model.agenerate(QUESTION)), "of a call that failed")

        require(error.code == ErrorCode.AUTHENTICATION_ERROR, "authentication_error", error)

    def test_an_error_can_be_sent_elsewhere(self) -> None:
        """It survives pickling, as process pools and task queues need."""
        error = self._error(self._failure(429, retry_after=str(RETRY_AFTER_S)))

        again = pickle.loads(pickle.dumps(error))

        require(str(again) == str(error), f"{error}", again)
        require(again.retry_after_s == error.retry_after_s, f"{error.retry_after_s}", again.retry_after_s)

    def test_a_key_is_not_in_an_error(self) -> None:
        """Not even where the server repeats it."""
        echo = LLMError(f"incorrect key {SECRET}", code=ErrorCode.AUTHENTICATION_ERROR)
        server = self.stand_in(echo)

        error = error_of(lambda: server.model(api_key=SECRET).generate(QUESTION), "of a wrong key")

        everything = f"{error} {error!r} {vars(error)} {pickle.dumps(error)!r}"
        require(SECRET not in everything, "no key in any of it", everything)

    def test_a_failure_that_passes_is_not_heard_of(self) -> None:
        """The call is tried again, and answered."""
        server = self.stand_in(self._failure(503), self._failure(429), "well again")

        require_text(server.model(max_retries=2).generate(QUESTION))

        require(len(server.incoming) == 3, "three requests", len(server.incoming))

    def test_a_stream_is_tried_again_before_it_has_begun(self) -> None:
        """As long as nothing was handed out."""
        server = self.stand_in(self._failure(503), "well again")

        _, reply = read(server.model(max_retries=2).stream(QUESTION))

        require(reply.text == "well again", "'well again'", reply.text)

    def test_tries_are_bounded_and_counted(self) -> None:
        """As many as were allowed; no SDK below multiplies them."""
        server = self.stand_in(self._failure(500))

        error = error_of(lambda: server.model(max_retries=2).generate(QUESTION), "after three tries")

        require(len(server.incoming) == 3, "three requests for max_retries=2", len(server.incoming))
        require(error.attempts == 3, "error.attempts 3", error.attempts)

    @pytest.mark.parametrize("status", [400, 401, 404])
    def test_a_request_that_is_wrong_is_not_sent_again(self, status: int) -> None:
        """It would be wrong again."""
        server = self.stand_in(self._failure(status))

        error_of(lambda: server.model(max_retries=2).generate(QUESTION), f"HTTP {status}")

        require(len(server.incoming) == 1, "one request", len(server.incoming))

    def test_a_server_says_when_to_come_back(self) -> None:
        """Retry-After is waited for, and told where there is no other try."""
        busy = self._failure(429, retry_after=str(RETRY_AFTER_S))
        server = self.stand_in(busy, "well again")
        server.model(max_retries=1).generate(QUESTION)

        require(server.now_s >= RETRY_AFTER_S, f"a wait of {RETRY_AFTER_S} s", server.now_s)
        told_s = self._error(busy).retry_after_s
        require(told_s == RETRY_AFTER_S, f"error.retry_after_s {RETRY_AFTER_S}", told_s)

    def test_a_stream_that_breaks_off_is_an_error(self) -> None:
        """stream_closed, with what had come; it is not sent again, and not taken for whole."""
        codec = self.chat_model().codec
        whole = stream_blocks(codec, reply_of("one two three four five six", model=self.chat_model().name))
        server = self.stand_in(streamed(codec, whole[: len(whole) // 2]))
        texts: list[str] = []

        def ask(model: ProviderModel) -> None:
            with model.stream(QUESTION) as stream:
                texts.extend(chunk.text for chunk in stream)

        error = error_of(lambda: ask(server.model(max_retries=2)), "of half a stream")

        require(error.code == ErrorCode.STREAM_CLOSED, "the code stream_closed", error)
        partial = error.partial.text if error.partial else None
        require(partial == "".join(texts), f"what had come, {''.join(texts)!r}, in error.partial", partial)
        require(len(server.incoming) == 1, "no other try after chunks were handed out", len(server.incoming))

    @pytest.mark.parametrize(
        ("body", "codes"),
        [
            (b"", {ErrorCode.EMPTY_RESPONSE, ErrorCode.MALFORMED_RESPONSE}),
            (b'{"half": ', {ErrorCode.MALFORMED_RESPONSE}),
            (GATEWAY_PAGE, {ErrorCode.MALFORMED_RESPONSE}),
        ],
        ids=["nothing", "half of it", "a web page"],
    )
    def test_an_answer_that_is_none_is_an_error(self, body: bytes, codes: set[ErrorCode]) -> None:
        """Whatever a proxy sends in place of an answer, with a 200."""
        error = self._error(plain(body))

        require(error.code in codes, f"one of {sorted(codes)}", error)

    def test_a_page_of_a_proxy_is_an_error(self) -> None:
        """A 502 in HTML: retryable like any other failure of the server's side."""
        error = self._error(plain(GATEWAY_PAGE, status=502, media_type="text/html"))

        require(error.status == 502 and error.retryable, "a retryable error with status 502", error)

    def test_a_server_that_is_gone_is_an_error(self) -> None:
        """network_error, with the cause below it."""
        error = self._error(httpx2.ConnectError("refused"))

        require(error.code == ErrorCode.NETWORK_ERROR, "the code network_error", error)
        require(error.retryable, "error.retryable", error.retryable)
        require(error.__cause__ is not None, "the cause in error.__cause__", error.__cause__)

    def test_a_server_that_is_silent_is_an_error(self) -> None:
        """timeout, after timeout_s and not later."""
        server = self.stand_in(plain(b"{}", head_s=1000.0))

        error = error_of(
            lambda: server.model(timeout_s=5.0, max_retries=0).generate(QUESTION), "after 5 silent seconds"
        )

        require(error.code == ErrorCode.TIMEOUT, "the code timeout", error)
        require(server.now_s == 5.0, "it after 5 seconds", server.now_s)

    def test_a_deadline_holds_over_all_tries(self) -> None:
        """However many tries are left, and however slow the server is."""
        server = self.stand_in(plain(b"{}", head_s=1000.0))

        error = error_of(
            lambda: server.model(deadline_s=8.0, max_retries=9).generate(QUESTION), "after the deadline"
        )

        wanted = {ErrorCode.DEADLINE_EXCEEDED, ErrorCode.TIMEOUT}  # after the last try, or during it
        require(error.code in wanted, f"one of {sorted(wanted)}", error)
        require(server.now_s <= 8.0, "it within 8 seconds", server.now_s)
