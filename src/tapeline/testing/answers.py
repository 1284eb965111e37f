"""Checks of whole answers: text, why it ended, what it cost, where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pytest

from tapeline.testing.prompts import (
    CONVERSATION,
    COUNT,
    OTHER_QUESTION,
    PICTURE,
    QUESTION,
    SHORT_TOKENS,
)
from tapeline.testing.subject import Subject
from tapeline.testing.verdicts import require
from tapeline.types import FinishReason, Message, Reply, Usage, system, user

MILD: Mapping[str, Any] = {
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 40,
    "seed": 7,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
}
"""Option -> a value that every model bears that has the option at all."""


def require_text(reply: Reply) -> None:
    """An answer has text, and nothing but the assistant's."""
    __tracebackhide__ = True
    require(reply.message.role == "assistant", "a message of the assistant", reply.message)
    require(bool(reply.text.strip()), "text in the answer", reply.message)


def require_usage(usage: Usage) -> None:
    """Counts are whole, and parts are no more than the whole."""
    __tracebackhide__ = True
    for name in ("input_tokens", "output_tokens"):
        count = getattr(usage, name)
        require(isinstance(count, int) and count > 0, f"usage.{name}, counted", usage)
    read, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
    require(read + written <= (usage.input_tokens or 0), "cached tokens to be among the input tokens", usage)
    thought = usage.reasoning_tokens or 0
    require(thought <= (usage.output_tokens or 0), "reasoning tokens to be among the output tokens", usage)


