"""Record the contract's cassettes anew: `python scripts/record_contract.py`, or with `--only anthropic`.

Deletes tests/testing/cassettes, starts a server on 127.0.0.1:18083, and runs the contract of each of our
providers against it, with `--record-mode=new_episodes`: the very way in which others record theirs.

What answers is no model of a vendor's, and the recordings say so (`response.meta.upstream`). It is the
schoolchild of the tests behind tapeline's own codecs: their server side writes what their client side
reads. tests/providers holds both sides against what real providers have sent.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tapeline.client import chat_model
from tapeline.errors import ErrorCode, LLMError
from tapeline.latency.pacing import IncomingRequest, ScheduledResponse
from tapeline.providers.bedrock import BedrockCodec
from tapeline.providers.codec import Codec
from tapeline.providers.mock import Mock
from tapeline.server.gateway import codec_for
from tapeline.testing.misuse import NO_MODEL, WRONG_KEY
from tapeline.testing.stand_in import decoded, failure, response_to
from tapeline.types import ChatRequest, Reply, Thinking, assistant

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests" / "testing"
sys.path.insert(0, str(TESTS))

PORT = 18083
CONTEXT_WORDS = 256
HEAD_S, GAP_S = 0.020, 0.004
TOO_LONG = "prompt is too long: input length exceeds the context length"  # as Anthropic and Ollama say it


def main() -> None:
    """Serve, and run the contract against it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", metavar="PROVIDER", help="record this provider alone, such as anthropic")
    only = parser.parse_args().only
    for cassette in (TESTS / "cassettes").glob(f"{only or '*'}.yaml"):
        cassette.unlink()
    name = "".join(word.capitalize() for word in (only or "").split("-"))
    command = [sys.executable, "-m", "pytest", str(TESTS / "test_our_providers.py"), "-n", "0", "-q"]
    command += ["-p", "no:randomly"]  # so that the files come out in the same order
    command += ["--record-mode=new_episodes", "-k", f"Test{name}"]
    with serving():
        raise SystemExit(subprocess.run(command, cwd=ROOT).returncode)


@contextmanager
def serving() -> Iterator[None]:
    """Answer on loopback until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", PORT), _Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "tapeline-contract"
    sys_version = ""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        codec = codec_for(self.path)
        if codec is None:
            self.send_error(404)
            return
        response = answered(codec, IncomingRequest(method="POST", url=self.path, headers=headers, body=body))
        with suppress(ConnectionError):  # whoever leaves a stream early is within the contract
            self._send(response)

    def _send(self, response: ScheduledResponse) -> None:
        time.sleep(HEAD_S)
        self.send_response(response.status)
        for name, value in (*response.headers, ("transfer-encoding", "chunked")):
            self.send_header(name, value)
        self.end_headers()
        for _, block in response.blocks:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
            time.sleep(GAP_S)
        self.wfile.write(b"0\r\n\r\n")


def answered(codec: Codec, incoming: IncomingRequest) -> ScheduledResponse:
    """Return the response to a request in a provider's format."""
    request = decoded(codec, incoming)
    error = objection(request, incoming)
    if error is not None:
        headers = {}
        if isinstance(codec, BedrockCodec):
            headers["x-amzn-errortype"] = codec.error_type(error)
        return failure(codec, error, headers=headers)
    return response_to(codec, request, said(codec, request))


def objection(request: ChatRequest, incoming: IncomingRequest) -> LLMError | None:
    """Return what is wrong with a request, if anything is."""
    if WRONG_KEY in str(incoming.headers):
        return LLMError("this key is not known", code=ErrorCode.AUTHENTICATION_ERROR)
    if request.model == NO_MODEL:
        return LLMError(f"the model {NO_MODEL} does not exist", code=ErrorCode.MODEL_NOT_AVAILABLE)
    words = sum(len(message.text.split()) for message in request.messages)
    if words > CONTEXT_WORDS:
        return LLMError(f"{TOO_LONG} of {CONTEXT_WORDS} words", code=ErrorCode.CONTEXT_LENGTH_EXCEEDED)
    return None


def said(codec: Codec, request: ChatRequest) -> Reply:
    """Return what the schoolchild says, counted and cut to size by the mock."""
    import schoolchild

    model = chat_model("mock:schoolchild", client=Mock(replies=schoolchild.answer))
    reply = model.answer(replace(request, is_stream=False, model="schoolchild"))
    content = [signed(codec, part) if isinstance(part, Thinking) else part for part in reply.message.content]
    return replace(reply, model=request.model, message=assistant(*content))


def signed(codec: Codec, thinking: Thinking) -> Thinking:
    """Return reasoning as those sign it who want it back: the mock's own format has no place for that."""
    has_id = codec.provider == "openai-responses"
    return replace(thinking, id="reasoning-1" if has_id else None, signature=b64encode(b"signed").decode())


if __name__ == "__main__":
    main()
