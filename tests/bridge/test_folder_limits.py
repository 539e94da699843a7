"""What a folder must offer to a compute environment, and what a computer with another Windows is told."""

from __future__ import annotations

import ast
from pathlib import Path, PureWindowsPath

import pytest

from soil_cnn_plugin.bridge import environment, folder_limits
from soil_cnn_plugin.bridge.errors import WorkerFailed
from soil_cnn_plugin.bridge.folder_limits import LONGEST_MEMBER, LONGEST_PATH, require_short_path

BRIDGE = Path(folder_limits.__file__).parent


def test_the_usual_folder_is_short_enough_for_windows_longest_user_name() -> None:
    name = environment.default_folder().name
    folder = PureWindowsPath("C:/Users") / ("u" * 20) / "AppData/Local/soil-cnn" / name
    require_short_path(folder, is_limited=True)
    deepest = folder.with_name(f"{name}.part") / "Lib/site-packages" / ("x" * LONGEST_MEMBER)
    assert len(str(deepest)) <= LONGEST_PATH


def test_a_folder_that_is_too_deep_is_told_before_the_download_with_both_remedies() -> None:
    folder = PureWindowsPath("//server.university.example/home") / ("d" * 60) / "environment"
    with pytest.raises(WorkerFailed, match=r"has 105 characters.*may have 63.*such as C:\\soil-cnn, or let your admin"):
        require_short_path(folder, is_limited=True)
    require_short_path(folder, is_limited=False)
    require_short_path(folder)  # this is no Windows


def test_no_command_opens_a_console_window_on_windows() -> None:
    """A guard starts within the hidden console of its own, and the others say that they want none."""
    calls = [
        (path.name, node)
        for path in BRIDGE.glob("*.py")
        if path.name != "guard.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in {("subprocess", "run"), ("subprocess", "Popen")}
    ]
    without = {name for name, node in calls if "creationflags" not in {word.arg for word in node.keywords}}
    assert len(calls) >= 5
    assert without == {"systems.py"}  # it asks a Mac
