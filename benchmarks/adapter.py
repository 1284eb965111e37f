"""The only place where the benchmarks name what is inside tapeline.

Every commit of the history is measured with today's benchmarks. What a commit does not have yet raises
NotImplementedError, which asv shows as a gap and not as a failure. When something moves in tapeline, add
its new home here: `tests/benchmarks` fails until then, or a series would end without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

PARTS: Mapping[str, tuple[str, ...]] = {
    "AnthropicCodec": ("tapeline.providers.anthropic",),
    "BedrockCodec": ("tapeline.providers.bedrock",),
    "ChatRequest": ("tapeline.types",),
    "HttpxCarrier": ("tapeline.http.carriers",),
    "IncomingRequest": ("tapeline.latency.pacing",),
    "OllamaCodec": ("tapeline.providers.ollama",),
    "OpenAICodec": ("tapeline.providers.openai",),
    "OpenAIResponsesCodec": ("tapeline.providers.openai_responses",),
    "Plan": ("tapeline.bench.runner",),
    "Provider": ("tapeline.registry",),
    "Tape": ("tapeline.cassettes.tape",),
    "VirtualClock": ("tapeline.clock",),
    "bearer": ("tapeline.http.carriers",),
    "bundled_scenarios": ("tapeline.scenarios.loading",),
    "call_span": ("tapeline.telemetry",),
    "chat_model": ("tapeline.client",),
    "intercepted": ("tapeline.cassettes.interception",),
    "load": ("tapeline.cassettes.storage.fileformat", "tapeline.cassettes.fileformat"),
    "load_scenarios": ("tapeline.scenarios.loading",),
    "register_provider": ("tapeline.registry",),
    "run_benchmark": ("tapeline.bench.runner",),
    "save": ("tapeline.cassettes.storage.fileformat", "tapeline.cassettes.fileformat"),
    "use_cassette": ("tapeline.cassettes",),
    "user": ("tapeline.types",),
}
"""Name -> the modules it has lived in, the latest first."""

CODECS = {
    "openai": "OpenAICodec",
    "openai-responses": "OpenAIResponsesCodec",
    "anthropic": "AnthropicCodec",
    "bedrock": "BedrockCodec",
    "ollama": "OllamaCodec",
}


def part(name: str) -> Any:
    """Return a part of the commit under test. Raises NotImplementedError if it has none by that name."""
    found = next(filter(None, (_member(module, name) for module in PARTS[name])), None)
    if found is None:
        raise NotImplementedError(f"this commit has no {name}")
    return found


def _member(module: str, name: str) -> Any:
    try:
        return getattr(import_module(module), name, None)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("tapeline"):
            raise  # a broken environment must not look like a gap in history
        return None


# Calling models -----------------------------------------------------------------------------------------


def codec(provider: str) -> Any:
    return part(CODECS[provider])()


def chat_request(model: str, prompts: Iterable[str]) -> Any:
    """Return a streamed request with one user turn per prompt."""
    messages = tuple(part("user")(prompt) for prompt in prompts)
    return part("ChatRequest")(model=model, messages=messages, is_stream=True, max_tokens=256)


def chat_model(provider: str, model: str, http_client: Any) -> Any:
    """Return a model whose calls go over `http_client`, below the vendor's SDK where tapeline uses it."""
    return part("chat_model")(
        f"{provider}:{model}",
        api_key="benchmark",
        base_url="http://127.0.0.1/v1",
        http_client=http_client,
    )


def model_at(provider: str, model: str, base_url: str) -> Any:
    """Return a model whose calls go to a server."""
    return part("chat_model")(f"{provider}:{model}", api_key="benchmark", base_url=base_url)


# Cassettes ----------------------------------------------------------------------------------------------


def load_interactions(path: Path) -> list[Any]:
    return part("load")(path)


def save_interactions(path: Path, interactions: list[Any]) -> None:
    part("save")(path, interactions)


def looping_tape(interactions: list[Any]) -> Callable[[Any], Any]:
    """Return what answers a request with the next interaction recorded for it, round and round."""
    return part("Tape")(source="benchmark", interactions=interactions, is_looping=True)


def intercepted(tape: Any) -> AbstractContextManager[Any]:
    """Send the calls of all clients through a tape."""
    return part("intercepted")(tape)


def recording() -> AbstractContextManager[Any]:
    """Record the calls of all clients, and keep nothing."""
    return intercepted(part("Tape")(source="benchmark", record_mode="all"))


def cassette(path: Path) -> AbstractContextManager[Any]:
    """Read a cassette and replay it."""
    return part("use_cassette")(path)


def incoming_request(url: str, body: bytes) -> Any:
    headers = {"content-type": "application/json"}
    return part("IncomingRequest")(method="POST", url=url, headers=headers, body=body)


# Benchmarks of scenarios in virtual time ----------------------------------------------------------------


def scenario_files() -> list[Any]:
    """Return the scenarios of the commit under test."""
    return part("load_scenarios")(part("bundled_scenarios")())


def run_cell(file: Any, target: Any, *, pace: str, requests: int, concurrency: int) -> Mapping[str, Any]:
    """Run one scenario against one target in virtual time; return its figures, as in results.json."""
    one_target = file.scenario.model_copy(update={"targets": (target,)})
    plan = part("Plan")(
        files=[replace(file, scenario=one_target)],
        paces=[pace],
        seed=0,
        clock="virtual",
        requests=requests,
        concurrency=concurrency,
    )
    results = part("run_benchmark")(plan, on_call=lambda _: None)
    return results.model_dump(mode="json")["cells"][0]


def spare_the_sdks(providers: Iterable[str]) -> None:
    """Carry the calls of these providers over bare httpx2, as tapeline itself does for Ollama.

    Importing the two SDKs takes more CPU time than all simulations together, and a release of theirs
    could move figures that must not depend on it. The figures are the same over the SDKs.
    """
    carrier, bearer, provider_class = part("HttpxCarrier"), part("bearer"), part("Provider")

    def factory_of(provider: str) -> Callable[[Any, Any, Any], Any]:
        def build(settings: Any, clients: Any, clock: Any) -> Any:
            carried = carrier(
                base_url=settings.base_url,
                timeout_s=settings.timeout_s,
                sign=bearer(None),
                http_client=clients.http_client,
            )
            return provider_class(codec=codec(provider), carrier=carried)

        return build

    for provider in providers:
        part("register_provider")(provider, factory_of(provider))
