"""Words: the mock's tokens. Counting, cutting and making them up."""

from __future__ import annotations

import re
from random import Random

from tapeline.types import ChatRequest, Message, Part, Refusal, Text, Thinking, ToolCall, ToolResult

_PIECE = re.compile(r"\S+\s*|\s+")

_COMMON_WORDS = (
    "a able about after all also an and any are as at back because before between both but by can clear "
    "could day each early even every few find first for from good great had has have here how if in into "
    "is it just keep kind know last light like little long made make many may more most much must new "
    "next no not now of often on one only open or other our out over own part place plain right same see "
    "small so some such take than that the their them then there these they this time to two under up use "
    "very way well were what when where which while who with word work would year you"
)
VOCABULARY = _COMMON_WORDS.split()


def pieces(text: str) -> list[str]:
    """Cut text into words, each with the space behind it; joined, they are the text."""
    return _PIECE.findall(text)


def made_up(count: int, random: Random) -> str:
    """Return a sentence of `count` >= 1 words."""
    # Only random() promises the same numbers on every Python version.
    words = [VOCABULARY[int(random.random() * len(VOCABULARY))] for _ in range(count)]
    return f"{' '.join(words).capitalize()}."


def fitted(text: str, request: ChatRequest) -> tuple[str, bool]:
    """Return the text up to a stop word and within max_tokens, and whether the latter cut it."""
    end = min((at for word in request.stop if word and (at := text.find(word)) >= 0), default=len(text))
    words = pieces(text[:end])
    if request.max_tokens is None or len(words) <= request.max_tokens:
        return text[:end], False
    return "".join(words[: request.max_tokens]), True


def prompt_tokens(request: ChatRequest) -> int:
    return sum(len(heard(message).split()) for message in request.messages)


def heard(message: Message) -> str:
    """Return what there is to read in a message, tool results included."""
    results = [part.text for part in message.content if isinstance(part, ToolResult)]
    return "\n".join(results) if results else message.text


def tokens_of(part: Part) -> int:
    """Return how many chunks a stream makes of a part of an answer; each is a token."""
    match part:
        case Text(text=text) | Thinking(text=text) | Refusal(text=text):
            return len(pieces(text))
        case ToolCall(raw_arguments=arguments):
            return 1 + len(pieces(arguments))
        case _:
            return 0
