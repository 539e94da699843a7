"""Maps of the probability that thresholds are exceeded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import JobError, PredictMap, parse_thresholds
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.predict_map import run
from soil_cnn_plugin.engine.training.network_file import write_network
from tests.engine.landscape import Log, make_landscape, random_network


@pytest.fixture
def job(tmp_path: Path) -> PredictMap:
    write_network(str(tmp_path / "n.safetensors"), random_network(make_landscape(tmp_path)))
    return PredictMap(
        str(tmp_path / "n.safetensors"),
        str(tmp_path / "map.tif"),
        lower=str(tmp_path / "lower.tif"),
        exceedance=parse_thresholds("zinc > 60; clay < 20; zinc_0_10 > 1e9"),
        exceedance_probability=str(tmp_path / "p.tif"),
    )


def read(path: str) -> np.ndarray:
    with rasterio.open(path) as raster:
        return raster.read(masked=True).filled(np.nan)


def test_each_threshold_is_a_band_of_probabilities(job: PredictMap) -> None:
    run(job, Log())
    with rasterio.open(job.exceedance_probability) as raster:
        assert raster.descriptions == (
            "zinc 0-10 cm > 60 mg/kg, probability",
            "clay < 20 %, probability",
            "zinc 0-10 cm > 1e+09 mg/kg, probability",
        )
    found, mean = read(job.exceedance_probability), read(job.prediction)
    known = np.isfinite(mean[0])
    assert (np.isfinite(found) == known).all() and known.any()
    assert found[:, known].min() >= 0 and found[:, known].max() <= 1
    assert found[2, known] == pytest.approx(0.005)  # never exceeded as far as is known
    # Where the lower limit of the 90 % interval is above the threshold, it is exceeded with at least 95 %.
    lower = read(job.lower)[0]
    assert (found[0][lower > 60] >= 0.95 - 1e-6).all() and (found[0][lower < 60] <= 0.95 + 1e-6).all()


def test_a_threshold_at_the_median_is_exceeded_as_often_as_not(job: PredictMap) -> None:
    """Of each pixel: the median lies between the limits, and a higher threshold is exceeded less probably."""
    run(replace(job, exceedance=parse_thresholds("zinc > 30; zinc > 55; zinc > 90; zinc < 55")), Log())
    found = read(job.exceedance_probability)
    known = np.isfinite(found[0])
    assert (np.diff(found[:3, known], axis=0) <= 1e-6).all() and (np.diff(found[:3, known], axis=0) < -0.1).any()
    np.testing.assert_allclose(found[1, known] + found[3, known], 1, atol=1e-6)


def test_a_threshold_of_no_target_is_refused_before_anything_is_done(job: PredictMap) -> None:
    with pytest.raises(EngineError, match="'lead > 3' names no target. The targets are: zinc_0_10, clay"):
        run(replace(job, exceedance=parse_thresholds("lead > 3")), Log())
    assert not Path(job.prediction).exists()
    with pytest.raises(JobError, match="no raster for the probabilities"):
        replace(job, exceedance_probability="")
    with pytest.raises(JobError, match="no threshold is given"):
        replace(job, exceedance=())
