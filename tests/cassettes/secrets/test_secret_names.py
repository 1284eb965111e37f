"""Names that say that a value is secret, however they are written, and names that only sound like it."""

from __future__ import annotations

import json

import pytest

from tapeline.cassettes.secrets.secret_names import (
    SECRET_VARIABLES,
    is_secret_name,
    is_secret_query_key,
    may_have_secret_fields,
)

SECRET = (
    *("apiKey", "api_key", "X-Api-Key", "APIKEY", "apikey", "accessToken", "access_token", "refresh_token"),
    *("id_token", "token", "sessionToken", "client_secret", "clientSecret", "secret", "password"),
    *("db_password", "passwd", "authorization", "Authorization", "authorization_token"),
    *("aws_secret_access_key", "SecretAccessKey", "AccessKeyId", "aws_access_key_id", "private_key"),
    *("credentials", "JWT", "cookie"),
)

NOT_SECRET = (
    *("max_tokens", "maxTokens", "prompt_tokens", "promptTokenCount", "completion_tokens"),
    *("total_tokens", "nextPageToken", "page_token", "next_token", "eos_token", "decoded_token", "key"),
    *("prompt_cache_key", "idempotency_key", "public_key", "keys", "tokens", "name", "id", "passwordHint"),
    *("keyboard", "monkey", "secretary", "content", "text"),
)


@pytest.mark.parametrize("name", SECRET)
def test_a_name_says_that_its_value_is_secret(name: str) -> None:
    assert is_secret_name(name)
    assert may_have_secret_fields(json.dumps({name: "x"}).encode())


@pytest.mark.parametrize("name", NOT_SECRET)
def test_other_names_do_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["key", "sig", "X-Amz-Signature", "X-Amz-Credential", "access_token", "subscription-key"]
)
def test_queries_are_read_more_strictly(name: str) -> None:
    """In a URL, `key` is a key."""
    assert is_secret_query_key(name)


@pytest.mark.parametrize(
    "name", ["AWS_BEARER_TOKEN_BEDROCK", "OPENAI_API_KEY", "AWS_ACCESS_KEY_ID", "DB_PASSWORD"]
)
def test_variables_that_hold_secrets(name: str) -> None:
    assert SECRET_VARIABLES.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["MAX_TOKENS", "TOKENIZERS_PARALLELISM", "KEYBOARD", "SSH_AUTH_SOCK", "HOME"]
)
def test_variables_that_do_not(name: str) -> None:
    assert not SECRET_VARIABLES.fullmatch(name)
