"""The check of observations in words: its summary, what to do first, what was not checked, and how it is done."""

from __future__ import annotations

from collections.abc import Sequence

from soil_cnn_plugin.contract.language import some_of, tr, tr_n
from soil_cnn_plugin.engine.checks.clustering import Clustering
from soil_cnn_plugin.engine.checks.findings import CHECK, KINDS, NOTE, REPAIR, Finding
from soil_cnn_plugin.engine.checks.observations_check import ObservationsCheck
from soil_cnn_plugin.engine.observations.notes import metres_in_words
from soil_cnn_plugin.engine.reports.sections import Problem
from soil_cnn_plugin.engine.reports.words import percent

_SENTENCES, _IDS = 5, 12
"""The most sentences and ids of one kind of problem that are written out."""


def summary(check: ObservationsCheck) -> tuple[str, str, str]:
    """Return the look of the box (good, poor, none), its heading and its sentence."""
    repair, doubtful = (len(_kinds(check.of_severity(severity))) for severity in (REPAIR, CHECK))
    fields = len(check.fields) + len(check.classes)
    if repair:
        rows = len(check.rows_of(REPAIR))
        heading = tr_n("{} thing to repair", "{} things to repair", repair).format(repair)
        if rows:
            heading = tr("{}, at {} of {}").format(heading, rows, observations_in_words(len(check.ids)))
        first = [_in_brief(item) for item in items(check, REPAIR)]
        then = tr(" Then look at what may be right or wrong: {}.").format(_to_check(doubtful)) if doubtful else ""
        order = tr("; then ").join(first[:3])
        return "none", heading, tr("Repair first: {}.{}{}").format(order, _more(first[3:]), then)
    if doubtful:
        heading = tr("Nothing to repair, {}").format(_to_check(doubtful))
        first = [_in_brief(item) for item in items(check, CHECK)]
        sentence = tr("Look at: {}.{} Each may be right as it is.").format("; ".join(first[:3]), _more(first[3:]))
        return "poor", heading, sentence
    looked = tr_n("{} and {} field", "{} and {} fields", fields).format(observations_in_words(len(check.ids)), fields)
    sentence = tr("In {} nothing was found that has to be repaired or checked.").format(looked)
    return "good", tr("No problems found"), sentence


def _to_check(count: int) -> str:
    return tr_n("{} thing to check", "{} things to check", count).format(count)


def _in_brief(item: Problem) -> str:
    """Return a problem in brief: `codes for missing values (12 observations)`."""
    return f"{item.title[0].lower()}{item.title[1:]}{f' ({item.count})' if item.count else ''}"


def _more(rest: Sequence[str]) -> str:
    return tr(" And {} more below.").format(len(rest)) if rest else ""


def items(check: ObservationsCheck, severity: str) -> list[Problem]:
    """Return one item per kind, in the order of the findings."""
    found = check.of_severity(severity)
    return [_item(check, kind, [each for each in found if each.kind == kind]) for kind in _kinds(found)]


def _kinds(findings: Sequence[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.kind for finding in findings))


def _item(check: ObservationsCheck, kind: str, findings: list[Finding]) -> Problem:
    findings = sorted(findings, key=lambda each: -len(each.rows))
    sentences = [finding.sentence for finding in findings[:_SENTENCES]]
    if len(findings) > _SENTENCES:
        others = [
            f"{each.field} ({len(each.rows)})" if len(each.rows) else each.field for each in findings[_SENTENCES:]
        ]
        sentences.append(
            tr_n("The same in {} more field: {}.", "The same in {} more fields: {}.", len(others)).format(
                len(others), some_of(others, 12)
            )
        )
    remedies = list(dict.fromkeys(finding.remedy for finding in findings))
    also = tr(" Do the same for the other fields.") if len(remedies) > 1 else ""
    rows = sorted({int(row) for finding in findings for row in finding.rows.tolist()})
    ids = [str(check.ids[row]) for row in rows]
    return Problem(
        title=KINDS[kind].title,
        count=observations_in_words(len(rows)) if rows else "",
        sentences=sentences,
        remedy=f"{remedies[0]}{also}",
        observations=some_of(ids, _IDS) if KINDS[kind].severity != NOTE else "",
    )


def not_checked(check: ObservationsCheck) -> list[tuple[str, str]]:
    """Return what was not checked, and what to choose so that it is."""
    settings = check.settings
    asked = {
        tr("Places outside the covariates or without data, shared pixels"): settings["Covariates"],
        tr("Sums of sand, silt and clay"): settings["Composition"],
        tr("Depths of horizons"): settings["Upper and lower limit"],
        tr("Detection limits in a field of their own"): settings["Detection limits"],
    }
    parameters = (
        tr("Covariates"),
        tr("Composition"),
        tr("Profile, Upper limit and Lower limit"),
        tr("Detection limits"),
    )
    rows = [
        (what, tr("choose {}").format(parameter))
        for (what, chosen), parameter in zip(asked.items(), parameters)
        if chosen == "not chosen"
    ]
    return rows + [(tr("Field {}").format(name), why) for name, why in check.left_out.items()]