class AnswerChecks(Subject):
    """What `generate` and `agenerate` return."""

    def test_an_answer_has_text(self) -> None:
        """A question gets an answer that can be read."""
        require_text(self.model().generate(QUESTION))

    def test_an_answer_ends_for_a_reason(self) -> None:
        """One that said all it had to say has stopped."""
        reply = self.model().generate(QUESTION)

        require(reply.finish_reason == "stop", "finish_reason 'stop' of a whole answer", reply.finish_reason)

    def test_an_answer_can_be_cut_short(self) -> None:
        """max_tokens holds, and the answer says that it was cut."""
        reply = self.model().generate(COUNT, max_tokens=SHORT_TOKENS)

        require(reply.finish_reason == "length", "finish_reason 'length' of a cut answer", reply)
        counted = reply.usage.output_tokens or 0
        require(counted <= SHORT_TOKENS, f"no more than {SHORT_TOKENS} output tokens", reply.usage)

    def test_a_stop_sequence_stops(self) -> None:
        """The answer ends before the text it is to stop at."""
        self.needs("stop" not in self.known.refused, "takes no stop sequences")

        reply = self.model().generate(COUNT, stop=["12"])

        require("12" not in reply.text, "no text from the stop sequence on", reply.text)
        require(reply.finish_reason == "stop", "finish_reason 'stop'", reply.finish_reason)

    @pytest.mark.parametrize("option", MILD)
    def test_an_option_is_taken(self, option: str) -> None:
        """What the model does not refuse, it takes."""
        self.needs(option not in self.known.refused, f"takes no {option}")

        require_text(self.model().generate(QUESTION, **{option: MILD[option]}))

    def test_usage_is_counted(self) -> None:
        """Tokens in and out; cached and reasoning ones are among them."""
        self.needs(self.reports_usage, "reports no usage")

        reply = self.model().generate(QUESTION)

        require_usage(reply.usage)

    def test_usage_grows_with_the_prompt(self) -> None:
        """It is counted and not made up: a longer prompt costs more."""
        self.needs(self.reports_usage, "reports no usage")
        model = self.model()

        short = model.generate(QUESTION).usage
        long = model.generate((*CONVERSATION, user(QUESTION))).usage

        require((long.input_tokens or 0) > (short.input_tokens or 0), "more tokens in", (short, long))

    def test_an_answer_says_which_model_gave_it(self) -> None:
        """As the provider names it, which may be more exact than the name asked for."""
        self.needs(self.reports_model, "does not say which model answered")

        reply = self.model().generate(QUESTION)

        require(bool(reply.model), "the model's name in reply.model", reply.model)

    def test_an_answer_has_an_id(self) -> None:
        """By which its provider finds it."""
        self.needs(self.reports_id, "gives answers no id")

        reply = self.model().generate(QUESTION)

        require(isinstance(reply.id, str) and bool(reply.id), "an id in reply.id", reply.id)

    def test_what_the_provider_sent_is_there(self) -> None:
        """Whatever is not mapped can be reached: reply.raw is the JSON body."""
        reply = self.model().generate(QUESTION)

        require(isinstance(reply.wire, bytes) and bool(reply.wire), "the body in reply.wire", reply.wire)
        require(isinstance(reply.raw, dict) and bool(reply.raw), "a JSON object in reply.raw", reply.raw)

    def test_an_answer_says_how_long_it_took(self) -> None:
        """In all; a first token there is only where something was streamed."""
        timing = self.model().generate(QUESTION).timing

        require(timing.total_s >= 0, "timing.total_s, 0 or more", timing)
        require(timing.ttft_s is None and not timing.chunk_at_s, "no times of chunks", timing)

    @pytest.mark.parametrize("form", ["text", "a message", "messages"])
    def test_a_prompt_has_three_forms(self, form: str) -> None:
        """Text, one message, several messages: all are the same question."""
        prompts: Mapping[str, Any] = {
            "text": QUESTION,
            "a message": user(QUESTION),
            "messages": iter([user(QUESTION)]),
        }

        require_text(self.model().generate(prompts[form]))

    def test_a_system_message_is_taken(self) -> None:
        """Wherever the provider wants it: in the messages or beside them."""
        require_text(self.model().generate([system("You are a friendly teacher."), user(QUESTION)]))

    def test_a_conversation_goes_on(self) -> None:
        """Earlier turns of both sides are taken."""
        require_text(self.model().generate(CONVERSATION))

    def test_an_answer_can_be_given_back(self) -> None:
        """reply.message is a turn of the next prompt, as it came."""
        model = self.model()
        reply = model.generate(QUESTION)

        require_text(model.generate([user(QUESTION), reply.message, user(OTHER_QUESTION)]))

    def test_a_picture_is_seen(self) -> None:
        """A message may hold a picture."""
        self.needs(self.known.images, "takes no pictures")

        require_text(self.model().generate(PICTURE))

    def test_reasoning_is_shown(self) -> None:
        """Apart from the text, and it can be given back."""
        self.needs(self.reports_thinking, "does not show its reasoning")
        model = self.model()
        reply = model.generate(QUESTION, reasoning_effort="low")

        require(bool(reply.thinking), "reasoning in reply.thinking", reply.message)
        require(reply.thinking not in reply.text, "no reasoning in the text", reply.text)
        conversation = [user(QUESTION), reply.message, user(OTHER_QUESTION)]
        require_text(model.generate(conversation, reasoning_effort="low"))

    def test_asyncio_answers_as_threads_do(self) -> None:
        """agenerate is generate; of the same request the same comes back."""
        reply = self.model().generate(QUESTION)
        other = self.run(lambda model: model.agenerate(QUESTION))

        require_text(other)
        require(other.finish_reason == reply.finish_reason, f"{reply.finish_reason!r}", other.finish_reason)
        require(other.usage.input_tokens == reply.usage.input_tokens, f"{reply.usage}", other.usage)
        if self.is_repeatable:
            require(other.message == reply.message, f"{reply.message}", other.message)

    def test_an_answer_does_not_change(self) -> None:
        """A reply is a value: it cannot be written to."""
        reply = self.model().generate(QUESTION)

        with pytest.raises(AttributeError):
            reply.finish_reason = "error"  # type: ignore[misc]
        require(isinstance(reply.message, Message), "a Message", reply.message)
        require(reply.finish_reason in get_args(FinishReason), "a known finish_reason", reply.finish_reason)
