"""The worker's door and the command line: a job file goes in, events come out on stdout, one JSON object a line.

`python -m soil_cnn_plugin.engine job.json` or `python .../engine/__main__.py job.json`. The exit status is 0 only with
Done. Whatever a library prints goes to stderr.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # Other plugins' folders lie beside this one, and this folder's modules have everyday names: the former come last
    # on the path and the latter not at all, so that they shadow nothing.
    _ENGINE = os.path.dirname(os.path.realpath(__file__))
    _PARENT = os.path.dirname(os.path.dirname(_ENGINE))
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) not in (_ENGINE, _PARENT)] + [_PARENT]

import argparse  # noqa: E402
import contextlib  # noqa: E402
import faulthandler  # noqa: E402
import signal  # noqa: E402
import threading  # noqa: E402
import traceback  # noqa: E402
from pathlib import Path  # noqa: E402

from soil_cnn_plugin.contract.events import Done, Event, Failed  # noqa: E402
from soil_cnn_plugin.contract.jobs import (  # noqa: E402
    AssessMap,
    CheckEnvironment,
    CheckObservations,
    CompareMaps,
    ComparePatchSizes,
    DescribeNetwork,
    ExplainNetwork,
    ExplainPixel,
    ExtractPatches,
    Job,
    JobError,
    MapSoilProperties,
    PlanSampling,
    PredictMap,
    StandardizeDepths,
    SummarizeAreas,
    TrainNetwork,
    from_json,
    remove_parts,
)
from soil_cnn_plugin.contract.language import tr  # noqa: E402
from soil_cnn_plugin.engine.errors import EngineError  # noqa: E402
from soil_cnn_plugin.engine.failures import error_in_words  # noqa: E402
from soil_cnn_plugin.engine.loading import load  # noqa: E402
from soil_cnn_plugin.engine.machine.torchrun import process_count, process_number  # noqa: E402
from soil_cnn_plugin.engine.outputs import Claims  # noqa: E402
from soil_cnn_plugin.engine.report import EventStream, Heartbeat, Report  # noqa: E402
from soil_cnn_plugin.engine.spare import wait_for_job  # noqa: E402

MODULES: dict[type[Job], tuple[str, str]] = {
    CheckObservations: (
        "check_observations",
        tr("find what is wrong or doubtful in observations, and tell the remedy"),
    ),
    StandardizeDepths: ("standardize_depths", tr("bring horizons to depth intervals, one point a profile")),
    ExtractPatches: ("extract_patches", tr("cut a patch of the covariates around each observation")),
    TrainNetwork: ("train_network", tr("train networks on patches, and assess them on held-out folds")),
    PredictMap: ("predict_map", tr("predict every pixel of the covariates with a trained network")),
    MapSoilProperties: ("map_soil_properties", tr("extract, train and predict, one after the other")),
    SummarizeAreas: ("summarize_areas", tr("tell means, totals and shares of polygons, with intervals")),
    AssessMap: ("assess_map", tr("compare a map with observations that it was not made from")),
    ExplainNetwork: ("explain_network", tr("tell which covariates a network uses, and where on the map")),
    ExplainPixel: ("explain_pixel", tr("tell what a network predicts at one place, and why")),
    ComparePatchSizes: ("compare_patch_sizes", tr("measure the held-out error against the patch size")),
    DescribeNetwork: ("describe_network", tr("tell what a network file holds")),
    CompareMaps: ("compare_maps", tr("compare two maps, of one time or of two dates")),
    PlanSampling: ("plan_sampling", tr("choose the pixels to visit by a design")),
    CheckEnvironment: ("check_environment", tr("try what the jobs rest on: libraries, device and files")),
}
"""Job -> the module of engine/jobs whose `run` does it, and what it does."""
_MOST_SECONDS_MISSING = 5  # of a folder; network drives are away for a moment now and then


def main(arguments: list[str] | None = None) -> int:
    """Does the job of a job file; returns the exit status."""
    asked = _parse(arguments)
    door = _Door(_take_stdout())
    last = door.work(asked.job, asked.spare)
    door.stream(last)
    return 0 if isinstance(last, Done) else 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    jobs = "\n".join(f"  {name:20} {sentence}" for name, sentence in MODULES.values())
    parser = argparse.ArgumentParser(
        prog="soil_cnn_plugin.engine",
        description="Do the job of a job file.",
        epilog=f"jobs:\n{jobs}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("job", help="job file (JSON); events are written to stdout as JSON lines")
    parser.add_argument(
        "--spare",
        metavar="SECONDS",
        type=float,
        help="load what jobs need, and read the job file when a line comes on standard input within so many seconds",
    )
    return parser.parse_args(arguments)


def _take_stdout() -> int:
    """A private copy of stdout for events; descriptor 1 becomes stderr, so that no print can corrupt the protocol.

    Of several processes under torchrun only the first tells what happens.
    """
    descriptor = os.dup(1) if process_number() == 0 else os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    os.dup2(2, 1)
    faulthandler.enable()  # a native crash leaves a traceback in the log
    os.environ["MPLBACKEND"] = "Agg"  # a user's interactive default would look for a display
    return descriptor


class _Door:
    """Holds the job and the way out, for the three ends a worker may come to: done, told to end, reader gone."""

    def __init__(self, descriptor: int) -> None:
        self.stream = EventStream(descriptor, lambda: self.leave(1))
        self._job: Job | None = None
        self._claims = Claims()
        self._seconds_missing = 0

    def work(self, path: str, spare: float | None = None) -> Event:
        """The job's last event; whatever went wrong is told in words. `spare`: wait for the job so many seconds."""
        self._end_on_signals()
        try:
            if spare is not None:
                wait_for_job(spare, self.stream, self.leave)
            with Heartbeat(self._beat):
                self._job = _read_job(path)
                if process_number() == 0:
                    self._claims.take(self._job)
                outputs = _run(self._job, Report(self.stream))
            self._claims.give_back()
            return Done(outputs)
        except Exception as error:  # noqa: BLE001 - the worker's door: the one place where everything is caught
            if not isinstance(error, (EngineError, JobError)):
                traceback.print_exc()
            sentence = error_in_words(error, self._job)  # before what fills the disk is removed
            self._remove_parts()
            if process_number() != 0:  # whose events nobody reads, and whose end ends the others
                sys.stderr.write(f"Process {process_number()} of those that train together: {sentence}\n")
            return Failed(sentence)

    def _beat(self) -> None:
        """Each second. Without a folder to write to, going on for hours would be in vain."""
        self.stream.beat()
        folder = self._claims.missing_folder()
        self._seconds_missing = self._seconds_missing + 1 if folder else 0
        if self._seconds_missing == _MOST_SECONDS_MISSING:
            self.stream(
                Failed(
                    tr(
                        "The folder {}, where results are to be written, was removed while the job ran. Make it"
                        " again, or choose another one, and run again."
                    ).format(folder)
                )
            )
            self.leave(1)

    def leave(self, status: int) -> None:
        """Ends at once, from any thread, whatever the others are doing."""
        self.stream.close()
        self._remove_parts()
        os._exit(status)

    def _remove_parts(self) -> None:
        with contextlib.suppress(OSError):  # Windows keeps files that are still open; the bridge removes them later
            if self._job is not None and process_number() == 0:
                remove_parts(self._job)
                self._claims.give_back()

    def _end_on_signals(self) -> None:
        """Python runs signal handlers in the main thread only, which may be deep in a library for minutes. The number
        of the signal also arrives in a pipe, at once, and a thread that waits there ends the worker."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda caught, _: self.leave(128 + caught))
        if os.name == "posix":
            read_end, write_end = os.pipe()
            os.set_blocking(write_end, False)
            signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
            threading.Thread(target=lambda: self.leave(128 + os.read(read_end, 1)[0]), daemon=True).start()
            os.register_at_fork(after_in_child=_forget_signals)  # ending a child of a library must not end the worker


def _read_job(path: str) -> Job:
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(tr("The job file {} cannot be read: {}.").format(path, error)) from error
    return from_json(text)


def _run(job: Job, report: Report) -> dict[str, str | float | int]:
    """Imports the job's module only now, after the first event: torch takes a second, and not every job needs it."""
    name, sentence = MODULES[type(job)]
    report.info(tr("The worker starts to {}.").format(sentence))
    if process_count() > 1 and not isinstance(job, TrainNetwork):
        raise JobError(
            tr(
                "{} processes are started for the job {}, but only a training is shared out among processes."
                " Start this job without torchrun."
            ).format(process_count(), name)
        )
    outputs: dict[str, str | float | int] = load(f"jobs.{name}").run(job, report)
    return outputs


def _forget_signals() -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(status: int) -> None:
    """After a failure nothing is tidied up: HDF5 crashes when it ends with a file that a full disk left open."""
    if status == 0:
        sys.exit()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    _end(main())
