"""Train network as a whole: its outputs, its numbers recomputed from the held-out layer, and what users get wrong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import h5py
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy import stats
from shapely import box

from soil_cnn_plugin.contract.events import Progress
from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.jobs.train_network import run
from soil_cnn_plugin.engine.networks.heads import Heads
from soil_cnn_plugin.engine.training import designs, trained_network
from soil_cnn_plugin.engine.training.network_file import read_description, read_network
from tests.engine.landscape import Log, extract, make_landscape

pytestmark = pytest.mark.usefixtures("words_of_all_figures", "quick_fits")
CPU = torch.device("cpu")
METHODS = ["blend", "forest", "forest_context", "gaussian_process", "mean", "network"]


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "TREES", 10)


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> str:
    return extract(make_landscape(tmp_path_factory.mktemp("landscape")))


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Sixty observations of twelve profiles."""
    return extract(make_landscape(tmp_path_factory.mktemp("profiles")), group=True)


def tiny(patches: str, folder: Path, **changes: Any) -> TrainNetwork:
    """A job that is done in a second; it learns next to nothing."""
    small = {"members": 2, "epochs": 2, "folds": 3, "repeats": 1, "device": "cpu", "validation": "random"}
    return TrainNetwork(
        patches,
        str(folder / "network.safetensors"),
        held_out=str(folder / "held_out.gpkg"),
        metrics=str(folder / "metrics.json"),
        **{**small, **changes},
    )


@pytest.fixture(scope="module")
def trained(patches: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainNetwork, dict[str, Any], Log]:
    """One run that learns a little, for the tests that look at its outputs."""
    folder = tmp_path_factory.mktemp("Ergebnis 1")
    report = str(folder / "report.html")
    job = tiny(patches, folder, preset="best", epochs=40, predictor="network", coverage=0.8, report=report)
    log = Log()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 50)
        return job, run(job, log), log


def layers(job: TrainNetwork) -> tuple[geopandas.GeoDataFrame, dict[str, Any]]:
    return geopandas.read_file(job.held_out), json.loads(Path(job.metrics).read_text(encoding="utf-8"))


def columns(layer: geopandas.GeoDataFrame, field: str) -> tuple[np.ndarray, ...]:
    """Observed, predicted, lower, upper and fold of the observations that have a value."""
    known = layer[layer[f"{field}_observed"].notna()]
    names = [f"{field}_{name}" for name in ("observed", "predicted", "lower", "upper")]
    return tuple(known[name].to_numpy(float) for name in names) + (known["fold"].to_numpy(),)


def test_all_outputs_are_written_and_nothing_else(trained: tuple[TrainNetwork, dict[str, Any], Log]) -> None:
    job, outputs, _ = trained
    numbers = {"rmse", "mec", "ccc", "picp", "baseline_rmse"}
    assert set(outputs) == {"network", "report", "held_out", "metrics", "verdict", *numbers}
    assert {name: outputs[name] for name in job.output_paths()} == job.output_paths()
    assert all(np.isfinite(outputs[name]) for name in numbers) and "zinc 0-10 cm: " in outputs["verdict"]
    assert sorted(os.listdir(Path(job.network).parent)) == [
        "held_out.gpkg",
        "metrics.json",
        "network.safetensors",
        "report.html",
    ]
    html = Path(job.report).read_text(encoding="utf-8")
    assert "zinc 0-10 cm" in html and "</html>" in html


def test_the_log_tells_that_patches_are_read_and_progress_never_goes_back(
    trained: tuple[TrainNetwork, dict[str, Any], Log],
) -> None:
    _, _, log = trained
    shares = [event.percent for event in log.events if isinstance(event, Progress)]
    assert any(line.startswith("Reading and encoding ") for line in log.infos)
    assert shares == sorted(shares) and len(set(shares)) > 3


