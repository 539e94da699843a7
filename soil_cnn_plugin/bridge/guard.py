"""Run by another Python: runs a command, and ends it when QGIS is gone, which it tells by the end of its input.

`python guard.py FOLDER COMMAND...`: what the command was building in FOLDER is then removed.
"""

import os
import shutil
import subprocess
import sys
import threading


def main(folder, command):
    process, is_qgis_gone = subprocess.Popen(command, stdin=subprocess.DEVNULL), threading.Event()
    watcher = threading.Thread(target=_watch, args=(process, is_qgis_gone), daemon=True)
    watcher.start()
    status = process.wait()
    if is_qgis_gone.is_set():
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(status if status >= 0 else 128 - status)  # without waiting for the watcher, which may read for ever


def _watch(process, is_qgis_gone):
    while os.read(0, 1024):
        pass
    is_qgis_gone.set()
    if os.name == "nt":
        subprocess.run(["taskkill", "/PID", str(process.pid), "/T", "/F"], capture_output=True, check=False)
    else:
        process.kill()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
