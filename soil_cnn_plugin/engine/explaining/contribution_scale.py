"""What a contribution means: on the scale that a target is learned on, in the words of its unit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.contract.soil_property import SoilProperty

_SUBJECTS = {
    "logit": "the odds of {0}",
    "log-ratio": "the ratio of {0} to the geometric mean of all parts",
    "log-odds": "the odds of {1} ({0})",
}
"""What a band's name says that covariates multiply, by scale; the target's title where there is nothing more to say."""


@dataclass(frozen=True)
class ContributionScale:
    """The scale on which covariates contribute to a target, or to the class of it that is named. On all scales but
    `none`, contributions are natural logarithms of factors."""

    transform: str
    target: SoilProperty
    class_name: str = ""

    @property
    def is_factor(self) -> bool:
        return self.transform != "none"

    @property
    def subject(self) -> str:
        """What the covariates add to or multiply."""
        target = self.target
        return {
            "none": target.label,
            "log": target.title,
            "logit": tr("the odds of {}").format(target.title),
            "log-ratio": tr("the ratio of {} to the geometric mean of all parts").format(target.title),
            "log-odds": tr("the odds of {} ({})").format(self.class_name, target.title),
        }[self.transform]

    @property
    def unit(self) -> str:
        """The unit of the contributions as they lie in a raster."""
        if not self.is_factor:
            return self.target.unit
        return {"log": "ln(factor)", "log-ratio": "ln(factor of ratio)"}.get(self.transform, "ln(factor of odds)")

    def band(self, covariate: str) -> str:
        """The name of a raster's band. It is English in all languages, because QGIS reads the scale from it."""
        subject = _SUBJECTS.get(self.transform, "{0}").format(self.target.title, self.class_name)
        return f"{covariate}: " + (
            f"ln of the factor on {subject}" if self.is_factor else f"contribution to {self.target.label}"
        )

    @property
    def meaning(self) -> str:
        """What a value says, in a sentence."""
        if not self.is_factor:
            unit = f" {self.target.unit}" if self.target.unit else ""
            return tr("A value of 0.3 says that the covariate adds 0.3{} to {}.").format(unit, self.target.title)
        return tr(
            "Values are natural logarithms of factors: 0.3 says that the covariate multiplies {} by {:.3g},"
            " −0.3 that it divides by as much. Sums of values are products of factors."
        ).format(self.subject, math.exp(0.3))

    def size_in_words(self, magnitude: float) -> str:
        """The mean size of contributions: `0.31 mg/kg` either way, or `× or ÷ 1.35`."""
        if self.is_factor:
            return tr("× or ÷ {}").format(factor_in_words(magnitude))
        return f"{localized(f'{magnitude:.3g}')} {self.target.unit}".strip()

    def base_in_words(self, base: float) -> str:
        """The mean prediction that contributions start from."""
        if self.transform == "none":
            return f"{localized(f'{base:.4g}')} {self.target.unit}".strip()
        if self.transform == "log":
            return f"{factor_in_words(base)} {self.target.unit}".strip()
        return f"{factor_in_words(base)} : 1"


def factor_in_words(logarithm: float) -> str:
    """The factor whose natural logarithm this is, with three digits."""
    if logarithm > 700:  # more than a computer holds
        return f"e^{logarithm:.0f}"
    return localized(f"{math.exp(logarithm):.3g}")
