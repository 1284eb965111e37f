"""Two kinds of benchmark that asv does not have, and the mark of exact figures.

opcodes_*: bytecode instructions of one call; exact, and comparable within one minor version of Python.
ratio_*: CPU time of one thing relative to another, taken in turns in one process; timed, so never exact.
asv reads nothing but `name_regex`, `type`, `unit` and `run`. Lower is better in all of them.
"""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable
from time import process_time_ns
from typing import Any, TypeVar

from asv_runner.benchmarks import benchmark_types
from asv_runner.benchmarks._base import Benchmark
from asv_runner.benchmarks.mark import SkipNotImplemented

Function = TypeVar("Function", bound=Callable[..., Any])

WARM_UP_CALLS = 3
"""Calls before opcodes are counted: the first ones import, compile patterns and fill caches."""

PAIRS = 15
"""Pairs of samples per ratio, unless the benchmark sets `pairs`: their median ignores seven spoiled ones."""

SAMPLE_NS = 20_000_000
"""CPU time of one sample of a ratio: short enough for many pairs, long enough to hold many calls."""


def exact(unit: str) -> Callable[[Function], Function]:
    """Mark a `track_` benchmark: its unit, and that lower is better (asv-tachyon assumes the opposite).

    unit: "seconds" and "bytes" are printed in their multiples; others had better have three letters at
    most, because the pages cut longer ones off the axis.
    """

    def mark(function: Function) -> Function:
        function.__dict__.update(unit=unit, less_is_better=True)
        return function

    return mark


class OpcodesBenchmark(Benchmark):
    """opcodes_*: how many bytecode instructions one call executes. Needs Python 3.12."""

    name_regex = re.compile(r"^opcodes_.+$")

    def __init__(self, name: str, func: Callable[..., Any], attr_sources: list[Any]) -> None:
        super().__init__(name, func, attr_sources)
        self.type = "opcodes"
        self.unit = "op"
        self.less_is_better = True

    def run(self, *params: Any) -> int:
        if not hasattr(sys, "monitoring"):
            raise SkipNotImplemented("sys.monitoring came with Python 3.12")
        for _ in range(WARM_UP_CALLS):
            self.func(*params)
        return count_opcodes(lambda: self.func(*params))


def count_opcodes(call: Callable[[], Any]) -> int:
    """Return the bytecode instructions `call` executes, its own frame included."""
    monitoring = sys.monitoring
    count = 0

    def on_instruction(code: Any, offset: int) -> None:
        nonlocal count
        count += 1

    tool, event = monitoring.PROFILER_ID, monitoring.events.INSTRUCTION
    gc.collect()
    gc.disable()  # a collection may run finalizers, which are instructions too
    monitoring.use_tool_id(tool, "tapeline benchmarks")
    monitoring.register_callback(tool, event, on_instruction)
    monitoring.set_events(tool, event)
    try:
        call()
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
        gc.enable()
    return count


class RatioBenchmark(Benchmark):
    """ratio_*: the function returns two callables; the result is CPU time of the first / of the second.

    Samples alternate, so that a slow phase of the machine hits both. asv keeps every pair's ratio and
    shows their median with its confidence interval, as it does for times.
    """

    name_regex = re.compile(r"^ratio_.+$")

    def __init__(self, name: str, func: Callable[..., Any], attr_sources: list[Any]) -> None:
        super().__init__(name, func, attr_sources)
        self.type = "ratio"
        self.unit = "x"
        self.less_is_better = True
        self.pairs = next((source.pairs for source in attr_sources if hasattr(source, "pairs")), PAIRS)

    def run(self, *params: Any) -> dict[str, Any]:
        ours, theirs = self.func(*params)
        calls = _calls_per_sample(ours), _calls_per_sample(theirs)
        ratios = (_cpu_ns(ours, calls[0]) / _cpu_ns(theirs, calls[1]) for _ in range(self.pairs))
        samples = [round(ratio, 4) for ratio in ratios]  # asv prints what it gets
        return {"samples": samples, "number": 1}


def _calls_per_sample(call: Callable[[], Any]) -> int:
    call()  # imports, connections
    return max(1, round(SAMPLE_NS / _cpu_ns(call, 1)))


def _cpu_ns(call: Callable[[], Any], calls: int) -> float:
    """Return the CPU time of one call, garbage collection included: who makes garbage pays for it."""
    gc.collect()
    start_ns = process_time_ns()
    for _ in range(calls):
        call()
    return max(1, process_time_ns() - start_ns) / calls


def register() -> None:
    """Make the kinds known to asv; the package calls this before asv looks for benchmarks."""
    known = {kind.__name__ for kind in benchmark_types}
    benchmark_types.extend(kind for kind in (OpcodesBenchmark, RatioBenchmark) if kind.__name__ not in known)
