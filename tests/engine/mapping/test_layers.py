"""The rasters of a map of numbers, a composition and classes together: bands, values, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.events import Warning as Doubt
from soil_cnn_plugin.contract.jobs import PredictMap, parse_thresholds
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.predict_map import run
from soil_cnn_plugin.engine.mapping.layers import (
    MapLayers,
    check_offers,
    keep_fitting,
    means_outside_intervals,
    plan_layers,
)
from soil_cnn_plugin.engine.rasters.class_names import read_class_names
from soil_cnn_plugin.engine.targets.class_scores import sharpen
from soil_cnn_plugin.engine.targets.classes import ClassOutcome
from soil_cnn_plugin.engine.targets.compositions import CompositionOutcome
from soil_cnn_plugin.engine.targets.kinds import Kind
from soil_cnn_plugin.engine.targets.numbers import NumberOutcome
from soil_cnn_plugin.engine.targets.texture import TEXTURE_CLASSES, texture_class
from soil_cnn_plugin.engine.training.network_description import NetworkDescription
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, write_network
from tests.engine.class_landscape import random_class_network
from tests.engine.landscape import Landscape, Log, make_landscape, random_network
from tests.engine.mixed import NAMES, PARTS, mixed_network

THRESHOLDS = "clay > 25; zinc > 60; ph < 6"
ALL = ("prediction", "lower", "upper", "standard_deviation", "classes", "probabilities", "confusion_index")


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return make_landscape(tmp_path_factory.mktemp("landscape"))


@pytest.fixture(scope="module")
def trained(landscape: Landscape) -> TrainedNetwork:
    return mixed_network(landscape)


@pytest.fixture(scope="module")
def description(trained: TrainedNetwork) -> NetworkDescription:
    return trained.description


def job_of(*wanted: str, thresholds: str = "", **changes: Any) -> PredictMap:
    paths = {name: f"{name}.tif" for name in wanted}
    if thresholds:
        changes |= {"exceedance": parse_thresholds(thresholds), "exceedance_probability": "p.tif"}
    return PredictMap("n.safetensors", **{"prediction": "prediction.tif", **paths}, **changes)


def plan(description: NetworkDescription, *wanted: str, **changes: Any) -> MapLayers:
    return plan_layers(job_of(*wanted, **changes), description, Log())


def titles(layers: MapLayers, output: str) -> list[str]:
    return [band.name for band in layers.bands(output)]


def columns_of(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Locations and scales (7, 1, n) of the learned columns, the first pixel without any."""
    rng = np.random.default_rng(2)
    location, scale = rng.normal(size=(7, 1, count)), rng.uniform(0.5, 1.5, (7, 1, count))
    location[3:6] = rng.dirichlet(np.ones(3), (1, count)).transpose(2, 0, 1)
    location[..., 0] = scale[..., 0] = np.nan
    return location, scale


def test_what_does_not_fit_is_left_out_only_where_that_is_asked_for(description: NetworkDescription) -> None:
    numbers, log = [kind for kind in description.kinds if "classes" not in kind.offers], Log()
    wanted = ("lower", "classes", "probabilities", "dissimilarity")
    job = keep_fitting(job_of(*wanted, where_fitting=wanted), numbers, log, has_index=False)
    assert set(job.output_paths()) == {"prediction", "lower"}
    (told,) = log.infos
    assert told.startswith("Not made, because numbers (zinc, sand, silt, clay, ph) cannot fill them: CLASSES, PROB")
    assert keep_fitting(job_of(*wanted, where_fitting=wanted), description.kinds, log) == job_of(
        *wanted, where_fitting=wanted
    )
    named = job_of("probabilities", where_fitting=("classes",))
    assert keep_fitting(named, numbers, log) == named  # and check_offers refuses it


def test_a_map_of_nothing_but_classes_is_the_prediction_itself(description: NetworkDescription) -> None:
    classes = [kind for kind in description.kinds if "classes" in kind.offers]
    job = keep_fitting(job_of("classes", "lower", where_fitting=("classes", "lower")), classes, Log())
    assert set(job.output_paths()) == {"prediction"}


