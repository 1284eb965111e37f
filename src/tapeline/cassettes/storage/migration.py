"""Cassettes of other writers, made ours: readable, redacted, and still replayed by stock vcrpy.

Takes what vcrpy and pytest-recording write, as YAML or as JSON, with bodies packed or plain, and bodies that
pydantic-ai's serializer has parsed. A cassette that is ours already stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from tapeline.cassettes.interaction import Interaction, RecordedResponse
from tapeline.cassettes.secrets.redaction import redacted
from tapeline.cassettes.secrets.suspicion import refuse_secrets
from tapeline.cassettes.storage.fileformat import content_of_file, dump, items_of, save
from tapeline.cassettes.storage.side_files import SideFiles
from tapeline.cassettes.storage.vcr_form import interaction_of
from tapeline.cassettes.unpacking import unpacked
from tapeline.errors import CassetteError, InvalidCassetteError

TRANSFER_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Of no meaning, or wrong, for a body that is stored unpacked and whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """What becomes of one cassette.

    target: where it goes, which is another name only for JSON. problems: why it cannot be migrated; if
    there is one, nothing is. remarks: what to know about it otherwise.
    """

    path: Path
    target: Path
    interactions: tuple[Interaction, ...] = ()
    is_changed: bool = False
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def plan_migration(path: Path) -> Migration:
    """Return what a cassette would become. Writes nothing, and raises nothing for a file that is none."""
    target = path.with_suffix(".yaml") if path.suffix == ".json" else path
    try:
        interactions, remarks = _read(path)
        kept = tuple(map(redacted, interactions))
        text = dump(kept)
        refuse_secrets(text, kept, str(path))
        is_changed = target != path or path.read_text(encoding="utf-8") != text
    except CassetteError as error:
        return Migration(path=path, target=target, problems=(error.message,))
    return Migration(
        path=path, target=target, interactions=kept, is_changed=is_changed, remarks=tuple(remarks)
    )


def migrate(path: Path) -> Migration:
    """Make a cassette ours, in one step, and return what became of it.

    JSON goes to a YAML file beside it: the name of the old one would promise JSON to its reader.
    """
    migration = plan_migration(path)
    if migration.is_changed and not migration.problems:
        save(migration.target, migration.interactions)
    return migration


# Reading ------------------------------------------------------------------------------------------------


def _read(path: Path) -> tuple[list[Interaction], list[str]]:
    """Return the interactions of a file, each at its best, and what to know of them."""
    content = content_of_file(path)
    items, side = items_of(content, path), SideFiles(path)
    meta = content.get("metadata") if isinstance(content.get("metadata"), dict) else {}
    interactions, remarks = [], []
    for number, item in enumerate(items, 1):
        interaction = _whole(item, f"{path}: interaction {number}", side)
        plain, remark = _unpacked(interaction.response)
        interactions.append(replace(interaction, response=_with_provenance(_once_each(plain), meta)))
        remarks += [f"interaction {number}: {remark}"] if remark else []
    return interactions, remarks


def _whole(item: Any, where: str, side: SideFiles) -> Interaction:
    try:
        request, response = _with_body(item["request"]), _with_body(_of_today(item["response"]))
        return interaction_of(request, response, side)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidCassetteError(f"{where}: {type(error).__name__}: {error}") from error


def _of_today(response: dict[str, Any]) -> dict[str, Any]:
    """Return a response as vcrpy writes it since version 6; before that, httpx had a form of its own."""
    if "status_code" not in response:
        return response
    return {
        "status": {"code": response["status_code"], "message": None},
        "headers": response.get("headers"),
        "body": {"string": response.get("content")},
    }


def _with_body(part: dict[str, Any]) -> dict[str, Any]:
    """Return a request or a response with a body, where its parsed value, or nothing, stands in its place."""
    if "body" in part and "parsed_body" not in part:
        return part
    rest = {key: value for key, value in part.items() if key != "parsed_body"}
    value = part.get("parsed_body")
    text = "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return rest | {"body": {"string": text}}


# Improving ----------------------------------------------------------------------------------------------


def _unpacked(response: RecordedResponse) -> tuple[RecordedResponse, str]:
    """Return a response with its body unpacked, and what to know where that fails.

    Recorded times are those of the packed bytes: with them it stays packed, which is as it came.
    """
    encoding = ", ".join(value for name, value in response.headers if name.lower() == "content-encoding")
    if response.times is not None:
        return response, ""
    headers = tuple(pair for pair in response.headers if pair[0].lower() not in TRANSFER_HEADERS)
    try:
        return replace(response, body=unpacked(response.body, encoding), headers=headers), ""
    except ValueError as error:
        if _is_text(response.body):  # vcrpy can unpack a body as well, and leaves the header
            return replace(response, headers=headers), ""
        return response, str(error)


def _is_text(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _once_each(response: RecordedResponse) -> RecordedResponse:
    """Return a response without headers that stand in it twice, spelled differently."""
    kept = {(name.lower(), value): (name, value) for name, value in reversed(response.headers)}
    return replace(response, headers=tuple(reversed(kept.values())))


def _with_provenance(response: RecordedResponse, meta: Mapping[str, Any]) -> RecordedResponse:
    """Return a response that says when it was recorded, if its server or the metadata of the file did."""
    known = {**_recorded_at(response), **meta, **response.meta}
    return replace(response, meta=known)


def _recorded_at(response: RecordedResponse) -> dict[str, str]:
    date = next((value for name, value in response.headers if name.lower() == "date"), "")
    try:
        return {"recorded_at": parsedate_to_datetime(date).isoformat(timespec="seconds")}
    except ValueError:
        return {}
