"""A command of the set-up ends with QGIS, and what it was building goes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from soil_cnn_plugin.bridge import commands


def test_when_qgis_is_killed_the_installer_ends_and_nothing_half_built_stays(tmp_path) -> None:
    part, pid_file = tmp_path / "e.part", tmp_path / "pid"
    part.mkdir()
    program = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    script = (
        "import os, subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from soil_cnn_plugin.bridge.child import Child\n"
        "with Child(sys.argv[1:], dict(os.environ), Path('/'), subprocess.STDOUT, is_watching=True): time.sleep(60)\n"
    )
    guarded = [sys.executable, "-I", str(commands.GUARD), str(part), sys.executable, "-c", program]
    variables = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    qgis = subprocess.Popen([sys.executable, "-c", script, *guarded], env=variables)
    wait_for(lambda: pid_file.exists() and pid_file.read_text())
    qgis.terminate()
    qgis.wait()
    wait_for(lambda: not part.exists())
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.parametrize("status", [0, 3])
def test_the_guard_hands_on_how_a_command_ended(tmp_path, status) -> None:
    command = [sys.executable, str(commands.GUARD), str(tmp_path), sys.executable, "-c", f"print(7); exit({status})"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as ended:
        assert (ended.stdout.read(), ended.wait(), tmp_path.exists()) == ("7\n", status, True)


def wait_for(is_true) -> None:
    end = time.monotonic() + 20
    while not is_true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
