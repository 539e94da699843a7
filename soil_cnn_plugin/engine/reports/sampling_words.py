"""What a sampling design can and cannot prove, and how its points feed the other algorithms, in sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.observations.notes import metres_in_words
from soil_cnn_plugin.engine.reports.words import percent, rounded
from soil_cnn_plugin.engine.sampling.plan import SamplingPlan

DESIGN_TITLES = {
    "spatial_coverage": tr("Spatial coverage"),
    "feature_coverage": tr("Coverage of the covariates"),
    "latin_hypercube": tr("Conditioned Latin hypercube"),
    "simple_random": tr("Simple random sample"),
    "stratified_random": tr("Stratified random sample"),
    "balanced": tr("Spatially balanced random sample"),
    "where_next": tr("Where next"),
}
ORDERS = {
    "where_next": tr("in which they were chosen: the first ones matter most"),
    "spatial_coverage": tr("of spreading: any first part of them covers the area about as well as so few can"),
    "feature_coverage": tr("of spreading over the covariates"),
    "latin_hypercube": tr("of spreading over the covariates"),
    "simple_random": tr("in which they were drawn: any first part of them is a smaller simple random sample"),
}
"""Design -> the meaning of its order; designs without one need all their points."""
_PROBABILITY = ("simple_random", "stratified_random", "balanced")


@dataclass(frozen=True)
class Proofs:
    """What the design is good for, what it cannot prove, and what to do with the points in this plugin."""

    can: list[str]
    cannot: list[str]
    then: list[str]


def is_probability(plan: SamplingPlan) -> bool:
    return plan.design in _PROBABILITY


def verdict_of(plan: SamplingPlan) -> str:
    """Return the plan in a sentence or two: how many points, what they achieve, and the way past them."""
    criterion = plan.chosen.criterion
    walk = tr("The way past all of them is {} as the crow flies.").format(metres_in_words(plan.walk_metres))
    if criterion is None:
        strata = tr(" in {} strata").format(len(plan.frame.strata)) if plan.design == "stratified_random" else ""
        return tr("{} random points{} with known inclusion probabilities. {}").format(plan.count, strata, walk)
    mean = float(criterion.random.mean())
    if plan.design == "where_next":
        lowered, by_random = percent(1 - criterion.value), percent(1 - mean)
        text = tr(
            "{} points are expected to lower the mean variance of the map's error by {}; as many random points by {}."
        ).format(plan.count, lowered, by_random)
    else:
        what = {
            "latin_hypercube": tr("The objective of the Latin hypercube"),
            "feature_coverage": tr("The typical distance of a pixel to the most similar point"),
        }.get(plan.design, tr("The typical distance of a pixel to the nearest point"))
        unit = f" {criterion.unit}" if criterion.unit else ""
        text = (
            tr("{} points. {} is {}{}, {} less than with random points ({}{}).")
            if criterion.gain >= 0
            else tr("{} points. {} is {}{}, {} more than with random points ({}{}).")
        ).format(plan.count, what, rounded(criterion.value), unit, percent(abs(criterion.gain)), rounded(mean), unit)
    return f"{text} {walk}"


def proofs_of(plan: SamplingPlan) -> Proofs:
    """Return what the design can and cannot prove."""
    if is_probability(plan):
        return Proofs(_random_can(plan), _random_cannot(plan), _random_then(plan))
    cannot = [
        tr(
            "The accuracy of a map, or the mean of the area, with a guarantee: the places were chosen, not"
            " drawn at random, so no formula gives the error of an estimate from them (Brus 2019)."
            " Cross-validation or a separate random sample gives it."
        ),
    ]
    then = [tr("Add the measured values and choose the points, with the existing ones, in Extract patches.")]
    if plan.design == "spatial_coverage":
        can = [tr("Mapping: no pixel lies far from a point, which keeps the error of interpolation small (Brus 2019).")]
        cannot.append(tr("That all kinds of terrain or soil are sampled: covariates play no part in the choice."))
    elif plan.design == "feature_coverage":
        can = [
            tr(
                "Mapping with covariates: every combination of covariates that occurs lies near that of a"
                " point, which suits random forests and networks (Ma et al. 2020)."
            )
        ]
        cannot.append(
            tr("How the error varies with distance: points may lie in clusters or leave parts of the area empty.")
        )
    elif plan.design == "latin_hypercube":
        can = [
            tr(
                "Mapping with covariates: each covariate is sampled over its whole range, as often as its"
                " values occur, and with the correlations between covariates (Minasny & McBratney 2006)."
            )
        ]
        cannot.append(
            tr(
                "That it beats other designs for every model: for random forests, coverage of the covariates"
                " was as good or better in published comparisons (Ma et al. 2020)."
            )
        )
    else:
        can = [
            tr(
                "A better map by this network: each point was chosen for how much it lowers the map's expected"
                " error, given the points before it. The points therefore spread over uncertain areas instead"
                " of crowding where the uncertainty is highest."
            )
        ]
        cannot = [
            tr(
                "The accuracy of the map: the places are those where the map is least sure, so that errors"
                " there are larger than elsewhere. Never use them in Assess map; cross-validation that holds"
                " them out is fair only together with the other points."
            ),
            tr(
                "The gain itself: it is what the network expects, if the spread and the correlogram of its"
                " errors are right. What the samples bring is known when the network is trained again."
            ),
        ]
        then = [tr("Add the measured values to the old observations, extract patches, and train the network again.")]
    return Proofs(can, cannot, then)


def _random_can(plan: SamplingPlan) -> list[str]:
    count = plan.count
    mean, rmse = 1.96 / math.sqrt(count), 1.96 / math.sqrt(2 * count)
    gain = ""
    if plan.design == "stratified_random":
        gain = tr(" Strata that differ make the intervals narrower than that.")
    elif plan.design == "balanced":
        gain = tr(" Points that spread make the true error smaller than that.")
    return [
        tr(
            "The mean or total of any property over the sampled area, the share of it above a threshold, and"
            " the accuracy of any map of it, without bias and with confidence intervals that rest on the random"
            " choice of the places alone (Brus et al. 2011)."
        ),
        tr(
            "How precisely: with {} points the 95 % interval of a mean reaches about {} of the property's"
            " standard deviation to each side, and that of a map's RMSE about {} of the RMSE, if errors are"
            " near to normal.{}"
        ).format(count, percent(mean), percent(rmse), gain),
    ]


def _random_cannot(plan: SamplingPlan) -> list[str]:
    counts = plan.frame.counts
    left = counts.pixels - counts.places - counts.without_data
    found = [
        tr(
            "Anything, once points are moved by hand: if a place is replaced by a nearer or nicer one, the"
            " sample becomes a convenience sample. If a place cannot be reached, note it, and do not replace"
            " it."
        ),
        tr(
            "Anything about what was left out: {} pixels with data were outside the area, excluded or out of reach."
        ).format(left)
        if left
        else tr("Anything about what was left out."),
    ]
    if plan.frame.lattice is not None:
        found.append(
            tr(
                "The exact width of its intervals: all points lie on one lattice with a random start, and the"
                " formula for independent points stands in. Where the soil repeats itself at the lattice's"
                " spacing, it fails."
            )
        )
    if plan.design == "balanced":
        found.append(
            tr(
                "The exact width of its intervals: Assess map uses the formula for independent points, which"
                " is on the safe side."
            )
        )
    return found


def _random_then(plan: SamplingPlan) -> list[str]:
    if plan.design == "stratified_random":
        how = tr("Kind of sample: stratified; Stratum: the field stratum; Area of the stratum: the field stratum_area")
    elif plan.design == "simple_random":
        how = tr("Kind of sample: simple")
    else:
        how = tr("Kind of sample: probabilities; Inclusion probability: the field inclusion")
    return [
        tr("When values are measured, Assess map takes these points as they are ({}).").format(how),
        tr("Keep them out of the training of a map that they are to assess."),
    ]


def hectares_in_words(hectares: float) -> str:
    return tr("{:.0f} ha").format(hectares) if hectares >= 100 else tr("{} ha").format(rounded(hectares))
