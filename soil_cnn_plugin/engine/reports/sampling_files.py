"""The files of a sampling plan: the point layer, waypoints for a GPS receiver, a table, and numbers for scripts."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from html import escape

import numpy as np

from soil_cnn_plugin.contract.jobs import PlanSampling
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.outputs import write_whole
from soil_cnn_plugin.engine.rasters.crs import transform
from soil_cnn_plugin.engine.reports.files import write_json, write_points
from soil_cnn_plugin.engine.reports.sampling_words import verdict_of
from soil_cnn_plugin.engine.sampling.plan import SamplingPlan

_GPX = "http://www.topografix.com/GPX/1/1"
_DIGITS = 7  # of degrees, a centimetre


def write_plan_files(job: PlanSampling, plan: SamplingPlan) -> None:
    """Write what the job wants, the page apart."""
    columns = plan_columns(plan)
    write_points(job.plan, "plan", columns, plan.points.xy, plan.crs_wkt)
    if job.gpx:
        write_whole(job.gpx, _gpx(plan).encode())
    if job.csv:
        write_whole(job.csv, _csv(plan, columns).encode("utf-8-sig"))
    if job.metrics:
        write_json(job.metrics, _metrics(plan))


def plan_columns(plan: SamplingPlan) -> dict[str, object]:
    """Return the fields of the point layer.

    `order` is that in which points matter, `walk` their order along the way. `inclusion` is the inclusion probability
    of a random design, `stratum` and `stratum_area` (hectares) belong to strata, `cost` is relative to the cheapest
    kind of point.
    """
    points = plan.points
    columns: dict[str, object] = {"order": np.arange(plan.count) + 1, "walk": plan.walk}
    if plan.design == "stratified_random":
        columns["stratum"] = np.array([points.strata[number] for number in points.stratum.tolist()], object)
        columns["stratum_area"] = points.stratum_hectares[points.stratum]
    if plan.chosen.inclusion is not None:
        columns["inclusion"] = plan.chosen.inclusion
    if (plan.frame.cost != 1).any():
        columns["cost"] = points.cost
    longitude, latitude = degrees(plan).T
    return {**columns, "longitude": longitude, "latitude": latitude}


def degrees(plan: SamplingPlan) -> Array:
    """Return longitudes and latitudes (n, 2) in WGS 84, rounded to a centimetre."""
    x, y = plan.points.xy.T
    found: Array = np.column_stack(transform(x, y, plan.crs_wkt, "EPSG:4326"))
    return found.round(_DIGITS)


def _gpx(plan: SamplingPlan) -> str:
    """Return GPX 1.1: a waypoint for each point, named by its place along the way, and the way as a route."""
    places = degrees(plan)
    waypoints, route = [], []
    for row in np.argsort(plan.walk).tolist():
        longitude, latitude = places[row].tolist()
        at = f'lat="{latitude:.{_DIGITS}f}" lon="{longitude:.{_DIGITS}f}"'
        told = f"<name>{plan.walk[row]:03d}</name><desc>{escape(_description(plan, row))}</desc>"
        waypoints.append(f"  <wpt {at}>{told}</wpt>")
        route.append(f"    <rtept {at}>{told}</rtept>")
    return "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            f'<gpx xmlns="{_GPX}" version="1.1" creator="Soil CNN">',
            *waypoints,
            "  <rte>",
            f"    <name>{escape(tr('Way past all points'))}</name>",
            *route,
            "  </rte>",
            "</gpx>",
            "",
        ]
    )


def _description(plan: SamplingPlan, row: int) -> str:
    stratum = tr(", stratum {}").format(plan.points.strata[plan.points.stratum[row]]) * (
        plan.design == "stratified_random"
    )
    return tr("order {} of {}{}").format(row + 1, plan.count, stratum)


def _csv(plan: SamplingPlan, columns: dict[str, object]) -> str:
    """Return the table in the order of the way, with coordinates of the grid's CRS beside degrees."""
    x, y = plan.points.xy.T
    table = {**columns, "x": x, "y": y}
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*table])
    values = [np.asarray(column, object) for column in table.values()]
    writer.writerows([column[row] for column in values] for row in np.argsort(plan.walk).tolist())
    return text.getvalue()


def _metrics(plan: SamplingPlan) -> dict[str, object]:
    chosen, frame = plan.chosen, plan.frame
    criterion, curve = chosen.criterion, plan.curve
    return {
        "design": plan.design,
        "count": plan.count,
        "verdict": verdict_of(plan),
        "pixels": asdict(frame.counts),
        "candidates": len(frame),
        "hectares": frame.hectares,
        "existing_points": len(plan.legacy),
        "criterion": asdict(criterion) if criterion else None,
        "course": None if chosen.course is None else {"name": chosen.course[0], "values": chosen.course[1][-1000:]},
        "inclusion": chosen.inclusion,
        "strata": None
        if plan.design != "stratified_random"
        else {"names": frame.strata, "hectares": frame.stratum_hectares, "pixels": frame.stratum_places},
        "walk_metres": plan.walk_metres,
        "nearest_metres": plan.nearest,
        "error_curve": None if curve is None else asdict(curve) | {"sentence": curve.sentence},
        "settings": plan.settings,
        "versions": plan.versions,
        "notes": plan.notes,
    }
