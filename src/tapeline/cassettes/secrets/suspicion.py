"""What still looks like a secret when everything known is out: it refuses the file, and says where it is.

Two kinds of evidence. A *shape* is what vendors print into their keys (`tapeline.secret_shapes`); it counts
everywhere. *Chance* is text that nobody writes and no name explains: a long word of mixed letters and digits
in the middle of what people and models say, or set down as the value of something called a key or a password.

The trade-off. A refusal that is wrong makes people turn the check off, so chance counts only in prose: in
strings with spaces in them, streams read in one. Bodies are full of random strings that are nobody's secret
(ids of answers and tool calls, signatures of thinking, encrypted reasoning, padding, hashes, pictures,
embeddings), and those stand alone in their strings. The price: a key without a known shape that is the whole
of a string is not seen here; it is blanked if the string's name is that of a secret, or if the environment or
the request holds it. Nor is a password made of words seen, or a key of hexadecimal digits or of small letters
and digits, which look like hashes and ids. Of other keys in prose, 2 to 8 of 100 are missed, the short ones.
What is refused wrongly can be allowed: see `allowed`.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.secrets.body_strings import Text, packed_documents, texts
from tapeline.cassettes.unpacking import plain
from tapeline.config import CONFIG_FILE, find_config_file
from tapeline.errors import CassetteError, ConfigError
from tapeline.secret_shapes import SUSPECTS

SHOWN = 5


class Suspicion(NamedTuple):
    """Something that looks like a secret. place: where it is. value: never to be shown."""

    kind: str
    place: str
    value: bytes


def refuse_secrets(text: str, interactions: Sequence[Interaction], path: str) -> None:
    """Raise CassetteError if a file about to be written looks as if it held a secret.

    interactions: what the text says, because it holds bodies in base64, in pieces and in side files.
    """
    found = list(islice(_not_allowed(suspicions(text, interactions), Path(path)), SHOWN + 1))
    if found:
        raise CassetteError(_explained(path, found, text))


def suspicions(text: str, interactions: Sequence[Interaction]) -> Iterator[Suspicion]:
    """Yield what looks like a secret in interactions, and in the text of their file; each value once."""
    seen: set[bytes] = set()
    for number, interaction in enumerate(interactions, 1):
        for found in _in_interaction(interaction, f"interaction {number}"):
            if found.value not in seen:
                seen.add(found.value)
                yield found
    for found in _shapes(text.encode("utf-8", "surrogatepass"), "the file"):
        if not any(found.value in value or value in found.value for value in seen):
            yield found


def _explained(path: str, found: Sequence[Suspicion], text: str) -> str:
    places = "; ".join(_described(each, text) for each in found[:SHOWN])
    return (
        f"{path}: not written: {places}{'; and more' if len(found) > SHOWN else ''}. "
        "Remove it from the request, or put its value into an environment variable whose name ends in _KEY, "
        f"_TOKEN or _SECRET: such values are blanked. If it is none, allow it in {CONFIG_FILE}: "
        "[secrets] allow = ['a regular expression']"
    )


def _described(found: Suspicion, text: str) -> str:
    at = text.find(found.value.decode("utf-8", "replace"))
    line = f"line {text.count(chr(10), 0, at) + 1} " if at >= 0 else ""
    where = f"({found.place}) " if line else f"{found.place} "
    return f"{line}{where}looks as if it held {found.kind} ({len(found.value)} characters)"


# What a user allows -------------------------------------------------------------------------------------


def allowed(path: Path) -> list[re.Pattern[str]]:
    """Return what a user declares to be no secret, for cassettes below the folder of a tapeline.toml.

        [secrets]
        allow = ["sk-example-.*", "AKIAIOSFODNN7EXAMPLE"]

    Each is a regular expression for the whole of what was found. Raises ConfigError.
    """
    config = find_config_file(path.absolute().parent)
    if config is None:
        return []
    try:
        table = tomllib.loads(config.read_text(encoding="utf-8")).get("secrets", {})
        return [re.compile(pattern) for pattern in table.get("allow", [])]
    except (tomllib.TOMLDecodeError, re.error, TypeError, AttributeError, ValueError, OSError) as error:
        raise ConfigError(f"{config}: [secrets] allow: not a list of regular expressions: {error}") from error


def _not_allowed(found: Iterator[Suspicion], path: Path) -> Iterator[Suspicion]:
    """Yield what no user has allowed; their file is read only if there is something to allow."""
    patterns: list[re.Pattern[str]] | None = None
    for each in found:
        patterns = allowed(path) if patterns is None else patterns
        if not any(pattern.fullmatch(each.value.decode("utf-8", "replace")) for pattern in patterns):
            yield each


# Where it may be ----------------------------------------------------------------------------------------


def _in_interaction(interaction: Interaction, name: str) -> Iterator[Suspicion]:
    request, response = interaction.request, interaction.response
    heads = {
        "URL": request.url,
        **{f"request header {key}": value for key, value in request.headers.items()},
        "status": response.reason,
        **{f"response header {key}": value for key, value in response.headers},
        "meta": " ".join(map(str, response.meta.values())),
    }
    if any(_shapes("\n".join(heads.values()).encode("utf-8", "surrogatepass"), name)):
        for place, text in heads.items():
            yield from _shapes(text.encode("utf-8", "surrogatepass"), f"{name}, {place}")
    yield from _in_body(plain(request.body, request.headers.items()), f"{name}, request body")
    yield from _in_body(plain(response.body, response.headers), f"{name}, response body")


def _in_body(body: bytes, name: str) -> Iterator[Suspicion]:
    at_large = list(_shapes(body, name))
    yield from _in_texts(body, name, is_in_sight=bool(at_large))
    if packed := packed_documents(body):
        yield from _in_body(b"\n".join(each.document for each in packed), f"{name}, in base64")
    yield from at_large


def _in_texts(body: bytes, name: str, *, is_in_sight: bool) -> Iterator[Suspicion]:
    """Look at strings as they are meant. Parts of one event are texts of their own, those of many are one.

    is_in_sight: whether the body as it stands shows a shape; if not, only what is joined or escaped can.
    """
    try:
        found = list(texts(body))
    except ValueError:
        return
    for text in found:
        for whole in _wholes(text):
            data = whole.encode("utf-8", "surrogatepass")
            if is_in_sight or text.is_stream or b"\\" in body:
                yield from _shapes(data, f"{name}, {text.path}")
            yield from _chances(data, f"{name}, {text.path}")


def _wholes(text: Text) -> Sequence[str]:
    if text.parts.count(text.parts[0]) == len(text.parts):  # said in every event, such as an id
        return text.parts[:1]
    return ["".join(text.parts)] if text.is_stream else text.parts


# What it looks like -------------------------------------------------------------------------------------


def _shapes(data: bytes, place: str) -> Iterator[Suspicion]:
    for kind, shape in SUSPECTS.items():
        if found := shape.search(data):
            yield Suspicion(kind, place, found[0])


SHORTEST_RANDOM_WORD = 20
_WORD = re.compile(rb"(?<![\w+/=.-])[\w+/-]{20,128}={0,2}(?![\w+/=-])")
_ADDRESS = re.compile(rb"\b[a-z][a-z0-9+.-]{0,20}:[^\s\"'<>]*", re.IGNORECASE)  # also what follows data:
_SET_DOWN = re.compile(
    rb"(?:api[ _-]?key|access[ _-]?key|secret|password|passwd|token|credentials?)s?[\"'`*]*"
    rb"(?:\s*[:=]\s*|\s+is:?\s+)[\"'`*]*([^\s\"'`<>,;(){}\[\]$]{12,128})",
    re.IGNORECASE,
)

_SET_DOWN_AS = (b"key", b"secret", b"passw", b"token", b"credential")


def _chances(data: bytes, place: str) -> Iterator[Suspicion]:
    words = data.split()
    if len(words) < 2:
        return
    lower = data.lower()
    for found in _SET_DOWN.finditer(data) if any(name in lower for name in _SET_DOWN_AS) else ():
        if _is_mixed(found[1]):
            yield Suspicion("a secret that is set down as one", place, found[1])
    if max(map(len, words)) < SHORTEST_RANDOM_WORD:
        return
    for found in _WORD.finditer(_ADDRESS.sub(b" ", data) if b":" in data else data):
        if is_random(found[0]):
            yield Suspicion("a random word", place, found[0])


_KNOWN_IDS = re.compile(
    rb"(asst|batch|call|chatcmpl|ci|cm|compl|container|conv|ctc|evt|fc|file|ft|gen|ig|item|mcp\w?|msg|req|resp|rs"
    rb"|run|srvtoolu|step|thread|toolu|tooluse|user|vs|wrkspc|ws)[_-]\w"
)
_HEXADECIMAL = re.compile(rb"[0-9a-fA-F-]+")
CHANGES_MIN = 0.4
"""Of neighbours that are of different kinds (A, a, 1): 0.62 in random text, below 0.35 in names and paths."""
ENTROPY_BITS_MIN = 3.5
"""Per character; 20 random letters and digits have 4.1 or so, words and repeated patterns less."""


def is_random(word: bytes) -> bool:
    """Whether a word is one that nobody writes: capitals, small letters and digits in no order."""
    if _KNOWN_IDS.match(word) or _HEXADECIMAL.fullmatch(word):
        return False
    kinds = [_kind(character) for character in word if _kind(character)]
    if len(set(kinds)) < 3:
        return False
    least = CHANGES_MIN if kinds.count("1") > 1 else CHANGES_MIN + 0.1  # as in names with one digit
    return _changes(kinds) >= least and entropy_bits(word) >= ENTROPY_BITS_MIN


def _is_mixed(value: bytes) -> bool:
    """Whether a value that is called a secret may be one: letters and digits, and no name or number."""
    kinds = [_kind(character) for character in value if _kind(character)]
    has_both = "1" in kinds and len(set(kinds)) > 1
    return has_both and _changes(kinds) >= CHANGES_MIN / 2 and entropy_bits(value) >= ENTROPY_BITS_MIN - 0.5


def _kind(character: int) -> str:
    letter = chr(character)
    return "1" if letter.isdigit() else "A" if letter.isupper() else "a" if letter.islower() else ""


def _changes(kinds: Sequence[str]) -> float:
    return sum(one != other for one, other in pairwise(kinds)) / max(1, len(kinds) - 1)


def entropy_bits(word: bytes) -> float:
    """Return the entropy of a word per character, by how often each is in it."""
    shares = (count / len(word) for count in Counter(word).values())
    return -sum(share * math.log2(share) for share in shares)
