"""What a contract is about: one model, the facts it is judged by, and the ways to reach it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import httpx2
import pytest

from tapeline.capabilities import Capabilities
from tapeline.cassettes import Tape, load_tape, save_tape
from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.interception import intercepted
from tapeline.cassettes.storage.fileformat import load
from tapeline.client import ProviderModel, chat_model
from tapeline.clock import Clock, SystemClock, VirtualClock
from tapeline.http.transport import HandlerTransport
from tapeline.latency.pacing import Recorded
from tapeline.testing.stand_in import Line, StandIn
from tapeline.testing.verdicts import broken

T = TypeVar("T")

RECORDING: Final = "new_episodes"
SECRET = "contract-key-4f1d8c2b7a6e"
"""A key that must not be seen anywhere."""


class Subject:
    """A model under contract.

    name: what `chat_model` takes. settings: its other arguments, such as api_key and base_url.
    cassette: a file beside the test's own that answers for the provider; recorded by
        `pytest --record-mode=new_episodes`, which asks the provider what the file does not hold.
    upstream: what answers while it is recorded, a word that is stored with each recording.
    is_live: no cassette, but the provider itself, on the system's clock.
    capabilities: what the model can do, where its codec does not know it; None: as the codec says.

    Facts that no codec knows; a check that needs one is skipped where it is not so:
    reports_usage, reports_model, reports_id: whether an answer says it.
    reports_thinking: whether an answer to `reasoning_effort="low"` shows its reasoning.
    calls_in_parallel: whether one answer may call several tools. forbids_parallel_calls: whether that
        can be forbidden.
    has_keys: whether a wrong key is refused. has_models: whether an unknown model is.
    too_long_words: a prompt of how many words the model surely refuses; None: it is not tried.
    """

    name: ClassVar[str] = ""
    settings: ClassVar[Mapping[str, Any]] = {}
    cassette: ClassVar[str | Path | None] = None
    upstream: ClassVar[str] = ""
    is_live: ClassVar[bool] = False
    capabilities: ClassVar[Capabilities | None] = None
    reports_usage: ClassVar[bool] = True
    reports_model: ClassVar[bool] = True
    reports_id: ClassVar[bool] = True
    reports_thinking: ClassVar[bool] = False
    calls_in_parallel: ClassVar[bool] = True
    forbids_parallel_calls: ClassVar[bool] = True
    has_keys: ClassVar[bool] = True
    has_models: ClassVar[bool] = True
    too_long_words: ClassVar[int | None] = None

    clock: Clock

    def chat_model(self, name: str | None = None, **settings: Any) -> ProviderModel:
        """Return the model, or another of its provider. Override it where yours is made otherwise.

        settings: go over those of the class; `http_client` and `clock` may be among them.
        """
        return chat_model(name or self.name, **{**self.settings, **settings})

    # Reaching it --------------------------------------------------------------------------------------

    @pytest.fixture(autouse=True)
    def _within_reach(self, request: pytest.FixtureRequest) -> Iterator[None]:
        """Open the cassette, if there is one, around a check."""
        is_recording = self.cassette is not None and _is_recording(request.config)
        self.clock = SystemClock() if self.is_live or is_recording else VirtualClock()
        self._models: list[ProviderModel] = []
        self._player: Tape | None = None
        if is_recording:
            failed = request.session.testsfailed
            with self._recorder() as tape:
                yield
                self._close()
            if request.session.testsfailed == failed:
                save_tape(tape, self._cassette_path)
        else:
            self._player = None if self.cassette is None else player(self._cassette_path, self.clock)
            yield
            self._close()

    @property
    def _cassette_path(self) -> Path:
        return Path(inspect.getfile(type(self))).parent / (self.cassette or "")

    def _recorder(self) -> AbstractContextManager[Tape]:
        meta = {"upstream": self.upstream} if self.upstream else {}
        path, clock = self._cassette_path, self.clock
        return intercepted(load_tape(path, record_mode=RECORDING, clock=clock, is_looping=True, meta=meta))

    def _close(self) -> None:
        for model in self._models:
            model.close()

    def model(self, **settings: Any) -> ProviderModel:
        """Return the model on the clock of this check."""
        model = self.chat_model(**self._reaching(httpx2.Client), **settings)
        self._models.append(model)
        return model

    def _reaching(self, client: type) -> dict[str, Any]:
        """Return the settings that lead to the cassette, if that is played, on the clock of this check."""
        if self._player is None:
            return {"clock": self.clock}
        return {
            "clock": self.clock,
            "http_client": client(transport=HandlerTransport(self._player, self.clock)),
        }

    def run(self, ask: Callable[[ProviderModel], Coroutine[Any, Any, T]], **settings: Any) -> T:
        """Return what a coroutine makes of the model, on an event loop of this check's clock."""

        async def main() -> T:
            model = self.chat_model(**self._reaching(httpx2.AsyncClient), **settings)
            try:
                return await ask(model)
            finally:
                await model.aclose()

        return self.clock.run(main()) if isinstance(self.clock, VirtualClock) else asyncio.run(main())

    def stand_in(self, *answers: Line) -> StandIn:
        """Return a server in place of the provider's, with these answers."""
        return StandIn(self.chat_model, self.chat_model(clock=VirtualClock()).codec, *answers)

    # Judging it ---------------------------------------------------------------------------------------

    def needs(self, is_so: bool, otherwise: str) -> None:
        """Skip the check unless it is so. otherwise: why there is nothing to check."""
        if not is_so:
            pytest.skip(f"{self.name}: {otherwise}")

    @property
    def known(self) -> Capabilities:
        """What the model can do."""
        return self.capabilities or self.chat_model(clock=VirtualClock()).info.capabilities

    @property
    def is_repeatable(self) -> bool:
        """Whether the same request gets the same answer: a live model may say it otherwise."""
        return isinstance(self.clock, VirtualClock)


def _is_recording(config: pytest.Config) -> bool:
    """Whether the provider is asked. One cassette serves all checks, so that none may replace the file."""
    mode = config.getoption("--record-mode", default=None) or "none"
    if mode not in ("none", RECORDING):
        broken(f"--record-mode={RECORDING}: to record all anew, delete the cassette first", mode)
    return mode == RECORDING


def player(path: Path, clock: Clock) -> Tape:
    """Return a cassette to play. It loops: one recording answers all checks that ask the same."""
    if not path.exists():
        pytest.fail(f"no cassette {path}: record it with --record-mode={RECORDING}", pytrace=False)
    return Tape(source=str(path), interactions=_loaded(path), pace=Recorded(), clock=clock, is_looping=True)


@cache
def _loaded(path: Path) -> list[Interaction]:
    """Read a cassette once for all checks."""
    return load(path)
