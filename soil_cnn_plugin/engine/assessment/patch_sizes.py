"""How far the landscape matters: held-out error against patch size, the noise in it, and the size to choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.comparison import NO_SIGNAL, SIGNAL, AgainstMean, Judged, change_words, signal
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, MEAN, NAMES, NETWORK
from soil_cnn_plugin.engine.assessment.significance import SIGNIFICANT, PairedTest, p_words, paired_test, percent_text
from soil_cnn_plugin.engine.targets.distributions import RMSE
from soil_cnn_plugin.engine.targets.kinds import Measure

POINT = 1
"""Patch size of the forest at the point: the pixel that holds the observation."""
AT_SIZES = (BLEND, NETWORK, FOREST_CONTEXT)
CHOSEN_BY = BLEND
"""Maps are predicted with it by default."""


@dataclass(frozen=True)
class SizedTarget:
    """One target: number and standard deviation of its observations, and the held-out predictions of each method at
    each patch size. `baselines` are those of the methods that see only the point, or nothing."""

    soil_property: SoilProperty
    count: int
    deviation: float
    by_size: Mapping[int, Mapping[str, Judged]]
    baselines: Mapping[str, Judged]


@dataclass(frozen=True)
class SizedError:
    """Error at a patch size, mean over the folds, with its standard error; and how much higher it is than at the best
    size, fold by fold, with the standard error of that. None where there are fewer than two folds."""

    size: int
    error: float
    standard_error: float | None
    above_best: float
    above_best_error: float | None

    @property
    def is_near_best(self) -> bool:
        """Whether it lies within one standard error of the best size."""
        return self.above_best <= (self.above_best_error or 0.0)


@dataclass(frozen=True)
class ErrorCurves:
    """Errors of some targets: in the unit of one target; for several, in their standard deviations, averaged.

    `sized` holds a curve of each method of AT_SIZES; `baselines` holds the errors of methods without a curve.
    """

    sized: Mapping[str, tuple[SizedError, ...]]
    baselines: Mapping[str, SizedError]
    context: PairedTest | None  # forest with context at the recommended size minus forest at the point
    signal: PairedTest | None  # CHOSEN_BY at the best size minus the mean
    largest: (
        PairedTest | None
    )  # CHOSEN_BY at the largest size minus that at the recommended one; None if it is the same
    best: int
    recommended: int

    def at(self, method: str, size: int) -> SizedError:
        return next(item for item in self.sized[method] if item.size == size)


@dataclass(frozen=True)
class PatchSizeComparison:
    """The whole comparison, for report and JSON. `metres` is the size of one pixel, east and north."""

    targets: tuple[SizedTarget, ...]
    sizes: tuple[int, ...]
    curves: ErrorCurves  # of all targets
    target_curves: tuple[ErrorCurves, ...]
    metres: tuple[float, float]
    folds_sentence: str
    overlap_percent: dict[int, float]  # size -> share of held-out patches that overlap a training patch
    measure: Measure = RMSE  # of the errors
    notes: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


def error_curves(targets: Sequence[SizedTarget]) -> ErrorCurves:
    """Compare the sizes over the folds, which are the same for all of them.

    It recommends the smallest size within one standard error of the best (Breiman et al. 1984, section 3.4.3). The
    standard error is that of the difference to the best, fold by fold: that some folds are harder than others at any
    size says nothing about sizes. Folds share training observations, see `paired_test`.
    """
    sizes = sorted(targets[0].by_size)
    errors = {
        (name, size): _fold_errors(targets, [target.by_size[size][name] for target in targets])
        for name in AT_SIZES
        for size in sizes
    }
    baselines = {name: _fold_errors(targets, [target.baselines[name] for target in targets]) for name in (FOREST, MEAN)}
    ratio = _test_to_train(targets)
    sized = {name: _curve({size: errors[name, size] for size in sizes}, ratio) for name in AT_SIZES}
    best = min(sized[CHOSEN_BY], key=lambda item: item.error).size
    recommended = min(item.size for item in sized[CHOSEN_BY] if item.is_near_best)
    largest = errors[CHOSEN_BY, sizes[-1]] - errors[CHOSEN_BY, recommended]
    return ErrorCurves(
        sized=sized,
        baselines={name: _curve({POINT: values}, ratio)[0] for name, values in baselines.items()},
        context=paired_test(errors[FOREST_CONTEXT, recommended] - baselines[FOREST], ratio),
        signal=paired_test(errors[CHOSEN_BY, best] - baselines[MEAN], ratio),
        largest=paired_test(largest, ratio) if recommended != sizes[-1] else None,
        best=best,
        recommended=recommended,
    )


def conclusion(comparison: PatchSizeComparison) -> list[str]:
    """How far the landscape matters, in plain words; the first sentence is the answer."""
    curves, largest = comparison.curves, comparison.sizes[-1]
    names = {size: size_in_words(size, comparison.metres) for size in comparison.sizes}
    best, recommended = names[curves.best], names[curves.recommended]
    if curves.recommended == largest and len(comparison.sizes) > 1:
        sentences = [
            tr(
                "The error still falls up to the largest patch that was compared, {}. Extract larger patches to"
                " see how far the landscape matters."
            ).format(names[largest])
        ]
    else:
        sentences = [tr("Context beyond {} does not clearly lower the error.").format(recommended)]
        if curves.largest:
            least = _detectable(curves.largest, curves.at(CHOSEN_BY, curves.recommended), sides=1)
            sentences.append(
                tr(
                    "That is no proof that it does not matter: over {} folds a gain of the largest patch, {},"
                    " shows only from {} on (80 % power)."
                ).format(curves.largest.count, names[largest], least)
            )
    if curves.best != curves.recommended:
        chosen, lowest = curves.at(CHOSEN_BY, curves.recommended), curves.at(CHOSEN_BY, curves.best)
        noise = 100 * (chosen.above_best_error or 0.0) / chosen.error
        sentences.append(
            tr(
                "The lowest error of the {} is that of {}, {} below that of {}: within one standard error from"
                " fold to fold ({:.1f} %), so the smaller patch is recommended."
            ).format(NAMES[CHOSEN_BY], best, _percent_below(lowest, chosen), recommended, noise)
        )
    sentences.append(_context_in_words(curves, recommended))
    signal_sentence = _signal_in_words(curves, comparison.measure)
    return [*sentences, *([signal_sentence] if signal_sentence else [])]


def size_in_words(size: int, metres: tuple[float, float]) -> str:
    """The size in words: `280 m (7 × 7 pixels)`."""
    return tr("{} ({} × {} pixels)").format(extent(size, metres), size, size)


def extent(size: int, metres: tuple[float, float]) -> str:
    """Side of a patch on the ground: `280 m`, or `70 × 110 m` where pixels are not square."""
    east, north = (_distance(size * length) for length in metres)
    if np.isclose(*metres, rtol=0.02):
        return f"{east} m"
    return f"{east} × {north} m"


def _distance(length: float) -> str:
    return localized(f"{length:.3g}" if length < 100 else f"{length:.0f}")


def _fold_errors(targets: Sequence[SizedTarget], methods: Sequence[Judged]) -> Array:
    """Errors (folds,): of several targets in their standard deviations, mean of those that the fold holds."""
    errors = np.array(
        [[scores.error if scores.n else np.nan for scores in held_out.fold_scores] for held_out in methods]
    )
    if len(targets) > 1:
        errors /= np.array([target.deviation for target in targets])[:, None]
    errors = errors[:, np.isfinite(errors).any(axis=0)]
    mean: Array = np.nanmean(errors, axis=0)
    return mean


def _test_to_train(targets: Sequence[SizedTarget]) -> float:
    """Ratio of held-out observations to training ones, mean over folds and targets."""
    ratios = []
    for target in targets:
        sizes = np.array([scores.n for scores in target.baselines[MEAN].fold_scores], float)
        ratios.append(np.mean((sizes / (sizes.sum() - sizes))[sizes > 0]))
    return float(np.mean(ratios))


def _curve(errors: Mapping[int, Array], ratio: float) -> tuple[SizedError, ...]:
    best = min(errors.values(), key=lambda values: float(values.mean()))
    items = []
    for size, values in errors.items():
        level, above = paired_test(values, ratio), paired_test(values - best, ratio)
        items.append(
            SizedError(
                size=size,
                error=float(values.mean()),
                standard_error=level.standard_error if level else None,
                above_best=float((values - best).mean()),
                above_best_error=above.standard_error if above else None,
            )
        )
    return tuple(items)


def _context_in_words(curves: ErrorCurves, recommended: str) -> str:
    """How much context of the recommended size is worth: the forests tell, which differ in nothing else."""
    point, test = curves.baselines[FOREST], curves.context
    percent = 100 * (test.difference / point.error if test else 0.0)
    numbers = change_words(percent) + (f" ({p_words(test.p)})" if test else "")
    beside = tr("with context of {} the random forest's error is {} than with the covariates at the point").format(
        recommended, numbers
    )
    if test is None or test.p >= SIGNIFICANT:
        least = (
            tr(" The folds show a difference only from {} on (80 % power).").format(_detectable(test, point))
            if test
            else ""
        )
        return tr("Whether the landscape matters at all is not clear: {}.{}").format(beside, least)
    matters = tr("The landscape matters here: {}.") if percent < 0 else tr("The landscape misleads here: {}.")
    return matters.format(beside)


def _percent_below(lower: SizedError, higher: SizedError) -> str:
    return localized(f"{100 * (1 - lower.error / higher.error):.1f} %")


def _signal_in_words(curves: ErrorCurves, measure: Measure) -> str:
    """Say that no size beats the mean, or that too little was seen to say so; empty where one does."""
    best, mean, test = curves.at(CHOSEN_BY, curves.best), curves.baselines[MEAN], curves.signal
    percent = 100 * (best.error / mean.error - 1) if mean.error else 0.0
    found = signal([AgainstMean(percent, test, mean.error)], measure)
    if found == SIGNAL:
        return ""
    text = tr("No size clearly beats {}").format(measure.without_map)
    if found == NO_SIGNAL:
        return tr(
            "{}, and a gain of {:g} % can be ruled out (95 % confidence): the covariates carry no usable"
            " signal here, and it cannot tell these sizes apart."
        ).format(text, measure.clear_gain_percent)
    missed = tr(": a gain shows only from {} on (80 % power)").format(_detectable(test, mean, sides=1)) if test else ""
    return tr(
        "{}, but that proves little{}. The lowest error is {} than {}. More observations or folds can tell whether"
        " there is a usable signal."
    ).format(text, missed, change_words(percent), measure.of_this)


def _detectable(test: PairedTest, beside: SizedError, sides: int = 2) -> str:
    return percent_text(100 * test.detectable(sides=sides) / beside.error) if beside.error else tr("any size")
