"""Folds of a patch file: what the log says of the domain that they were or were not matched to."""

from __future__ import annotations

from pathlib import Path

import geopandas
import pytest
from shapely import box

from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.training.folds_of_file import hold_out, tell_folds
from tests.engine.landscape import NORTH, WEST, Log, extract, make_landscape


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> str:
    return extract(make_landscape(tmp_path_factory.mktemp("landscape")))


def polygons(path: Path, west: float) -> str:
    square = box(west, NORTH - 400, west + 400, NORTH)
    geopandas.GeoDataFrame(geometry=[square], crs=28992).to_file(path)
    return str(path)


def test_a_domain_that_is_not_used_is_warned_of(patches: str, tmp_path: Path) -> None:
    domain, log = polygons(tmp_path / "valley.gpkg", WEST), Log()
    with PatchFile(patches) as file:
        tell_folds(hold_out(file, "random", 3, 0, domain), domain, log)
        assert len(log.warnings) == 1 and "'valley' is not used" in log.warnings[0]
        tell_folds(hold_out(file, "knndm", 3, 0, domain), domain, log)
    assert len(log.warnings) == 1


def test_a_domain_beside_the_observations_is_refused(patches: str, tmp_path: Path) -> None:
    far = polygons(tmp_path / "far.gpkg", WEST + 5000)
    with PatchFile(patches) as file, pytest.raises(EngineError, match="'far', .* does not touch the observations"):
        hold_out(file, "knndm", 3, 0, far)
