"""Outputs that are refused before the work: without a name, under another format's, or over an input or each other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from soil_cnn_plugin.contract.jobs import (
    AssessMap,
    CheckObservations,
    CompareMaps,
    Covariate,
    ExplainNetwork,
    ExtractPatches,
    Job,
    JobError,
    MapSoilProperties,
    PlanSampling,
    PredictMap,
    StandardizeDepths,
    SummarizeAreas,
    TrainNetwork,
)
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.outputs import Claims


def extract(folder: Path, **wanted: str) -> ExtractPatches:
    covariates = (Covariate(f"vrt://{folder / 'dem.tif'}?bands=1", "dem"),)
    values = {"observations": f"{folder / 'in.gpkg'}|layername=in", "patches": str(folder / "p.h5"), **wanted}
    return ExtractPatches(targets=(SoilProperty("zinc"),), covariates=covariates, **values)


@pytest.mark.parametrize(
    ("job_of", "name"),
    [
        (lambda folder: PredictMap(str(folder / "n.safetensors"), str(folder / "n.safetensors")), "n.safetensors"),
        (lambda folder: TrainNetwork(str(folder / "p.h5"), str(folder / "n2"), report=str(folder / "p.h5")), "p.h5"),
        (lambda folder: SummarizeAreas("/n", str(folder / "in.gpkg"), str(folder / "alias.gpkg")), "in.gpkg"),
        (lambda folder: extract(folder, dropped=str(folder / "alias.gpkg")), "in.gpkg"),
        (lambda folder: extract(folder, patches=str(folder / "dem.tif")), "dem.tif"),
    ],
)
def test_an_output_that_would_replace_an_input_is_refused(
    tmp_path: Path, job_of: Callable[[Path], Job], name: str
) -> None:
    (tmp_path / name).write_text("months of work")
    if name == "in.gpkg":
        (tmp_path / "alias.gpkg").symlink_to(tmp_path / name)
    claims = Claims()
    with pytest.raises(EngineError, match="would replace .*, which is an input of the same run. Choose another file"):
        claims.take(job_of(tmp_path))
    claims.give_back()
    assert (tmp_path / name).read_text() == "months of work"


@pytest.mark.parametrize(
    "source",
    ["{}", "dem.tif", "./dem.tif", "vrt://{}?bands=1", "VRT://{}?bands=1", "file://{}", "GTIFF_DIR:2:{}",
     "{}|layername=dem", "{}|layerid=0", 'NETCDF:"{}":dem', "/vsizip/{{{}}}/dem.tif"],
)  # fmt: skip
def test_an_input_is_known_however_its_path_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "dem.tif"
    path.write_text("months of work")
    covariates = (Covariate(source.format(path), "dem"),)
    job = ExtractPatches(str(tmp_path / "in.gpkg"), (SoilProperty("zinc"),), covariates, str(path))
    with pytest.raises(EngineError, match=r"patches would replace .*dem\.tif, which is an input of the same run"):
        Claims().take(job)
    assert os.listdir(tmp_path) == ["dem.tif"] and path.read_text() == "months of work"


def test_names_and_addresses_are_no_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "map.tif").touch()
    job = PredictMap("/n", str(tmp_path / "map.tif"), cluster="tcp://node1:8786", extent_crs='PROJCRS["a / b",')
    assert job.input_paths() == []


def test_what_one_part_writes_for_the_next_is_no_input(tmp_path: Path) -> None:
    extraction, network = extract(tmp_path), str(tmp_path / "n.safetensors")
    trained = TrainNetwork(extraction.patches, network, domain=str(tmp_path / "map.tif"))
    job = MapSoilProperties(extraction, trained, PredictMap(network, str(tmp_path / "map.tif")))
    for path in (extraction.patches, network):  # of an earlier run
        Path(path).write_text("old")
    for name in ("in.gpkg", "dem.tif"):
        (tmp_path / name).touch()
    claims = Claims()
    claims.take(job)
    claims.give_back()
    (tmp_path / "map.tif").write_text("old")
    assert job.input_paths() == [str(tmp_path / each) for each in ("in.gpkg", "dem.tif", "map.tif")]
    with pytest.raises(EngineError, match=r"prediction would replace .*map\.tif"):
        Claims().take(job)


@pytest.mark.parametrize("name", ["map.asc", "map.vrt", "map"])
def test_a_raster_is_refused_under_the_name_of_another_format_before_the_work(tmp_path: Path, name: str) -> None:
    network, words = str(tmp_path / "n.safetensors"), rf"lower cannot be written as {name}\. Choose .* \.tif or \.tiff"
    predicting = PredictMap(network, str(tmp_path / "map.TIF"), lower=str(tmp_path / name))
    extraction = extract(tmp_path)
    training = TrainNetwork(extraction.patches, network)
    for job in (predicting, MapSoilProperties(extraction, training, predicting)):
        claims = Claims()
        with pytest.raises(JobError, match=words):
            claims.take(job)
        claims.give_back()
    assert os.listdir(tmp_path) == []


POINTS = {"observations": "/o.gpkg", "target": SoilProperty("zinc")}
LAYERS: list[tuple[str, Callable[[str], Job]]] = [
    ("dropped", lambda path: extract(Path("/"), patches=f"{path}.h5", dropped=path)),
    ("held_out", lambda path: TrainNetwork("/p.h5", f"{path}.safetensors", held_out=path)),
    ("problems", lambda path: CheckObservations("/o.gpkg", problems=path)),
    ("residuals", lambda path: AssessMap(map=Covariate("/m.tif", "m"), residuals=path, **POINTS)),
    ("pairs", lambda path: CompareMaps(Covariate("/m.tif", "m"), Covariate("/n.tif", "n"), pairs=path, **POINTS)),
    ("areas", lambda path: SummarizeAreas("/n.safetensors", "/a.gpkg", path)),
    ("plan", lambda path: PlanSampling(path, reference="/r.tif")),
    ("output", lambda path: StandardizeDepths("/h.gpkg", "id", "top", "base", (SoilProperty("zinc"),), path)),
    ("importance", lambda path: ExplainNetwork("/n.safetensors", "/p.h5", f"{path}.html", importance=path)),
]


@pytest.mark.parametrize("ending", [".txt", ".shp", ".tif", ".gpkg.zip", ""])
@pytest.mark.parametrize(("name", "job_of"), LAYERS)
def test_a_layer_is_refused_under_the_name_of_another_format_before_the_work(
    tmp_path: Path, name: str, job_of: Callable[[str], Job], ending: str
) -> None:
    claims = Claims()
    with pytest.raises(JobError, match=rf"{name} cannot be written as layer{ending}\. Choose .* ends in \.gpkg"):
        claims.take(job_of(str(tmp_path / f"layer{ending}")))
    claims.take(job_of(str(tmp_path / "layer.GPKG")))
    claims.give_back()
    assert os.listdir(tmp_path) == []


def test_one_file_is_refused_for_two_outputs_however_it_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    first = tmp_path / "n.safetensors"
    for second in (first, "n.safetensors", f"{tmp_path}/./{first.name}", f"{tmp_path}/sub/../{first.name}",
                   f"{tmp_path}/link/{first.name}"):  # fmt: skip
        claims = Claims()
        with pytest.raises(EngineError) as error:
            claims.take(TrainNetwork("/p.h5", str(first), report=str(second)))
        assert str(error.value) == f"{second} is chosen for two outputs, network and report. Choose different names."
        claims.give_back()
    assert sorted(os.listdir(tmp_path)) == ["link", "sub"]


def test_a_name_that_is_too_long_is_told_in_words(tmp_path: Path) -> None:
    report = str(tmp_path / f"{'x' * 300}.html")
    with pytest.raises(EngineError, match=r"xxx\.html cannot be written: File name too long\."):
        Claims().take(TrainNetwork("/p.h5", str(tmp_path / "n"), report=report))


@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("patches", ExtractPatches("/o.gpkg", (SoilProperty("zinc"),), (Covariate("/d.tif", "d"),), "")),
        ("network", TrainNetwork("/p.h5", "")),
        ("prediction", PredictMap("/n.safetensors", "")),
        ("plan", PlanSampling("", reference="/r.tif")),
        ("areas", SummarizeAreas("/n.safetensors", "/a.gpkg", "")),
    ],
)
def test_a_job_without_the_file_that_it_always_writes_is_refused_before_the_work(name: str, job: Job) -> None:
    with pytest.raises(JobError, match=f"No file is given for {name}, which this job always writes. Choose one."):
        Claims().take(job)


def test_each_part_of_the_whole_chain_needs_its_file(tmp_path: Path) -> None:
    chain = MapSoilProperties(extract(tmp_path), TrainNetwork("/p.h5", "/n"), PredictMap("/n", ""))
    assert chain.empty_outputs() == ["prediction"]
