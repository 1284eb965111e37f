"""What `import tapeline` costs: paid by every test run and every call of the command line."""

from __future__ import annotations

import subprocess
import sys

from benchmarks import kinds

version = "1"

_COUNT = "import sys; before = len(sys.modules); import tapeline; print(len(sys.modules) - before)"


def timeraw_import() -> str:
    """`import tapeline` in 7 fresh interpreters; no SDK is loaded before the first call."""
    return "import tapeline"


def timeraw_import_chat_model() -> str:
    """`from tapeline import chat_model` in 7 fresh interpreters: with httpx2, still without an SDK."""
    return "from tapeline import chat_model"


for _function in (timeraw_import, timeraw_import_chat_model):
    # One round: a fresh interpreter each time is repetition enough. The first one also writes .pyc files.
    _function.__dict__.update(number=1, repeat=7, rounds=1)


@kinds.exact("mod")
def track_modules() -> int:
    """Modules that `import tapeline` adds to a bare interpreter: a new heavy import shows at once."""
    found = subprocess.run([sys.executable, "-c", _COUNT], capture_output=True, text=True, check=True)
    return int(found.stdout)
