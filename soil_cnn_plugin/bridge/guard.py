"""Runs a command in another Python and ends it when QGIS is gone: the guard's input then ends.

`python guard.py FOLDER COMMAND...`; FOLDER, which the command was building, is then removed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading


def main(folder: str, command: list[str]) -> None:
    process, is_qgis_gone = subprocess.Popen(command, stdin=subprocess.DEVNULL), threading.Event()
    watcher = threading.Thread(target=_watch, args=(process, is_qgis_gone), daemon=True)
    watcher.start()
    status = process.wait()
    if is_qgis_gone.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(status if status >= 0 else 128 - status)  # without waiting for the watcher, which may read for ever


def _watch(process: subprocess.Popen[bytes], is_qgis_gone: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    is_qgis_gone.set()
    if os.name == "nt":
        subprocess.run(["taskkill", "/PID", str(process.pid), "/T", "/F"], capture_output=True, check=False)
    else:
        process.kill()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
