"""One case in a process of its own: seconds, memory and closure, written to stdout as JSON.

``python benchmarks/cases.py CASE --shape bert-base``; `side_by_side.py` runs them all.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import naive
import peer
import shaped
import torch
from torch import Tensor, nn

MIB: Final = 2**20
STATUS: Final = Path("/proc/self/status")

#: What a case returns: the closure error, or None, and the bytes that it gives back.
Outcome = tuple[float | None, int]


@dataclass(frozen=True)
class Setting:
    """What a case is run on."""

    shape: str
    device: str
    ids: Tensor

    def headless(self) -> nn.Module:
        """Make the model without its head."""
        module: Any = shaped.headed(self.shape)
        base: nn.Module = module.base_model
        return base.to(self.device)


Case = Callable[[Setting], Callable[[], Outcome]]


def forward(setting: Setting) -> Callable[[], Outcome]:
    """Run the forward pass alone, without a head."""
    module: Any = setting.headless()

    def run() -> Outcome:
        with torch.no_grad():
            state = module(input_ids=setting.ids).last_hidden_state
        return None, state.nbytes

    return run


def of_peer(name: str) -> Case:
    """Run a residual decomposition of TransformerLens."""

    def case(setting: Setting) -> Callable[[], Outcome]:
        model = peer.bridge(shaped.headed(setting.shape), setting.device)

        def run() -> Outcome:
            found = peer.PEER[name](model, setting.ids)
            # Ours end as NumPy arrays, too.
            return found.gap, found.terms.cpu().numpy().nbytes

        return run

    return case


def ours(decomposition: dict[str, Any], *, keep: bool = False, **analysis: Any) -> Case:
    """Compute a decomposition of ours without a store; the model is described and proved before."""

    def case(setting: Setting) -> Callable[[], Outcome]:
        from prosect.model.load import wrap_module
        from prosect.planning.build import Request, plan_request
        from prosect.running.scene import open_scene
        from prosect.running.unstored import unstored

        model = wrap_module(setting.headless(), None)
        spec = {
            "prosect": 1,
            "models": {"m": {"dtype": "float32"}},
            "corpora": {"c": {"kind": "inline", "sentences": setting.ids.tolist()}},
            "analyses": {
                "a": {"corpus": "c", "decomposition": decomposition, "keep": ["terms"] if keep else [], **analysis}
            },
            "compute": {"device": setting.device},
        }
        planned = plan_request(Request(source=spec, in_memory={"m": model.config}))
        prepared = unstored(model, planned, open_scene(model, planned.steps))

        def run() -> Outcome:
            (result,) = prepared.compute((0, "main"))
            return result.closure_max, sum(array.nbytes for array in result.arrays.values())

        return run

    return case


def of_naive(make: Callable[[Any, Tensor], Iterator[naive.Norms]]) -> Case:
    """Make explicit vectors of all pairs."""

    def case(setting: Setting) -> Callable[[], Outcome]:
        module: Any = setting.headless()
        module.set_attn_implementation("eager")

        def run() -> Outcome:
            with torch.no_grad():
                kept = [norms.cpu().numpy() for found in make(module, setting.ids) for norms in found.values()]
            return None, sum(array.nbytes for array in kept)

        return run

    return case


CASES: Final[dict[str, Case]] = {
    "forward": forward,
    "peer full": of_peer("full"),
    "peer by sublayer": of_peer("by sublayer"),
    "ours by head, vectors": ours({"name": "sum_of_factors", "by": "head"}, keep=True, metrics=[], layers=[-1]),
    "ours by sublayer, vectors": ours({"name": "sum_of_factors", "by": "sublayer"}, keep=True, metrics=[], layers=[-1]),
    "ours by head, measured": ours({"name": "sum_of_factors", "by": "head"}, metrics=["importance", "norm"]),
    "ours by kind, measured": ours({"name": "sum_of_factors"}, metrics=["importance", "norm", "cosine"]),
    "ours by source, measured": ours(
        {"name": "sum_of_factors", "by": "source"}, metrics=["importance", "norm"], layers=[-1]
    ),
    "naive norms": of_naive(naive.attention_norms),
    "ours norms": ours({"name": "attention_norms"}, metrics=["value_norm", "weighted_norm", "attention_norm"]),
    "naive maps": of_naive(naive.attention_maps),
    "ours maps": ours({"name": "attention_maps"}, metrics=["norm"]),
}


class Meter:
    """Peak memory above what was held when it was set, and seconds; of the device, or of the process on a CPU."""

    def __init__(self, device: str) -> None:
        self.cuda = device == "cuda"
        self._held = 0

    def set(self) -> None:
        """Forget the peak so far."""
        if self.cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            self._held = torch.cuda.memory_allocated()
        else:
            with contextlib.suppress(OSError):
                # Linux then counts the peak of resident memory anew.
                Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            self._held = _status("VmRSS")

    def peak(self) -> float:
        """Return the MiB above what was held."""
        most = torch.cuda.max_memory_allocated() if self.cuda else _status("VmHWM")
        return (most - self._held) / MIB

    def seconds(self, run: Callable[[], Outcome]) -> float:
        """Time one run: on the clock on a GPU, else in seconds of CPU, since other processes may share it."""
        clock = time.perf_counter if self.cuda else time.process_time
        started = clock()
        run()
        if self.cuda:
            torch.cuda.synchronize()
        return clock() - started


def _status(name: str) -> int:
    if not STATUS.exists():
        return 0
    line = next(line for line in STATUS.read_text("ascii").splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Run one case and write what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--shape", choices=shaped.SHAPES, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--sentences", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    ids = shaped.token_ids(arguments.sentences, arguments.tokens).to(arguments.device)
    started = time.perf_counter()
    run = CASES[arguments.case](Setting(arguments.shape, arguments.device, ids))
    ready, meter = time.perf_counter() - started, Meter(arguments.device)
    meter.set()
    gap, kept = run()
    peak = meter.peak()
    seconds = [meter.seconds(run) for _ in range(arguments.repeats)]
    found = {"gap": gap, "kept_mib": kept / MIB, "peak_mib": peak, "seconds": seconds, "ready_s": ready}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
