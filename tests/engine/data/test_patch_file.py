"""The patch file: what is written is read back, and nothing hostile or broken is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyproj
import pytest

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.data.covariates import CovariateSummary
from soil_cnn_plugin.engine.data.grid import Grid
from soil_cnn_plugin.engine.data.observations import Observations
from soil_cnn_plugin.engine.data.patch_file import PatchFile, PatchFileWriter
from soil_cnn_plugin.engine.data.targets_in_words import TargetsInWords
from soil_cnn_plugin.engine.errors import EngineError

GRID = Grid(pyproj.CRS.from_epsg(28992).to_wkt(), (40.0, 0.0, 178440.0, 0.0, -40.0, 333760.0), 104, 78)
SUMMARIES = (
    CovariateSummary(
        Covariate("/d/höhe.tif", "höhe", unit="m", nodata=((-9999.0, -9000.0), (1e4, float("inf")))),
        tuple(np.linspace(0.1, 9.7, 129).tolist()),
        (),
        (),
    ),
    CovariateSummary(
        Covariate("/d/soil.tif", "soil", band=2, kind="categorical", use_file_nodata=False),
        (),
        (-1, 3),
        ("Löss/a", "3"),
    ),
)
DOMAIN = np.array([[0.5, 0.5], [1.5, 0.5]])
TARGETS = (SoilProperty("zinc_0_10", "mg/kg"), SoilProperty("pH"))
RNG = np.random.default_rng(3)
PATCHES = RNG.normal(size=(7, 2, 5, 5)).astype(np.float32)
PATCHES[2, 1, :3] = np.nan
WORDS = TargetsInWords(TARGETS)
OBSERVATIONS = Observations(
    values=np.where(RNG.random((7, 2)) < 0.3, np.nan, RNG.normal(size=(7, 2))),
    is_censored=np.zeros((7, 2), bool),
    errors=np.zeros((7, 2)),
    weights=np.ones(7),
    coordinates=RNG.uniform(180000, 181000, (7, 2)),
    rows=np.arange(7),
    cols=np.arange(7) * 2,
    sites=np.array([0, 0, 1, 2, 3, 4, 5]),
    ids=np.arange(7) + 100,
)


def write(path: Path) -> Path:
    provenance = {"created": "2024-05-01", "über": "ß"}
    with PatchFileWriter(str(path), GRID, 5, SUMMARIES, WORDS, "profile", provenance, DOMAIN) as file:
        file.append(OBSERVATIONS.take(np.arange(4)), PATCHES[:4])
        file.append(OBSERVATIONS.take(np.arange(4, 7)), PATCHES[4:])
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "böden 1.h5")


def test_what_is_written_is_read_back(good: Path) -> None:
    with PatchFile(str(good)) as file:
        assert (file.count, file.patch_size, file.grid, file.group_field) == (7, 5, GRID, "profile")
        assert file.covariates == SUMMARIES
        assert file.targets == TARGETS
        np.testing.assert_array_equal(file.values, OBSERVATIONS.values)
        np.testing.assert_array_equal(file.coordinates, OBSERVATIONS.coordinates)
        np.testing.assert_array_equal(file.rows_cols, np.column_stack([np.arange(7), np.arange(7) * 2]))
        assert file.sites.tolist() == [0, 0, 1, 2, 3, 4, 5]
        assert file.ids.tolist() == list(range(100, 107))
        assert file.provenance == {"created": "2024-05-01", "über": "ß"}
        np.testing.assert_array_equal(file.read(1, 6), PATCHES[1:6])
        assert file.read(5, 100).shape == (2, 2, 5, 5)
    assert os.listdir(good.parent) == [good.name]


def test_any_hdf5_reader_finds_plain_names_and_numbers(good: Path) -> None:
    with h5py.File(good) as file:
        assert file.attrs["format"] == "soil cnn patches"
        assert file["patches"].shape == (7, 2, 5, 5) and file["patches"].dtype == np.float32
        assert list(file["patches"].attrs["axes"]) == ["observation", "covariate", "row", "column"]
        assert file["covariates/0001"].attrs["name"] == "soil"
        assert list(file.attrs["target_fields"]) == ["zinc_0_10", "pH"]


def test_no_list_of_texts_is_empty_because_gdal_would_crash(good: Path) -> None:
    found = []

    def look(_: str, member: h5py.Group | h5py.Dataset) -> None:
        found.extend(member.attrs[name] for name in member.attrs)

    with h5py.File(good) as file:
        look("/", file)
        file.visititems(look)
    texts = [value for value in found if isinstance(value, np.ndarray) and value.dtype.kind == "O"]
    assert len(texts) >= 4 and all(value.size for value in texts)


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with PatchFileWriter(str(tmp_path / "a.h5"), GRID, 5, SUMMARIES, WORDS, domain=DOMAIN) as file:
            file.append(OBSERVATIONS, PATCHES)
            raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


def test_an_older_file_stays_until_the_new_one_is_whole(good: Path) -> None:
    before = good.read_bytes()
    with pytest.raises(ZeroDivisionError):
        with PatchFileWriter(str(good), GRID, 5, SUMMARIES, WORDS, domain=DOMAIN):
            raise ZeroDivisionError
    assert good.read_bytes() == before


def refused(path: Path, message: str) -> None:
    with pytest.raises(EngineError, match=message) as caught:
        with PatchFile(str(path)) as file:
            file.read(0, file.count)
    assert path.name in str(caught.value)


def test_missing_and_foreign_files_are_told_apart(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere.h5", "There is no patch file")
    (tmp_path / "text.h5").write_text("hello")
    refused(tmp_path / "text.h5", "is no HDF5 file")
    (tmp_path / "empty.h5").touch()
    refused(tmp_path / "empty.h5", "is no HDF5 file")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = [1, 2]
    refused(tmp_path / "other.h5", "HDF5 file of another program")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95, 0.999])
def test_a_truncated_file_is_refused(good: Path, share: float) -> None:
    with open(good, "r+b") as file:
        file.truncate(int(good.stat().st_size * share))
    refused(good, "damaged|no HDF5 file|another program")


def test_flipped_bytes_end_in_a_sentence_or_are_harmless(good: Path, tmp_path: Path) -> None:
    content = good.read_bytes()
    rng = np.random.default_rng(0)
    broken = tmp_path / "broken.h5"
    for _ in range(60):
        flipped = bytearray(content)
        for place in rng.integers(0, len(content), 20):
            flipped[place] ^= int(rng.integers(1, 256))
        broken.write_bytes(flipped)
        try:
            with PatchFile(str(broken)) as file:
                file.read(0, file.count)
        except EngineError as error:
            assert "broken.h5" in str(error)


def test_a_newer_version_is_named(good: Path) -> None:
    with h5py.File(good, "a") as file:
        file.attrs["version"] = 3
    refused(good, "has format version 3; this plugin reads version 2. Update the plugin")


def replace(name: str, **options: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, **options)

    return change


def link(name: str, target: h5py.SoftLink | h5py.ExternalLink) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = target

    return change


def virtual(file: h5py.File) -> None:
    del file["sites"]
    layout = h5py.VirtualLayout((7,), np.int64)
    layout[:] = h5py.VirtualSource("/etc/passwd", "sites", (7,))
    file.create_virtual_dataset("sites", layout)


def attribute(name: str, value: object, group: str = "/") -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[group].attrs[name] = value

    return change


HOSTILE = {
    "external link": link("patches", h5py.ExternalLink("/etc/passwd", "/x")),
    "soft link": link("patches", h5py.SoftLink("/targets")),
    "external group": link("covariates", h5py.ExternalLink("/etc/passwd", "/x")),
    "virtual": virtual,
    "external storage": replace("sites", shape=(7,), dtype="i8", external=[("/etc/passwd", 0, 56)]),
    "never written": replace("patches", shape=(10**9, 2, 5, 5), dtype="f4", chunks=(64, 2, 5, 5)),
    "other count": replace("sites", data=np.arange(6)),
    "other type": replace("patches", data=PATCHES.astype(np.float64)),
    "other width": replace("targets", data=np.zeros((7, 3))),
    "complex": replace("ids", data=np.zeros(7, np.complex128)),
    "infinite coordinates": replace("coordinates", data=np.full((7, 2), np.inf)),
    "infinite patches": replace("patches", data=np.full((7, 2, 5, 5), np.inf, np.float32)),
    "unknown filter": replace("patches", data=PATCHES, chunks=(7, 2, 5, 5), compression="lzf"),
    "group as data": lambda file: (file.__delitem__("sites"), file.create_group("sites")),
    "even patch size": attribute("patch_size", 4),
    "patch size as text": attribute("patch_size", "5"),
    "patch size as list": attribute("patch_size", [5, 5]),
    "grid without area": attribute("grid_shape", np.array([0, 5])),
    "huge grid shape": attribute("grid_shape", np.array([1.5, 2.5])),
    "nonsense CRS": attribute("crs_wkt", "GEOGCS["),
    "NaN in the transform": attribute("transform", np.full(6, np.nan)),
    "twin targets": attribute("target_fields", ["pH", "pH"]),
    "units missing": attribute("target_units", ["mg/kg"]),
    "unknown kind": attribute("kind", "pickle", "covariates/0000"),
    "falling quantiles": attribute("quantiles", np.arange(129.0)[::-1].copy(), "covariates/0000"),
    "too few quantiles": attribute("quantiles", np.arange(3.0), "covariates/0000"),
    "labels as numbers": attribute("labels", np.arange(2), "covariates/0001"),
    "covariate missing": lambda file: file["covariates"].__delitem__("0000"),
    "reference in an attribute": lambda file: file.attrs.__setitem__("crs_wkt", file["sites"].ref),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_content_is_refused(good: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.h5"
    shutil.copy(good, path)
    with h5py.File(path, "a") as file:
        HOSTILE[name](file)
    refused(path, "damaged or was not written by")
