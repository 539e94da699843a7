"""Figures of benchmarks: measured in turns, stored with their spread and goal as JSON, shown as a Markdown table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from soil_cnn_plugin.engine.machine.device import forbid_tf32
from soil_cnn_plugin.engine.machine.memory import gibibytes, read_memory, usable_cores

OUTPUT = Path(__file__).resolve().parents[1] / "build" / "bench"


@dataclass(frozen=True)
class Figure:
    """`values` holds one value per turn. The `goal` is the least value wanted, or with `is_limit` the greatest."""

    name: str
    values: tuple[float, ...]
    unit: str = "x"  # times as fast or as much; or %, GiB, ...
    goal: float | None = None
    is_limit: bool = False
    detail: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.median <= self.goal if self.is_limit else self.median >= self.goal


def take_turns(ways: Mapping[str, Callable[[], object]], turns: int, warm_up: bool = True) -> dict[str, list[float]]:
    """Return the seconds of each way in each turn. Ways alternate, so that a busy machine slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(-1 if warm_up else 0, turns):
        for name, run in ways.items():
            started = time.perf_counter()
            run()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratios(over: Sequence[float], under: Sequence[float]) -> tuple[float, ...]:
    """Return the ratios turn by turn."""
    return tuple(one / other for one, other in zip(over, under))


def spread(values: Sequence[float], unit: str = "") -> str:
    """Return `12.3 (11.8 to 13.1)`: median, lowest and highest."""
    middle, lowest, highest = (number(each) for each in (statistics.median(values), min(values), max(values)))
    text = middle if len(values) == 1 else f"{middle} ({lowest} to {highest})"
    return f"{text} {unit}".strip()


def number(value: float) -> str:
    """Return a number with three digits, or all before the decimal point."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.2g}"


def table(figures: Iterable[Figure], quick: bool = False) -> list[str]:
    """Return lines of Markdown; a `quick` run judges no goal."""
    lines = ["| figure | measured | goal | | from |", "|---|---|---|---|---|"]
    words = {None: "", True: "met", False: "missed"}
    for each in figures:
        bound = "at most" if each.is_limit else "at least"
        goal = "" if each.goal is None else f"{bound} {each.goal:g} {each.unit}"
        met = "" if quick else words[each.is_met]
        lines.append(f"| {each.name} | {spread(each.values, each.unit)} | {goal} | {met} | {each.detail} |")
    return lines


def write(name: str, title: str, settings: Mapping[str, object], figures: Sequence[Figure], folder: Path) -> None:
    """Write `<name>.json` and `<name>.md`, and print the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in settings.items()}
    content = {"title": title, "machine": machine(), "settings": plain, "figures": [asdict(each) for each in figures]}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in plain.items() if key != "output")
    text = "\n".join([f"## {title}", "", f"{machine()}. {told}.", "", *table(figures, bool(settings.get("quick"))), ""])
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    print(text, flush=True)


def read(path: Path) -> list[Figure]:
    """Read figures from a file that `write` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [Figure(**{**each, "values": tuple(each["values"])}) for each in content["figures"]]


def machine() -> str:
    """Return the machine in words."""
    total = read_memory().total
    parts = [
        _processor(),
        f"{usable_cores()} cores",
        f"{gibibytes(total)} memory" if total else "",
        f"torch {torch.__version__} with {torch.get_num_threads()} threads ({torch.backends.cpu.get_cpu_capability()})",
        torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU",
        f"{platform.system()}, Python {platform.python_version()}",
        f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "",
    ]
    return ", ".join(part for part in parts if part)


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def devices() -> tuple[str, ...]:
    """Return the devices to measure: the processor and, if PyTorch can use one, the GPU, as exact as in a job."""
    forbid_tf32()
    return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def synchronize(device: str) -> None:
    """Wait for a GPU, which computes while Python goes on."""
    if device == "cuda":
        torch.cuda.synchronize()


def check_room(folder: Path, size: float) -> None:
    """Exit with a message if the disk has no room for so many bytes of temporary files."""
    free = shutil.disk_usage(folder).free
    if free < 1.2 * size:
        raise SystemExit(
            f"{folder} has {gibibytes(free)} left, but the rasters take about {gibibytes(int(size))}. Make room, choose"
            " another folder with --folder, or smaller rasters."
        )


def options(description: str | None, quick: Mapping[str, object]) -> argparse.ArgumentParser:
    """Return the parser of the options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help=f"small: {dict(quick)}")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the table (.md) and figures (.json)")
    return parser


def parse(parser: argparse.ArgumentParser, quick: Mapping[str, object]) -> argparse.Namespace:
    """Parse the options; `--quick` changes defaults, not options that are given."""
    if parser.parse_known_args()[0].quick:
        parser.set_defaults(**quick)
    return parser.parse_args()
