"""Words and numbers as a reader wants them: names, depths in order, decimals, and the meaning of each measure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from soil_cnn_plugin.contract.language import all_of, localized, tr
from soil_cnn_plugin.contract.soil_property import SoilProperty

Named = TypeVar("Named")
NOTHING = "–"
_SMALLEST_IN_DECIMALS = 1e-5
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_HEADINGS = {
    "Width": tr("Width"),
    "Interval score": tr("Interval score"),
    "Accuracy": tr("Accuracy"),
    "Kappa": tr("Kappa"),
    "Brier score": tr("Brier score"),
    "Brier skill": tr("Brier skill"),
    "Log score": tr("Log score"),
}
"""Column of a table of scores -> its heading in the user's language; others are abbreviations."""


def sentence_case(text: str) -> str:
    """Capitalize the first letter: `clay` becomes `Clay`, but `pH` stays."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]


def by_depth(items: Iterable[Named], soil_property: Callable[[Named], SoilProperty]) -> list[Named]:
    """Sort by depth. A property stands where its first depth was named."""
    known = list(items)
    names = list(dict.fromkeys(soil_property(item).name for item in known))

    def place(item: Named) -> tuple[int, float, float]:
        found = soil_property(item)
        return names.index(found.name), *(found.depth_cm or (-1.0, -1.0))

    return sorted(known, key=place)


def titles(soil_properties: Iterable[SoilProperty]) -> list[str]:
    """Return the titles: `clay 0-5, 5-15 and 15-30 cm` for the depths of one property, `zinc` for one without."""
    found: dict[str, list[str]] = {}
    for soil_property in by_depth(soil_properties, lambda each: each):
        depth = soil_property.depth_cm
        name = soil_property.name if depth else soil_property.field
        found.setdefault(name, []).extend([localized(f"{depth[0]:g}-{depth[1]:g}")] if depth else [])
    return [tr("{} {} cm").format(name, all_of(depths)) if depths else name for name, depths in found.items()]


def decimals_for(scale: float) -> int:
    """Return how many decimals show about three significant digits of numbers as large as `scale`."""
    if not math.isfinite(scale) or scale == 0:
        return 2
    return min(8, max(0, 2 - math.floor(math.log10(abs(scale)))))


def fixed(value: float | None, decimals: int) -> str:
    """Return the value with this many decimals, as the user's language writes numbers."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{value:.{decimals}f}"
    return localized(text.replace("-", "−") if float(text) else text.lstrip("-"))


def rounded(value: float | None) -> str:
    """Return the value with about three significant digits: `0.0123`, and `1.23 × 10⁻⁷` where decimals get too many."""
    if value is None or not 0 < abs(value) < _SMALLEST_IN_DECIMALS:
        return NOTHING if value is None else fixed(value, decimals_for(value))
    digits, power = f"{value:.2e}".split("e")
    return localized(f"{digits} × 10{str(int(power)).translate(_RAISED)}".replace("-", "−"))


def in_unit(value: float, unit: str) -> str:
    """Return the value, rounded, with its unit where it has one."""
    return f"{rounded(value)} {unit}".rstrip()


def percent(share: float | None, decimals: int = 0) -> str:
    """Return the share in percent: `0.912` becomes `91 %`."""
    return NOTHING if value_is_missing(share) else f"{fixed(100 * (share or 0.0), decimals)} %"


def unbroken(text: str) -> str:
    """Return the text with spaces that keep `12 %` and `p = 0.03` on one line."""
    return re.sub(r"(?<=\d) (?=%)|(?<=\bp) (?=[=<])|(?<=p[ \u00a0][=<]) (?=\d)", "\u00a0", text)


def value_is_missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def score_heading(column: str) -> str:
    """Return the heading of a column of a table of scores."""
    return _HEADINGS.get(column, column)


