"""The patch file: what is written is read back, and nothing hostile or broken is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace as change
from pathlib import Path

import h5py
import numpy as np
import pyproj
import pytest

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations import hdf5_trial
from soil_cnn_plugin.engine.observations.patch_file import PatchFile, PatchFileWriter
from soil_cnn_plugin.engine.observations.patches import Observations
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.targets.measured import TargetsInWords
from tests.engine.mixed import WORDS as MIXED
from tests.engine.mixed import measured_of

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
VALUES = np.where(RNG.random((7, 2)) < 0.3, np.nan, RNG.normal(size=(7, 2)))
VALUES[:2, 0] = 0.5, 2.5
OBSERVATIONS = Observations(
    values=VALUES,
    is_censored=np.array([[True, False]] * 2 + [[False, False]] * 5),
    errors=np.where(np.arange(14).reshape(7, 2) % 3 == 0, 0.1, 0.0),
    weights=np.arange(1.0, 8) / 4,
    coordinates=RNG.uniform(180000, 181000, (7, 2)),
    rows=np.arange(7),
    cols=np.arange(7) * 2,
    sites=np.array([0, 0, 1, 2, 3, 4, 5]),
    ids=np.arange(7) + 100,
)


TEXTURE = TargetsInWords(
    tuple(SoilProperty(name) for name in ("sand_0_5", "clay_0_5", "pH", "sand_5_15", "clay_5_15")),
    compositions=(("sand_0_5", "clay_0_5"), ("sand_5_15", "clay_5_15")),
)
PARTS = np.array(
    [[40.0, 60.0, 5.0, np.nan, np.nan], [0.0, 100.0, np.nan, 30.0, 70.0]] * 3 + [[np.nan] * 2 + [6, 50, 50]]
)
CLASSES = TargetsInWords((SoilProperty("type"),), classes={"type": ("Ah/äußere", "Gley", "Moor")})


def write(path: Path, words: TargetsInWords = WORDS, observations: Observations = OBSERVATIONS) -> Path:
    provenance = {"created": "2024-05-01", "über": "ß"}
    with PatchFileWriter(str(path), GRID, 5, len(SUMMARIES), words, "profile", provenance) as file:
        file.append(observations.take(np.arange(4)), PATCHES[:4])
        file.append(observations.take(np.arange(4, 7)), PATCHES[4:])
        file.describe(SUMMARIES, DOMAIN)
    return path


def observed(values: np.ndarray) -> Observations:
    nothing = np.zeros(values.shape)
    return change(OBSERVATIONS, values=values, is_censored=nothing.astype(bool), errors=nothing)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "böden 1.h5")


def test_what_is_written_is_read_back(good: Path) -> None:
    with PatchFile(str(good)) as file:
        assert (file.count, file.patch_size, file.grid, file.group_field) == (7, 5, GRID, "profile")
        assert file.covariates == SUMMARIES
        assert file.targets == TARGETS
        np.testing.assert_array_equal(file.values, OBSERVATIONS.values)
        np.testing.assert_array_equal(file.is_censored, OBSERVATIONS.is_censored)
        np.testing.assert_array_equal(file.errors, OBSERVATIONS.errors)
        np.testing.assert_allclose(file.weights, np.arange(1.0, 8) / 4)  # their mean is 1
        np.testing.assert_array_equal(file.coordinates, OBSERVATIONS.coordinates)
        np.testing.assert_array_equal(file.rows_cols, np.column_stack([np.arange(7), np.arange(7) * 2]))
        assert file.sites.tolist() == [0, 0, 1, 2, 3, 4, 5]
        assert file.ids.tolist() == list(range(100, 107))
        assert file.provenance == {"created": "2024-05-01", "über": "ß"}
        np.testing.assert_array_equal(file.read(1, 6), PATCHES[1:6])
        assert file.read(5, 100).shape == (2, 2, 5, 5)
    assert os.listdir(good.parent) == [good.name]


def test_parts_of_wholes_are_read_back(tmp_path: Path) -> None:
    with PatchFile(str(write(tmp_path / "p.h5", TEXTURE, observed(PARTS)))) as file:
        assert file.words == TEXTURE
        assert file.words.groups == ((0, 1), (2,), (3, 4))
        np.testing.assert_array_equal(file.values, PARTS)


def test_classes_are_read_back(tmp_path: Path) -> None:
    numbers = np.array([[0.0], [1], [2], [2], [1], [0], [0]])
    with PatchFile(str(write(tmp_path / "p.h5", CLASSES, observed(numbers)))) as file:
        assert file.words == CLASSES
        np.testing.assert_array_equal(file.values, numbers)


def test_numbers_parts_and_classes_are_read_back_together(tmp_path: Path) -> None:
    measured = measured_of(7)
    observations = change(
        OBSERVATIONS, values=measured.values, is_censored=measured.is_censored, errors=measured.errors
    )
    classes = measured.values[:, 2]
    assert 0 < np.isnan(classes).sum() < 7 and measured.is_censored.any() and measured.errors.any()
    names = tuple(MIXED.classes["type"][int(number)] for number in np.unique(classes[np.isfinite(classes)]))
    with PatchFile(str(write(tmp_path / "p.h5", MIXED, observations))) as file:
        assert file.targets == MIXED.targets and file.words.compositions == MIXED.compositions
        assert file.words.classes == {"type": names} and file.words.groups == ((0,), (1, 3, 5), (2,), (4,))
        others = [0, 1, 3, 4, 5]
        np.testing.assert_array_equal(file.values[:, others], measured.values[:, others])
        np.testing.assert_array_equal(file.is_censored, measured.is_censored)
        np.testing.assert_array_equal(file.errors, measured.errors)
        found = [None if np.isnan(number) else names[int(number)] for number in file.values[:, 2]]
    assert found == [None if np.isnan(number) else MIXED.classes["type"][int(number)] for number in classes]


def test_each_target_has_classes_of_its_own(tmp_path: Path) -> None:
    targets = tuple(SoilProperty(field) for field in ("soil", "pH", "rock"))
    words = TargetsInWords(targets, {"soil": ("Gley", "Moor"), "rock": ("a", "Gley")})
    values = np.array([[0.0, 5, 1], [1, np.nan, 0], [np.nan, 6, 1], [1, 4, np.nan], [0, 4, 0], [1, 4, 1], [0, 5, 0]])
    with PatchFile(str(write(tmp_path / "p.h5", words, observed(values)))) as file:
        assert file.words == words and file.words.classes_of == (("Gley", "Moor"), (), ("a", "Gley"))
        np.testing.assert_array_equal(file.values, values)


def test_a_class_that_lost_all_observations_is_left_out(tmp_path: Path) -> None:
    numbers = np.array([[0.0], [2], [2], [2], [2], [0], [0]])
    with PatchFile(str(write(tmp_path / "p.h5", CLASSES, observed(numbers)))) as file:
        assert file.words.classes == {"type": ("Ah/äußere", "Moor")}
        assert file.values[:, 0].tolist() == [0, 1, 1, 1, 1, 0, 0]


def test_weights_have_the_mean_one_whatever_they_are(tmp_path: Path) -> None:
    for scale in (1e-300, 1.0, 1e300):
        path = write(tmp_path / "p.h5", observations=change(OBSERVATIONS, weights=np.arange(1.0, 8) * scale))
        with PatchFile(str(path)) as file:
            np.testing.assert_allclose(file.weights, np.arange(1.0, 8) / 4)


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
        with PatchFileWriter(str(tmp_path / "a.h5"), GRID, 5, len(SUMMARIES), WORDS) as file:
            file.append(OBSERVATIONS, PATCHES)
            raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


def test_an_older_file_stays_until_the_new_one_is_whole(good: Path) -> None:
    before = good.read_bytes()
    with pytest.raises(ZeroDivisionError):
        with PatchFileWriter(str(good), GRID, 5, len(SUMMARIES), WORDS):
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
    refused(tmp_path / "text.h5", "is not an HDF5 file")
    (tmp_path / "empty.h5").touch()
    refused(tmp_path / "empty.h5", "is not an HDF5 file")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = [1, 2]
    refused(tmp_path / "other.h5", "HDF5 file of another program")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95, 0.999])
def test_a_truncated_file_is_refused(good: Path, share: float) -> None:
    with open(good, "r+b") as file:
        file.truncate(int(good.stat().st_size * share))
    refused(good, "damaged|not an HDF5 file|another program")


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


@pytest.mark.parametrize("version", [2, 4])
def test_another_version_is_named(good: Path, version: int) -> None:
    with h5py.File(good, "a") as file:
        file.attrs["version"] = version
    refused(good, f"has format version {version}; this plugin reads version 3. Update the plugin")


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


def crs_with_grid(path: str) -> str:
    """Longitudes and latitudes whose way to WGS 84 a file tells."""
    return pyproj.CRS.from_user_input(f"+proj=longlat +ellps=bessel +nadgrids={path} +type=crs").to_wkt()


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
    "infinite targets": replace("targets", data=np.full((7, 2), -np.inf)),
    "limit of a missing value": replace("targets", data=np.full((7, 2), np.nan)),
    "limit below zero": replace("targets", data=np.full((7, 2), -1.0)),
    "limits of one target": replace("is_censored", data=np.zeros((7, 1), np.uint8)),
    "limits as numbers": replace("is_censored", data=np.zeros((7, 2))),
    "no limits": lambda file: file.__delitem__("is_censored"),
    "errors below zero": replace("errors", data=np.full((7, 2), -0.1)),
    "errors missing": replace("errors", data=np.full((7, 2), np.nan)),
    "errors of one target": replace("errors", data=np.zeros(7)),
    "errors as a link": link("errors", h5py.SoftLink("/targets")),
    "weight of zero": replace("weights", data=np.zeros(7)),
    "infinite weight": replace("weights", data=np.full(7, np.inf)),
    "weights of targets": replace("weights", data=np.ones((7, 2))),
    "weights as texts": replace("weights", data=["1"] * 7),
    "classes of two targets": attribute("classes", ["a", "b"]),
    "classes as a text": attribute("classes", "a"),
    "composition of another count": attribute("composition_of_target", np.array([-1])),
    "composition as text": attribute("composition_of_target", ["-1", "-1"]),
    "composition of one part": attribute("composition_of_target", np.array([0, -1])),
    "no compositions": lambda file: file.attrs.__delitem__("composition_of_target"),
    "composition of what was not closed": attribute("composition_of_target", np.array([0, 0])),
    "infinite coordinates": replace("coordinates", data=np.full((7, 2), np.inf)),
    "infinite patches": replace("patches", data=np.full((7, 2, 5, 5), np.inf, np.float32)),
    "unknown filter": replace("patches", data=PATCHES, chunks=(7, 2, 5, 5), compression="lzf"),
    "group as data": lambda file: (file.__delitem__("sites"), file.create_group("sites")),
    "even patch size": attribute("patch_size", 4),
    "patch size as text": attribute("patch_size", "5"),
    "patch size as list": attribute("patch_size", [5, 5]),
    "grid without area": attribute("grid_shape", np.array([0, 5])),
    "huge grid shape": attribute("grid_shape", np.array([1.5, 2.5])),
    "CRS with a grid of a server": attribute("crs_wkt", crs_with_grid("http://127.0.0.1:9/a.gsb")),
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


HOSTILE_CLASSES = {
    "a class too few": attribute("classes", ["a", "b"]),
    "twin classes": attribute("classes", ["a", "b", "a"]),
    "nameless class": attribute("classes", ["a", "", "b"]),
    "300 classes": attribute("classes", [str(number) for number in range(300)]),
    "a target too many": attribute("target_of_class", np.array([0, 0, 1])),
    "a target below zero": attribute("target_of_class", np.array([0, 0, -1])),
    "targets of two classes": attribute("target_of_class", np.array([0, 0])),
    "targets as texts": attribute("target_of_class", ["0", "0", "0"]),
    "class of a half": replace("targets", data=np.full((7, 1), 0.5)),
    "class below zero": replace("targets", data=np.full((7, 1), -1.0)),
    "no class": replace("targets", data=np.full((7, 1), np.nan)),
    "class below a limit": replace("is_censored", data=np.ones((7, 1), np.uint8)),
}


@pytest.mark.parametrize("name", HOSTILE_CLASSES)
def test_hostile_classes_are_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "hostile.h5", CLASSES, observed(np.array([[0.0], [1], [2], [2], [1], [0], [0]])))
    with h5py.File(path, "a") as file:
        HOSTILE_CLASSES[name](file)
    refused(path, "damaged or was not written by")


@pytest.mark.parametrize(
    "parts",
    [[-1.0, 101.0, 5, 1, 1], [0.0, 0.0, 5, 1, 1], [np.nan, 5.0, 5, 1, 1], [9.0, 50.0, 5, 1, 1]],
    ids=["negative", "empty", "missing", "another whole"],
)
def test_hostile_parts_are_refused(tmp_path: Path, parts: list[float]) -> None:
    values = np.array([parts] * 6 + [[50.0, 50.0, 5, 1, 1]])
    path = write(tmp_path / "hostile.h5", TEXTURE, observed(values))
    refused(path, "parts of a composition are negative, or some are missing|do not sum to one whole")


def test_a_file_that_the_library_reads_for_ever_is_refused(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte of a heap's size is enough for HDF5 to turn in a circle that no signal ends."""
    monkeypatch.setattr(hdf5_trial, "SECONDS", 2.0)
    place = good.read_bytes().index(b"GCOL") + 9
    with open(good, "r+b") as file:
        file.seek(place)
        file.write(b"\xff")
    refused(good, "is damaged or was not written by 'Extract patches': reading it does not come to an end")


def test_bytes_that_are_no_text_are_refused(good: Path) -> None:
    with h5py.File(good, "r+") as file:
        file["covariates/0000"].attrs["name"] = np.bytes_(b"h\xf6he")
    refused(good, "is not text")


def test_values_as_good_as_infinite_are_refused(tmp_path: Path) -> None:
    values = np.where(np.isnan(VALUES), np.nan, -1.7976931348623157e308)
    refused(write(tmp_path / "p.h5", observations=observed(values)), "infinite, or as good as")
