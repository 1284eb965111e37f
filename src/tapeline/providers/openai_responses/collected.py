"""What has come of a streamed answer, so that nothing of it is lost and nothing comes twice.

A text comes up to four times: in deltas, at its own end, at that of its item, and at that of the response.
Real streams leave out some of these, so each may bring what is still missing, and no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec

from tapeline.providers.openai_responses import wire
from tapeline.providers.openai_responses.content import call_id_of, known_item
from tapeline.types import Chunk, ToolCallDelta

Growing: TypeAlias = Literal["text", "refusal", "summary", "reasoning", "arguments"]
"""What comes in fragments."""

Place: TypeAlias = tuple[Growing, int, int]
"""What grows, at which output index (of arguments: in which call), and which piece of its item it is."""

TEXT_DELTA = "response.output_text.delta"
FRAGMENTS: Mapping[str, Growing] = {
    TEXT_DELTA: "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "summary",
    "response.reasoning_text.delta": "reasoning",
    "response.function_call_arguments.delta": "arguments",
}
WHOLES: Mapping[str, Growing] = {
    "response.output_text.done": "text",
    "response.refusal.done": "refusal",
    "response.reasoning_summary_text.done": "summary",
    "response.reasoning_text.done": "reasoning",
    "response.function_call_arguments.done": "arguments",
}
ITEMS = frozenset({"response.output_item.added", "response.output_item.done"})
CONTENT = FRAGMENTS.keys() | WHOLES.keys() | ITEMS
"""The events that hold content, or what it belongs to."""

PIECES: Mapping[str, Growing] = {
    "refusal": "refusal",
    "summary_text": "summary",
    "reasoning_text": "reasoning",
}
"""Type of a part -> what grows in it; in any other, text."""


class Collected:
    """What has come of an answer, so that whoever repeats it adds no more than what is missing."""

    def __init__(self) -> None:
        self._calls = CallSlots()
        self._fragments: dict[Place, list[str]] = {}
        self._places: dict[str, list[int]] = {}  # type of item -> output indexes, in the order they came
        self._has_thought: set[int] = set()
        self._has_id: set[int] = set()
        self._has_signature: set[int] = set()

    @property
    def has_calls(self) -> bool:
        return len(self._calls) > 0

    def note(self, place: Place, fragment: str) -> bool:
        """Take note of a fragment; return whether it is the first at its place."""
        fragments = self._fragments.get(place)
        if fragments is not None:
            fragments.append(fragment)
            return False
        self._fragments[place] = [fragment]
        if place[0] != "arguments":
            self._see("message" if place[0] in ("text", "refusal") else "reasoning", place[1])
        return True

    def add_event(self, chunk: Chunk, kind: str, event: wire.Event) -> None:
        if kind in FRAGMENTS:
            self._add(chunk, self._place(FRAGMENTS[kind], event), event.delta or "")
        elif kind in WHOLES:
            whole = event.text or event.refusal or event.arguments or ""
            self._add_rest(chunk, self._place(WHOLES[kind], event), whole)
        elif (item := known_item(event.item)) is not None:
            self._see(item.type, event.output_index)
            self._add_item(chunk, event.output_index, item, is_whole=kind.endswith(".done"))

    def missing(self, output: Iterable[msgspec.Raw]) -> Iterator[Chunk]:
        """Yield what the whole output says and no event before it did.

        Items are matched by their type and their order: not all servers repeat ids and indexes truly.
        """
        numbers: Counter[str] = Counter()
        for position, raw in enumerate(output):
            if (item := known_item(raw)) is None:
                continue
            places = self._places.get(item.type, [])
            number = numbers[item.type]
            numbers[item.type] += 1
            chunk = Chunk()
            index = places[number] if number < len(places) else -1 - position
            self._add_item(chunk, index, item, is_whole=True)
            if chunk != Chunk():
                yield chunk

    def _see(self, type: str, index: int) -> None:
        places = self._places.setdefault(type, [])
        if index not in places:
            places.append(index)

    def _place(self, what: Growing, event: wire.Event) -> Place:
        match what:
            case "arguments":
                self._see("function_call", event.output_index)
                return what, self._calls.slot(event.output_index), 0
            case "summary":
                return what, event.output_index, event.summary_index
            case _:
                return what, event.output_index, event.content_index

    def _add_item(self, chunk: Chunk, index: int, item: wire.Item, *, is_whole: bool) -> None:
        for pieces in (item.summary or (), item.content or ()):
            for number, piece in enumerate(pieces):
                place = PIECES.get(piece.type, "text"), index, number
                self._add_rest(chunk, place, piece.text or piece.refusal or "")
        if item.type == "reasoning":
            self._add_identity(chunk, index, item, is_whole=is_whole)
        elif item.type == "function_call":
            chunk.tool_call_deltas += self._calls.place(index, call_id_of(item), item.name or "")
            slot = self._calls.slot(index, call_id_of(item))
            self._add_rest(chunk, ("arguments", slot, 0), item.arguments or "")

    def _add_identity(self, chunk: Chunk, index: int, item: wire.Item, *, is_whole: bool) -> None:
        if item.id and index not in self._has_id:
            self._has_id.add(index)
            chunk.thinking_id = item.id
        is_new = item.encrypted_content and index not in self._has_signature
        if is_new and is_whole:  # at the start of an item, this may be but the start of it
            self._has_signature.add(index)
            chunk.signature, chunk.thinking_id = item.encrypted_content, item.id or None

    def _add_rest(self, chunk: Chunk, place: Place, whole: str) -> None:
        """Add what the fragments left out. A stream that was resumed has no start to go on from."""
        came = "".join(self._fragments.get(place, ()))
        if whole.startswith(came):
            self._add(chunk, place, whole[len(came) :])

    def _add(self, chunk: Chunk, place: Place, fragment: str) -> None:
        if not fragment:
            return
        is_first = self.note(place, fragment)
        match place[0]:
            case "text":
                chunk.text += fragment
            case "refusal":
                chunk.refusal += fragment
            case "arguments":
                chunk.tool_call_deltas += (ToolCallDelta(index=place[1], arguments=fragment),)
            case _:
                is_next_paragraph = is_first and place[1] in self._has_thought
                self._has_thought.add(place[1])
                chunk.thinking += "\n\n" + fragment if is_next_paragraph else fragment


class CallSlots:
    """Says which tool call an output index means. A new call id there is a new call, whatever the index."""

    def __init__(self) -> None:
        self._slot_of_index: dict[int, int] = {}
        self._calls: list[tuple[str, str]] = []  # id and name, as far as they have come

    def __len__(self) -> int:
        return len(self._calls)

    def place(self, index: int, id: str, name: str) -> tuple[ToolCallDelta, ...]:
        """Return what the call at an output index is, unless that has been said."""
        slot = self.slot(index, id)
        if self._calls[slot] == (id, name):
            return ()
        self._calls[slot] = id, name
        return (ToolCallDelta(index=slot, id=id or None, name=name or None),)

    def slot(self, index: int, id: str = "") -> int:
        slot = self._slot_of_index.get(index, -1)
        is_new = slot < 0 or bool(id and self._calls[slot][0] not in ("", id))
        if is_new:
            ids = [known for known, _ in self._calls]
            slot = ids.index(id) if id and id in ids else len(ids)
            self._slot_of_index[index] = slot
            if slot == len(ids):
                self._calls.append(("", ""))
        return slot
