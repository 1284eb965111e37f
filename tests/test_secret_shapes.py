"""Secrets in messages: taken out where they are known, and where they look like what they are."""

from __future__ import annotations

import pytest

from tapeline.secret_shapes import SUSPECTS, without_secrets

LOOKS = {
    "an OpenAI key": "sk-proj-AbCdEf0123456789AbCdEf",
    "an Anthropic key": "sk-ant-api03-AbCdEf0123456789",
    "an OpenAI key with stars": "sk-abc***xyz",
    "an AWS access key id": "AKIAIOSFODNN7EXAMPLE",
    "a Google key": "AIza" + "x" * 35,
    "a bearer token": "Bearer abcdefghijklmnopqrstuvwxyz",
    "a web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
}


@pytest.mark.parametrize("secret", LOOKS.values(), ids=LOOKS.keys())
def test_what_looks_like_a_secret_is_blanked(secret: str) -> None:
    """The words around it stay: they say what is wrong."""
    message = without_secrets(f"Incorrect API key provided: {secret} . Check it.")

    assert secret not in message
    assert message.startswith("Incorrect API key provided: ")
    assert message.endswith("Check it.")


def test_a_known_secret_is_blanked_whatever_it_looks_like() -> None:
    assert without_secrets("the key hunter2 is wrong", ["hunter2"]) == "the key [secret] is wrong"


def test_a_placeholder_of_a_key_does_not_blank_parts_of_words() -> None:
    """As local servers are given one; a real key goes wherever it stands."""
    assert without_secrets("x: the next exit", ["x"]) == "[secret]: the next exit"
    assert without_secrets("key=hunter2000&", ["hunter200"]) == "key=[secret]0&"


SHAPES = {
    "an OpenAI or Anthropic key": f"sk-live-key-{'a1' * 9}",
    "a Google access token": f"ya29.{'a1' * 12}",
    "a Google client secret": f"GOCSPX-{'a1' * 12}",
    "an xAI key": f"xai-{'a1' * 30}",
    "a Groq key": f"gsk_{'a1' * 20}",
    "a Cerebras key": f"csk-{'a1' * 20}",
    "a Hugging Face token": f"hf_{'a1' * 17}",
    "an NVIDIA key": f"nvapi-{'a1' * 20}",
    "a Perplexity key": f"pplx-{'a1' * 20}",
    "a Replicate token": f"r8_{'a1' * 18}",
    "a Fireworks key": f"fw_{'a1' * 11}",
    "a Tavily key": f"tvly-{'a1' * 15}",
    "a LangSmith key": f"lsv2_pt_{'a1' * 16}_0123456789",
    "a Pinecone key": f"pcsk_{'a1' * 20}",
    "an Azure key": f"{'a1' * 26}JQQJ99{'a1' * 13}",
    "a GitHub token": f"github_pat_{'a1' * 20}",
    "a GitLab token": f"glpat-{'a1' * 10}",
    "a Slack token": f"xoxb-{'12' * 10}",
    "a webhook": "https://hooks.slack.com/services/T01234567/B01234567/abcdefghijkl",
    "a SendGrid key": f"SG.{'a1' * 11}.{'a1' * 20}",
    "a Stripe key": f"sk_live_{'a1' * 12}",
    "an npm token": f"npm_{'a1' * 18}",
    "a PyPI token": f"pypi-AgEIcHlwaS5vcmc{'a1' * 20}",
    "a Databricks token": f"dapi{'a1' * 16}",
    "a Vault token": f"hvs.{'a1' * 12}",
    "a URL with a password": "postgres://me:hunter2@db.test/x",
}


@pytest.mark.parametrize(("kind", "secret"), SHAPES.items(), ids=SHAPES.keys())
def test_a_secret_is_known_by_its_shape(kind: str, secret: str) -> None:
    """And by no other kind's, nor where something else is written just like it begins."""
    data = f"it is {secret} .".encode()

    assert [name for name, shape in SUSPECTS.items() if shape.search(data)] == [kind]
    assert without_secrets(f"{secret[:7]} .") == f"{secret[:7]} ."


def test_all_shapes_are_tried() -> None:
    tried = {*SHAPES, "a bearer token", "a JSON web token", "a private key", "an AWS access key id"}

    assert {*SUSPECTS} == {*tried, "a Bedrock API key", "a Google API key"}


@pytest.mark.parametrize("text", ["", "ask the model", "sk-1", "disk-full * 3", "naïve 🙂"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert without_secrets(text) == text


def test_every_shape_has_a_name_to_refuse_it_by() -> None:
    assert all(name.startswith(("a ", "an ")) for name in SUSPECTS)
