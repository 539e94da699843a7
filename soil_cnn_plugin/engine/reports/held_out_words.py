"""What the held-out report says about all kinds of targets: predictor, folds, overlap, dissimilarity, how to cite."""

from __future__ import annotations

from collections.abc import Sequence

from soil_cnn_plugin.contract.language import all_of, tr, tr_n
from soil_cnn_plugin.engine.assessment.applicability import SpaceInWords
from soil_cnn_plugin.engine.assessment.assessment import Assessment, FoldsInWords
from soil_cnn_plugin.engine.assessment.methods import (
    BLEND,
    FOREST,
    FOREST_CONTEXT,
    FORESTS_SETTING,
    MEAN,
    NETWORK,
    PROCESS,
)
from soil_cnn_plugin.engine.reports.sections import Item, Paragraph, Section, table
from soil_cnn_plugin.engine.reports.words import percent, sentence_case, titles

HIGH_OVERLAP = 25.0
"""Percent of held-out observations whose patch overlaps a training patch; above it the report warns."""
PREDICTORS_IN_WORDS = {
    BLEND: tr(
        "a blend of network, random forest and Gaussian process: a weighted mean of them, with weights that"
        " were learned on held-out predictions within the training observations"
    ),
    NETWORK: tr("the network, an ensemble of convolutional networks on patches of the covariates"),
    PROCESS: tr(
        "a Gaussian process on the covariates, their focal means and deviations and, unless LOCATION is off, the"
        " coordinates"
    ),
    FOREST: tr("a random forest on the covariates at the point"),
    FOREST_CONTEXT: tr(
        "a random forest on the covariates at the point, their focal means and deviations and, unless LOCATION is off,"
        " the coordinates"
    ),
    MEAN: tr("the mean of the observations"),
}
RANDOM_BY_KNNDM = "random by knndm"
FOLDS_IN_WORDS = {
    "random": tr("random folds"),
    RANDOM_BY_KNNDM: tr("random folds, since by kNNDM the observations are no more clustered than the map"),
    "spatial_blocks": tr("spatial blocks"),
    "groups": tr("folds of whole groups"),
    "knndm": tr("folds matched to the distances of the map (kNNDM)"),
}


def predictor_sentence(predictor: str) -> str:
    """Say how the map is predicted; `predictor` is a method (assessment.METHODS)."""
    return tr("The map is predicted by {}.").format(PREDICTORS_IN_WORDS[predictor])


def validation_sentence(assessment: Assessment) -> str:
    """Say by which way of validation the numbers were found, and whether the rivals have all that they could have."""
    forests = assessment.settings.get(FORESTS_SETTING, "")
    return tr(
        "All scores are from {}: each observation was predicted by networks, forests and a Gaussian process"
        " that had not seen it, nor any other observation of its fold. They describe the map where it is"
        " like the places of the observations. An estimate for the whole area, with a confidence interval,"
        " needs an independent probability sample."
    ).format(_cross_validation(assessment.folds)) + (
        tr(" In the random forests {}.").format(forests) if forests else ""
    )


def overlap_sentence(folds: FoldsInWords) -> str:
    """Say how many held-out patches overlap one trained on, and what that means: folds matched to the map are as near
    as the map is, so that its own patches overlap as often."""
    share = percent(folds.overlap_percent / 100)
    text = tr("The patches of {} of the held-out observations overlap a patch that was trained on.").format(share)
    if folds.overlap_percent <= HIGH_OVERLAP:
        return text
    if _are_matched(folds):
        return tr(
            "{} Patches of the map overlap those trained on, too: the map lies no farther from the observations than"
            " held-out observations lie from those trained on, because the folds were chosen that way (kNNDM). The"
            " scores hold for the area that the folds were matched to; where a map reaches farther away, it may be"
            " worse than they say."
        ).format(text)
    return tr(
        "{} The network has seen part of their surroundings, so the scores hold close to the observations;"
        " farther away the map may be worse than they say."
    ).format(text)


def overlap_is_doubtful(folds: FoldsInWords) -> bool:
    """Whether scores may be too good for the map, because patches overlap as they do not on the map."""
    return folds.overlap_percent > HIGH_OVERLAP and not _are_matched(folds)


def _are_matched(folds: FoldsInWords) -> bool:
    """Whether folds matched to the map hold out observations about as far away as the map lies, as they are to do."""
    return folds.kind == "knndm" and not (folds.nearness and folds.nearness.is_doubtful)