def number_terms(coverage: float, columns: Sequence[str]) -> dict[str, str]:
    """Return the meanings of the measures of numbers that `columns` of a table of scores hold."""
    terms = {
        **_interval_terms(coverage),
        "n": ("n", tr("Number of observations with a value of this soil property.")),
        "ME": (
            tr("ME, mean error"),
            tr("Mean of predicted minus observed. 0 is best; above 0 the map is too high on average, below 0 too low."),
        ),
        "RMSE": (
            tr("RMSE, root mean square error"),
            tr("Typical size of an error, in the unit of the property; large errors count more. 0 is best."),
        ),
        "MEC": (
            tr("MEC, model efficiency coefficient"),
            tr(
                "Share of the variance that the map explains, also called Nash–Sutcliffe efficiency. 1 is best;"
                " 0 is no better than the mean of the observations; below 0 is worse than it. It is not the"
                " squared correlation, which forgives bias."
            ),
        ),
        "CCC": (
            tr("CCC, concordance correlation coefficient"),
            tr("How closely the points follow the 1:1 line. 1 is best, 0 is no agreement."),
        ),
        "RPIQ": (
            tr("RPIQ, ratio of performance to interquartile distance"),
            tr(
                "How many times the RMSE fits between the quartiles of the observations. Higher is better; it"
                " suits skewed properties, whose variance a few high values decide."
            ),
        ),
        "CRPS": (
            tr("CRPS, continuous ranked probability score"),
            tr(
                "Distance between the whole predicted distribution and the observed value, in the unit of the"
                " property. Lower is better; for a prediction without uncertainty it is the mean absolute"
                " error."
            ),
        ),
    }
    return dict(terms[column] for column in columns)


def _interval_terms(coverage: float) -> dict[str, tuple[str, str]]:
    return {
        "PICP": (
            tr("PICP, prediction interval coverage probability"),
            tr(
                "Share of the observations that lie inside their prediction interval. Best is the nominal {};"
                " less means that the intervals are too narrow, more that they are too wide."
            ).format(percent(coverage)),
        ),
        "Width": (
            tr("Width"),
            tr(
                "Mean width of the prediction interval. Of two methods whose PICP is right, the one with the"
                " narrower interval knows more."
            ),
        ),
        "Interval score": (
            tr("Interval score"),
            tr(
                "Width of the prediction interval, and on top of it, for each observation outside, its distance"
                " from the interval times {}. Lower is better: it rewards intervals that are narrow and hold."
            ).format(fixed(2 / (1 - coverage), 0)),
        ),
    }


def map_class_terms() -> dict[str, str]:
    """Return the meanings of the measures of a map of classes, which tells no probabilities."""
    accuracy = tr(
        "Share of the places where the map shows the observed class. 100 % is best. Compare it with the share of the"
        " most frequent class, which can be reached without a map."
    )
    return {**_number_of_observations(), tr("Accuracy, overall purity"): accuracy, **_terms_of_each(), **_kappa()}


def class_terms(of_classes: bool = True) -> dict[str, str]:
    """Return the meanings of the measures of classes; without `of_classes`, leave out those that describe a single
    class."""
    return {
        **_number_of_observations(),
        tr("Accuracy, overall purity"): tr(
            "Share of the observations whose most probable class is the observed one. 100 % is best. Compare it with"
            " the share of the most frequent class, which can be reached without a map."
        ),
        **(_terms_of_each() if of_classes else {}),
        **_kappa(),
        tr("Brier score"): tr(
            "Mean squared distance between the predicted probabilities of all classes and what was observed, 1 for the"
            " observed class and 0 for the others. 0 is best; it rewards probabilities that are sure and right."
        ),
        tr("Brier skill"): tr(
            "Share by which the Brier score is below that of the classes’ frequencies. 1 is best; 0 is no better than"
            " knowing how frequent each class is; below 0 is worse than that."
        ),
        tr("Log score"): tr(
            "Mean of minus the logarithm of the probability that was given to the observed class. 0 is best; an"
            " observed class that was held to be almost impossible costs most."
        ),
    }


def _number_of_observations() -> dict[str, str]:
    return {"n": tr("Number of observations.")}


def _terms_of_each() -> dict[str, str]:
    """Return the meanings of the measures that describe a single class."""
    return {
        tr("Purity of a class (map unit purity, user’s accuracy)"): tr(
            "Share of the places where the map shows the class that belong to it: what a reader of the map meets."
        ),
        tr("Representation of a class (producer’s accuracy)"): tr(
            "Share of the places of the class where the map shows it: how much of the class the map finds."
        ),
    }


def _kappa() -> dict[str, str]:
    return {
        tr("Kappa"): tr(
            "How far the accuracy is above what chance would give with the same shares of classes. 1 is best, 0 is"
            " chance. It depends on how frequent the classes are, so compare it within one data set only."
        )
    }
