"""Which names say that a value is secret: of headers, of query keys, of JSON fields, of variables.

A name is read word by word, so `apiKey`, `api_key` and `X-Api-Key` are one name, and `max_tokens`,
`nextPageToken`, `prompt_cache_key` and `public_key` are none of them. A tool whose schema has a property
named `password` says nothing secret: only values that are text count, not what is said about them.
"""

from __future__ import annotations

import re
from functools import lru_cache

KEPT_HEADERS = re.compile(
    r"accept|content-type|content-encoding|user-agent|server|anthropic-version|anthropic-beta|openai-beta"
    r"|openai-version|openai-processing-ms|(x-amz-)?retry-after|retry-after-ms|x-should-retry|x-request-id"
    r"|request-id|location|x-ratelimit-.*|anthropic-ratelimit-.*|x-amzn-errortype|x-amzn-requestid|x-amzn-bedrock-.*"
)
"""All others are left out of cassettes, because nothing tells what they say."""

SECRET_HEADERS = re.compile(
    r"authorization|proxy-authorization|.*api-key|.*-token|cookie|set-cookie|x-amz-credential|x-amz-signature"
)
ACCOUNT_HEADERS = re.compile(
    r"(openai|anthropic)-(organization|project|workspace)(-id)?|x-goog-user-project|x-amzn-account-id"
)
"""Not secret by themselves, but whose they are is nobody's business."""

SECRET_QUERY_KEYS = re.compile(r"(?i).*(key|token|secret|signature|password)|sig|x-amz-.*")
SECRET_VARIABLES = re.compile(
    r"(?!.*(MAX|MIN|NUM|TOTAL|LIMIT)_?TOKENS).*(KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?(_.*)?",
    re.IGNORECASE,
)

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ALWAYS = re.compile(r"secrets?|passw(or)?d|passphrase|pwd|authorization|credentials?|cookie|apikey|jwt")
_KINDS_OF_KEY = re.compile(
    r"access|account|api|auth|client|encryption|license|master|private|secret|service|shared|signing|ssh"
    r"|subscription"
)
_OTHER_TOKENS = re.compile(
    r"bos|continuation|cursor|decoded|eos|first|last|max|min|next|pad|page|previous|prev|prompt|request|sep"
    r"|special|start|stop|sync|unk"
)
"""What stands before `token` where it is a piece of text, or a place in a list."""

MARKS = tuple(
    mark + b'"'
    for mark in (
        *(b"key", b"keyid", b"key_id", b"key-id", b"token", b"jwt", b"cookie", b"authorization"),
        *(b"secret", b"secrets", b"password", b"passwd", b"passphrase", b"pwd"),
        *(b"credential", b"credentials"),
    )
)
"""In lower case, one of these is in every JSON text that has such a field."""


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if len(words) > 1 and words[-1] == "id" and words[-2] == "key":
        words.pop()  # accessKeyId
    last, before = (words[-1] if words else ""), (words[-2] if len(words) > 1 else "")
    if last == "key":
        return bool(_KINDS_OF_KEY.fullmatch(before))
    if last == "token":
        return not _OTHER_TOKENS.fullmatch(before)
    return bool(_ALWAYS.fullmatch(last))


@lru_cache(maxsize=4096)
def is_secret_query_key(name: str) -> bool:
    return bool(SECRET_QUERY_KEYS.fullmatch(name)) or is_secret_name(name)


def may_have_secret_fields(data: bytes) -> bool:
    """Whether it is worth to look for fields of such names in a JSON text; costs next to nothing."""
    lower = data.lower()
    if b"\\" in lower:  # of JSON in a string
        lower = lower.replace(b"\\", b"")
    for mark in MARKS:  # noqa: SIM110 - twice as fast as any()
        if mark in lower:
            return True
    return False