def folds_in_words(folds: FoldsInWords) -> str:
    """Name the folds as they were in fact: where kNNDM came to random folds, these are random."""
    kind = RANDOM_BY_KNNDM if folds.kind == "knndm" and folds.is_random else folds.kind
    return FOLDS_IN_WORDS.get(kind, kind)


def methods_sentence(assessment: Assessment) -> str:
    """Return a sentence for the methods section of a paper."""
    names = {
        BLEND: tr("a blend of convolutional networks, a random forest and a Gaussian process"),
        NETWORK: tr("convolutional networks"),
    }
    method = names.get(assessment.predictor, PREDICTORS_IN_WORDS[assessment.predictor])
    numbers = titles([target.soil_property for target in assessment.numbers])
    classes = [
        tr("{} classes ({})").format(len(target.classes), target.soil_property.field) for target in assessment.classes
    ]
    ratios = tr(", as parts of a whole in isometric log-ratios") if assessment.compositions else ""
    calibrated = ""
    if classes and numbers:
        calibrated = tr("; probabilities of classes were calibrated by one temperature")
    elif classes:
        calibrated = tr("; probabilities were calibrated by one temperature")
    kind, size = folds_in_words(assessment.folds), assessment.patch_size
    subject = sentence_case(all_of([*numbers, *classes]))
    return tr_n(
        "{} was mapped with {} ({}){}, trained on {} observations and patches of {} × {} cells of the covariates{},"
        " and assessed by {} ({}).",
        "{} were mapped with {} ({}){}, trained on {} observations and patches of {} × {} cells of the covariates{},"
        " and assessed by {} ({}).",
        2 if classes else len(assessment.numbers),
    ).format(
        subject, method, software(assessment), ratios, len(assessment.coordinates), size, size, calibrated,
        _cross_validation(assessment.folds), kind,
    )  # fmt: skip


def _cross_validation(folds: FoldsInWords) -> str:
    if folds.repeats > 1:
        return tr("{}-fold cross-validation repeated {} times").format(folds.count, folds.repeats)
    return tr("{}-fold cross-validation").format(folds.count)


def software(assessment: Assessment) -> str:
    """Name the software, such as `Soil CNN 0.1.0, PyTorch 2.13.0`, as far as the versions are known."""
    known = [(name, assessment.versions.get(key, "")) for name, key in (("Soil CNN", "Soil CNN"), ("PyTorch", "torch"))]
    return ", ".join(f"{name} {version}" for name, version in known if version) or "Soil CNN"


def dissimilarity_section(spaces: Sequence[SpaceInWords]) -> list[Section]:
    """Return the section; none where the network tells nothing of it."""
    items: list[Item] = []
    for space in spaces:
        kept = tr(", of {} of {} observations, drawn at random").format(space.observations, space.drawn_from)
        part = kept if space.observations < space.drawn_from else ""
        limit = tr("A pixel is applicable up to an index of {:.4g}{}.").format(space.threshold, part)
        if not space.weights:
            items.append(Paragraph(f"{_IN_EMBEDDING_SPACE} {limit}"))
            continue
        items.append(Paragraph(f"{_IN_COVARIATE_SPACE} {limit}"))
        ordered = sorted(space.weights.items(), key=lambda each: -each[1])
        rows = [(name, percent(share, 1)) for name, share in ordered]
        items.append(table((tr("Covariate"), tr("Weight")), rows, _WEIGHTS))
    return [Section("applicability", tr("Where its maps may be used"), items)] if items else []


_IN_COVARIATE_SPACE = tr(
    "The dissimilarity index of a map (DISSIMILARITY) is that of Meyer and Pebesma (2021, doi"
    " 10.1111/2041-210X.13650): the distance from the pixel's covariates to those of the nearest"
    " observation, divided by the mean distance of two observations. Covariates are standardized as they"
    " are and multiplied by their weights; class codes become one column each. The limit is the upper"
    " whisker of the observations' own indices, each against those of other folds."
)
_IN_EMBEDDING_SPACE = tr(
    "In embedding space, an addition of this program without published experience, the same rule is applied"
    " to the last hidden layers of the networks. They see a value beyond the range of the training raster"
    " as the end of that range; such a pixel is not applicable, and its index grows with its distance from"
    " the range."
)
_WEIGHTS = tr(
    "Weights of the covariates in the index: how much the held-out error of the map's predictor grows when"
    " a covariate is exchanged between observations, in percent of the sum. A covariate without which"
    " predictions are no worse, or that has one value at all observations, has no weight."
)
