"""Outputs from claim to name: each belongs to one run while it is written, and appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from soil_cnn_plugin.contract.jobs import RASTER_ENDINGS, Job, JobError, check_ending, part, would_replace
from soil_cnn_plugin.contract.language import all_of, tr
from soil_cnn_plugin.contract.locks import try_lock
from soil_cnn_plugin.contract.parts import RUN, aside, claim, is_run, remove_parts_of
from soil_cnn_plugin.engine.errors import EngineError

_IN_USE = tr(
    "If it is loaded in QGIS or open in another program, remove it there, or choose another folder or file name."
)


class Claims:
    """Outputs that belong to this run until `give_back`, or until its process ends, however it ends."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, int]] = {}  # path -> name of the output, descriptor of the claim

    def take(self, job: Job) -> None:
        """Raises EngineError unless each output can be written where it is wanted, replaces no input, and belongs to no
        other run, or JobError where there is no name for a file, or one that tells another format than its own."""
        for name in job.empty_outputs():
            raise JobError(tr("No file is given for {}, which this job always writes. Choose one.").format(name))
        for name, path in job.output_paths().items():
            try:
                _check_place(name, Path(path))
                _check_inputs(name, path, job)
                if name in job.ENDINGS:
                    check_ending(name, path, job.ENDINGS[name])
                self._hold(name, path)
                _try_kind(path)
                _try_replacing(path)
            except OSError as error:
                reason = error.strerror or error
                raise EngineError(tr("{} cannot be written: {}. {}").format(path, reason, _IN_USE)) from error

    def missing_folder(self) -> str:
        """A folder of outputs that was removed meanwhile, though what it lay in is there; empty when there is none."""
        folders = [os.path.dirname(path) for path in self._held]
        return next((each for each in folders if not os.path.isdir(each) and os.path.isdir(os.path.dirname(each))), "")

    def give_back(self) -> None:
        for path, (_, descriptor) in self._held.items():
            with suppress(OSError):
                if os.name == "posix":  # while it is held: afterwards it might be another run's
                    os.unlink(claim(path))
                os.close(descriptor)
                if os.name != "posix":
                    os.unlink(claim(path))
        self._held.clear()

    def _hold(self, name: str, path: str) -> None:
        is_held = False
        while not is_held:
            descriptor = os.open(claim(path), os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            try:
                self._check_twin(name, path, descriptor)
                is_alone = try_lock(descriptor)
                if is_alone is False:
                    raise EngineError(
                        tr(
                            "{} is being written by another run. Wait until that one has ended, or choose"
                            " another file name."
                        ).format(path)
                    )
                if _is_still(descriptor, claim(path)):  # and was not removed by a run that ended just now
                    _sign(path, descriptor, bool(is_alone))
                    self._held[path], is_held = (name, descriptor), True
            finally:
                if not is_held:
                    os.close(descriptor)

    def _check_twin(self, name: str, path: str, descriptor: int) -> None:
        """Raise EngineError where another output has the same claim, however its path is spelled."""
        for other, held in self._held.values():
            if os.path.samestat(os.fstat(held), os.fstat(descriptor)):
                raise EngineError(
                    tr("{} is chosen for two outputs, {} and {}. Choose different names.").format(path, other, name)
                )


def _sign(path: str, descriptor: int, is_alone: bool) -> None:
    """Write this run's name. One that was killed left its own here, and perhaps half-written files."""
    former = os.read(descriptor, 100).decode("ascii", "replace")
    if former and not (is_run(former) and is_alone):
        raise EngineError(
            tr(
                "{} says that another run is writing {}. If there is none, delete that file; or choose another"
                " file name."
            ).format(claim(path), path)
        )
    os.ftruncate(descriptor, 0)
    if former:
        remove_parts_of(path, former)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, RUN.encode("ascii"))


def write_whole(path: str, content: bytes) -> None:
    """A file that appears under its name when all of it is written."""
    with open(part(path), "wb") as file:
        file.write(content)
    appear([(part(path), path)])


