"""The packaged plugin in qgis_process, with fewer trees and steps than a user's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NO_FIGURE = '(__import__("os").path.exists(f"{__file__}.none") and "<svg></svg>")'
QUICK = {"PRESET": "fast", "ARCHITECTURE": "ring", "MEMBERS": 3, "EPOCHS": 40, "VALIDATION": "random", "FOLDS": 2}


@dataclass(frozen=True)
class Qgis:
    """qgis_process with nothing but the unpacked zip, in a profile of its own."""

    variables: dict[str, str]

    @contextmanager
    def without_figures(self) -> Iterator[None]:
        """Reports keep all but the drawings of their figures, which take longer than a training does here."""
        told = Path(self.variables["QGIS_PLUGINPATH"]) / "soil_cnn_plugin" / "engine" / "reports" / "drawing.py.none"
        told.touch()
        try:
            yield
        finally:
            told.unlink()

    def call(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        command = ["/usr/bin/qgis_process", *arguments]
        return subprocess.run(command, input=text, env=self.variables, capture_output=True, text=True, check=False)

    def run(self, algorithm: str, inputs: dict[str, object]) -> dict[str, object]:
        """An algorithm's results; the test fails with what QGIS wrote when the run fails."""
        finished = self.call("run", algorithm, "-", text=json.dumps({"inputs": inputs}, default=str))
        assert finished.returncode == 0, finished.stderr[-3000:]
        results: dict[str, object] = json.loads(finished.stdout)["results"]
        return results

    def refusal(self, algorithm: str, inputs: dict[str, object]) -> str:
        """What QGIS writes when a run is refused; the test fails when it is not, or with a traceback."""
        finished = self.call("run", algorithm, "-", text=json.dumps({"inputs": inputs}, default=str))
        assert finished.returncode == 1, finished.stdout[-3000:]
        assert "Traceback" not in finished.stderr
        return finished.stderr


def unpack(folder: Path) -> Qgis:
    """Package the plugin, and unpack it into the folder."""
    subprocess.run([ROOT / ".ci" / "package", folder / "plugin.zip"], cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(folder / "plugin.zip") as archive:
        archive.extractall(folder / "plugins")
    engine = folder / "plugins" / "soil_cnn_plugin" / "engine"
    keep_compiled(engine)
    train_less(engine)
    settings = folder / "profiles" / "default" / "QGIS" / "QGIS3.ini"
    settings.parent.mkdir(parents=True)
    english = "[locale]\noverrideFlag=true\nuserLocale=en\n"  # whatever language this computer speaks
    settings.write_text(f"[PythonPlugins]\nprocessing=true\nsoil_cnn_plugin=true\n{english}")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV", "QGIS_"))}
    assert Path(kept["SOILCNN_PYTHON"]).is_file()
    own = {"PATH": "/usr/bin:/bin", "QT_QPA_PLATFORM": "offscreen", "QGIS_PLUGINPATH": str(folder / "plugins")}
    return Qgis({**kept, **own, "QGIS_CUSTOM_CONFIG_PATH": str(folder)})


def keep_compiled(engine: Path) -> None:
    """Put the checkout's compiled code beside the unpacked functions. Numba takes it where a file has the same time and
    size, and compiles the rest: all of it would take half a minute."""
    ours = ROOT / "soil_cnn_plugin" / "engine"
    for kept in ours.rglob("__pycache__/*.nb[ci]"):
        source = engine / kept.parents[1].relative_to(ours) / f"{kept.name.split('.')[0]}.py"
        if source.is_file() and source.read_bytes() == (kept.parents[1] / source.name).read_bytes():
            (source.parent / "__pycache__").mkdir(exist_ok=True)
            shutil.copy(kept, source.parent / "__pycache__")
            shutil.copystat(kept.parents[1] / source.name, source)


def train_less(engine: Path) -> None:
    """Fewer trees and steps, which no user can choose and nothing here depends on: they take most of a run's time. Nor
    are figures written while a file says so."""
    for file, whole, less in (
        ("forests/forest.py", "\nTREES = 500\n", "\nTREES = 50\n"),
        ("training/plan.py", "0.1, 600, 8, None)", "0.1, 100, 8, None)"),
        ("kriging/kernels.py", "_STEPS, _STEPS_ANEW = 60, 8", "_STEPS, _STEPS_ANEW = 8, 2"),
        ("reports/drawing.py", "return _slim(render(figure))", f"return {NO_FIGURE} or _slim(render(figure))"),
    ):
        text = (engine / file).read_text(encoding="utf-8")
        assert text.count(whole) == 1, file
        (engine / file).write_text(text.replace(whole, less), encoding="utf-8")
