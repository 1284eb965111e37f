"""Checks of callers that err: told before anything is sent where it can be known, else by the provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tapeline.client import ProviderModel
from tapeline.client.options import UNSET
from tapeline.errors import ConfigError, ErrorCode, LLMError
from tapeline.testing.prompts import KEY_QUESTION, MODEL_QUESTION, QUESTION, get_weather
from tapeline.testing.subject import SECRET, Subject
from tapeline.testing.verdicts import error_of, require

WRONG_KEY = "wrong-key-of-nobody"
NO_MODEL = "no-such-model"

MISTAKES: dict[str, Callable[[ProviderModel], Any]] = {
    "an unknown option": lambda model: model.generate(QUESTION, temprature=0.5),
    "a value out of range": lambda model: model.generate(QUESTION, temperature=9),
    "a value of the wrong type": lambda model: model.generate(QUESTION, max_tokens="many"),
    "no such tool": lambda model: model.bind_tools([get_weather]).generate(QUESTION, tool_choice="nobody"),
    "no schema": lambda model: model.generate(QUESTION, schema={"type": "nonsense"}),
    "an unknown option of a stream": lambda model: model.stream(QUESTION, temprature=0.5),
    "an unknown option to bind": lambda model: model.bind(temprature=0.5),
}

WRONG_VALUES: dict[str, Any] = {
    "stop": ("x",),
    "metadata": {"user": "nobody"},
    "reasoning_effort": "low",
    "service_tier": "default",
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "extra": {"x": 1},
    "seed": 1,
    "top_k": 1,
    "max_tokens": 1,
}
"""Option -> a value, for those of which 0.5 is none."""


class MisuseChecks(Subject):
    """What callers hear of their own mistakes."""

    @pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
    def test_a_mistake_is_told_before_anything_is_sent(self, mistake: Callable[[ProviderModel], Any]) -> None:
        """A ConfigError: it costs nothing, and no second try would help."""
        server = self.stand_in("too late")

        error = error_of(lambda: mistake(server.model()), "of a wrong call")

        require(isinstance(error, ConfigError), "a ConfigError", error)
        require(not error.retryable, "an error that is not retryable", error.retryable)
        require(not server.incoming, "nothing to be sent", server.incoming)

    def test_what_a_model_refuses_is_not_sent(self) -> None:
        """Each option it is known not to take: a ConfigError that says what to do instead."""
        server = self.stand_in("too late")
        refused = self.known.refused
        self.needs(bool(refused), "refuses no option")

        for option, advice in refused.items():
            given = {option: WRONG_VALUES.get(option, 0.5)}
            require(given[option] != UNSET[option], f"a value that sets {option}", given)
            error = error_of(lambda given=given: server.model().generate(QUESTION, **given), option)  # type: ignore[misc]
            is_told = isinstance(error, ConfigError) and advice in error.message
            require(is_told, f"a ConfigError for {option} that says: {advice}", error)

        require(not server.incoming, "nothing to be sent", server.incoming)

    def test_an_unknown_provider_is_told(self) -> None:
        """With the names there are."""
        error = error_of(lambda: self.chat_model("nobody:rocket-1"), "of an unknown provider")

        require(error.code == ErrorCode.UNSUPPORTED_PROVIDER, "unsupported_provider", error)

    def test_an_unknown_setting_is_told(self) -> None:
        """And no key in the message."""
        error = error_of(lambda: self.chat_model(api_key=SECRET, colour="red"), "of an unknown setting")

        require(isinstance(error, ConfigError), "a ConfigError", error)
        require("colour" in error.message, "the setting's name in it", error)
        require(SECRET not in f"{error!r}", "no key in it", error)

    def test_a_wrong_key_is_told(self) -> None:
        """authentication_error, by the provider itself."""
        self.needs(self.has_keys, "needs no key")

        error = error_of(lambda: self.model(api_key=WRONG_KEY).generate(KEY_QUESTION), "of a wrong key")

        require(error.code == ErrorCode.AUTHENTICATION_ERROR, "the code authentication_error", error)
        require(error.status is not None, "the HTTP status", error.status)
        require(WRONG_KEY not in f"{error} {error!r}", "no key in it", error)

    def test_an_unknown_model_is_told(self) -> None:
        """model_not_available or not_found, by the provider itself."""
        self.needs(self.has_models, "answers under any name of a model")
        name = f"{self.name.partition(':')[0]}:{NO_MODEL}"

        error = error_of(lambda: self.model(name=name).generate(MODEL_QUESTION), "of an unknown model")

        wanted = {ErrorCode.MODEL_NOT_AVAILABLE, ErrorCode.NOT_FOUND}
        require(error.code in wanted, f"one of {sorted(wanted)}", error)
        require(error.model == NO_MODEL, f"error.model {NO_MODEL!r}", error.model)

    def test_a_prompt_that_is_too_long_is_told(self) -> None:
        """context_length_exceeded: what callers cut their prompt at, and none tries again."""
        self.needs(self.too_long_words is not None, "is not given a prompt that is too long")
        prompt = "word " * (self.too_long_words or 0)

        error = error_of(lambda: self.model().generate(prompt), "of a prompt that is too long")

        require(error.code == ErrorCode.CONTEXT_LENGTH_EXCEEDED, "the code context_length_exceeded", error)
        require(isinstance(error, LLMError) and error.attempts == 1, "one try", error.attempts)
