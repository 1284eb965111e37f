"""What stands in place of a secret, and of the account or organization that a text is about."""

from __future__ import annotations

import re

_ACCOUNT_IN_ARN = re.compile(rb"(?i)(arn(?::|%3A)aws[\w-]*(?:(?::|%3A)[\w-]*?){2}(?::|%3A))\d{12}")
_OWNER_IN_ARN = re.compile(
    rb"(?i)(arn(?::|%3A)aws[\w-]*(?::|%3A)(?!bedrock)[\w-]+(?::|%3A)[\w-]*(?::|%3A)\d{12}(?::|%3A))"
    rb"([\w+=,.@/:-]|%2F|%3A)+"
)
_ACCOUNT_BY_NAME = re.compile(
    rb"(?i)(account(?:[ _-]?(?:id|number))?[\"'\\]*[\s:=]{1,3}[\"'\\]*)\d{12}(?!\d)"
)
_ORGANIZATION = re.compile(rb"\b(org-|proj_)(?=[A-Za-z]*\d)[A-Za-z0-9]{16,}")


def accounts_in(data: bytes) -> set[bytes]:
    """Return the accounts that ARNs in a text belong to."""
    return {found[0][-12:] for found in _ACCOUNT_IN_ARN.finditer(data)} if b"arn" in data else set()


def without_accounts(data: bytes) -> bytes:
    """Return text that does not say whose account or organization it is about; it keeps its length.

    Of an ARN the account is zeroed. What it names stays where that is a model of Bedrock, and is blanked
    elsewhere: users, roles, buckets.
    """
    if b"arn" in data or b"ARN" in data:
        data = _ACCOUNT_IN_ARN.sub(rb"\g<1>000000000000", data)
        data = _OWNER_IN_ARN.sub(lambda found: found[1] + blank(len(found[0]) - len(found[1])), data)
    if b"ccount" in data:
        data = _ACCOUNT_BY_NAME.sub(rb"\g<1>000000000000", data)
    if b"org-" in data or b"proj_" in data:
        data = _ORGANIZATION.sub(lambda found: found[1] + blank(len(found[0]) - len(found[1])), data)
    return data


def blank(size: int) -> bytes:
    """Return what stands in place of a secret of so many bytes."""
    return b"REDACTED".ljust(size, b"*") if size >= len("REDACTED") else b"*" * size
