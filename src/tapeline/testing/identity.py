"""Checks of what a model says of itself: name, abilities, health; and that it never changes."""

from __future__ import annotations

from typing import Any

import httpx2

from tapeline import types
from tapeline.capabilities import Capabilities, Health
from tapeline.client import LLM
from tapeline.errors import ErrorCode, LLMError
from tapeline.testing.prompts import QUESTION, get_weather
from tapeline.testing.subject import SECRET, Subject
from tapeline.testing.verdicts import require
from tapeline.types import ChatModel, HealthChecker

CHOICES = frozenset({"auto", "none", "required", "named"})


class IdentityChecks(Subject):
    """Who a model is."""

    def test_a_model_has_all_faces(self) -> None:
        """It generates and streams, blocking and on asyncio, and tells its health."""
        model = self.chat_model()

        require(isinstance(model, ChatModel), "a ChatModel: generate, agenerate, stream, astream", model)
        require(isinstance(model, HealthChecker), "a HealthChecker: check_health, acheck_health", model)

    def test_a_model_knows_its_name(self) -> None:
        """info says provider and model, which together are the name it was made by."""
        info = self.chat_model().info

        require(f"{info.provider}:{info.name}" == self.name, f"{self.name!r}", info)

    def test_a_model_knows_what_it_can_do(self) -> None:
        """In tapeline's words, with advice for each option it refuses."""
        known = self.chat_model().info.capabilities

        require(isinstance(known, Capabilities), "Capabilities in info.capabilities", known)
        require(known.tool_choices <= CHOICES, f"tool choices among {sorted(CHOICES)}", known.tool_choices)
        require(all(known.refused.values()), "advice for each refused option", known.refused)
        are_ranges = all(low <= high for low, high in known.ranges.values())
        require(are_ranges, "ranges from low to high", known.ranges)

    def test_a_key_is_not_shown(self) -> None:
        """Neither by repr nor by str."""
        model = self.chat_model(api_key=SECRET)

        require(SECRET not in f"{model!r} {model} {model.info} {model.targets!r}", "no key in repr", model)

    def test_making_a_model_sends_nothing(self) -> None:
        """Nor do binding and asking what it is."""
        server = self.stand_in("too early")

        model = server.model().bind(max_tokens=100).bind_tools([get_weather])

        require(bool(model.info.name), "a name", model.info)
        require(not server.incoming, "nothing to be sent", server.incoming)

    def test_bind_leaves_the_model_as_it_was(self) -> None:
        """It returns another, whose calls have the new defaults; those of the first have not."""
        server = self.stand_in("fine")
        model = server.model()
        bound = model.bind(max_tokens=321)

        model.generate(QUESTION)
        bound.generate(QUESTION)

        came = [request.max_tokens == 321 for request in server.asked]
        require(bound is not model, "another model", bound)
        require(came == [False, True], "max_tokens=321 in the bound model's call alone", server.asked)

    def test_bind_tools_leaves_the_model_as_it_was(self) -> None:
        """The same for tools."""
        self.needs(self.known.tools, "knows no tools")
        server = self.stand_in("fine")
        model = server.model()
        bound = model.bind_tools([get_weather])

        model.generate(QUESTION)
        bound.generate(QUESTION)

        came = [[tool.name for tool in request.tools] for request in server.asked]
        require(came == [[], ["get_weather"]], "tools in the bound model's call alone", came)

    def test_an_option_of_a_call_is_of_that_call(self) -> None:
        """The next one has none of it, and one over a default wins."""
        server = self.stand_in("fine")
        model = server.model(max_tokens=500)

        model.generate(QUESTION, max_tokens=321)
        model.generate(QUESTION)

        came = [request.max_tokens for request in server.asked]
        require(came == [321, 500], "321 in one call and 500 in the next", came)

    def test_the_small_interface_answers(self) -> None:
        """LLM(name).invoke: text in, text out."""
        server = self.stand_in("A whole answer.")
        settings: dict[str, Any] = {**self.settings, "clock": server.clock}
        llm = LLM(self.name, http_client=httpx2.Client(transport=server), **settings)

        require(isinstance(llm, types.LLM), "an LLM", llm)
        text = llm.invoke(QUESTION)
        require(text == "A whole answer.", "the text of the answer", text)

    def test_a_provider_that_answers_is_well(self) -> None:
        """check_health asks for one short answer."""
        health = self.model().check_health()

        require(health.is_healthy, "a healthy provider", health)
        require(health.latency_s is not None and health.latency_s >= 0, "how long it took", health)

    def test_health_can_be_asked_on_asyncio(self) -> None:
        """acheck_health is check_health."""
        health = self.run(lambda model: model.acheck_health())

        require(health.is_healthy, "a healthy provider", health)

    def test_health_tells_of_a_wrong_key(self) -> None:
        """It does not raise: reachable, but not authenticated."""
        health = self._health_after(LLMError("no", code=ErrorCode.AUTHENTICATION_ERROR))

        require(health.is_reachable, "is_reachable", health)
        require(health.is_authenticated is False, "is_authenticated False", health)
        require(bool(health.detail), "what is wrong, in health.detail", health)

    def test_health_tells_of_a_server_that_is_gone(self) -> None:
        """Not reachable; what else is wrong nobody knows."""
        health = self._health_after(httpx2.ConnectError("refused"))

        require(not health.is_reachable and health.is_authenticated is None, "not reachable, no more", health)

    def test_health_is_asked_once(self) -> None:
        """A server that fails is not asked again and again whether it does."""
        server = self.stand_in(LLMError("no", code=ErrorCode.OVERLOADED))

        health = server.model(max_retries=5).check_health()

        require(not health.is_healthy, "an unhealthy provider", health)
        require(len(server.incoming) == 1, "one request", len(server.incoming))

    def _health_after(self, error: Exception) -> Health:
        return self.stand_in(error).model().check_health()

    def test_a_model_can_be_closed_twice(self) -> None:
        """And one that was never used."""
        model = self.chat_model()

        model.close()
        model.close()
