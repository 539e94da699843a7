"""Stands in for the engine: reads a job file, does what SOILCNN_STAND_IN says, and speaks the protocol on stdout."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def say(kind: str, **content: object) -> None:
    sys.stdout.write(json.dumps({"event": kind, **content}) + "\n")
    sys.stdout.flush()


OUTPUTS = {
    "standardize": ("output", "problems"),
    "extract": ("patches", "dropped"),
    "train": ("network", "report", "held_out", "metrics"),
    "predict": ("prediction", "lower", "upper", "standard_deviation", "dissimilarity"),
    "assess": ("report", "metrics", "residuals"),
    "explain": ("report", "importance", "attribution", "metrics"),
    "describe": ("report",),
    "check": ("report", "metrics", "problems"),
}


def outputs_of(job: dict) -> dict:
    """Output name -> path of a job, and of the jobs in it."""
    parts = {name: job[name] for name in ("extract", "train", "predict") if name in job}
    parts = parts or {job["job"].split("_")[0]: job}
    return {name: part[name] for kind, part in parts.items() for name in OUTPUTS[kind] if part.get(name)}


def half(path: str) -> Path:
    return Path(f"{path}.{os.environ['SOILCNN_RUN']}.part")


def main() -> None:
    if "--spare" in sys.argv:
        if "SOILCNN_STAND_IN_LOADS" in os.environ:
            time.sleep(60)
        say("progress", percent=0)
        if not sys.stdin.readline():
            sys.exit()
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    outputs = outputs_of(job)
    for path in outputs.values():
        half(path).write_text("half", encoding="utf-8")
    say("progress", percent=10, step="First step", seconds_left=125)
    say("info", text="Größe: 5 µm")
    behaviour = os.environ["SOILCNN_STAND_IN"]
    sys.stderr.write(f"stand-in: {behaviour}\n")
    sys.stderr.flush()
    BEHAVIOURS[behaviour](job, outputs)


def done(job: dict, outputs: dict) -> None:
    for path in outputs.values():
        Path(path).write_text(json.dumps(job), encoding="utf-8")
        half(path).unlink()
    say("warning", text="Watch out")
    say("metric", name="rmse", value=1.25)
    say("progress", percent=100, step="Last step")
    numbers = {"rmse": 1.5, "mec": 0.5, "ccc": 0.6, "picp": 0.9, "baseline_rmse": 2.5, "count": 7, "dropped_count": 2}
    say("done", outputs={**outputs, **numbers, "verdict": "Better.", "device": "CPU", "surprise": "x"})


def failed(job: dict, outputs: dict) -> None:
    say("failed", message="The field zinc holds text. Choose another field.")
    sys.exit(1)


def abort(job: dict, outputs: dict) -> None:
    os.abort()


def kill(job: dict, outputs: dict) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def told_to_end(job: dict, outputs: dict) -> None:
    sys.exit(128 + signal.SIGTERM)  # what the real worker answers


def python_crash(job: dict, outputs: dict) -> None:
    frames = "".join(f"  File frame {number}\n" for number in range(40))
    sys.stderr.write(f"Fatal Python error: Aborted\n{frames}Extension modules: {'numpy, ' * 500}\n{'x' * 5000}\n")
    sys.stderr.flush()
    os.abort()


def silent_end(job: dict, outputs: dict) -> None:
    sys.exit(3)


def garbage(job: dict, outputs: dict) -> None:
    sys.stdout.write('no event\n{"event": "unheard of"}\n[1, 2]\n\n{"event": "progress"\n')
    os.write(1, b"\xff\xfe broken bytes\n")
    done(job, outputs)


def talkative(job: dict, outputs: dict) -> None:
    """Tells progress and lines as fast as the engine may, for two seconds."""
    for number in range(400):
        say("progress", percent=10 + number / 5, step=f"Step {number}", seconds_left=60)
        say("info", text=f"Line {number}")
        time.sleep(0.005)
    done(job, outputs)


def stubborn(job: dict, outputs: dict) -> None:
    """Has a child, ignores the polite signal, and beats its heart until the reader is gone."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(os.environ.get("SOILCNN_STAND_IN_PIDS", os.devnull)).write_text(f"{os.getpid()} {child.pid}", encoding="utf-8")
    while True:
        say("progress", percent=10, step="First step")
        time.sleep(0.2)


def silent(job: dict, outputs: dict) -> None:
    time.sleep(60)


def tell_environment(job: dict, outputs: dict) -> None:
    say("info", text=json.dumps(dict(os.environ)))
    say("info", text=f"stdin: {sys.stdin.read()!r}")
    done(job, outputs)


BEHAVIOURS = {
    function.__name__: function
    for function in (
        done,
        failed,
        abort,
        kill,
        told_to_end,
        python_crash,
        silent_end,
        garbage,
        stubborn,
        silent,
        talkative,
        tell_environment,
    )
}

if __name__ == "__main__":
    main()
