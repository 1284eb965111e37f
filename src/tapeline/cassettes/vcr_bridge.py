"""Between vcrpy's `Cassette`, which pytest-recording opens, and our tape, which plays and records.

vcrpy keeps the file, the record mode and its hooks; interception, timing, matching and redaction are
ours. Only for clients we do not intercept (http.client, httplib2, tornado) vcrpy's own patches stay in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

from vcr.cassette import CassetteNotFoundError
from vcr.matchers import requests_match
from vcr.persisters.filesystem import FilesystemPersister
from vcr.request import Request
from vcr.serialize import serialize
from vcr.serializers import yamlserializer

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.matching import Matcher
from tapeline.cassettes.secrets.redaction import redacted
from tapeline.cassettes.secrets.suspicion import refuse_secrets
from tapeline.cassettes.storage import fileformat
from tapeline.cassettes.storage.locking import replace_file
from tapeline.cassettes.storage.vcr_form import interaction_of, response_dict
from tapeline.cassettes.tape import RecordMode, Tape
from tapeline.clock import Clock
from tapeline.latency.pacing import IncomingRequest, Pace, ScheduledResponse

MATCHER_NAME = "tapeline"
OUR_PATCHERS = ("httpx", "httpx2", "requests", "urllib3", "boto3", "aiohttp")
"""vcrpy's patchers whose work we do ourselves."""


def configure(vcr: Any) -> None:
    """Prepare a VCR for us: our interception, our matching unless the user chose one, our way to save."""
    vcr.skip_patchers = OUR_PATCHERS
    vcr.register_matcher(MATCHER_NAME, _matches)
    vcr.match_on = (MATCHER_NAME,)
    vcr.register_persister(Persister(vcr.persister))


def _matches(new: Request, recorded: Request) -> bool:
    """Compare as a tape does; for the clients that vcrpy still intercepts."""
    matcher = Matcher()
    return matcher.digest(incoming_of(new)) == matcher.digest(incoming_of(recorded))


class Persister:
    """Loads what the persister below would; saves whole files or none, and loses nothing of others."""

    def __init__(self, below: Any) -> None:
        self._below = below
        self._before: list[Interaction] = []

    def load_cassette(self, path: str, serializer: Any) -> Any:
        if not self._is_ours(serializer):
            return self._below.load_cassette(path, serializer=serializer)
        paths = map(Path, dict.fromkeys((path, *getattr(self._below, "extra_paths", ()))))
        files = {path: fileformat.load(path) for path in paths if path.exists()}
        self._before = files.get(Path(path), [])
        found = [interaction for interactions in files.values() for interaction in interactions]
        if not found:
            raise CassetteNotFoundError(f"nothing is recorded in {path} yet")
        return [vcr_request(item.request) for item in found], [response_dict(item) for item in found]

    def save_cassette(self, path: str, cassette_dict: dict[str, Any], serializer: Any) -> None:
        requests, responses = cassette_dict["requests"], cassette_dict["responses"]
        if not is_yaml(serializer):
            text = file_text(path, requests, responses, serializer)
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            replace_file(Path(path), text)
            return
        after = interactions_of(requests, responses)
        fileformat.save_changes(Path(path), before=self._before, after=after)

    def _is_ours(self, serializer: Any) -> bool:
        """Whether the cassette is a file of ours; a user may keep cassettes elsewhere, or in another form."""
        is_file = self._below is FilesystemPersister or isinstance(self._below, FilesystemPersister)
        return is_file and is_yaml(serializer)


def is_yaml(serializer: Any) -> bool:
    """Whether this is vcrpy's own YAML, in place of which we write ours."""
    return serializer is yamlserializer


def file_text(
    path: str, requests: Sequence[Request], responses: Sequence[dict[str, Any]], serializer: Any
) -> str:
    """Return what to write of a vcrpy cassette: redacted, in our YAML or in what the user chose instead.

    Raises CassetteError for what still holds a secret.
    """
    kept = [redacted(interaction) for interaction in interactions_of(requests, responses)]
    if is_yaml(serializer):
        text = fileformat.dump(kept)
    else:
        clean = {
            "requests": [vcr_request(interaction.request) for interaction in kept],
            "responses": [response_dict(interaction) for interaction in kept],
        }
        text = str(serialize(clean, serializer))
    refuse_secrets(text, kept, path)
    return text