def appear(finished: Sequence[tuple[str, str]]) -> None:
    """Give finished files, (where each is, where it belongs), their names: all of them or none.

    Raises:
        EngineError: a file cannot be replaced; the finished ones stay beside under free names, which it tells.
    """
    placed: list[tuple[str, str]] = []
    try:
        for half, path in finished:
            if os.path.lexists(path):
                os.replace(path, aside(path))
            placed.append((half, path))
            os.replace(half, path)
    except OSError as error:
        for half, path in reversed(placed):
            if not os.path.lexists(half) and os.path.lexists(path):
                os.replace(path, half)
            if os.path.lexists(aside(path)):
                os.replace(aside(path), path)
        raise EngineError(_not_placed(finished, error)) from error
    for _, path in finished:
        with suppress(OSError):
            os.unlink(aside(path))


def was_removed(path: str, half_written: str) -> str:
    return tr(
        "{} could not be finished: what was half-written, {}, was removed meanwhile, perhaps with its"
        " folder. Leave both alone while the job runs, and run again."
    ).format(path, half_written)


def _not_placed(finished: Sequence[tuple[str, str]], error: OSError) -> str:
    gone = next(((path, half) for half, path in finished if not os.path.lexists(half)), None)
    if gone:
        return was_removed(*gone)
    kept = []
    for half, path in finished:
        with suppress(OSError):
            os.rename(half, free := _free_name(path))
            kept.append(free)
    place = error.filename2 or error.filename or finished[0][1]
    failed = next((path for half, path in finished if place in (half, path, aside(path))), place)
    stay = tr(" What was finished is complete and stays beside as {}.").format(all_of(kept)) if kept else ""
    return tr("{} could not be replaced: {}.{} Nothing else was replaced. {}").format(
        failed, error.strerror or error, stay, _IN_USE
    )


def _free_name(path: str) -> str:
    """`map_1.tif` for `map.tif`, or the next number that is free."""
    stem, ending = os.path.splitext(path)
    number = 1
    while os.path.lexists(f"{stem}_{number}{ending}"):
        number += 1
    return f"{stem}_{number}{ending}"


def _check_place(name: str, path: Path) -> None:
    if not path.parent.is_dir():
        raise EngineError(
            tr("The folder {} does not exist, so {} cannot be written there. Create it or choose another.").format(
                path.parent, path.name
            )
        )
    if path.is_dir():
        raise EngineError(
            tr("{} is a folder, but a file is to be written there ({}). Choose a file name.").format(path, name)
        )


def _check_inputs(name: str, path: str, job: Job) -> None:
    if would_replace(path, job.input_paths()):
        raise EngineError(
            tr("{} would replace {}, which is an input of the same run. Choose another file.").format(name, path)
        )


def _try_kind(path: str) -> None:
    """Write the least file of the output's kind, by the library that will write it, for hours may pass until then."""
    half = part(path)
    rasters = {f".{ending}": _try_raster for ending in RASTER_ENDINGS}
    tries: dict[str, Callable[[str], str]] = {**rasters, ".h5": _try_hdf5}
    try:
        tried = tries.get(Path(path).suffix.lower(), _try_bytes)(half)
        os.unlink(tried)
    finally:
        with suppress(OSError):
            os.unlink(half)


def _try_bytes(half: str) -> str:
    Path(half).write_bytes(b"soil")
    return half


def _try_raster(half: str) -> str:
    import rasterio

    scratch, place = f"{half}.tif", rasterio.Affine(1, 0, 0, 0, -1, 1)
    try:
        with rasterio.open(scratch, "w", driver="GTiff", width=1, height=1, count=1, dtype="uint8", transform=place):
            pass
    except rasterio.errors.RasterioError as error:
        raise OSError(str(error)) from error
    return scratch


def _try_hdf5(half: str) -> str:
    import h5py

    h5py.File(half, "w").close()
    return half


def _try_replacing(path: str) -> None:
    """Whether the file that is there now may be replaced: only moving it tells, which takes an instant."""
    if os.path.lexists(path):
        os.rename(path, aside(path))
        os.rename(aside(path), path)


def _is_still(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
