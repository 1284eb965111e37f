"""`tapeline serve`: any model on a socket, in all wire formats."""

from __future__ import annotations

import json as jsonlib
import sys
from typing import Annotated

import typer

from tapeline.errors import ConfigError


def serve(
    model: Annotated[
        str, typer.Argument(help='The model behind, such as "openai:gpt-5.4-mini" or "mock:echo".')
    ],
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)
    ] = 8080,
    base_url: Annotated[str | None, typer.Option(help="Where the model behind is reached.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print where it listens as JSON.")] = False,
) -> None:
    """Serve a model in the formats of OpenAI (both), Anthropic, Bedrock and Ollama, on this machine only.

    Example: tapeline serve mock:echo --port 8080
    """
    from tapeline.client import chat_model
    from tapeline.server import Gateway

    backend = chat_model(model, base_url=base_url, max_retries=0)
    try:
        gateway = Gateway(backend, port=port)
    except OSError as error:
        raise ConfigError(f"cannot listen on port {port}: {error.strerror}") from error
    if json:
        print(jsonlib.dumps({"url": gateway.url, "model": model}), flush=True)
    print(f"serving {model} on {gateway.url} (Ctrl-C ends it)", file=sys.stderr)
    gateway.serve_forever()
