"""What a secret looks like, and a text without any: providers echo keys into their error messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

SUSPECTS: Mapping[str, re.Pattern[bytes]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "an OpenAI or Anthropic key": rb"\bsk-[A-Za-z0-9_-]{16,}",
        "an AWS access key id": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        "a Bedrock API key": rb"\b(?:ABSK|bedrock-api-key-)[A-Za-z0-9+/=]{40,}",
        "a Google API key": rb"\bAIza[0-9A-Za-z_-]{35}",
        "a Groq key": rb"\bgsk_[A-Za-z0-9]{20,}",
        "a Hugging Face token": rb"\bhf_[A-Za-z0-9]{30,}",
        "a GitHub token": rb"\bgh[pousr]_[A-Za-z0-9]{30,}",
        "a Slack token": rb"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
        "a bearer token": rb"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{20,}",
        "a JSON web token": rb"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.",
        "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    }.items()
}
"""What it would be -> how it is recognised."""

STARRED_KEY = re.compile(rb"\bsk-[^\s\"'*]*\*+[^\s\"',;]*")
"""A key as OpenAI shows it in errors: its start and its end, which are nobody's business either."""

BLANK = b"[secret]"
SHORT_KEY_BYTES = 8
"""What is shorter is a placeholder, such as local servers are given, and may stand inside any word."""


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a message without the given secrets, and without anything that looks like one."""
    data = text.encode("utf-8", "replace")
    for pattern in (*map(_pattern_of, secrets), STARRED_KEY, *SUSPECTS.values()):
        data = pattern.sub(BLANK, data)
    return data.decode("utf-8", "replace")


def _pattern_of(secret: str) -> re.Pattern[bytes]:
    text = secret.encode("utf-8", "replace")
    word = rb"(?<!\w)%b(?!\w)" if len(text) < SHORT_KEY_BYTES else b"%b"
    return re.compile(word % re.escape(text))
