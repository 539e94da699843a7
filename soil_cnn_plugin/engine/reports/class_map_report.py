"""The assessment of a map of classes as a page, as JSON, and as points that say where it is right."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from soil_cnn_plugin.contract.language import tr, whole
from soil_cnn_plugin.engine.assessment.class_map_assessment import ClassEstimates, ClassMapAssessment
from soil_cnn_plugin.engine.assessment.design_based import Estimate
from soil_cnn_plugin.engine.reports.class_tables import (
    FEW_OF_CLASS,
    NO_INTERVALS,
    OF_CLASS_COLUMNS,
    counted,
    of_class_rows,
)
from soil_cnn_plugin.engine.reports.drawing import drawn_in_words
from soil_cnn_plugin.engine.reports.figures.class_figures import draw_confusion, draw_right_and_wrong, short
from soil_cnn_plugin.engine.reports.figures.point_maps import map_frame
from soil_cnn_plugin.engine.reports.files import write_json, write_points
from soil_cnn_plugin.engine.reports.map_report import basis_items, dropped_items
from soil_cnn_plugin.engine.reports.references import class_map_references
from soil_cnn_plugin.engine.reports.sections import (
    CaptionedFigure,
    Item,
    Page,
    Paragraph,
    Section,
    Subheading,
    Table,
    Terms,
    VerdictBox,
    citing_section,
    settings_section,
    table,
    write_page,
)
from soil_cnn_plugin.engine.reports.words import NOTHING, fixed, map_class_terms, percent, rounded, sentence_case
from soil_cnn_plugin.engine.targets.class_scores import purity, representation

_MOST_IN_MATRIX = 15
"""The most classes whose matrix of areas fits a page; the metrics hold it for any number."""


def write_class_map_report(path: str, assessment: ClassMapAssessment) -> None:
    """Write one HTML file that needs nothing else; names of classes and descriptions of rasters are escaped."""
    estimates = assessment.estimates
    where = tr("the whole map") if not estimates or estimates.land.share == 1 else _spoken(estimates)
    basis = basis_items(len(assessment.ids), estimates.sentence if estimates else "", assessment.notes, where)
    text, outcome = _worth(assessment)
    page = Page(
        kind=tr("Map assessment"),
        title=sentence_case(assessment.soil_property.title),
        facts=_facts(assessment),
        lead=[VerdictBox(sentence_case(assessment.soil_property.label), [Paragraph(text)], outcome)],
        sections=[
            Section("basis", tr("What these numbers stand for"), basis),
            *(
                [Section("estimates", tr("Estimates for the map"), _estimates(assessment, estimates))]
                if estimates
                else []
            ),
            Section("classes", tr("Which classes are right at the observations"), _at_observations(assessment)),
            Section("where", tr("Where the map is right"), [_right_and_wrong(assessment)]),
            settings_section(assessment.settings, assessment.versions),
            citing_section(class_map_references(estimates is not None)),
        ],
    )
    write_page(path, page)


def _facts(assessment: ClassMapAssessment) -> list[str]:
    dropped = sum(assessment.dropped.values())
    return [
        assessment.map_name,
        tr("{} observations").format(len(assessment.ids)) + (tr(", {} dropped").format(dropped) if dropped else ""),
        tr("{} classes").format(len(assessment.classes)),
        assessment.crs_name,
    ]


def _spoken(estimates: ClassEstimates) -> str:
    return tr("{} of the map").format(percent(estimates.land.share, 1))


def _worth(assessment: ClassMapAssessment) -> tuple[str, str]:
    """State the result: of the map where the sample allows it, otherwise of these observations; and its colour."""
    estimates = assessment.estimates
    if estimates:
        right, shares = estimates.accuracy.value, np.array([share.value for share in estimates.share])
        text = (
            tr("The map shows the right class on {} of its area ({}).")
            if estimates.land.share == 1
            else tr("The map shows the right class on {} of the area that the sample represents ({}).")
        ).format(percent(right), _span(estimates.accuracy, estimates))
        of_most = tr(" A map that shows only {}, the most frequent class, would be right on {}.")
    else:
        right, shares = assessment.accuracy, assessment.matrix.sum(axis=1) / len(assessment.ids)
        text = tr("The map shows the right class at {} of these {} observations.").format(
            percent(right), len(assessment.ids)
        )
        of_most = tr(" A map that shows only {}, the most frequent class, would be right at {}.")
    most, highest = assessment.classes[int(shares.argmax())], float(shares.max())
    text += of_most.format(most, percent(highest))
    is_worthless = right <= highest
    return text + tr(" The map is worth no more than that.") * is_worthless, "none" if is_worthless else ""


def _span(found: Estimate, estimates: ClassEstimates) -> str:
    return tr("{} confidence interval {} to {}").format(
        percent(estimates.confidence), percent(found.low), percent(found.high)
    )


def _estimates(assessment: ClassMapAssessment, estimates: ClassEstimates) -> list[Item]:
    accuracy = estimates.accuracy
    row = (tr("Overall accuracy"), *(percent(each, 1) for each in (accuracy.value, accuracy.standard_error)))
    interval = tr("{} confidence intervals").format(percent(estimates.confidence))
    items: list[Item] = [
        table(
            (tr("Measure"), tr("Estimate"), tr("Standard error"), tr("From"), tr("To")),
            [(*row, percent(accuracy.low, 1), percent(accuracy.high, 1))],
            tr("Share of the area on which the map shows the right class, with its {} confidence interval.").format(
                percent(estimates.confidence)
            ),
        ),
        table(
            (tr("Class"), tr("Observed"), tr("Predicted"), tr("Purity"), tr("Representation")),
            _class_rows(assessment, estimates),
            tr(
                "Purity (user’s accuracy) and representation (producer’s accuracy) by area, with {} in"
                " brackets, and how many observations belong to the class and lie where the map shows it. An"
                " asterisk marks numbers below {}. Where a large stratum may hide a rare class that its sample"
                " missed, the interval of that class’s representation is narrower than it should be."
            ).format(interval, FEW_OF_CLASS),
        ),
        table(
            (
                tr("Class"),
                tr("Area on the map"),
                tr("Share of the area"),
                tr("From"),
                tr("To"),
                tr("Area ({})").format(estimates.land.unit),
                "±",
            ),
            _area_rows(assessment, estimates),
            tr(
                "Where the map shows each class, and how much of the area belongs to it by the sample, which"
                " allows for the map’s errors, with {}. The last column is half of the interval by the standard"
                " error."
            ).format(interval),
        ),
    ]
    return [*items, *_area_matrix(assessment, estimates)]


def _class_rows(assessment: ClassMapAssessment, estimates: ClassEstimates) -> list[tuple[str, ...]]:
    matrix = assessment.matrix
    return [
        (
            name,
            counted(int(matrix[index].sum())),
            counted(int(matrix[:, index].sum())),
            _share_and_limits(estimates.purity[index]),
            _share_and_limits(estimates.representation[index]),
        )
        for index, name in enumerate(assessment.classes)
    ]


def _area_rows(assessment: ClassMapAssessment, estimates: ClassEstimates) -> list[tuple[str, ...]]:
    rows = []
    for name, mapped, found in zip(assessment.classes, assessment.map_areas, estimates.share):
        limits = (percent(each, 1) for each in (found.value, found.low, found.high))
        half = 1.96 * found.standard_error * estimates.land.area
        on_map = f"{percent(mapped / assessment.map_areas.sum(), 1)}"
        rows.append((name, on_map, *limits, rounded(found.value * estimates.land.area), rounded(half)))
    return rows


def _area_matrix(assessment: ClassMapAssessment, estimates: ClassEstimates) -> list[Item]:
    names = assessment.classes
    if len(names) > _MOST_IN_MATRIX:
        return [
            Paragraph(tr("The confusion matrix by area of {} classes is in the metrics.").format(len(names)), "small")
        ]
    rows = [
        (name, *(percent(share, 1) if share else NOTHING for share in row), percent(row.sum(), 1))
        for name, row in zip(names, estimates.matrix)
    ]
    totals = (tr("All"), *(percent(share, 1) for share in estimates.matrix.sum(axis=0)), percent(1.0, 1))
    caption = tr(
        "Confusion matrix by area: the share of the area on which the class of the row is shown as the column’s."
    )
    return [table((tr("Observed"), *map(short, names), tr("All")), [*rows, totals], caption)]


def _share_and_limits(found: Estimate | None) -> str:
    if found is None:
        return NOTHING
    return f"{percent(found.value)} ({percent(found.low).removesuffix(' %')}–{percent(found.high).removesuffix(' %')})"


def _at_observations(assessment: ClassMapAssessment) -> list[Item]:
    overall = ((whole(len(assessment.ids)), percent(assessment.accuracy, 1), fixed(assessment.kappa, 2)),)
    of_each = Table(
        (tr("Class"), *OF_CLASS_COLUMNS),
        table((), of_class_rows(assessment.classes, assessment.matrix)).groups,
        tr(
            "The observations of each class, without weights: how many belong to it, how many lie where the map"
            " shows it, purity and representation, and the class that the map most often shows instead. An"
            " asterisk marks numbers below {}: the shares beside them say little."
        ).format(FEW_OF_CLASS),
    )
    silent = [] if assessment.estimates else [Paragraph(NO_INTERVALS, "small")]
    return [
        table(("n", tr("Accuracy"), "Kappa"), overall, tr("Scores of the observations, without weights.")),
        of_each,
        *silent,
        _confusion(assessment),
        *dropped_items(assessment.dropped),
        Subheading(tr("What the measures mean")),
        Terms(map_class_terms()),
    ]


def _confusion(assessment: ClassMapAssessment) -> CaptionedFigure:
    return CaptionedFigure(
        draw_confusion("confusion", assessment.classes, assessment.matrix),
        tr(
            "Confusion matrix: how many observations of the class of the row lie where the map shows the class"
            " of the column. Right ones lie on the diagonal. Colours are shares of the row: each row shows what an"
            " observed class was taken for."
        ),
    )


def _right_and_wrong(assessment: ClassMapAssessment) -> CaptionedFigure:
    frame = map_frame(assessment.coordinates, assessment.crs_name)
    panels = [(assessment.map_name, assessment.is_right)]
    return CaptionedFigure(
        draw_right_and_wrong("right-and-wrong", assessment.coordinates, frame, panels),
        tr(
            "Where the map shows the observed class, and where another one. Where wrong ones gather, the map"
            " misses something that varies in space."
        )
        + drawn_in_words(len(assessment.coordinates)),
    )


def write_class_map_metrics(path: str, assessment: ClassMapAssessment) -> None:
    """Write what was compared, the scores at the observations and, for a probability sample, estimates for the whole
    map. Confusion matrices have observed classes in their rows and predicted ones in their columns."""
    matrix, names, estimates = assessment.matrix, assessment.classes, assessment.estimates
    columns = {
        "map_pixels": assessment.map_pixels,
        "map_hectares": assessment.map_areas,
        "observed": matrix.sum(axis=1),
        "predicted": matrix.sum(axis=0),
        "purity": purity(matrix),
        "representation": representation(matrix),
    }
    content = {
        "target": {"field": assessment.soil_property.field, "label": assessment.soil_property.label},
        "map": assessment.map_name,
        "count": len(assessment.ids),
        "dropped": assessment.dropped,
        "classes": {name: {key: each[index] for key, each in columns.items()} for index, name in enumerate(names)},
        "not_on_the_map": assessment.unmapped,
        "accuracy": assessment.accuracy,
        "kappa": assessment.kappa,
        "confusion": matrix,
        "design_based": _design_content(names, estimates) if estimates else None,
        "settings": assessment.settings,
        "versions": assessment.versions,
        "notes": assessment.notes,
    }
    write_json(path, content)


def _design_content(names: tuple[str, ...], estimates: ClassEstimates) -> dict[str, object]:
    found = asdict(estimates)
    by_class = {key: dict(zip(names, found.pop(key))) for key in ("purity", "representation", "share")}
    return {**found, **by_class}


def write_class_residuals(path: str, assessment: ClassMapAssessment, crs_wkt: str) -> None:
    """Write a GeoPackage of the observations that were used: observed and predicted class, and whether the map is
    right."""
    names = np.array(assessment.classes, object)
    columns: dict[str, object] = {
        "observation": assessment.ids,
        "observed": names[assessment.observed],
        "predicted": names[assessment.predicted],
        "correct": assessment.is_right,
    }
    write_points(path, "residuals", columns, assessment.coordinates, crs_wkt)