def test_the_held_out_layer_holds_every_observation_once(
    trained: tuple[TrainNetwork, dict[str, Any], Log], patches: str
) -> None:
    layer, _ = layers(trained[0])
    with h5py.File(patches) as file:
        targets, ids, coordinates = file["targets"][:], file["ids"][:], file["coordinates"][:]
    assert layer["observation"].tolist() == ids.tolist() and layer.crs.to_epsg() == 28992
    np.testing.assert_allclose(np.column_stack([layer.geometry.x, layer.geometry.y]), coordinates)
    for column, field in enumerate(("zinc_0_10", "clay")):
        np.testing.assert_array_equal(layer[f"{field}_observed"], targets[:, column])
        assert (layer[f"{field}_predicted"].notna() == np.isfinite(targets[:, column])).all()
        np.testing.assert_allclose(layer[f"{field}_residual"], layer[f"{field}_predicted"] - layer[f"{field}_observed"])
    assert sorted(layer["fold"].unique()) == [1, 2, 3]
    assert layer["clay_observed"].isna().sum() == 20


def test_metrics_agree_with_the_held_out_layer(trained: tuple[TrainNetwork, dict[str, Any], Log]) -> None:
    """By formulas written from the papers, not by the engine's."""
    job, outputs, _ = trained
    layer, metrics = layers(job)
    assert metrics["predictor"] == "network" and metrics["coverage"] == 0.8 and metrics["observations"] == 60
    found = []
    for field in ("zinc_0_10", "clay"):
        observed, predicted, lower, upper, fold = columns(layer, field)
        scores = metrics["targets"][field]["methods"]["network"]
        expected = _scores(observed, predicted, lower, upper)
        for name, value in expected.items():
            assert scores[name] == pytest.approx(value, rel=1e-6), name
        for number, by_fold in enumerate(scores["folds"], start=1):
            rows = fold == number
            assert by_fold["n"] == rows.sum()
            assert by_fold["rmse"] == pytest.approx(_rmse(observed[rows], predicted[rows]), rel=1e-6)
        found.append(expected)
    for name in ("rmse", "mec", "ccc", "picp"):
        assert outputs[name] == pytest.approx(np.mean([each[name] for each in found]), rel=1e-6)


def _rmse(observed: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.linalg.norm(observed - predicted) / np.sqrt(len(observed)))