def test_bands_stand_in_the_order_of_the_targets(description: NetworkDescription) -> None:
    layers = plan(description, *ALL, thresholds=THRESHOLDS, texture_classes="t.tif")
    in_units = ["zinc (mg/kg)", "sand (%)", "silt (%)", "ph", "clay (%)"]
    assert titles(layers, "prediction") == in_units
    assert titles(layers, "lower") == [f"{name}, lower 90 % limit" for name in in_units]
    assert titles(layers, "upper") == [f"{name}, upper 90 % limit" for name in in_units]
    assert titles(layers, "standard_deviation") == [f"{name}, standard deviation" for name in in_units]
    assert [band.unit for band in layers.bands("prediction")] == ["mg/kg", "%", "%", "", "%"]
    assert not any(band.classes for band in layers.bands("prediction"))
    assert [(band.name, band.classes) for band in layers.bands("classes")] == [("type", NAMES)]
    assert titles(layers, "probabilities") == [f"probability of {name}" for name in NAMES]
    assert titles(layers, "confusion_index") == ["type, confusion index"]
    assert titles(layers, "exceedance_probability") == [  # in the order in which they are asked for
        *("clay > 25 %, probability", "zinc > 60 mg/kg, probability", "ph < 6, probability")
    ]
    (texture,) = layers.bands("texture_classes")
    assert (texture.name, texture.classes) == ("texture class (USDA)", TEXTURE_CLASSES["usda"])


def test_values_are_those_of_each_outcome_alone(description: NetworkDescription) -> None:
    layers = plan(description, *ALL, thresholds=THRESHOLDS, texture_classes="t.tif")
    location, scale = columns_of()
    found = layers.values(location, scale)
    zinc, texture, soil_type, ph = description.outcomes
    assert isinstance(zinc, NumberOutcome) and isinstance(ph, NumberOutcome)
    assert isinstance(texture, CompositionOutcome) and isinstance(soil_type, ClassOutcome)
    places = {each: (location[own], scale[own]) for each, own in ((zinc, slice(0, 1)), (ph, slice(6, 7)))}
    of_texture = location[1:3], scale[1:3]
    sand, silt, clay = texture.mean_and_deviation(*of_texture)[0]
    means = [zinc.values(*places[zinc])[0], sand, silt, ph.values(*places[ph])[0], clay]
    np.testing.assert_allclose(found["prediction"], means)
    deviations = texture.mean_and_deviation(*of_texture)[1]
    np.testing.assert_allclose(found["standard_deviation"][[1, 2, 4]], deviations)
    for name, level in (("lower", 0.05), ("upper", 0.95)):
        parts = texture.quantiles(*of_texture, [level])[0]
        others = [each.quantiles(*places[each], [level])[0, 0] for each in (zinc, ph)]
        np.testing.assert_allclose(found[name], [others[0], parts[0], parts[1], others[1], parts[2]])
    probabilities = sharpen(location[3:6], soil_type.temperature)
    np.testing.assert_allclose(found["probabilities"], probabilities)
    known = np.isfinite(location[0])
    np.testing.assert_array_equal(found["classes"][0][known], probabilities[:, known].argmax(axis=0) + 1)
    ordered = np.sort(probabilities, axis=0)
    np.testing.assert_allclose(found["confusion_index"][0], 1 - (ordered[-1] - ordered[-2]))
    np.testing.assert_allclose(
        found["exceedance_probability"],
        [
            texture.probability_above(*of_texture, 2, 25.0),
            zinc.probability_above(*places[zinc], 0, 60.0),
            1 - ph.probability_above(*places[ph], 0, 6.0),
        ],
    )
    np.testing.assert_array_equal(np.nan_to_num(found["texture_classes"][0]), texture_class(sand, silt, clay))
    for name, values in found.items():
        assert (np.isnan(values) == ~known).all(), name
        assert values.shape == (len(layers.bands(name)), *known.shape)


def test_only_what_is_wanted_is_computed(description: NetworkDescription) -> None:
    layers = plan(description, "confusion_index")
    assert set(layers.values(*columns_of())) == {"prediction", "confusion_index"}
    assert plan(description).values(*columns_of()).keys() == {"prediction"}


