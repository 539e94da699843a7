"""Values below limits, errors and weights from the field of a layer to network, map, files and explanation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import (
    ExplainNetwork,
    ExtractPatches,
    PredictMap,
    TrainNetwork,
    parse_thresholds,
)
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.jobs import explain_network, extract_patches, predict_map, train_network
from soil_cnn_plugin.engine.report import Report
from tests.engine.landscape import CELL, CRS, NORTH, WEST, Log, make_landscape

pytestmark = pytest.mark.usefixtures("words_of_all_figures", "quick_fits")
COUNT = 120
THRESHOLDS = parse_thresholds("zinc > 40; zinc > 1e6; zinc < 30")


@dataclass(frozen=True)
class Whole:
    """A run on zinc of which three fifths lie below one of two limits; `truth` (N,) is what was not measured."""

    patches: str
    train: TrainNetwork
    predict: PredictMap
    outputs: dict[str, Any]
    truth: np.ndarray
    reported: np.ndarray  # texts
    layer: geopandas.GeoDataFrame
    metrics: dict[str, Any]
    log: Log


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    folder = tmp_path_factory.mktemp("limits")
    landscape = make_landscape(folder)
    rng = np.random.default_rng(3)
    valid = np.argwhere(np.isfinite(landscape.values).all(0))
    rows, cols = valid[rng.choice(len(valid), COUNT, replace=False)].T
    truth = np.exp(3.6 + 0.5 * np.log(landscape.values[1, rows, cols]) + 0.3 * rng.normal(size=COUNT))
    limits = rng.choice(np.quantile(truth, (0.5, 0.7)), COUNT).round(2)
    reported = np.where(truth < limits, np.char.add("<", limits.astype(str)), truth.round(3).astype(str))
    columns = {
        "zinc": reported.astype(object),
        "zinc_sd": np.where(np.arange(COUNT) % 2, 0.05, 0.3) * truth,
        "trust": rng.integers(1, 4, COUNT),
    }
    points = geopandas.points_from_xy(WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL)
    geopandas.GeoDataFrame(columns, geometry=points, crs=CRS).to_file(folder / "points.gpkg")
    patches, log = str(folder / "p.h5"), Log()
    zinc = (SoilProperty("zinc", "mg/kg"),)
    extract_patches.run(
        ExtractPatches(
            *(str(folder / "points.gpkg"), zinc, landscape.covariates, patches),
            patch_size=9,
            errors=("zinc_sd",),
            weight="trust",
        ),
        log,
    )
    train = TrainNetwork(
        *(patches, str(folder / "n.safetensors")),
        report=str(folder / "r.html"),
        held_out=str(folder / "h.gpkg"),
        metrics=str(folder / "m.json"),
        architecture="ring",
        members=4,
        epochs=60,
        validation="random",
        folds=3,
        repeats=1,
        exceedance=THRESHOLDS,
        device="cpu",
    )
    predict = PredictMap(
        *(train.network, str(folder / "map.tif")),
        lower=str(folder / "lower.tif"),
        upper=str(folder / "upper.tif"),
        exceedance=THRESHOLDS,
        exceedance_probability=str(folder / "p.tif"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 50)
        outputs = train_network.run(train, log)
        predict_map.run(predict, log)
    metrics = json.loads(Path(train.metrics).read_text(encoding="utf-8"))["targets"]["zinc"]
    layer = geopandas.read_file(train.held_out)
    order = layer["observation"].to_numpy() - 1
    return Whole(patches, train, predict, outputs, truth[order], reported[order], layer, metrics, log)


def test_the_log_and_the_metrics_count_what_is_censored(whole: Whole) -> None:
    count = int(np.char.startswith(whole.reported.astype(str), "<").sum())
    assert 0.5 < count / COUNT < 0.7
    assert any(f"zinc: {count} of {COUNT} values" in line and "below their" in line for line in whole.log.infos)
    assert whole.metrics["n"] == COUNT and whole.metrics["censored"] == count
    limits = sorted({float(text[1:]) for text in whole.reported.tolist() if text.startswith("<")})
    assert whole.metrics["detection_limits"] == limits
    assert whole.metrics["median_error_of_measurement"] > 0


def test_the_layer_says_which_values_are_limits_and_its_residuals_give_the_rmse(whole: Whole) -> None:
    layer = whole.layer
    is_censored = layer["zinc_censored"].to_numpy() == 1
    assert (is_censored == np.char.startswith(whole.reported.astype(str), "<")).all()
    numbers = [float(text.lstrip("<")) for text in whole.reported.tolist()]
    np.testing.assert_allclose(layer["zinc_observed"], numbers)
    np.testing.assert_allclose(layer["zinc_residual"], layer["zinc_reported"] - layer["zinc_observed"])
    assert np.sqrt((layer["zinc_residual"] ** 2).mean()) == pytest.approx(whole.outputs["rmse"])
    assert (layer["zinc_reported"] >= layer["zinc_predicted"] - 1e-9).all()
    assert (layer["zinc_reported"][is_censored] >= layer["zinc_observed"][is_censored] - 0.05).all()
    # Where nothing above the limit is predicted, nothing is wrong; it is not nothing where the limit is exceeded.
    low = is_censored & (layer["zinc_upper"] < layer["zinc_observed"])
    assert low.any() and (layer["zinc_residual"][low] < 0.02 * layer["zinc_observed"][low]).all()


def test_true_values_are_predicted_better_than_by_their_limits(whole: Whole) -> None:
    predicted, limits = whole.layer["zinc_predicted"].to_numpy(), whole.layer["zinc_observed"].to_numpy()
    is_censored = whole.layer["zinc_censored"].to_numpy() == 1
    errors = [np.sqrt(np.mean((np.log(each / whole.truth)[is_censored]) ** 2)) for each in (predicted, limits)]
    assert errors[0] < 0.8 * errors[1]
    lower, upper = whole.layer["zinc_lower"].to_numpy(), whole.layer["zinc_upper"].to_numpy()
    assert 0.75 < np.mean((whole.truth >= lower) & (whole.truth <= upper)) <= 1
    assert 0.8 < whole.metrics["methods"]["blend"]["picp"] < 0.98


def test_thresholds_are_mapped_and_checked(whole: Whole) -> None:
    with rasterio.open(whole.predict.exceedance_probability) as raster:
        assert raster.descriptions == tuple(f"zinc {sign} mg/kg, probability" for sign in ("> 40", "> 1e+06", "< 30"))
        above, never, below = raster.read(masked=True).filled(np.nan)
    with rasterio.open(whole.predict.prediction) as raster:
        predicted = raster.read(1, masked=True).filled(np.nan)
    known = np.isfinite(predicted)
    assert (np.isfinite(above) == known).all()
    assert (
        np.corrcoef(above[known], predicted[known])[0, 1]
        > 0.6
        > -0.6
        > np.corrcoef(below[known], predicted[known])[0, 1]
    )
    np.testing.assert_allclose(never[known], 0.005)
    checks = {each["threshold"]: each for each in whole.metrics["exceedance"]}
    assert checks["zinc > 1e+06"]["skill"] is None and checks["zinc > 1e+06"]["share"] == 0
    for each in checks.values():
        assert each["n"] + each["unknown"] == COUNT
        assert sum(each["reliability"]["count"]) == each["n"]


def test_the_report_tells_of_limits_errors_and_weights(whole: Whole) -> None:
    page = Path(whole.train.report).read_text(encoding="utf-8")
    for words in (
        "lie below their detection limit",
        "median error of measurement",
        "Observations count by their weight",
    ):
        assert words in page, words


def test_explanations_count_errors_above_the_limits(whole: Whole, tmp_path: Path) -> None:
    job = ExplainNetwork(whole.train.network, whole.patches, str(tmp_path / "e.html"), metrics=str(tmp_path / "e.json"))
    log = Log()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 50)
        explain_network.run(job, log)
    assert any("Below a detection limit no prediction is wrong" in line for line in log.infos)
    # The same observations, and members that had not seen them: not the distance to limits of what lies far below.
    found = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))["targets"]["zinc"]
    observed, predicted = (whole.layer[f"zinc_{name}"].to_numpy() for name in ("observed", "predicted"))
    plain = np.sqrt(np.mean((predicted - observed) ** 2))
    assert found["rmse"]["map"] < 0.93 * plain


def test_thresholds_of_another_target_are_refused_before_training(whole: Whole, tmp_path: Path) -> None:
    job = TrainNetwork(whole.patches, str(tmp_path / "n.safetensors"), exceedance=parse_thresholds("lead > 3"))
    with pytest.raises(EngineError, match="'lead > 3' names no target. The targets are: zinc"):
        train_network.run(job, Report(lambda event: None))
    assert not list(tmp_path.iterdir())
