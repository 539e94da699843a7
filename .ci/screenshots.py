"""Takes the guide's pictures anew: each scene of scenes.py in a real QGIS window on a virtual screen.

`make screenshots` takes all of them, `make screenshots ONLY="first_map predictmap"` some. Scenes use what earlier ones
left behind. It needs Xvfb and Chromium, which renders the reports, beside what `make demo` installs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "images"
HOME = Path("/var/tmp/soil-cnn")  # pictures show paths in it, and QGIS marks what lies in /tmp
TAKEN = HOME / "pictures"
SCREEN = (1366, 768)  # a laptop's
SECONDS = 3600  # for one scene
LARGEST = 150_000  # bytes of a picture
COLOURS = (256, 192, 128, 96, 64, 48, 32)  # tried in turn
WITHOUT_ENVIRONMENT = ("offer", "settings")
PROGRAMS = ("Xvfb", "qgis", "chromium")
SETTINGS = """[PythonPlugins]
processing=true
soil_cnn_plugin=true

[qgis]
checkVersion=false
showTips340=false
askToSaveProjectChanges=false
projOpenAtLaunch=2
newsFeed\\httpsfeedqgisorg\\disabled=true

[migration]
fileVersion=2

[app]
firstRunVersionFlag=39999
"""


def main() -> None:
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        raise SystemExit(f"Install {', '.join(missing)} first: apt install xvfb chromium")
    names = sys.argv[1:]
    if not names:
        shutil.rmtree(HOME, ignore_errors=True)
    prepare()
    failed = []
    with virtual_screen() as display:
        for name in names or scene_names(display):
            print(f"{name} ...", flush=True)
            started = time.monotonic()
            if take(name, display):
                for path in sorted(TAKEN.glob("*.png")):
                    publish(path)
                print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
            else:
                failed.append(name)
    if failed:
        raise SystemExit(f"Not taken: {', '.join(failed)}; see {HOME}/qgis.log")


def prepare() -> None:
    """Make a home of its own for QGIS, so that a user's settings and folders play no part."""
    TAKEN.mkdir(parents=True, exist_ok=True)
    (HOME / "run").mkdir(mode=0o700, exist_ok=True)
    (HOME / "Documents").mkdir(exist_ok=True)
    settings = HOME / "profiles" / "default" / "QGIS" / "QGIS3.ini"
    settings.parent.mkdir(parents=True, exist_ok=True)
    if not settings.exists():
        settings.write_text(SETTINGS, encoding="utf-8")
    engine = HOME / "engine"
    if not engine.is_symlink():
        engine.symlink_to(Path(os.environ["ENGINE"]).parents[1])


@contextmanager
def virtual_screen() -> Iterator[str]:
    reading, writing = os.pipe()
    size = f"{SCREEN[0]}x{SCREEN[1]}x24"
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        yield f":{os.read(reading, 32).decode().strip()}"
    finally:
        server.terminate()
        server.wait()


def scene_names(display: str) -> list[str]:
    """Return the names of all scenes; QGIS lists them, because each algorithm has one."""
    if not take("", display):
        raise SystemExit(f"QGIS does not list the scenes; see {HOME}/qgis.log")
    return list(json.loads((HOME / "scenes.json").read_text(encoding="utf-8")))


def take(name: str, display: str) -> bool:
    """Play one scene; return whether it came to its end."""
    for old in TAKEN.iterdir():
        old.unlink()
    end = HOME / "end.json"
    end.unlink(missing_ok=True)
    kept = {key: os.environ[key] for key in ("http_proxy", "https_proxy", "no_proxy") if key in os.environ}
    variables = {
        **kept,
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(HOME),
        "XDG_RUNTIME_DIR": str(HOME / "run"),
        "LANG": "C.UTF-8",
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "NO_AT_BRIDGE": "1",
        "QGIS_PLUGINPATH": str(ROOT / "build" / "plugins"),
        "PYTHONPATH": str(ROOT / ".ci"),
        "GUIDE_SCENE": name,
        "GUIDE_HOME": str(HOME),
    }
    if name not in WITHOUT_ENVIRONMENT:
        variables["SOILCNN_PYTHON"] = str(HOME / "engine" / "bin" / "python")
    command = ["qgis", "--nologo", "--noversioncheck", "--profiles-path", str(HOME), "--profile", "default"]
    command += ["--code", str(ROOT / ".ci" / "scenes.py")]
    with (HOME / "qgis.log").open("ab") as log:
        try:
            subprocess.run(command, env=variables, stdout=log, stderr=log, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            print(f"{name}: no end after {SECONDS} s", file=sys.stderr)
            return False
    if not end.exists():
        return False
    told = json.loads(end.read_text(encoding="utf-8"))
    if told["problem"]:
        print(told["problem"], file=sys.stderr)
        return False
    for picture, (report, height) in told["reports"].items():
        render(report, TAKEN / f"{picture}.png", height)
    return True


def render(report: str, path: Path, height: int) -> None:
    """Take a picture of the top of a web page."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--window-size=920,{height}", f"--screenshot={path}", f"--user-data-dir={HOME / 'chromium'}"]
    subprocess.run([*command, Path(report).as_uri()], check=True, capture_output=True, timeout=120)


def publish(path: Path) -> None:
    """Write the picture into the guide with as many colours as the size allows, and a thin frame.

    Marks of few pixels keep their colour: the median cut would give them that of others.
    """
    target = PICTURES / path.name.replace("__", "/")
    target.parent.mkdir(parents=True, exist_ok=True)
    picture = ImageOps.expand(Image.open(path).convert("RGB"), border=1, fill="#b8b8b8")
    for colours in COLOURS:
        reduced = picture.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        reduced.save(target, optimize=True)
        if target.stat().st_size <= LARGEST:
            return
    raise SystemExit(f"{target} has {target.stat().st_size} bytes, more than {LARGEST}: show less in it.")


if __name__ == "__main__":
    main()