def test_a_network_of_numbers_and_classes_fills_both_rasters(
    landscape: Landscape, trained: TrainedNetwork, tmp_path: Path
) -> None:
    write_network(str(tmp_path / "n.safetensors"), trained)
    job = PredictMap(
        str(tmp_path / "n.safetensors"),
        str(tmp_path / "prediction.tif"),
        classes=str(tmp_path / "classes.tif"),
        probabilities=str(tmp_path / "probabilities.tif"),
        covariates=landscape.covariates,
        device="cpu",
    )
    log = Log()
    assert run(job, log) == job.output_paths()
    with rasterio.open(job.prediction) as dataset:
        assert dataset.descriptions == ("zinc (mg/kg)", "sand (%)", "silt (%)", "ph", "clay (%)")
        assert dataset.units == ("mg/kg", "%", "%", None, "%") and dataset.dtypes == ("float32",) * 5
        assert dataset.tags()["COVERAGE"] == "0.9"
        numbers = dataset.read(masked=True).filled(np.nan)
    with rasterio.open(job.classes) as dataset:
        assert (dataset.descriptions, dataset.dtypes, dataset.nodata) == (("type",), ("uint8",), 0)
        assert read_class_names(dataset, 1) == dict(enumerate(NAMES, 1)) and "COVERAGE" not in dataset.tags()
        classes = dataset.read(1)
    with rasterio.open(job.probabilities) as dataset:
        probabilities = dataset.read(masked=True).filled(np.nan)
    known = np.isfinite(landscape.values).all(axis=0)
    assert (np.isfinite(numbers) == known).all() and ((classes > 0) == known).all()
    np.testing.assert_array_equal(classes[known], probabilities[:, known].argmax(axis=0) + 1)
    np.testing.assert_allclose(numbers[[1, 2, 4]][:, known].sum(axis=0), 100, rtol=1e-6)
    assert len(np.unique(classes[known])) > 1 and numbers[:, known].std(axis=1).min() > 0.01


def test_classes_that_no_raster_is_asked_for_are_told(description: NetworkDescription, landscape: Landscape) -> None:
    def doubts(of: NetworkDescription, *wanted: str) -> list[str]:
        log = Log()
        plan_layers(job_of(*wanted), of, log)
        return [event.text for event in log.events if isinstance(event, Doubt)]

    assert doubts(description) == ["type is predicted, too, but no raster is asked for it. Choose one for CLASSES."]
    assert doubts(description, "classes") == []
    assert doubts(random_network(landscape).description) == []
    assert doubts(random_class_network(landscape).description) == []


def test_a_network_of_nothing_but_classes_predicts_them(landscape: Landscape) -> None:
    description = random_class_network(landscape, NAMES).description
    layers = plan(description, "probabilities", "classes")
    assert [band.classes for band in layers.bands("prediction")] == [NAMES]
    location = np.random.default_rng(0).dirichlet(np.ones(3), (4, 5)).transpose(2, 0, 1)
    found = layers.values(location, np.ones_like(location))
    np.testing.assert_array_equal(found["prediction"][0], location.argmax(axis=0) + 1)
    np.testing.assert_array_equal(found["classes"], found["prediction"])
    assert found["probabilities"].shape == (3, 4, 5)


def test_networks_refuse_rasters_that_they_cannot_give(landscape: Landscape) -> None:
    numbers, classes = random_network(landscape).description, random_class_network(landscape).description
    how_sure = "PROBABILITIES and CONFUSION_INDEX show how sure a map of classes is"
    with pytest.raises(
        EngineError, match=rf"^n.safetensors predicts soil classes \(soil type\), but LOWER needs numbers.*; {how_sure}"
    ):
        plan(classes, "lower")
    with pytest.raises(EngineError, match="but LOWER and STANDARD_DEVIATION need numbers. Leave them empty"):
        plan(classes, "standard_deviation", "lower")
    how_sure = "LOWER, UPPER and STANDARD_DEVIATION show how sure a map of numbers is"
    with pytest.raises(
        EngineError,
        match=rf"predicts numbers \(zinc_0_10, clay\), but CLASSES needs soil classes. Leave it empty; {how_sure}",
    ):
        plan(numbers, "classes")
    with pytest.raises(EngineError, match="but PROBABILITIES and CONFUSION_INDEX need soil classes. Leave them empty"):
        plan(numbers, "confusion_index", "probabilities")
    for description, fields in ((numbers, "zinc_0_10, clay"), (classes, "soil type")):
        with pytest.raises(
            EngineError, match=f"n.safetensors predicts {fields}, no composition.*leave TEXTURE_CLASSES"
        ):
            plan(description, "texture_classes")


