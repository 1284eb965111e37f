"""Migration: cassettes of other writers become ours, and what they replay stays the same."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from external import RECORDINGS, needs_recordings, recorded
from recordings import chat, interaction, request, response, timed
from vcr.persisters.filesystem import FilesystemPersister
from vcr.serializers import yamlserializer

from tapeline.cassettes import Tape
from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.storage.fileformat import dump, load, save
from tapeline.cassettes.storage.lint import lint
from tapeline.cassettes.storage.migration import Migration, migrate, plan_migration
from tapeline.latency.pacing import IncomingRequest

URL = "http://model.test/v1/chat/completions"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassette.yaml"


def plain(
    *, asked: dict[str, Any] | None = None, answered: dict[str, Any] | None = None, **top: Any
) -> dict[str, Any]:
    """A cassette as vcrpy writes it."""
    question = {"method": "POST", "uri": URL, "body": json.dumps(chat("hi"), separators=(",", ":"))}
    answer = {"status": {"code": 200, "message": "OK"}, "body": {"string": '{"answer":"yes"}'}}
    types = {"Content-Type": ["application/json"]}
    pair = {
        "request": question
        | {"headers": types | {"Authorization": ["Bearer sk-abcdefghij"]}}
        | (asked or {}),
        "response": answer | {"headers": types} | (answered or {}),
    }
    return {"interactions": [pair], "version": 1} | top


def migrated(path: Path, content: dict[str, Any]) -> Migration:
    path.write_text(yaml.safe_dump(content))
    migration = migrate(path)
    assert migration.problems == ()
    return migration


# Plain vcrpy --------------------------------------------------------------------------------------------


def test_a_plain_cassette_becomes_readable_and_redacted(path: Path) -> None:
    migration = migrated(path, plain())

    [item] = load(path)
    assert migration.is_changed
    assert migration.remarks == ()
    assert item.response.body == b'{"answer":"yes"}'
    assert '        "answer": "yes"\n' in path.read_text()
    assert "sk-abcdefghij" not in path.read_text()


def test_a_cassette_of_ours_stays_as_it_is(path: Path) -> None:
    save(path, [interaction(request(chat("hi")), timed((b"yes", 0.1)))])
    before = path.stat()

    assert not migrate(path).is_changed
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_second_migration_changes_nothing(path: Path) -> None:
    migrated(path, plain(metadata={"team": "a"}))

    assert not plan_migration(path).is_changed


def test_a_plan_writes_nothing(path: Path) -> None:
    path.write_text(before := yaml.safe_dump(plain()))

    assert plan_migration(path).is_changed
    assert path.read_text() == before


def test_json_becomes_yaml_beside_it(tmp_path: Path) -> None:
    """Its name would promise JSON; an emoji in it is two escapes, which YAML does not know."""
    path = tmp_path / "cassette.json"
    path.write_text(json.dumps(plain(answered={"body": {"string": '{"answer":"\U0001f4fc"}'}})))

    migration = migrate(path)

    assert migration.target == tmp_path / "cassette.yaml"
    assert load(migration.target)[0].response.body == '{"answer":"\U0001f4fc"}'.encode()
    assert path.read_text().startswith("{")


def test_a_response_in_the_first_form_for_httpx_is_read(path: Path) -> None:
    old = plain()
    old["interactions"][0]["response"] = {
        "status_code": 201,
        "http_version": "HTTP/1.1",
        "headers": {"content-type": "application/json"},
        "content": '{"answer":"yes"}',
    }

    migrated(path, old)

    assert load(path)[0].response == response(
        b'{"answer":"yes"}', status=201, reason="", headers=[("content-type", "application/json")]
    )


# Bodies -------------------------------------------------------------------------------------------------


def test_a_packed_body_is_unpacked(path: Path) -> None:
    packed = gzip.compress(b'{"answer":"yes"}')
    headers = {"content-type": ["application/json"], "Content-Encoding": ["gzip"], "Content-Length": ["36"]}

    migrated(path, plain(answered={"headers": headers, "body": {"string": packed}}))

    assert load(path)[0].response == response(
        b'{"answer":"yes"}', headers=[("content-type", "application/json")]
    )


def test_a_body_that_was_unpacked_before_loses_the_header(path: Path) -> None:
    headers = {"content-type": ["application/json"], "content-encoding": ["gzip"]}

    migrated(path, plain(answered={"headers": headers}))

    assert load(path)[0].response.headers == (("content-type", "application/json"),)


def test_a_body_that_cannot_be_unpacked_stays_and_is_told_of(path: Path) -> None:
    headers = {"content-encoding": ["rot13"]}

    migration = migrated(path, plain(answered={"headers": headers, "body": {"string": b"\xff\xfe"}}))

    assert migration.remarks == ("interaction 1: unknown content encoding 'rot13'",)
    assert load(path)[0].response == response(b"\xff\xfe", headers=[("content-encoding", "rot13")])


def test_a_packed_body_with_times_stays_as_it_came(path: Path) -> None:
    """They are those of the packed bytes."""
    packed = gzip.compress(b"yes")
    ours = interaction(answer=timed((packed, 0.1), headers=[("content-encoding", "gzip")]))
    save(path, [ours])

    assert migrate(path).interactions == (ours,)


def test_parsed_bodies_are_written_out(path: Path) -> None:
    """pydantic-ai's serializer keeps a tree in place of a body, and nothing of its spaces."""
    content = plain(asked={"parsed_body": {"n": 1}}, answered={"parsed_body": {"answer": ["ü", 1.5, None]}})
    for part in content["interactions"][0].values():
        del part["body"]

    migrated(path, content)

    [item] = load(path)
    assert item.request.body == b'{"n":1}'
    assert item.response.body == '{"answer":["ü",1.5,null]}'.encode()


