"""The patch file: HDF5 with the patches of all observations and all that describes them, written and read by blocks.

Reading trusts nothing: the file may come from a stranger, see safe_hdf5.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import Covariate, JobError, part
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.memory import usable_cores
from soil_cnn_plugin.engine.observations.chunk_writing import ChunkWriter
from soil_cnn_plugin.engine.observations.hdf5_trial import trust, why_unreadable
from soil_cnn_plugin.engine.observations.patches import Observations
from soil_cnn_plugin.engine.observations.safe_hdf5 import HostileFile, SafeGroup
from soil_cnn_plugin.engine.observations.targets import check_measured, read_targets, write_targets
from soil_cnn_plugin.engine.outputs import appear
from soil_cnn_plugin.engine.rasters.grid import LARGEST_PATCH, Grid
from soil_cnn_plugin.engine.rasters.plain_files import check_crs_files
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.targets.measured import TargetsInWords, TargetValues

PATCH_FORMAT = "soil cnn patches"
PATCH_VERSION = 3

_CHUNK_BYTES = 1_000_000
_BROKEN = (OSError, KeyError, TypeError, ValueError, RuntimeError, OverflowError, JobError)
"""The errors that h5py raises for damaged files, and those that a file's values raise where they make no sense."""


class PatchFile(AbstractContextManager["PatchFile"]):
    """An open patch file. `values` (N, T) are float64 values or numbers of classes, NaN where missing; `is_censored`
    (N, T), `errors` (N, T) and `weights` (N,), of mean 1, are as in `Observations`; `coordinates` (N, 2) are x and y in
    the grid's CRS; `rows_cols` (N, 2) give the pixel of the grid; `sites` (N,) are equal for observations that no fold
    may tear apart; `ids` (N,) are feature ids. `domain` (M, 2) are points all over the area where covariates have data.

    Raises:
        EngineError: there is no such file, or it is not a whole patch file of this version.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._file = _open(path)
        try:
            self._read_header(SafeGroup(self._file))
        except _BROKEN as error:
            self._file.close()
            raise _damaged(path, error) from error
        except BaseException:
            self._file.close()
            raise

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def measured(self) -> TargetValues:
        return TargetValues(self.values, self.is_censored, self.errors, self.weights)

    def read(self, start: int, stop: int) -> Singles:
        """Read patches (n, C, P, P) of the observations from `start` to before `stop`, NaN where there is no data."""
        try:
            patches = np.asarray(self._patches[start:stop], np.float32)
        except _BROKEN as error:
            raise _damaged(self.path, error) from error
        if np.isinf(patches).any():
            raise _damaged(self.path, HostileFile("patches are infinite"))
        return patches

    def _read_header(self, root: SafeGroup) -> None:
        _check_kind(self.path, root)
        self.patch_size = root.integer("patch_size")
        if not 3 <= self.patch_size <= LARGEST_PATCH or self.patch_size % 2 == 0:
            raise HostileFile(f"the patch size is {self.patch_size}")
        height, width = root.numbers("grid_shape", "i", (2,)).tolist()
        transform = root.numbers("transform", "f", (6,)).tolist()
        check_crs_files(root.text("crs_wkt"))
        self.grid = Grid(root.text("crs_wkt"), tuple(transform), height, width)
        self.group_field = root.text("group_field")
        self.words = read_targets(root)
        self.targets = self.words.targets
        self.covariates = _read_covariates(root)
        provenance = root.group("provenance")
        self.provenance = {name: provenance.text(name) for name in provenance.attribute_names()}
        self._read_arrays(root)

    def _read_arrays(self, root: SafeGroup) -> None:
        side = self.patch_size
        self._patches = root.dataset("patches", "float32", (None, len(self.covariates), side, side))
        self.count = int(self._patches.shape[0])
        shape = (self.count, len(self.targets))
        self.values = root.array("targets", "float64", shape)
        self.is_censored = root.array("is_censored", "uint8", shape).astype(np.bool_)
        self.errors = root.array("errors", "float64", shape)
        self.weights = root.array("weights", "float64", (self.count,))
        self.coordinates = root.array("coordinates", "float64", (self.count, 2))
        self.rows_cols = root.array("rows_cols", "int64", (self.count, 2))
        self.sites = root.array("sites", "int64", (self.count,))
        self.ids = root.array("ids", "int64", (self.count,))
        self.domain = np.asarray(root.dataset("domain", "float64", (None, 2))[:])
        if not np.isfinite(self.coordinates).all() or not np.isfinite(self.domain).all():
            raise HostileFile("coordinates are infinite")
        check_measured(self.measured, self.words)
        self.weights = self.weights / self.weights.max()  # the sum of very large ones is infinite
        self.weights /= self.weights.mean()
        self._leave_out_empty_classes()
        if len({summary.covariate.name for summary in self.covariates}) < len(self.covariates):
            raise HostileFile("two covariates have one name")

    def _leave_out_empty_classes(self) -> None:
        """Leave out classes whose observations were all dropped while the patches were cut."""
        classes = dict(self.words.classes)
        for t, names in enumerate(self.words.classes_of):
            known = np.isfinite(self.values[:, t])
            if names:
                present, numbers = np.unique(self.values[known, t], return_inverse=True)
                self.values[known, t] = numbers
                classes[self.targets[t].field] = tuple(names[int(number)] for number in present)
        self.words = replace(self.words, classes=classes)


class PatchFileWriter(AbstractContextManager["PatchFileWriter"]):
    """A writer of `<path>.part`, which is renamed when the `with` block ends well; otherwise nothing is left."""

    def __init__(
        self,
        path: str,
        grid: Grid,
        patch_size: int,
        covariate_count: int,
        words: TargetsInWords,
        group_field: str = "",
        provenance: Mapping[str, str] | None = None,
    ) -> None:
        self._path = path
        self._file = h5py.File(part(path), "w")
        attributes = self._file.attrs
        attributes.update(format=PATCH_FORMAT, version=PATCH_VERSION, patch_size=patch_size, group_field=group_field)
        attributes["crs_wkt"] = grid.crs_wkt
        attributes["transform"] = np.array(grid.transform, np.float64)
        attributes["grid_shape"] = np.array([grid.height, grid.width], np.int64)
        write_targets(attributes, words)
        self._file.create_group("provenance").attrs.update(provenance or {})
        self._create_arrays(covariate_count, patch_size, len(words.targets))
        self._patches = ChunkWriter(self._file["patches"], usable_cores())

    def describe(self, covariates: Sequence[CovariateSummary], domain: Array) -> None:
        """Write what is known of the covariates when they have been read; `domain` (M, 2) is as in `PatchFile`."""
        members = self._file.create_group("covariates")
        for number, summary in enumerate(covariates):
            _write_covariate(members.create_group(f"{number:04d}"), summary)
        self._file["domain"] = domain

    def append(self, observations: Observations, patches: Singles) -> None:
        """Add observations with their patches (n, C, P, P), which must not be changed afterwards."""
        self._patches.append(patches)
        rows_cols = np.column_stack([observations.rows, observations.cols])
        arrays: dict[str, NDArray[Any]] = {
            "targets": observations.values,
            "is_censored": observations.is_censored.astype(np.uint8),
            "errors": observations.errors,
            "weights": observations.weights,
            "coordinates": observations.coordinates,
            "rows_cols": rows_cols,
            "sites": observations.sites,
            "ids": observations.ids,
        }
        for name, values in arrays.items():
            data = self._file[name]
            start = data.shape[0]
            data.resize(start + len(values), axis=0)
            data[start:] = values

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._patches.finish()
                self._file.close()
                appear([(part(self._path), self._path)])
                trust(self._path)
        finally:
            self._patches.close()
            with contextlib.suppress(OSError, RuntimeError):  # a full disk fails once more here
                self._file.close()
            Path(part(self._path)).unlink(missing_ok=True)

    def _create_arrays(self, covariates: int, patch_size: int, targets: int) -> None:
        shape = (covariates, patch_size, patch_size)
        each = covariates * patch_size * patch_size * 4
        patches = self._file.create_dataset(
            "patches", (0, *shape), np.float32, maxshape=(None, *shape), chunks=(max(1, _CHUNK_BYTES // each), *shape),
            compression="gzip", compression_opts=1, shuffle=True, fillvalue=np.nan,
        )  # fmt: skip
        patches.attrs["axes"] = _texts(["observation", "covariate", "row", "column"])
        for name, width, dtype in (
            ("targets", targets, np.float64),
            ("is_censored", targets, np.uint8),
            ("errors", targets, np.float64),
            ("weights", None, np.float64),
            ("coordinates", 2, np.float64),
            ("rows_cols", 2, np.int64),
            ("sites", None, np.int64),
            ("ids", None, np.int64),
        ):
            tail = () if width is None else (width,)
            self._file.create_dataset(name, (0, *tail), dtype, maxshape=(None, *tail), chunks=(1024, *tail))


def _open(path: str) -> h5py.File:
    if not Path(path).is_file():
        raise EngineError(
            tr("There is no patch file {}. Choose an .h5 file that 'Extract patches' wrote.").format(path)
        )
    if not h5py.is_hdf5(path):
        raise EngineError(tr("{} is not an HDF5 file. Choose a patch file that 'Extract patches' wrote.").format(path))
    if why := why_unreadable(path):
        raise _damaged(path, HostileFile(why))
    try:
        return h5py.File(path, "r", locking=False)
    except (OSError, RuntimeError) as error:
        raise _damaged(path, error) from error


def _check_kind(path: str, root: SafeGroup) -> None:
    if not root.has("format") or root.text("format") != PATCH_FORMAT:
        raise EngineError(
            tr(
                "{} is an HDF5 file of another program, not a patch file of Soil CNN. Choose a file that"
                " 'Extract patches' wrote."
            ).format(path)
        )
    version = root.integer("version")
    if version != PATCH_VERSION:
        raise EngineError(
            tr(
                "{} has format version {}; this plugin reads version {}. Update the plugin, or extract the"
                " patches again."
            ).format(path, version, PATCH_VERSION)
        )


def _read_covariates(root: SafeGroup) -> tuple[CovariateSummary, ...]:
    group = root.group("covariates")
    names = group.member_names()
    if names != [f"{number:04d}" for number in range(len(names))] or not names:
        raise HostileFile(f"the covariates are numbered {names[:5]}")
    return tuple(_read_covariate(group.group(name)) for name in names)


def _read_covariate(group: SafeGroup) -> CovariateSummary:
    nodata = group.numbers("nodata", "f", (None, 2)).tolist()
    covariate = Covariate(
        path=group.text("path"),
        name=group.text("name"),
        band=group.integer("band"),
        kind=group.text("kind"),
        unit=group.text("unit"),
        nodata=tuple((lowest, highest) for lowest, highest in nodata),
        use_file_nodata=bool(group.integer("use_file_nodata")),
    )
    quantiles = tuple(group.numbers("quantiles", "f", (None,)).tolist())
    categories = tuple(group.numbers("categories", "i", (None,)).tolist())
    return CovariateSummary(covariate, quantiles, categories, group.texts("labels") if group.has("labels") else ())


def _write_covariate(group: h5py.Group, summary: CovariateSummary) -> None:
    covariate, attributes = summary.covariate, group.attrs
    attributes.update(path=covariate.path, name=covariate.name, band=covariate.band, kind=covariate.kind)
    attributes["unit"] = covariate.unit
    attributes["nodata"] = np.array(covariate.nodata, np.float64).reshape(-1, 2)
    attributes["use_file_nodata"] = int(covariate.use_file_nodata)
    attributes["quantiles"] = np.array(summary.quantiles, np.float64)
    attributes["categories"] = np.array(summary.categories, np.int64)
    if summary.labels:  # GDAL 3.6, and with it QGIS, crashes on an empty list of texts
        attributes["labels"] = _texts(summary.labels)


def _texts(texts: Any) -> NDArray[np.object_]:
    return np.array(list(texts), h5py.string_dtype())


def _damaged(path: str, error: BaseException) -> EngineError:
    return EngineError(
        tr("{} is damaged or was not written by 'Extract patches': {}. Extract the patches again.").format(
            path, str(error)[:300].rstrip(". ")
        )
    )
