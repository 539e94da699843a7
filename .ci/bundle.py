#!/usr/bin/env python3
"""Writes a folder of packages for the set-up on a computer without internet: `make bundle`, or with another system
and Python, `build/engine/bin/python .ci/bundle.py FOLDER --system windows-x86_64 --python 3.12`.

It holds the wheels of the lock, pip, uv and, where it can be reached, the Python that uv would fetch.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

from lock import LOCKS, holds_for

from soil_cnn_plugin.bridge.systems import SYSTEMS, System, kind_and_machine
from soil_cnn_plugin.contract.requirements import Locked, read_lock

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
SECONDS = 30


def main() -> None:
    options = arguments()
    system = next(each for each in SYSTEMS if f"{each.kind}-{each.machine}" == options.system)
    minor = int(options.python.split(".")[1])
    options.folder.mkdir(parents=True, exist_ok=True)
    items = [item for item in read(system.lock) if holds_for(item, system, minor)]
    has_small_build = system.kind == "linux" and not options.cuda
    download(options.folder, system, minor, [item for item in items if not (has_small_build and item.is_of_torch)])
    if has_small_build:
        torch = next(item for item in items if item.name == "torch")
        pip_download(options.folder, system, minor, [f"torch=={torch.version}+cpu", "--extra-index-url", TORCH_INDEX])
    download(options.folder, system, minor, read("tools.txt"))
    python = fetch_python(options.folder / "python", system, minor)
    megabytes = sum(path.stat().st_size for path in options.folder.rglob("*.*")) / 2**20
    sys.stdout.write(
        f"{options.folder}: {megabytes:.0f} MB for {options.system}, Python 3.{minor}, {python}.\n"
        "Name this folder in WHEELS of the set-up.\n"
    )


def arguments() -> argparse.Namespace:
    here = "-".join(kind_and_machine(sys.platform, platform.machine()))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--system", default=here, choices=[f"{system.kind}-{system.machine}" for system in SYSTEMS[:4]])
    parser.add_argument("--python", default=f"3.{sys.version_info[1]}", choices=["3.11", "3.12", "3.13", "3.14"])
    parser.add_argument("--cuda", action="store_true", help="on Linux, PyTorch for NVIDIA cards: about 3 GB")
    return parser.parse_args()


def read(name: str) -> tuple[Locked, ...]:
    return read_lock((LOCKS / name).read_text(encoding="utf-8"))


def download(folder: Path, system: System, minor: int, items: Iterable[Locked]) -> None:
    """Download packages of a lock; pip compares their hashes. Markers are gone: pip would ask them of this computer."""
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch, "packages.txt")
        wanted.write_text("\n".join(without_marker(item) for item in items), encoding="utf-8")
        pip_download(folder, system, minor, ["--require-hashes", "-r", str(wanted)])


def without_marker(item: Locked) -> str:
    first, _, hashes = item.text.partition("\n")
    pin = first.split(" ;")[0].rstrip(" \\")
    return f"{pin} \\\n{hashes}"


def pip_download(folder: Path, system: System, minor: int, what: list[str]) -> None:
    target = ["--python-version", f"3.{minor}", "--implementation", "cp"]
    target += [word for abi in (f"cp3{minor}", "abi3", "none") for word in ("--abi", abi)]
    target += [word for tag in tags(system) for word in ("--platform", tag)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", *target]
    subprocess.run([*command, "--dest", str(folder), *what], check=True)


def tags(system: System) -> Iterator[str]:
    """Return the platforms of wheels that a system takes, newest first."""
    if system.kind == "windows":
        yield "win_amd64"
    elif system.kind == "macos":
        for major in range(system.release[0], 10, -1):
            yield from (f"macosx_{major}_0_{machine}" for machine in ("arm64", "universal2"))
        yield from (f"macosx_10_{minor}_universal2" for minor in range(16, 8, -1))
    else:
        yield from (f"manylinux_2_{minor}_{system.machine}" for minor in range(system.release[1], 16, -1))
        yield f"manylinux2014_{system.machine}"
        yield from (f"manylinux_2_{minor}_{system.machine}" for minor in range(16, 4, -1))
        yield from (f"{old}_{system.machine}" for old in ("manylinux2010", "manylinux1"))


def fetch_python(folder: Path, system: System, minor: int) -> str:
    """Put the Python that uv would fetch where `uv python install --mirror` looks for it; return what came of it."""
    command = [sys.executable, "-m", "uv", "python", "list", f"3.{minor}", "--only-downloads", "--all-platforms"]
    command.append("--all-arches")
    listed = subprocess.run(
        [*command, "--no-config", "--output-format", "json"], capture_output=True, text=True, check=True
    )
    wanted = (system.kind, "aarch64" if system.machine == "arm64" else system.machine)
    found = [
        item
        for item in json.loads(listed.stdout)
        if (item["os"], item["arch"], item["libc"]) == (*wanted, "gnu" if system.kind == "linux" else "none")
        and (item["implementation"], item["variant"]) == ("cpython", "default")
    ]
    if not found:
        return "without a Python, because uv knows none"
    address = found[0]["url"]
    target = folder / Path(address).parent.name / Path(address).name.replace("%2B", "+")
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            content = answer.read()
    except (OSError, urllib.error.URLError) as error:
        return f"without a Python, because it cannot be reached ({error}): the other computer needs one"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return "with a Python"


if __name__ == "__main__":
    main()