def clustering_in_words(found: Clustering) -> str:
    """Say what the Clark-Evans ratio means, and how much of the area lies far from observations."""
    meaning = {
        "strongly clustered": tr(
            "The {} different places are strongly clustered: they lie far nearer to each other than places at random:"
            " there are clusters, and gaps between."
        ),
        "clustered": tr(
            "The {} different places are clustered: they lie nearer to each other than places at random: there are"
            " clusters, and gaps between."
        ),
        "slightly clustered": tr(
            "The {} different places are slightly clustered: they lie a little nearer to each other than places at"
            " random."
        ),
        "like places at random": tr(
            "The {} different places are like places at random: they lie as far from each other as places at random."
        ),
        "slightly regular": tr(
            "The {} different places are slightly regular: they lie a little farther from each other than places at"
            " random."
        ),
        "regular": tr(
            "The {} different places are regular: they lie farther from each other than places at random, as on a grid."
        ),
    }[found.kind].format(found.places)
    numbers = tr(
        "The Clark-Evans ratio is {:.2f}: the mean distance to the nearest neighbour, {}, divided by that of as many"
        " places at random in {} ({}), {}. Places at random would have a ratio from {:.2f} to {:.2f}; clustered places"
        " have a lower one, regular places a higher one. {} of the area lies farther from any observation than 95 % of"
        " the observations lie from their nearest neighbour; there, a map depends on covariates alone."
    ).format(
        found.ratio, metres_in_words(found.mean), found.region, _area(found.square_metres),
        metres_in_words(found.expected), found.low, found.high, percent(found.far_share),
    )  # fmt: skip
    return f"{meaning} {numbers}"


def substituted_in_words(check: ObservationsCheck) -> list[str]:
    return [
        tr(
            "{} values of {} equal half of their detection limit, so they were probably put in place of"
            ' "below the limit". With the limits chosen, they count as values below the limit.'
        ).format(each.half, each.field)
        for each in check.limits
        if each.half > 2
    ]


HOW = [
    (
        tr("Codes for missing values"),
        tr(
            "Usual codes (−1, −9, −99, −999, −9999, 99, 999, 9999, 99999 and limits of number formats) are"
            " reported where they lie apart from all other values: negative where the others are not, or"
            " farther from them than these reach. All numbers on this page leave them out, except the counts."
        ),
    ),
    (
        tr("Values far from all others"),
        tr(
            "Farther from the median than 20 times the distance between the quartiles, and on the scale of"
            " logarithms farther than 8 times."
        ),
    ),
    (
        tr("Outliers"),
        tr(
            "Reported if more than three times as far from the median as the start of the outermost tenth of the"
            " values on that side; in a normal distribution this is one value in ten thousand. The rule is"
            " applied to the values or to their logarithms, whichever lie more evenly around the median"
            " (percentages, compositions and pH as they are), and not to values below a detection limit. Nothing"
            " is dropped."
        ),
    ),
    (
        tr("Negative values"),
        tr(
            "Reported for percentages, contents (by their unit) and parts of a composition, and in any field"
            " where at most 5 % of the values are negative. A few different negative numbers that occur again"
            " and again, and are small, are taken for detection limits with a minus."
        ),
    ),
    (
        tr("One place"),
        tr(
            "The same coordinates to a centimetre; for horizons also the same depth. Values of one place are"
            " very different where they differ by more than the middle 80 % of all values do."
        ),
    ),
    (
        tr("Clark-Evans ratio"),
        tr(
            "Mean distance to the nearest neighbour, over the mean of simulated places at random in the same"
            " area, so that its shape and edges do not matter. Without covariates the area is the convex"
            " outline of the observations, enlarged after Ripley & Rasson (1977)."
        ),
    ),
    (
        tr("Suggested transform"),
        tr(
            "What the transform auto of Train network would take: the logarithm where all values are above 0,"
            " their skewness is above 1, and that of the logarithms is nearer to 0; for parts of a composition"
            " log-ratios."
        ),
    ),
]


def observations_in_words(count: int) -> str:
    return tr_n("{} observation", "{} observations", count).format(count)


def _area(square_metres: float) -> str:
    if square_metres >= 1e6:
        return (
            tr("{:,.3g} km²").format(square_metres / 1e6)
            if square_metres < 1e9
            else tr("{:,.0f} km²").format(square_metres / 1e6)
        )
    return tr("{:.3g} ha").format(square_metres / 1e4)
