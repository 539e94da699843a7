"""The comparison of two maps as files for machines: numbers as JSON, and a point layer of the pairs."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from soil_cnn_plugin.contract.jobs import CompareMaps
from soil_cnn_plugin.engine.assessment.detectable_difference import DIFFERENCE_CLASSES
from soil_cnn_plugin.engine.assessment.map_pair import MapPair, PairsAtPoints
from soil_cnn_plugin.engine.reports.files import write_json, write_points
from soil_cnn_plugin.engine.reports.map_pair_words import pair_verdict


def write_pair_files(job: CompareMaps, pair: MapPair) -> None:
    """Write what the job wants, the page and the rasters apart."""
    if job.pairs and pair.points is not None:
        write_points(job.pairs, "pairs", _columns(pair.points), pair.points.coordinates, pair.grid.crs_wkt)
    if job.metrics:
        write_json(job.metrics, _metrics(pair))


def pair_numbers(pair: MapPair) -> dict[str, float | int]:
    """Return the numbers that models can branch on."""
    found: dict[str, float | int] = {"mean_difference": pair.facts.mean}
    if pair.has_intervals:
        found["detectable_share"] = pair.facts.share(1) + pair.facts.share(3)
    points = pair.points
    if points is None:
        return found
    found["count"] = len(points.ids)
    if points.better is not None:
        rmse = points.better.rmse
        found |= {"rmse": rmse.first.value, "rmse_2": rmse.second.value, "rmse_difference": rmse.difference.value}
        found |= {"low": rmse.difference.low, "high": rmse.difference.high, "smallest": points.better.detectable}
    if points.change is not None:
        change = points.change
        found |= {"change": change.observed.value, "low": change.observed.low, "high": change.observed.high}
        found["smallest"] = change.detectable
    return found


def _columns(points: PairsAtPoints) -> dict[str, object]:
    """Return the fields: what was observed and mapped, and of one time the errors and their difference in size, of two
    dates the changes. The residual is that which the layer is coloured by: second map's error larger, or mapped less
    observed change."""
    first, second = points.mapped.T
    columns: dict[str, object] = {"observation": points.ids, "observed": points.observed[:, 0]}
    if points.change is not None:
        seen = points.observed[:, 1] - points.observed[:, 0]
        columns |= {"observed_2": points.observed[:, 1], "mapped": first, "mapped_2": second}
        return columns | {"change": seen, "mapped_change": second - first, "residual": second - first - seen}
    errors = first - points.observed[:, 0], second - points.observed[:, 0]
    nearer = np.where(np.abs(errors[1]) < np.abs(errors[0]), "second", "first")
    nearer = np.where(np.abs(errors[1]) == np.abs(errors[0]), "both", nearer)
    columns |= {"mapped": first, "mapped_2": second, "error": errors[0], "error_2": errors[1]}
    return columns | {"nearer": nearer.astype(object), "residual": np.abs(errors[1]) - np.abs(errors[0])}


def _metrics(pair: MapPair) -> dict[str, object]:
    points, facts = pair.points, pair.facts
    return {
        "question": pair.question,
        "target": asdict(pair.soil_property),
        "maps": pair.names,
        "verdict": pair_verdict(pair),
        "pixels": facts.pixels,
        "mean_difference": facts.mean,
        "root_mean_square_difference": facts.root_mean_square,
        "coverage": pair.coverage if pair.has_intervals else None,
        "correlation_of_errors": pair.common if pair.has_intervals else None,
        "classes": dict(zip(DIFFERENCE_CLASSES, facts.counts)) if pair.has_intervals else None,
        "typical_smallest_difference": facts.typical_smallest,
        "count": len(points.ids) if points else 0,
        "dropped": points.dropped if points else {},
        "sample": points.sentence if points else "",
        "better": asdict(points.better) if points and points.better else None,
        "change": asdict(points.change) if points and points.change else None,
        "settings": pair.settings,
        "versions": pair.versions,
        "notes": pair.notes,
    }
