"""Compare patch sizes: parameter values become a job, and the worker's numbers become outputs."""

from __future__ import annotations

import pytest
from qgis.core import QgsApplication

from soil_cnn_plugin.contract.jobs import ComparePatchSizes, JobError
from soil_cnn_plugin.processing.algorithms.compare_patch_sizes import parse_sizes


@pytest.fixture
def patches(tmp_path) -> str:
    path = tmp_path / "patches.h5"
    path.write_bytes(b"")
    return str(path)


def test_defaults_are_those_of_the_job(job_of, patches) -> None:
    job = job_of("comparepatchsizes", {"PATCHES": patches})
    assert job == ComparePatchSizes(patches)
    assert job.sizes == (3, 7, 15, 31)


def test_all_values_reach_the_job(job_of, patches, raster, tmp_path) -> None:
    job = job_of(
        "comparepatchsizes",
        {
            "PATCHES": patches,
            "SIZES": "5, 9;21",
            "ARCHITECTURE": "ring",
            "VALIDATION": "knndm",
            "DOMAIN": raster("domain"),
            "FOLDS": 3,
            "DEVICE": "cpu",
            "SEED": 7,
            "REPORT": str(tmp_path / "r"),
            "METRICS": str(tmp_path / "m"),
        },
    )
    assert job == ComparePatchSizes(
        patches=patches,
        report=str(tmp_path / "r.html"),
        metrics=str(tmp_path / "m.json"),
        sizes=(5, 9, 21),
        architecture="ring",
        validation="knndm",
        domain=str(tmp_path / "domain.tif"),
        folds=3,
        device="cpu",
        seed=7,
    )


def test_sizes_that_are_no_odd_numbers_are_refused(job_of, patches) -> None:
    with pytest.raises(JobError, match="SIZES has '7.5', which is not a whole number of pixels"):
        parse_sizes("3,7.5")
    with pytest.raises(JobError, match="8 is among the patch sizes, but each must be odd and at least 3"):
        job_of("comparepatchsizes", {"PATCHES": patches, "SIZES": "3,8"})
    with pytest.raises(JobError, match="1 is among the patch sizes"):
        job_of("comparepatchsizes", {"PATCHES": patches, "SIZES": "1,3"})
    with pytest.raises(JobError, match="No patch size is given"):
        job_of("comparepatchsizes", {"PATCHES": patches, "SIZES": ","})


def test_a_missing_patch_file_is_named(job_of, tmp_path) -> None:
    with pytest.raises(JobError, match=r"patch file .*none.h5 does not exist \(PATCHES\)"):
        job_of("comparepatchsizes", {"PATCHES": str(tmp_path / "none.h5")})


def test_defaults_shown_are_those_of_the_job(provider) -> None:
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("soilcnn:comparepatchsizes")
    shown = {item.name(): item.defaultValue() for item in algorithm.parameterDefinitions()}
    assert shown["SIZES"] == "3,7,15,31"
    assert (shown["FOLDS"], shown["VALIDATION"]) == (ComparePatchSizes.folds, ComparePatchSizes.validation)
    assert (shown["ARCHITECTURE"], shown["SEED"]) == (ComparePatchSizes.architecture, ComparePatchSizes.seed)