class BridgedTape(Tape):
    """A tape over a vcrpy cassette: its filters see requests first, and a user's own matchers decide.

    record_mode: in place of the cassette's own.
    """

    def __init__(
        self,
        cassette: Any,
        *,
        pace: Pace,
        clock: Clock,
        matcher: Matcher,
        record_mode: RecordMode | None = None,
    ) -> None:
        self._cassette = cassette
        mode = cassette.record_mode.value
        super().__init__(
            source=str(cassette._path),
            interactions=interactions_of(cassette.requests, cassette.responses),
            record_mode=record_mode or cast(RecordMode, mode if mode in get_args(RecordMode) else "none"),
            pace=pace,
            clock=clock,
            matcher=matcher,
            is_looping=cassette.allow_playback_repeats,
        )
        self.play_counts = cassette.play_counts  # one count for both: `vcr.all_played` stays true

    def filtered(self, request: IncomingRequest) -> IncomingRequest | None:
        kept = self._cassette.filter_request(vcr_request(request))
        return None if kept is None else incoming_of(kept)

    def position_of(self, request: IncomingRequest) -> int | None:
        if self._uses_digest:
            return super().position_of(request)
        return self._position_with(self._cassette._match_on, vcr_request(request))

    @property
    def _uses_digest(self) -> bool:
        return tuple(self._cassette._match_on) == (_matches,)

    def _position_with(self, matchers: Sequence[Any], request: Request) -> int | None:
        for position, interaction in enumerate(self.interactions):
            is_free = self.is_looping or not self.play_counts[position]
            if is_free and requests_match(request, vcr_request(interaction.request), matchers):
                return position
        return None

    def play(self, position: int, request: IncomingRequest) -> ScheduledResponse:
        if not self.play_counts[position]:  # what `drop_unused_requests` keeps
            self._cassette._played_interactions.append(self._cassette.data[position])
        return super().play(position, request)

    def hand_over(self, *, is_passed: bool) -> None:
        """Give the cassette what was recorded, fit to be written; nothing if the test failed.

        Raises what saving would raise, such as CassetteError for a secret, and lets vcrpy save nothing.
        """
        if not is_passed:
            self._save_nothing()
            return
        cassette = self._cassette
        if self.record_mode == "all" and self.recorded():
            cassette.data.clear()  # the file keeps the old ones until the new ones are whole
        for interaction in self.recorded():
            cassette.append(vcr_request(interaction.request), response_dict(interaction))
        try:
            if cassette.dirty:
                file_text(self.source, cassette.requests, cassette.responses, cassette._serializer)
        except Exception:
            self._save_nothing()  # vcrpy saves on its way out, and leaves its patches if that raises
            raise

    def _save_nothing(self) -> None:
        self._cassette.dirty = False
        self._cassette.drop_unused_requests = False


def interactions_of(requests: Sequence[Request], responses: Sequence[dict[str, Any]]) -> list[Interaction]:
    """Return vcrpy's pairs as interactions."""
    return [
        interaction_of(
            {"method": r.method, "uri": r.uri, "body": _body(r.body), "headers": dict(r.headers)}, response
        )
        for r, response in zip(requests, responses, strict=True)
    ]


def incoming_of(request: Request) -> IncomingRequest:
    headers = {name.lower(): _text(value) for name, value in dict(request.headers).items()}
    return IncomingRequest(
        method=request.method, url=request.uri, headers=headers, body=_body(request.body) or b""
    )


def vcr_request(request: IncomingRequest) -> Request:
    return Request(request.method, request.url, request.body, dict(request.headers))


def _body(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else b"".join(body)


def _text(value: Any) -> str:
    value = value[0] if isinstance(value, list) and value else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