def _scores(observed: np.ndarray, predicted: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> dict[str, float]:
    rmse = _rmse(observed, predicted)
    correlation = np.corrcoef(observed, predicted)[0, 1]
    shift = (observed.mean() - predicted.mean()) / np.sqrt(observed.std() * predicted.std())
    ratio = observed.std() / predicted.std()
    missed = np.where(observed < lower, lower - observed, np.where(observed > upper, observed - upper, 0.0))
    return {
        "n": len(observed),
        "me": predicted.mean() - observed.mean(),
        "rmse": rmse,
        "mec": 1 - rmse**2 / observed.var(),
        "ccc": correlation * 2 / (ratio + 1 / ratio + shift**2),  # Lin 1989: precision times accuracy
        "rpiq": stats.iqr(observed) / rmse,
        "picp": np.mean(missed == 0),
        "width": np.mean(upper) - np.mean(lower),
        "interval_score": np.mean(upper - lower + missed * 2 / 0.2),
    }


def test_the_verdict_agrees_with_the_scores_of_the_folds(
    trained: tuple[TrainNetwork, dict[str, Any], Log],
) -> None:
    job, outputs, _ = trained
    layer, metrics = layers(job)
    baseline = []
    for field in ("zinc_0_10", "clay"):
        target = metrics["targets"][field]
        methods, verdict = target["methods"], target["verdict"]
        assert sorted(methods) == METHODS
        rival = min(("forest", "forest_context"), key=lambda name: methods[name]["rmse"])
        assert verdict["rival"] == rival
        observed, predicted, _, _, fold = columns(layer, field)
        rmse = _rmse(observed, predicted)
        percent = 100 * (rmse / methods[rival]["rmse"] - 1)
        assert verdict["difference_percent"] == pytest.approx(percent, rel=1e-6)
        differences = [
            _rmse(observed[fold == number], predicted[fold == number]) - by_fold["rmse"]
            for number, by_fold in enumerate(methods[rival]["folds"], start=1)
        ]
        sizes = np.bincount(fold)[1:]
        ratio = np.mean(sizes / (sizes.sum() - sizes))  # Nadeau & Bengio 2003
        t = np.mean(differences) / np.sqrt((1 / 3 + ratio) * np.var(differences, ddof=1))
        assert verdict["p"] == pytest.approx(2 * stats.t.sf(abs(t), 2), rel=1e-6)
        assert outputs["verdict"].count(verdict["text"]) == 1
        is_clear = verdict["claims"][0]["p"] < 0.05
        assert verdict["claims"][0]["comparisons"] == 4 and verdict["claims"][0]["p"] >= verdict["p"]
        assert verdict["outcome"] in (("network", "forest", "none") if is_clear else ("equal", "none", "unknown"))
        baseline.append(methods[rival]["rmse"])
    assert outputs["baseline_rmse"] == pytest.approx(np.mean(baseline))


def test_the_mean_is_that_of_the_other_folds(trained: tuple[TrainNetwork, dict[str, Any], Log]) -> None:
    """The same folds for all methods: of the mean, the predictions follow from them alone."""
    layer, metrics = layers(trained[0])
    for field in ("zinc_0_10", "clay"):
        observed, _, _, _, fold = columns(layer, field)
        means = np.array([observed[fold != each].mean() for each in fold])
        assert metrics["targets"][field]["methods"]["mean"]["rmse"] == pytest.approx(_rmse(observed, means))
        for method in metrics["targets"][field]["methods"].values():
            assert [each["n"] for each in method["folds"]] == np.bincount(fold)[1:].tolist()


def test_forests_on_these_data_learn_what_is_there(trained: tuple[TrainNetwork, dict[str, Any], Log]) -> None:
    methods = layers(trained[0])[1]["targets"]["clay"]["methods"]
    assert methods["forest"]["rmse"] < 0.8 * methods["mean"]["rmse"]


def test_the_network_file_tells_the_same_numbers(trained: tuple[TrainNetwork, dict[str, Any], Log]) -> None:
    job, _, _ = trained
    _, metrics = layers(job)
    description = read_description(job.network)
    assert description.observation_count == 60 and description.coverage == 0.8 and description.predictor == "network"
    assert description.transforms == {"zinc_0_10": "log", "clay": "none"}
    assert description.architectures == {"ring": 2, "padarian": 2}
    for field, target in metrics["targets"].items():
        for name, scores in description.scores[field].items():
            assert scores.rmse == pytest.approx(target["methods"][name]["rmse"])
        assert description.verdicts[field] == target["verdict"]["text"]
    assert description.folds_sentence == metrics["folds"]["sentence"]
    assert read_network(job.network, CPU).predictor.forests == ()


@pytest.mark.parametrize("change", ["float16", "int32", "uint8", "float64", "no rows", "one number", "flat", "nan"])
def test_no_tensor_of_the_network_file_can_be_exchanged(
    trained: tuple[TrainNetwork, dict[str, Any], Log], tmp_path: Path, change: str
) -> None:
    """Every tensor in turn: weights, dissimilarity and training rows of another kind or shape are refused."""
    path = str(tmp_path / "hostile.safetensors")
    tensors = load_file(trained[0].network)
    with safe_open(trained[0].network, "pt") as file:
        metadata = file.metadata()
    for name, tensor in tensors.items():
        changed = {
            "no rows": tensor[:0] if tensor.ndim else tensor[None],
            "one number": tensor.flatten()[0].clone() if tensor.ndim else tensor[None],
            "flat": tensor.reshape(1, *tensor.flatten().shape),
            "nan": torch.full_like(tensor, torch.nan if tensor.is_floating_point() else -1),
        }.get(change)
        if changed is None:
            changed = tensor.to(getattr(torch, change))
        if changed.dtype == tensor.dtype and changed.shape == tensor.shape and torch.equal(changed, tensor):
            continue
        if change == "nan" and not tensor.is_floating_point():
            continue  # other whole numbers are another training's, no mistake
        save_file({**tensors, name: changed}, path, metadata=metadata)
        try:
            read_network(path, CPU)
        except EngineError as error:
            assert path in str(error), name
        else:
            raise AssertionError(f"{name} was read")


def test_two_runs_of_one_job_give_one_result(patches: str, tmp_path: Path) -> None:
    results = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        (tmp_path / name).mkdir()
        job = tiny(patches, tmp_path / name, architecture="ring", seed=seed)
        outputs = run(job, Log())
        results.append((outputs["rmse"], layers(job), read_network(job.network, CPU)))
    (one, two, other) = results
    assert one[0] == two[0] != other[0] and one[1][0].equals(two[1][0])
    for first, second in zip(one[2].predictor.networks[0].parameters(), two[2].predictor.networks[0].parameters()):
        assert torch.equal(first, second)
    np.testing.assert_array_equal(one[2].predictor.forests[0].threshold, two[2].predictor.forests[0].threshold)
    assert one[2].description.outcomes == two[2].description.outcomes


def test_repeats_change_the_assessment_and_not_the_map(patches: str, tmp_path: Path) -> None:
    """Two repeats: folds of both are tested together, scores are their means, and the network file's tensors stay."""
    found, tensors = {}, []
    for repeats in (1, 2):
        (tmp_path / str(repeats)).mkdir()
        job = tiny(patches, tmp_path / str(repeats), architecture="ring", repeats=repeats)
        run(job, Log())
        found[repeats] = layers(job)
        tensors.append(load_file(job.network))
    (alone, of_one), (both, of_two) = found[1], found[2]
    assert (of_one["folds"]["repeats"], of_two["folds"]["repeats"]) == (1, 2)
    assert "All of this was done 2 times, each time with other folds." in of_two["folds"]["sentence"]
    for field, target in of_two["targets"].items():
        for name, method in target["methods"].items():
            first = of_one["targets"][field]["methods"][name]
            assert [each["rmse"] for each in method["folds"][:3]] == [each["rmse"] for each in first["folds"]]
            assert len(method["folds"]) == 6 and sum(each["n"] for each in method["folds"]) == 2 * method["n"]
            squares = [each["n"] * each["rmse"] ** 2 for each in method["folds"]]
            means = [np.sqrt(sum(squares[own]) / method["n"]) for own in (slice(0, 3), slice(3, 6))]
            assert method["rmse"] == pytest.approx(np.mean(means))
        assert target["differences"][0]["test"]["count"] == 6
        assert len(target["methods"]["blend"]["coverage_by_spread"]) in (0, 3)
        assert target["likeness_of_residuals"]["neighbours"] == 8
    assert alone.equals(both)  # the layer shows the first repeat
    assert all(np.array_equal(tensor, tensors[1][name], equal_nan=True) for name, tensor in tensors[0].items())


def test_an_interrupted_run_goes_on_only_with_the_same_patches(
    patches: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = str(shutil.copy(patches, tmp_path / "patches.h5"))
    job = tiny(own, tmp_path, architecture="ring", resume=True)

    def is_continued() -> bool:
        """Trains, and is interrupted at the end."""
        log = Log()
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(trained_network, "write_network", interrupt)
            run(job, log)
        return any("goes on from its checkpoint" in line for line in log.infos)

    assert not is_continued() and is_continued()
    with monkeypatch.context() as patch:  # another version may train otherwise
        patch.setattr(designs, "read_versions", lambda: {"Soil CNN": "99.0"})
        assert not is_continued()
    with h5py.File(own, "r+") as file:  # the same observations, targets and summaries, but other surroundings
        file["patches"][...] = file["patches"][:][:, :, ::-1]
    assert not is_continued()
    run(job, Log())
    assert not Path(f"{job.network}.checkpoints").exists()


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_held_out_predictions_do_not_depend_on_held_out_values(patches: str, tmp_path: Path) -> None:
    """Values of the third fold are changed: its predictions stay, those of the others follow."""
    job = tiny(patches, tmp_path, architecture="ring", transform="none", folds=3)
    run(job, Log())
    before, _ = layers(job)
    last = (before["fold"] == 3).to_numpy()
    changed = tmp_path / "changed.h5"
    changed.write_bytes(Path(patches).read_bytes())
    with h5py.File(changed, "r+") as file:
        file["targets"][last] = file["targets"][last] * 3 + 500
    run(replace(job, patches=str(changed)), Log())
    after, _ = layers(job)
    for name in ("zinc_0_10_predicted", "zinc_0_10_lower", "zinc_0_10_upper", "clay_predicted"):
        np.testing.assert_array_equal(after[name][last], before[name][last])
        known = ~last & before[name].notna()
        assert (after[name][known] != before[name][known]).all()


@pytest.mark.parametrize(
    ("changes", "inside"),
    [
        ({"architecture": "ring", "location": "on"}, {"ring": 2}),
        ({"architecture": "padarian", "predictor": "network"}, {"padarian": 2}),
        ({"preset": "fast", "validation": "spatial_blocks"}, {"ring": 2}),
        ({"architecture": "ring", "validation": "knndm", "transform": "log"}, {"ring": 2}),
        ({"architecture": "ring", "predictor": "forest"}, {"ring": 2}),
    ],
)
def test_each_way_of_training_gives_a_network(
    patches: str, tmp_path: Path, changes: dict[str, Any], inside: dict[str, int]
) -> None:
    job, log = tiny(patches, tmp_path, **changes), Log()
    run(job, log)
    network = read_network(job.network, CPU)
    assert network.description.architectures == inside
    assert len(network.predictor.forests) == (0 if job.predictor == "network" else 2)
    assert (network.description.location is not None) == (job.predictor != "network")
    if job.predictor == "forest":
        assert network.description.predictor == "forest_context"
        assert network.predictor.weights.tolist() == [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
    assert network.encoder.shows_location == (job.location == "on")
    assert any("held out" in line for line in log.infos) and log.infos[0].startswith("Device: ")


def test_a_domain_elsewhere_is_matched_to(patches: str, tmp_path: Path) -> None:
    domain = str(tmp_path / "domain.gpkg")
    geopandas.GeoSeries([box(1000, 1600, 1400, 2000)], crs=28992).to_file(domain)
    job = tiny(patches, tmp_path, architecture="ring", validation="knndm", domain=domain)
    run(job, Log())
    assert "map" in layers(job)[1]["folds"]["sentence"]


def test_groups_are_never_torn_apart(grouped: str, tmp_path: Path) -> None:
    job = tiny(grouped, tmp_path, architecture="ring", validation="groups")
    run(job, Log())
    layer, _ = layers(job)
    with h5py.File(grouped) as file:
        sites = file["sites"][:]
    assert len(np.unique(sites)) == 12
    for site in np.unique(sites):
        assert layer["fold"][sites == site].nunique() == 1


def refused(job: TrainNetwork, words: str) -> None:
    folder = Path(job.network).parent
    before = sorted(os.listdir(folder))
    with pytest.raises(EngineError, match=words) as error:
        run(job, Log())
    assert str(error.value).endswith(".") and sorted(os.listdir(folder)) == before


def spoilt(patches: str, folder: Path, change: Callable[[h5py.File], object]) -> str:
    path = folder / "spoilt.h5"
    path.write_bytes(Path(patches).read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return str(path)


def keep(count: int) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        arrays = ("patches", "targets", "is_censored", "errors", "weights", "coordinates", "rows_cols", "sites", "ids")
        for name in arrays:
            file[name].resize(count, axis=0)

    return change


def put(name: str, values: Callable[[np.ndarray], np.ndarray]) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][...] = values(file[name][...])

    return change


def test_groups_without_a_group_field_are_refused(patches: str, tmp_path: Path) -> None:
    refused(tiny(patches, tmp_path, validation="groups"), "patches.h5 was extracted without a group field")


@pytest.mark.parametrize("validation", ["random", "spatial_blocks", "groups"])
def test_fewer_sites_than_folds_are_refused(grouped: str, tmp_path: Path, validation: str) -> None:
    refused(tiny(grouped, tmp_path, validation=validation, folds=13), "belong to 12 groups or sites.*at most 12 folds")


@pytest.mark.parametrize("validation", ["random", "groups", "knndm"])
@pytest.mark.parametrize("location", ["off", "on"])
def test_observations_of_one_site_are_refused(grouped: str, tmp_path: Path, validation: str, location: str) -> None:
    def one_site(file: h5py.File) -> None:
        file["sites"][...] = 4
        file["coordinates"][...] = file["coordinates"][0]

    path = spoilt(grouped, tmp_path, one_site)
    refused(tiny(path, tmp_path, validation=validation, location=location), "All 60 observations belong to one group")


@pytest.mark.parametrize("count", [1, 2, 5, 19])
def test_too_few_observations_are_refused(patches: str, tmp_path: Path, count: int) -> None:
    path = spoilt(patches, tmp_path, keep(count))
    refused(tiny(path, tmp_path, folds=2), f"zinc_0_10 has {count} usable observations of {count} in .*at least 20")


def test_a_target_without_values_or_with_one_value_is_refused(patches: str, tmp_path: Path) -> None:
    empty = spoilt(patches, tmp_path, put("targets", lambda values: values * [1, np.nan]))
    refused(tiny(empty, tmp_path), "clay has 0 usable .*at least 20")
    flat = spoilt(patches, tmp_path, put("targets", lambda values: values * [0, 1] + [7, 0]))
    refused(tiny(flat, tmp_path), "zinc_0_10 is 7 at all 60 usable observations")


@pytest.mark.parametrize("validation", ["random", "spatial_blocks", "knndm"])
def test_values_in_one_corner_are_refused_or_done(patches: str, tmp_path: Path, validation: str) -> None:
    """Clay was measured in the western third alone."""

    def change(file: h5py.File) -> None:
        targets, x = file["targets"][...], file["coordinates"][:, 0]
        west = np.argsort(x)[:20]
        values = np.full(len(x), np.nan)
        values[west] = np.linspace(10, 30, 20)
        targets[:, 1] = values
        file["targets"][...] = targets

    job = tiny(spoilt(patches, tmp_path, change), tmp_path, architecture="ring", validation=validation)
    try:
        run(job, Log())
    except EngineError as error:
        assert "clay" in str(error)


def test_transforms_that_the_values_forbid_are_refused(patches: str, tmp_path: Path) -> None:
    negative = spoilt(patches, tmp_path, put("targets", lambda values: values - [0, 30]))
    refused(tiny(negative, tmp_path, transform="log"), "clay: .* are 0 or negative")
    refused(tiny(patches, tmp_path, transform="logit"), "zinc_0_10: .*shares from 0 to 1")


def test_patches_too_small_for_convolutions_are_refused_or_left_to_the_rings(tmp_path: Path) -> None:
    patches = extract(make_landscape(tmp_path), patch_size=7)
    refused(tiny(patches, tmp_path, architecture="padarian"), "7 pixels wide.*at least 11")
    job = tiny(patches, tmp_path)
    run(job, Log())
    assert read_description(job.network).architectures == {"ring": 2}


def test_a_training_that_diverges_is_told(patches: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Heads, "location_scale", lambda self, raw: (raw[..., :1] * torch.nan,) * 2)
    refused(tiny(patches, tmp_path, architecture="ring"), "learning rate")


def test_files_that_are_no_patches_are_refused(patches: str, tmp_path: Path) -> None:
    refused(tiny(str(tmp_path / "nothing.h5"), tmp_path), "There is no patch file")
    (tmp_path / "text.h5").write_text("no patches")
    refused(tiny(str(tmp_path / "text.h5"), tmp_path), "is not an HDF5 file")
