"""The check of observations as files for machines: its numbers as JSON, its problems as a point layer."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from io import BytesIO

import numpy as np
import shapely
from pyogrio.raw import write

from soil_cnn_plugin.engine.checks.findings import KINDS, NOTE, SEVERITIES
from soil_cnn_plugin.engine.checks.observations_check import ObservationsCheck
from soil_cnn_plugin.engine.observations.point_layer import GPKG_VERSION
from soil_cnn_plugin.engine.outputs import write_whole
from soil_cnn_plugin.engine.reports.files import write_json

LAYER = "problems"
FIELDS = ("observation", "field", "kind", "severity", "problem", "sentence", "value")


def write_problems(path: str, check: ObservationsCheck, crs: str) -> None:
    """Write a GeoPackage with one row per problem: the observation's id, field, kind, severity, title of the kind,
    sentence and value, at the observation's place.

    A problem of a whole field or layer has neither an observation nor a place; such notes are only on the page.
    """
    findings = [each for each in check.findings if len(each.rows) or each.severity != NOTE]
    rows = [np.append(each.rows, [] if len(each.rows) else [-1]).astype(np.int64) for each in findings]
    counts = [len(each) for each in rows]
    row = np.concatenate([*rows, np.empty(0, np.int64)])

    def column(values: list[str]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
        texts = np.array(values, object)
        return np.repeat(texts, counts)

    sentences = [text for each in findings for text in (each.texts if len(each.rows) else [each.sentence])]
    values = [text for each in findings for text in (each.values if len(each.rows) else [""])]
    columns = [
        np.where(row >= 0, check.ids[row], 0),
        column([each.field for each in findings]),
        column([each.kind for each in findings]),
        column([each.severity for each in findings]),
        column([KINDS[each.kind].title for each in findings]),
        np.array(sentences, object),
        np.array(values, object),
    ]
    xy = np.where((row >= 0)[:, None], check.places.shown[row], np.nan)
    geometries = np.full(len(row), None, object)
    is_placed = np.isfinite(xy).all(axis=1)
    geometries[is_placed] = shapely.to_wkb(shapely.points(xy[is_placed]))
    content = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(
            content, geometries, columns, list(FIELDS), field_mask=[row < 0, *[None] * (len(FIELDS) - 1)], layer=LAYER,
            driver="GPKG", geometry_type="Point", crs=crs, VERSION=GPKG_VERSION,
        )  # fmt: skip
    write_whole(path, content.getvalue())


def write_observation_metrics(path: str, check: ObservationsCheck) -> None:
    """Write the numbers of the page; problems have counts, but not their single observations."""
    coverage = check.coverage
    content = {
        "observations": check.name,
        "count": len(check.ids),
        "problem_count": check.problem_count,
        "crs": check.crs_name,
        "observations_with": {severity: len(check.rows_of(severity)) for severity in SEVERITIES},
        "problems": [
            {
                "kind": each.kind,
                "severity": each.severity,
                "field": each.field,
                "count": len(each.rows),
                "sentence": each.sentence,
                "remedy": each.remedy,
            }
            for each in check.findings
        ],
        "fields": {each.soil_property.field: asdict(each) for each in check.fields},
        "not_checked": check.left_out,
        "classes": {each.field: asdict(each) for each in check.classes},
        "compositions": [{**asdict(each), "sums": None} for each in check.sums],
        "horizons": asdict(check.horizons) if check.horizons else None,
        "detection_limits": [asdict(each) for each in check.limits],
        "duplicates": asdict(check.duplicates),
        "covariates": None
        if coverage is None
        else {
            "inside": coverage.inside,
            "outside": coverage.outside,
            "without_data": coverage.blind,
            "without_data_of": dict(coverage.without_data),
        },
        "clustering": asdict(check.clustering) | {"kind": check.clustering.kind} if check.clustering else None,
        "settings": check.settings,
        "versions": check.versions,
    }
    write_json(path, content)
