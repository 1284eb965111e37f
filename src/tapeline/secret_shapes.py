"""What a secret looks like, and a text without any: providers echo keys into their error messages.

A shape is what a vendor prints in front of its keys, or how it builds them. Only shapes that mean a secret
wherever they stand belong here; what is merely random is `tapeline.cassettes.secrets.suspicion`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """How one kind of secret is recognised. marks: one of these is in every text that holds it.

    Looking for a few fixed bytes is some fifty times faster than looking for the pattern.
    """

    pattern: re.Pattern[bytes]
    marks: tuple[bytes, ...]

    def search(self, data: bytes) -> re.Match[bytes] | None:
        return self.pattern.search(data) if self._may_be_in(data) else None

    def sub(self, replacement: bytes, data: bytes) -> bytes:
        return self.pattern.sub(replacement, data) if self._may_be_in(data) else data

    def _may_be_in(self, data: bytes) -> bool:
        for mark in self.marks:  # noqa: SIM110 - twice as fast as any()
            if mark in data:
                return True
        return False


def _shape(pattern: bytes, *marks: bytes) -> Shape:
    return Shape(re.compile(pattern), marks)


SUSPECTS: Mapping[str, Shape] = {
    "an OpenAI or Anthropic key": _shape(  # but no words that hyphens join, as in sk-learn-pipelines
        rb"\bsk-(?:(?:ant|proj|svcacct|admin|or|lf)-[\w-]{12,}|(?!(?:[a-z]{1,14}-){1,9}[a-z]{1,14}(?![\w-]))[\w-]{16,})",
        b"sk-",
    ),
    "an AWS access key id": _shape(rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", b"AKIA", b"ASIA"),
    "a Bedrock API key": _shape(
        rb"\b(?:ABSK|bedrock-api-key-)[A-Za-z0-9+/=]{40,}", b"ABSK", b"bedrock-api-key-"
    ),
    "a Google API key": _shape(rb"\bAIza[0-9A-Za-z_-]{35}", b"AIza"),
    "a Google access token": _shape(rb"\bya29\.[\w-]{20,}", b"ya29."),
    "a Google client secret": _shape(rb"\bGOCSPX-[\w-]{20,}", b"GOCSPX-"),
    "an xAI key": _shape(rb"\bxai-[A-Za-z0-9]{20,}", b"xai-"),
    "a Groq key": _shape(rb"\bgsk_[A-Za-z0-9]{20,}", b"gsk_"),
    "a Cerebras key": _shape(rb"\bcsk-[a-z0-9]{30,}", b"csk-"),
    "a Hugging Face token": _shape(rb"\bhf_[A-Za-z0-9]{30,}", b"hf_"),
    "an NVIDIA key": _shape(rb"\bnvapi-[\w-]{20,}", b"nvapi-"),
    "a Perplexity key": _shape(rb"\bpplx-[A-Za-z0-9]{20,}", b"pplx-"),
    "a Replicate token": _shape(rb"\br8_[A-Za-z0-9]{30,}", b"r8_"),
    "a Fireworks key": _shape(rb"\bfw_[A-Za-z0-9]{20,}", b"fw_"),
    "a Tavily key": _shape(rb"\btvly-[\w-]{20,}", b"tvly-"),
    "a LangSmith key": _shape(rb"\blsv2_[a-z]{2}_[0-9a-f_]{30,}", b"lsv2_"),
    "a Pinecone key": _shape(rb"\bpcsk_\w{30,}", b"pcsk_"),
    "an Azure key": _shape(
        rb"\b[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{20,}|(?:Account|SharedAccess)Key=[A-Za-z0-9+/]{40,}",
        b"JQQJ99",
        b"AccountKey=",
        b"SharedAccessKey=",
    ),
    "a GitHub token": _shape(rb"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{22,})", b"gh", b"github_pat_"),
    "a GitLab token": _shape(rb"\bgl(?:pat|rt|dt|cbt|ptt)-[\w-]{20,}", b"gl"),
    "a Slack token": _shape(
        rb"\bxox[abeprs]-[A-Za-z0-9-]{10,}|\bxapp-\d-[A-Za-z0-9-]{20,}", b"xox", b"xapp-"
    ),
    "a webhook": _shape(
        rb"hooks\.slack\.com/(?:services|workflows)/[\w/]{20,}"
        rb"|discord(?:app)?\.com/api/webhooks/\d{10,}/[\w-]{20,}",
        b"hooks.slack.com/",
        b"/api/webhooks/",
    ),
    "a SendGrid key": _shape(rb"\bSG\.[\w-]{16,}\.[\w-]{16,}", b"SG."),
    "a Stripe key": _shape(rb"\b(?:[sr]k_live_|whsec_)[A-Za-z0-9]{20,}", b"k_live_", b"whsec_"),
    "an npm token": _shape(rb"\bnpm_[A-Za-z0-9]{30,}", b"npm_"),
    "a PyPI token": _shape(rb"\bpypi-[\w-]{40,}", b"pypi-"),
    "a Databricks token": _shape(rb"\bdapi[0-9a-f]{32}", b"dapi"),
    "a Vault token": _shape(rb"\bhvs\.[\w-]{20,}", b"hvs."),
    "a bearer token": _shape(rb"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{20,}", b"earer", b"EARER"),
    "a JSON web token": _shape(rb"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.", b"eyJ"),
    "a private key": _shape(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----", b"PRIVATE KEY"),
    "a URL with a password": _shape(  # but no placeholder, as documentation has them
        rb"\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@\"'<>\\]{0,99}:"
        rb"(?!(?i:pass|passwd|password|pw|pwd|secret|token|user|your[\w-]*|x+|example|redacted)@)"
        rb"(?=[^@]{0,99}\w)[^\s:/@\"'<>\\{}$*]{3,199}@[\w.-]",
        b"://",
    ),
}
"""What it would be -> how it is recognised."""

STARRED_KEY = Shape(re.compile(rb"\bsk-[^\s\"'*]{0,199}\*+[^\s\"',;]*"), (b"sk-",))
"""A key as OpenAI shows it in errors: its start and its end, which are nobody's business either."""

BLANK = b"[secret]"
SHORT_KEY_BYTES = 8
"""What is shorter is a placeholder, such as local servers are given, and may stand inside any word."""


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a message without the given secrets, and without anything that looks like one."""
    data = text.encode("utf-8", "replace")
    for secret in secrets:
        data = _pattern_of(secret).sub(BLANK, data)
    for shape in (STARRED_KEY, *SUSPECTS.values()):
        data = shape.sub(BLANK, data)
    return data.decode("utf-8", "replace")


def _pattern_of(secret: str) -> re.Pattern[bytes]:
    text = secret.encode("utf-8", "replace")
    word = rb"(?<!\w)%b(?!\w)" if len(text) < SHORT_KEY_BYTES else b"%b"
    return re.compile(word % re.escape(text))
