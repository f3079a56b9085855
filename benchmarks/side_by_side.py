"""TransformerLens' residual decompositions, naive maps of pairs, and ours, side by side.

``python benchmarks/side_by_side.py -o PAGE.md [--device cuda] [--peer-python PYTHON]``

Every case runs in a process of its own (`cases.py`). TransformerLens comes with ``pip install -e '.[bench]'``; where it
is installed apart, ``--peer-python`` names the interpreter.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
SHAPES: Final = ("bert-base", "gpt2-small")
Found = Mapping[str, Any]
INTRODUCTION: Final = """# Side by side

Random models of the shapes of BERT-base and GPT-2 small in float32, gains and biases perturbed. *Closure* is the
largest ‖Σ terms - h‖ / ‖h‖ of any token; for TransformerLens h is the state that its terms are to sum to, its own last
`resid_post`. *Seconds* are the median of the repeats after a first run: seconds of CPU of one thread, or on a GPU
seconds on the clock. *Peak* is what the first run took above the ready model. Ratios are to the first row.
TransformerLens' decompositions are those of the last layer, from a model with its head, which it asks for; ours are of
the model without it, and where nothing else is said give the vectors of the last layer too. Every case ends with its
results as NumPy arrays. Ours measure closure after every sub-layer, which their seconds include.
"""


@dataclass(frozen=True)
class Comparison:
    """A table: cases by the name of their row; the first one is what the others are compared with."""

    title: str
    cases: Mapping[str, str]
    sentences: int
    tokens: int


COMPARISONS: Final = (
    Comparison(
        "Residual decompositions",
        {
            "forward pass": "forward",
            "TransformerLens, full": "peer full",
            "prosect, by head": "ours by head, vectors",
            "TransformerLens, by sub-layer": "peer by sublayer",
            "prosect, by sub-layer": "ours by sublayer, vectors",
            "prosect, by kind, measured at all layers": "ours by kind, measured",
            "prosect, by head, measured at all layers": "ours by head, measured",
            "prosect, by source, measured at the last layer": "ours by source, measured",
        },
        4,
        128,
    ),
    Comparison("Norms of attention", {"naive n × n × d": "naive norms", "prosect": "ours norms"}, 2, 128),  # noqa: RUF001 - a product
    Comparison("Maps at every scope", {"naive n × n × d": "naive maps", "prosect": "ours maps"}, 1, 64),  # noqa: RUF001 - as above
)


def run(case: str, shape: str, comparison: Comparison, arguments: argparse.Namespace) -> Found:
    """Run one case in a process of its own."""
    python = arguments.peer_python if case.startswith("peer") else sys.executable
    command = [python, str(FOLDER / "cases.py"), case, "--shape", shape, "--device", arguments.device]
    command += ["--sentences", str(comparison.sentences), "--tokens", str(comparison.tokens)]
    command += ["--repeats", str(arguments.repeats)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, found: Found, first: Found) -> str:
    """Write one line of a table."""
    seconds, base = median(found["seconds"]), median(first["seconds"])
    gap = "" if found["gap"] is None else f"{found['gap']:.1e}"
    memory = f"{found['peak_mib']:,.0f} | {found['peak_mib'] / max(first['peak_mib'], 1):.2f}"
    return f"| {name} | {gap} | {seconds:.3g} | {seconds / base:.2f} | {memory} | {found['kept_mib']:,.1f} |"


def table(comparison: Comparison, shape: str, arguments: argparse.Namespace) -> Iterator[str]:
    """Run the cases of a comparison on one shape of model."""
    yield f"### {shape}, {comparison.sentences} sentences of {comparison.tokens} tokens"
    yield ""
    yield "| case | closure | seconds | ratio | peak MiB | ratio | result MiB |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    first: Found | None = None
    for name, case in comparison.cases.items():
        found = run(case, shape, comparison, arguments)
        first = found if first is None else first
        yield row(name, found, first)


def page(arguments: argparse.Namespace) -> Iterator[str]:
    """Write the whole page, line by line."""
    yield INTRODUCTION
    yield f"{date.today().isoformat()} · {_versions(arguments.peer_python)} · {_machine(arguments.device)} · "
    yield f"{arguments.repeats} repeats · `python benchmarks/side_by_side.py -o PAGE.md --device {arguments.device}`"
    for comparison in COMPARISONS:
        yield ""
        yield f"## {comparison.title}"
        for shape in arguments.shape:
            yield ""
            yield from table(comparison, shape, arguments)


def _versions(peer_python: str) -> str:
    ask = "from importlib.metadata import version; print(version('transformer-lens'))"
    peer = subprocess.run([peer_python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
    ours = [f"{name} {version(name)}" for name in ("prosect", "torch", "transformers")]
    return ", ".join([*ours, f"transformer-lens {peer}"])


def _machine(device: str) -> str:
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    names = [line for line in _cpuinfo() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def main() -> None:
    """Run everything and write the page, line by line as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, help="file of the page; default: stdout")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--shape", choices=SHAPES, nargs="+", default=SHAPES)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has TransformerLens")
    arguments = parser.parse_args()
    lines = []
    for line in page(arguments):
        lines.append(line)
        sys.stderr.write(f"{line}\n")
    text = "\n".join(lines) + "\n"
    if arguments.out is None:
        sys.stdout.write(text)
    else:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
