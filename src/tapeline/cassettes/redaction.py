"""What must never reach a cassette: removed where it is known, refused where it is only suspected.

Headers are an allow-list. Known secrets (the credentials of the request itself, secret-looking variables
of the environment) are blanked wherever they stand, by text of the same length, so that the recorded
block sizes stay true. What still looks like a key makes the whole save fail: better no file than a leak.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tapeline.cassettes.interaction import Interaction
from tapeline.cassettes.matching import normal_url
from tapeline.errors import CassetteError

KEPT_HEADERS = re.compile(
    r"accept|content-type|content-encoding|user-agent|server|anthropic-version|anthropic-beta|openai-beta"
    r"|openai-version|openai-processing-ms|retry-after|retry-after-ms|x-should-retry|x-request-id|request-id"
    r"|x-ratelimit-.*|anthropic-ratelimit-.*|x-amzn-errortype|x-amzn-requestid|x-amzn-bedrock-.*"
)
SECRET_HEADERS = re.compile(
    r"authorization|proxy-authorization|.*api-key|cookie|set-cookie|x-amz-security-token"
)
SECRET_VARIABLES = re.compile(r".*(KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL)S?")
SHORTEST_SECRET = 8

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


def redacted(interaction: Interaction) -> Interaction:
    """Return what may be written of an interaction."""
    secrets = [*_credentials(interaction), *_environment_secrets()]
    request, response = interaction.request, interaction.response
    return Interaction(
        request=replace(
            request,
            url=_blank(normal_url(request.url).encode(), secrets).decode(),
            headers={name: value for name, value in request.headers.items() if KEPT_HEADERS.fullmatch(name)},
            body=_blank(request.body, secrets),
        ),
        response=replace(
            response,
            headers=tuple((n, v) for n, v in response.headers if KEPT_HEADERS.fullmatch(n.lower())),
            body=_blank(response.body, secrets),
        ),
    )


def refuse_secrets(text: bytes, path: str) -> None:
    """Raise CassetteError if a file about to be written looks as if it held a secret."""
    for kind, pattern in SUSPECTS.items():
        if found := pattern.search(text):
            line = text.count(b"\n", 0, found.start()) + 1
            raise CassetteError(
                f"{path}: not written: line {line} looks as if it held {kind} ({len(found[0])} characters). "
                "Remove it from the request, or put its value into an environment variable whose name "
                "ends in _KEY, _TOKEN or _SECRET: such values are blanked."
            )


def masked(text: str) -> str:
    """Return a message without anything that looks like a secret."""
    data = _blank(text.encode(), _environment_secrets())
    for pattern in SUSPECTS.values():
        data = pattern.sub(b"[secret]", data)
    return data.decode("utf-8", "replace")


def _credentials(interaction: Interaction) -> Iterable[str]:
    """Yield the secret parts of the request's own credentials, and of cookies that came back."""
    headers = [*interaction.request.headers.items(), *interaction.response.headers]
    for name, value in headers:
        if SECRET_HEADERS.fullmatch(name.lower()):
            yield from re.split(r"[\s,;=]+", value)


def _environment_secrets() -> Iterable[str]:
    return (value for name, value in os.environ.items() if SECRET_VARIABLES.fullmatch(name))


def _blank(data: bytes, secrets: Iterable[str]) -> bytes:
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET and (raw := secret.encode()) in data:
            data = data.replace(raw, b"REDACTED".ljust(len(raw), b"*"))
    return data