@pytest.mark.parametrize("nothing", [{}, {"parsed_body": None}], ids=["no body", "no value"])
def test_a_body_that_is_not_there_is_empty(nothing: dict[str, Any], path: Path) -> None:
    content = plain()
    for part in content["interactions"][0].values():
        del part["body"]
        part |= nothing

    migrated(path, content)

    [item] = load(path)
    assert item.request.body == item.response.body == b""


# Headers and provenance ---------------------------------------------------------------------------------


def test_a_header_that_stands_there_twice_is_kept_once(path: Path) -> None:
    headers = {"Content-Type": ["text/plain"], "content-type": ["text/plain"], "X-Request-Id": ["a", "b"]}

    migrated(path, plain(answered={"headers": headers}))

    names = [name.lower() for name, _ in load(path)[0].response.headers]
    assert sorted(names) == ["content-type", "x-request-id", "x-request-id"]


def test_the_date_of_the_server_is_when_it_was_recorded(path: Path) -> None:
    headers = {"Date": ["Wed, 25 Nov 2026 08:00:00 GMT"]}

    migrated(path, plain(answered={"headers": headers}, metadata={"team": "a"}))

    assert load(path)[0].response.meta == {"recorded_at": "2026-11-25T08:00:00+00:00", "team": "a"}


def test_what_a_response_says_itself_goes_first(path: Path) -> None:
    told = {
        "headers": {"Date": ["Wed, 25 Nov 2026 08:00:00 GMT"]},
        "meta": {"recorded_at": "2020", "team": "b"},
    }

    migrated(path, plain(answered=told, metadata={"team": "a"}))

    assert load(path)[0].response.meta == {"recorded_at": "2020", "team": "b"}


# What cannot be migrated --------------------------------------------------------------------------------

SECRET = "sk-ant-api03-" + "Ab1" * 30
IMPOSSIBLE = {
    "no cassette": ("name: a scenario\n", "it has no list of interactions"),
    "nothing": ("", "empty"),
    "half an interaction": ("interactions: [{request: {}}]\n", "interaction 1: KeyError: 'response'"),
    "a secret": (yaml.safe_dump(plain(answered={"body": {"string": SECRET}})), "looks as if it held"),
}


@pytest.mark.parametrize(("text", "problem"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_what_cannot_be_migrated_says_why_and_stays(text: str, problem: str, path: Path) -> None:
    path.write_text(text)

    migration = migrate(path)

    [told] = migration.problems
    assert problem in told
    assert SECRET not in told
    assert not migration.is_changed
    assert path.read_text() == text


# External recordings ------------------------------------------------------------------------------------

EXTERNAL = sorted(RECORDINGS.glob("*/*.yaml"))


def meaning(body: bytes) -> Any:
    """A body as JSON, or line by line: parsed bodies have lost their spaces, line ends may be plain."""
    try:
        return json.loads(body)
    except ValueError:
        return body.replace(b"\r\n", b"\n")


def with_headers(before: Interaction, after: Interaction) -> IncomingRequest:
    """A request as it was before, with the headers it has now: one of them tells a multipart body."""
    return replace(before.request, headers=after.request.headers)


@needs_recordings
@pytest.mark.slow
@pytest.mark.parametrize("source", EXTERNAL, ids=lambda source: f"{source.parent.name}-{source.stem[-60:]}")
def test_an_external_recording_migrates_and_replays(source: Path, path: Path) -> None:
    """Each request finds its response, here and under stock vcrpy, and lint has nothing to complain of."""
    migration = plan_migration(source)
    path.write_text(dump(migration.interactions), encoding="utf-8")
    before, after = recorded(source), load(path)
    answers = [meaning(item.response.body) for item in before]

    tape = Tape(source=str(path), interactions=after)
    ours = [tape(with_headers(old, new)) for old, new in zip(before, after, strict=True)]
    asked, answered = FilesystemPersister.load_cassette(str(path), yamlserializer)

    assert migration.problems == migration.remarks == ()
    assert [meaning(b"".join(block.data for block in found.blocks)) for found in ours] == answers
    assert [meaning(item["body"]["string"]) for item in answered] == answers
    assert [meaning(item.body or b"") for item in asked] == [meaning(item.request.body) for item in before]
    assert [finding for finding in lint(path) if finding.severity == "error"] == []
