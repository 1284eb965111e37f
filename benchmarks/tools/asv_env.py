"""An asv environment for tapeline: one virtual environment, and the checkout's `src` on its path.

asv would build and install a wheel per commit; a pure Python package needs neither. Dependencies are those
that pyproject.toml of the working tree declares, and the pins of asv.conf.json. They stay out of asv's
`matrix`, every entry of which becomes part of a graph's identity: a new dependency would end all graphs.

No `__init__.py` beside this file, on purpose: asv imports every module of the package `benchmarks` in the
environment it measures in, and asv itself is not installed there.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from asv import environment, util
from asv.console import log

STAMP = "tapeline-specs.txt"
"""What the environment was made from; one made from anything else is made anew, and says so."""


class CheckoutEnvironment(environment.Environment):
    """asv's `environment_type: checkout`."""

    tool_name = "checkout"

    def __init__(
        self, conf: Any, python: str, requirements: dict[str, str], env_vars: dict[Any, str]
    ) -> None:
        self._requirements = requirements  # the base class needs it before it sets it
        super().__init__(conf, python, requirements, env_vars)
        self._specs = _specs(conf, requirements)

    @property
    def _python_path(self) -> Path:
        return Path(self._path, "bin", "python")

    @property
    def _source(self) -> Path:
        return Path(self._build_root, "src")

    def check_presence(self) -> bool:
        """Return whether the environment can be used as it is."""
        stamp = Path(self._path, STAMP)
        if not self._python_path.exists() or not stamp.exists():
            return False
        made_from = stamp.read_text(encoding="utf-8").splitlines()
        if made_from == self._specs:
            return True
        changes = sorted(set(made_from) ^ set(self._specs))
        log.warning(f"{self.name} is made anew, because these requirements changed: {', '.join(changes)}")
        return False

    def _setup(self) -> None:
        """Make the environment: one `uv venv`, one `uv pip install`. Raises asv's ProcessError."""
        uv = [sys.executable, "-m", "uv"]
        log.info(f"Creating {self.name} with uv")
        util.check_call([*uv, "venv", "--quiet", "--no-project", f"--python={self._python}", self._path])
        # Compiled now, or whatever imports a module first would be measured compiling it.
        install = [*uv, "pip", "install", "--quiet", "--compile-bytecode", f"--python={self._python_path}"]
        util.check_call([*install, *self._specs], timeout=self._install_timeout)
        self._put_checkout_on_path()
        Path(self._path, STAMP).write_text("\n".join(self._specs) + "\n", encoding="utf-8")

    def _put_checkout_on_path(self) -> None:
        ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site_packages = util.check_output([str(self._python_path), "-I", "-c", ask]).strip()
        Path(site_packages, "tapeline-checkout.pth").write_text(f"{self._source}\n", encoding="utf-8")

    def install_project(self, conf: Any, repo: Any, commit_hash: str) -> None:
        """Check the commit out and compile it; that is all there is to install."""
        if self._get_installed_commit_hash() != commit_hash:
            self._set_installed_commit_hash(None)  # an interrupted checkout is nobody's
            self.checkout_project(repo, commit_hash)
            self.run(["-m", "compileall", "-q", str(self._source)])
            self._set_installed_commit_hash(commit_hash)
        self._set_commit_hash(commit_hash)
        self._set_build_dirs(self._build_root, None)

    def run(self, args: list[str], **kwargs: Any) -> Any:
        return self.run_executable("python", args, **kwargs)


def _specs(conf: Any, requirements: dict[str, str]) -> list[str]:
    """Return all that is installed: dependencies, pins, and what a `matrix` would add."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    matrix = (f"{name.removeprefix('pip+')}{f'=={pin}' if pin else ''}" for name, pin in requirements.items())
    return sorted({*project["dependencies"], *conf.environment_pins, *matrix})
