"""Answers about areas as files: the polygon layer with its columns, the page, and the numbers as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from soil_cnn_plugin.contract.jobs import SummarizeAreas
from soil_cnn_plugin.contract.language import tr, tr_n
from soil_cnn_plugin.engine.areas.area_layer import AreaLayer
from soil_cnn_plugin.engine.areas.quantities import CLASS, VALUE, Quantities, Quantity
from soil_cnn_plugin.engine.areas.summaries import AreaEstimate, AreaSummary, totals
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.area_page import write_area_page
from soil_cnn_plugin.engine.reports.files import write_json
from soil_cnn_plugin.engine.reports.stock_words import mass_below_in_words

_MUCH_EXCLUDED = 0.05  # of the draws of a formula


def write_areas(
    job: SummarizeAreas,
    layer: AreaLayer,
    names: Sequence[str],
    quantities: Quantities,
    summaries: Sequence[AreaSummary],
) -> None:
    """Write the layer, and the page and the numbers as far as the job wants them."""
    columns = area_columns(quantities, summaries)
    written = layer.write(job.areas, columns)
    if job.report:
        write_area_page(job, layer, names, quantities, summaries)
    if job.metrics:
        write_json(job.metrics, _content(job, names, quantities, summaries, written))


def area_columns(quantities: Quantities, summaries: Sequence[AreaSummary]) -> dict[str, list[object]]:
    """The columns (areas) of the layer by name; None where nothing is predicted."""
    columns: dict[str, list[object]] = {
        "area_ha": [each.hectares for each in summaries],
        "mapped_share": [each.mapped for each in summaries],
        "applicable_share": [each.applicable for each in summaries],
        "observations": [each.observations for each in summaries],
        "pixels": [each.pixels for each in summaries],
    }
    for number, quantity in enumerate(quantities.all):
        estimates = [each.estimates[number] if each.estimates else None for each in summaries]
        columns |= _columns_of(quantity, quantities, summaries, estimates)
    return columns


def _columns_of(
    quantity: Quantity,
    quantities: Quantities,
    summaries: Sequence[AreaSummary],
    estimates: Sequence[AreaEstimate | None],
) -> dict[str, list[object]]:
    field = quantity.field.replace(" ", "_")

    def each(name: str) -> list[object]:
        return [getattr(estimate, name) if estimate else None for estimate in estimates]

    names = {"mean": "mean", "sd": "deviation", "lower": "lower", "upper": "upper"}
    if quantity.kind != VALUE:
        names = {"share": "mean", **{name: own for name, own in names.items() if name != "mean"}}
    columns = {f"{field}_{name}": each(own) for name, own in names.items()}
    if quantity.kind == CLASS or quantity.per_area:
        factor, unit = quantity.per_area or (1.0, "ha")
        rows = [
            totals(one, factor, estimate) if estimate else (None,) * 3 for one, estimate in zip(summaries, estimates)
        ]
        for place, name in enumerate(("", "_lower", "_upper")):
            columns[f"{field}_total_{unit}{name}"] = [row[place] for row in rows]
    if quantity.kind == VALUE:
        thresholds = [threshold for t, threshold in quantities.thresholds if t == quantity.of]
        for place, threshold in enumerate(thresholds):
            sign = "above" if threshold.is_above else "below"
            columns[f"{field}_p_{sign}_{threshold.value:g}"] = [
                estimate.beyond[place] if estimate else None for estimate in estimates
            ]
    return columns


def tell_areas(quantities: Quantities, summaries: Sequence[AreaSummary], report: Report) -> dict[str, float | int]:
    """Tell what readers should know of the answers, and return numbers that models can branch on."""
    told = [each for each in summaries if each.estimates]
    partly = [each for each in told if each.mapped < 0.995]
    report.info(
        tr("{} of {} areas summarized, {} pixels in all.").format(
            len(told), len(summaries), sum(each.pixels for each in told)
        )
    )
    if len(told) < len(summaries):
        report.warning(
            tr_n(
                "{} area holds no pixel with a prediction: its answers are empty.",
                "{} areas hold no pixel with a prediction: their answers are empty.",
                len(summaries) - len(told),
            ).format(len(summaries) - len(told))
        )
    if partly:
        lowest = min(each.mapped for each in partly)
        report.warning(
            tr_n(
                "{} area is only partly mapped, {:.0f} % of it: means are those of the mapped part, and totals leave"
                " out the rest (mapped_share).",
                "{} areas are only partly mapped, one of them {:.0f} %: means are those of the mapped part, and"
                " totals leave out the rest (mapped_share).",
                len(partly),
            ).format(len(partly), 100 * lowest)
        )
    for number, quantity in enumerate(quantities.all):
        lost = [each.estimates[number].excluded for each in told if each.estimates]
        if max(lost, default=0.0) > _MUCH_EXCLUDED:
            report.warning(
                tr(
                    "{}: up to {:.0f} % of the draws of an area were left out, because their values cannot go"
                    " together. Check the units of the targets."
                ).format(quantity.title, 100 * max(lost))
            )
    if below := mass_below_in_words(quantities, summaries):
        report.warning(below)
    coarse = [each for each in told if each.side > 1]
    if coarse:
        report.info(coarse_in_words(coarse))
    return {"count": len(told), "area_ha": float(np.sum([each.hectares for each in told]))}


def coarse_in_words(coarse: Sequence[AreaSummary]) -> str:
    """How much it matters that pixels stand for others."""
    errors = [estimate.uncertain_spread for each in coarse for estimate in each.estimates or ()]
    return tr_n(
        "{} area has so many pixels that squares of up to {} pixels a side were drawn as one. Means are"
        " those of all pixels. Two choices of pixels show that 90 % of the standard deviations are therefore"
        " uncertain by {:.1f} % or less.",
        "{} areas have so many pixels that squares of up to {} pixels a side were drawn as one. Means are"
        " those of all pixels. Two choices of pixels show that 90 % of the standard deviations are therefore"
        " uncertain by {:.1f} % or less.",
        len(coarse),
    ).format(len(coarse), max(each.side for each in coarse), 100 * float(np.quantile(errors, 0.9)))


def _content(
    job: SummarizeAreas,
    names: Sequence[str],
    quantities: Quantities,
    summaries: Sequence[AreaSummary],
    written: dict[str, str],
) -> dict[str, object]:
    return {
        "network": job.network,
        "coverage": job.coverage,
        "columns": written,
        "quantities": [
            {"kind": each.kind, "field": each.field, "title": each.title, "unit": each.unit} for each in quantities.all
        ],
        "areas": [{"name": name, **asdict(each)} for name, each in zip(names, summaries)],
    }