def test_parts_that_are_no_texture_have_no_texture_classes(description: NetworkDescription) -> None:
    other = dict(zip(PARTS, ("quartz", "feldspar", "mica")))
    targets = tuple(replace(each, field=other.get(each.field, each.field)) for each in description.targets)
    changed = replace(description, targets=targets, compositions=(tuple(other.values()),))
    with pytest.raises(EngineError, match="n.safetensors predicts the composition quartz, feldspar, mica"):
        plan(changed, "texture_classes")
    assert titles(plan(changed, "classes"), "prediction") == [
        "zinc (mg/kg)",
        "quartz (%)",
        "feldspar (%)",
        "ph",
        "mica (%)",
    ]


def test_thresholds_of_classes_are_refused(description: NetworkDescription) -> None:
    with pytest.raises(
        EngineError, match="n.safetensors: the threshold 'type > 1' names type, which holds soil classes"
    ):
        plan(description, thresholds="ph > 5; type > 1")


def test_offers_are_checked_of_kinds_alone(description: NetworkDescription) -> None:
    kinds: tuple[Kind, ...] = description.kinds
    check_offers((*ALL, "texture_classes", "exceedance_probability"), kinds, "it has")
    check_offers(["prediction", "dissimilarity"], kinds[:1], "it has")
    with pytest.raises(EngineError, match=r"^it has numbers \(zinc, .*\), but PROBABILITIES needs soil classes"):
        check_offers(["probabilities"], kinds[:2], "it has")
    with pytest.raises(EngineError, match="^Texture classes are asked for, but it has zinc, type, no composition"):
        check_offers(["texture_classes"], [kinds[0], kinds[2]], "it has")


def test_medians_are_a_raster_of_numbers_and_compositions(description: NetworkDescription) -> None:
    layers = plan(description, "median", "lower", "upper")
    location, scale = columns_of()
    assert titles(layers, "median")[:2] == ["zinc (mg/kg), median", "sand (%), median"]
    found = layers.values(location, scale)
    zinc, texture = description.outcomes[:2]
    assert isinstance(zinc, NumberOutcome) and isinstance(texture, CompositionOutcome)
    np.testing.assert_allclose(found["median"][0], zinc.quantiles(location[:1], scale[:1], [0.5])[0, 0])
    np.testing.assert_allclose(found["median"][1], texture.quantiles(location[1:3], scale[1:3], [0.5])[0, 0])
    known = np.isfinite(location[0])
    assert (found["median"] >= found["lower"])[:, known].all() and (found["median"] <= found["upper"])[:, known].all()


def test_pixels_whose_mean_lies_outside_its_interval_are_counted_even_without_limits(
    description: NetworkDescription,
) -> None:
    location, scale = columns_of()
    layers = plan(description)
    values, beyond = layers.values_and_outside(location, scale)
    assert values.keys() == {"prediction"} and beyond.tolist() == [0] * len(description.targets)
    assert means_outside_intervals(description, beyond, 39) == []
    zinc = description.outcomes[0]
    assert isinstance(zinc, NumberOutcome)
    shape = zinc.calibration.shape
    weights = (*[0.0] * (len(shape.weights) - 1), 1.0)  # all of the mean at the outermost node
    carried = replace(zinc, calibration=replace(zinc.calibration, shape=replace(shape, weights=weights), wild=(3,)))
    changed = replace(description, outcomes=(carried, *description.outcomes[1:]))
    _, beyond = plan(changed).values_and_outside(location, scale)
    assert beyond[0] == 39 and beyond[1:].sum() == 0
    (line,) = means_outside_intervals(changed, beyond, 39)
    assert line.startswith("zinc: the predicted mean lies outside its own 90 % interval at 39 of 39 pixels (100 %).")
    assert "1 wild observations" in line and "MEDIAN" in line
