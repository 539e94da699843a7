"""The meanings of the measures in a report."""

from __future__ import annotations

from collections.abc import Sequence

from soil_cnn_plugin.engine.reports.words import fixed, percent


def number_terms(coverage: float, columns: Sequence[str]) -> dict[str, str]:
    """Return the meanings of the measures of numbers that `columns` of a table of scores hold."""
    terms = {
        "n": ("n", "Number of observations with a value of this soil property."),
        "ME": (
            "ME, mean error",
            "Mean of predicted minus observed. 0 is best; above 0 the map is too high on average, below 0 too low.",
        ),
        "RMSE": (
            "RMSE, root mean square error",
            "Typical size of an error, in the unit of the property; large errors count more. 0 is best.",
        ),
        "MEC": (
            "MEC, model efficiency coefficient",
            "Share of the variance that the map explains, also called Nash–Sutcliffe efficiency. 1 is best; 0 is no"
            " better than the mean of the observations; below 0 is worse than it. It is not the squared correlation,"
            " which forgives bias.",
        ),
        "CCC": (
            "CCC, concordance correlation coefficient",
            "How closely the points follow the 1:1 line. 1 is best, 0 is no agreement.",
        ),
        "RPIQ": (
            "RPIQ, ratio of performance to interquartile distance",
            "How many times the RMSE fits between the quartiles of the observations. Higher is better; it suits skewed"
            " properties, whose variance a few high values decide.",
        ),
        "PICP": (
            "PICP, prediction interval coverage probability",
            "Share of the observations that lie inside their prediction interval. Best is the nominal"
            f" {percent(coverage)}; less means that the intervals are too narrow, more that they are too wide.",
        ),
        "Width": (
            "Width",
            "Mean width of the prediction interval. Of two methods whose PICP is right, the one with the narrower"
            " interval knows more.",
        ),
        "Interval score": (
            "Interval score",
            "Width of the prediction interval, and on top of it, for each observation outside, its distance from the"
            f" interval times {fixed(2 / (1 - coverage), 0)}. Lower is better: it rewards intervals that are narrow and"
            " hold.",
        ),
        "CRPS": (
            "CRPS, continuous ranked probability score",
            "Distance between the whole predicted distribution and the observed value, in the unit of the property."
            " Lower is better; for a prediction without uncertainty it is the mean absolute error.",
        ),
    }
    return dict(terms[column] for column in columns)


def map_class_terms() -> dict[str, str]:
    """Return the meanings of the measures of a map of classes, which tells no probabilities."""
    of_probabilities = ("Accuracy", "Brier", "Log score")
    accuracy = (
        "Share of the places where the map shows the observed class. 100 % is best. Compare it with the share of the"
        " most frequent class, which can be reached without a map."
    )
    rest = {name: meaning for name, meaning in class_terms().items() if not name.startswith(of_probabilities)}
    return {"n": rest.pop("n"), "Accuracy, overall purity": accuracy, **rest}


def class_terms(of_classes: bool = True) -> dict[str, str]:
    """Return the meanings of the measures of classes; without `of_classes`, leave out those that describe a single
    class."""
    of_each = {
        "Purity of a class (map unit purity, user’s accuracy)": (
            "Share of the places where the map shows the class that belong to it: what a reader of the map meets."
        ),
        "Representation of a class (producer’s accuracy)": (
            "Share of the places of the class where the map shows it: how much of the class the map finds."
        ),
    }
    return {
        "n": "Number of observations.",
        "Accuracy, overall purity": (
            "Share of the observations whose most probable class is the observed one. 100 % is best. Compare it with"
            " the share of the most frequent class, which can be reached without a map."
        ),
        **(of_each if of_classes else {}),
        "Kappa": (
            "How far the accuracy is above what chance would give with the same shares of classes. 1 is best, 0 is"
            " chance. It depends on how frequent the classes are, so compare it within one data set only."
        ),
        "Brier score": (
            "Mean squared distance between the predicted probabilities of all classes and what was observed, 1 for the"
            " observed class and 0 for the others. 0 is best; it rewards probabilities that are sure and right."
        ),
        "Brier skill": (
            "Share by which the Brier score is below that of the classes’ frequencies. 1 is best; 0 is no better than"
            " knowing how frequent each class is; below 0 is worse than that."
        ),
        "Log score": (
            "Mean of minus the logarithm of the probability that was given to the observed class. 0 is best; an"
            " observed class that was held to be almost impossible costs most."
        ),
    }
