"""The held-out report: one HTML page that says what a map is worth, for readers who know soils."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from soil_cnn_plugin.contract.language import all_of, date_in_words, localized, tr
from soil_cnn_plugin.engine.assessment.assessment import Assessment, FoldsInWords
from soil_cnn_plugin.engine.reports.class_sections import class_share
from soil_cnn_plugin.engine.reports.composition_sections import composition_share
from soil_cnn_plugin.engine.reports.correlogram_section import correlogram_section
from soil_cnn_plugin.engine.reports.covariates_section import covariates_section
from soil_cnn_plugin.engine.reports.figures.calibration_figures import draw_loss_curves
from soil_cnn_plugin.engine.reports.figures.point_maps import map_frame
from soil_cnn_plugin.engine.reports.held_out_words import (
    dissimilarity_section,
    methods_sentence,
    overlap_is_doubtful,
    overlap_sentence,
    software,
    validation_sentence,
)
from soil_cnn_plugin.engine.reports.number_sections import number_share
from soil_cnn_plugin.engine.reports.number_words import measured_sentences
from soil_cnn_plugin.engine.reports.references import references
from soil_cnn_plugin.engine.reports.score_table import OTHER_KINDS
from soil_cnn_plugin.engine.reports.sections import (
    CaptionedFigure,
    Item,
    Page,
    Paragraph,
    Section,
    Share,
    Terms,
    citing_section,
    notes_section,
    settings_section,
    write_page,
)
from soil_cnn_plugin.engine.reports.words import sentence_case, titles

_IN_SHORT = ("accuracy", "covariates", "notes", "how-to-cite")
"""Sections that the short print version has, beside the verdicts and the maps."""
_OF_NUMBERS = ("transform", "coverage of intervals")  # settings that classes have no use for


def write_report(path: str, assessment: Assessment, maps: Sequence[Section] = ()) -> None:
    """Write one HTML file that needs nothing else. Figures are SVG; many points become images inside the SVG. `maps`
    are sections that stand first, where a map has been made."""
    frame = map_frame(assessment.coordinates, assessment.crs_name)
    shares = []
    if assessment.numbers:
        shares.append(number_share(assessment, frame))
    if assessment.compositions:
        shares.append(composition_share(assessment))
    if assessment.classes:
        shares.append(class_share(assessment, frame))
    page = Page(
        kind=tr("Held-out report") if assessment.numbers else tr("Held-out report of classes"),
        title=sentence_case(all_of(titles([target.soil_property for target in assessment.targets]))),
        facts=[
            *(fact for share in shares for fact in share.facts),
            *_facts(assessment, frame.unit),
            tr("written {}").format(date_in_words(date.today())),
        ],
        lead=[
            *(item for share in shares for item in share.predictor),
            *(item for share in shares for item in share.verdicts),
            *_nearness(assessment.folds, is_doubtful=True),
        ],
        sections=[*maps, *_sections(assessment, shares)],
    )
    write_page(path, page)


def _sections(assessment: Assessment, shares: Sequence[Share]) -> list[Section]:
    """Return the sections: what all kinds of targets have in common, and what each kind adds to it."""
    terms: dict[str, str] = {}
    for share in shares:
        terms |= {term: meaning for term, meaning in share.terms.items() if term not in terms}
    settings = assessment.settings
    if not assessment.numbers:
        settings = {name: value for name, value in settings.items() if name not in _OF_NUMBERS}
    sections = [
        Section("observations", tr("Observations and folds"), _observations(assessment, shares)),
        *covariates_section(assessment.covariates, assessment.spaces),
        Section("accuracy", tr("Accuracy"), [item for share in shares for item in share.accuracy]),
        *(section for share in shares for section in share.sections),
        Section(
            "differences",
            tr("Is one method better than another?"),
            [item for share in shares for item in share.differences],
        ),
        *_other_folds(assessment, shares),
        *(section for share in shares for section in share.target_sections),
        *correlogram_section(assessment.error_correlation, [target.soil_property for target in assessment.targets]),
        *dissimilarity_section(assessment.spaces),
        *_training(assessment),
        *notes_section(assessment.notes),
        Section("measures", tr("What the measures mean"), [Terms(terms)]),
        settings_section(settings, assessment.versions),
        citing_section(references(assessment), software(assessment), methods_sentence(assessment)),
    ]
    return [replace(section, is_detail=section.anchor not in _IN_SHORT) for section in sections]


def _facts(assessment: Assessment, unit: str) -> list[str]:
    size, cell = assessment.patch_size, assessment.cell_size
    across = tr(" ({:g} {} across)").format(size * cell, unit) if unit == "m" else ""
    return [
        tr("{} observations").format(len(assessment.coordinates)),
        tr("{} folds").format(assessment.folds.count)
        + (tr(", {} times").format(assessment.folds.repeats) if assessment.folds.repeats > 1 else ""),
        tr("patches of {} × {} cells of {}{}").format(size, size, f"{localized(f'{cell:g}')} {unit}".strip(), across),
        assessment.crs_name,
    ]


def _observations(assessment: Assessment, shares: Sequence[Share]) -> list[Item]:
    folds = assessment.folds
    return [
        Paragraph(folds.sentence),
        Paragraph(validation_sentence(assessment)),
        Paragraph(overlap_sentence(folds), "caution" if overlap_is_doubtful(folds) else ""),
        *_nearness(folds, is_doubtful=False),
        *(item for share in shares for item in share.maps),
        *(Paragraph(sentence) for sentence in measured_sentences(assessment)),
        *(item for share in shares for item in share.values),
    ]


def _nearness(folds: FoldsInWords, is_doubtful: bool) -> list[Item]:
    """How far held-out observations and the map lie; what is doubtful stands below the verdicts."""
    if folds.nearness is None or folds.nearness.is_doubtful != is_doubtful:
        return []
    return [Paragraph(folds.nearness.in_words(folds.kind), "caution" if is_doubtful else "")]


def _other_folds(assessment: Assessment, shares: Sequence[Share]) -> list[Section]:
    items = [item for share in shares for item in share.other_folds]
    if not items:
        return []
    kind = OTHER_KINDS.get(assessment.folds.other_kind, "")
    return [Section("other-folds", tr("{} beside the chosen ones").format(sentence_case(kind)), items)]


def _training(assessment: Assessment) -> list[Section]:
    """Draw the loss curves: first those of the folds' ensembles, then those of the final ones."""
    curves = assessment.loss_curves
    if not curves:
        return []
    has_folds = len(curves) > len({curve.architecture for curve in curves})
    lines = tr(" Thick lines: the networks of the map; thin lines: those of the folds.") if has_folds else ""
    figure = CaptionedFigure(
        draw_loss_curves("loss", curves),
        tr(
            "Loss while networks were trained, as means over the members of an ensemble.{} Where the held-out"
            " loss rises, a network learns its training observations by heart; all members were kept at the"
            " step where the held-out loss was lowest."
        ).format(lines),
    )
    return [Section("training", tr("Training"), [figure])]
