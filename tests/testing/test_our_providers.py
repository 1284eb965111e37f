"""Every provider of ours keeps the contract: the mock itself, the others from their recordings.

The recordings are made by scripts/record_contract.py, which says what answers there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import schoolchild

import tapeline
from tapeline.client import ProviderModel
from tapeline.testing import ProviderContract

KEY = "key-of-the-contract"
SERVER = "http://127.0.0.1:18083"


def at(path: str, **settings: str) -> Mapping[str, str]:
    """Where a provider was recorded."""
    return {"base_url": f"{SERVER}{path}", **settings}


class Recorded(ProviderContract):
    """What our recordings have in common."""

    upstream = "tapeline's own codecs, schoolchild of its tests"
    too_long_words = 300


class TestMock(ProviderContract):
    """No tape: what answers is the mock."""

    name = "mock:schoolchild"
    has_keys = False
    has_models = False
    reports_thinking = True

    def chat_model(self, name: str | None = None, **settings: Any) -> ProviderModel:
        mock = tapeline.Mock(replies=schoolchild.answer, profile="hosted")
        return super().chat_model(name, client=mock, **settings)


class TestOpenAI(Recorded):
    name = "openai:gpt-5.4-mini"
    settings = at("/openai/v1", api_key=KEY)
    cassette = "cassettes/openai.yaml"


class TestOpenAIResponses(Recorded):
    name = "openai-responses:gpt-5.4-mini"
    settings = at("/openai-responses/v1", api_key=KEY)
    cassette = "cassettes/openai-responses.yaml"
    reports_thinking = True


class TestAnthropic(Recorded):
    name = "anthropic:claude-haiku-5-5"
    settings = at("/anthropic", api_key=KEY)
    cassette = "cassettes/anthropic.yaml"
    reports_thinking = True


class TestBedrock(Recorded):
    name = "bedrock:us.anthropic.claude-haiku-5-5-v1:0"
    settings = at("/bedrock", api_key=KEY)
    cassette = "cassettes/bedrock.yaml"
    reports_model = False
    reports_id = False
    forbids_parallel_calls = False
    reports_thinking = True


class TestOllama(Recorded):
    name = "ollama:qwen3:0.6b"
    settings = at("/ollama")
    cassette = "cassettes/ollama.yaml"
    reports_id = False
    reports_thinking = True
    has_keys = False
