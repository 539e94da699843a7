"""Scales on which targets are learned: none, log or logit of a number, log-ratios; what is a logarithm already."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.targets.measured import normal_moments

_SHARE_OF_SMALLEST = 0.65
"""Share of the smallest positive value that replaces 0 (Martin-Fernandez et al. 2003, 10.1023/A:1023866030544)."""
_SHARE_OF_MEDIAN = 0.01
"""A value below this share of a part's median counts as this share: what rounding leaves, such as 1e-6 of clay, has a
logarithm that would outweigh all others."""
_NO_SPREAD = 1e-12  # spread of logarithms that rounding leaves where a ratio never changes
_LARGEST_RATIO = 1000.0  # as a logarithm; a computer holds no two numbers with a larger ratio


@dataclass(frozen=True)
class TargetScale:
    """The scale of one target. `transform` is none, log or logit; `upper` is the logit's upper bound (1 or 100),
    `squeeze` says how far values at its bounds are drawn inwards; `centre` and `spread` standardize the transformed
    values."""

    transform: str
    centre: float
    spread: float
    upper: float = 1.0
    squeeze: float = 0.0

    def __post_init__(self) -> None:
        numbers = (self.centre, self.spread, self.upper)
        if self.transform not in ("none", "log", "logit") or not all(map(math.isfinite, numbers)):
            raise ValueError(f"no scale of a target: {self}")
        if self.spread <= 0 or self.upper <= 0 or not 0 <= self.squeeze < 0.5:
            raise ValueError(f"no scale of a target: {self}")

    def forward(self, values: Array) -> Array:
        """Target's unit -> standardized scale; NaN stays NaN."""
        if self.transform == "log":
            values = np.log(values)
        elif self.transform == "logit":
            values = logit(self.squeeze + values / self.upper * (1 - 2 * self.squeeze))
        return (values - self.centre) / self.spread

    @property
    def columns(self) -> int:
        return 1

    def forward_threshold(self, threshold: float) -> float:
        """A threshold in the target's unit -> standardized scale; it may lie beyond all that can be predicted."""
        if self.transform == "log" and threshold <= 0:
            return -math.inf
        if self.transform == "logit" and not 0 < threshold < self.upper:
            return -math.inf if threshold <= 0 else math.inf
        return float(self.forward(np.array([threshold]))[0])

    def forward_errors(self, values: Array, errors: Array) -> Array:
        """Standard deviations around `values`, both in the target's unit -> standardized scale.

        For a logarithm it is that of a lognormal distribution with that coefficient of variation; for a logit it is
        accurate to first order.
        """
        if self.transform == "log":
            return np.sqrt(np.log1p((errors / values) ** 2)) / self.spread
        if self.transform == "logit":
            step = 1e-4 * self.upper
            inside = np.clip(values, step, self.upper - step)
            return errors * (self.forward(inside + step) - self.forward(inside - step)) / (2 * step)
        return errors / self.spread

    def back(self, values: Array) -> Array:
        """Standardized scale -> target's unit; increasing, so quantiles map to quantiles."""
        values = values * self.spread + self.centre
        if self.transform == "log":
            values = np.exp(values)
        elif self.transform == "logit":
            share = (expit(values) - self.squeeze) / (1 - 2 * self.squeeze)
            values = self.upper * np.clip(share, 0, 1)
        return values


def choose_transform(wanted: str, values: Array, soil_property: SoilProperty) -> str:
    """The transform for a target: the wanted one, checked; `auto` picks log for positive, skewed values, else none.

    `auto` takes the log when all values are above 0, their skewness is above 1, and the log's is nearer 0; never of
    what is a logarithm already.
    """
    known, field = values[np.isfinite(values)], soil_property.field
    if wanted == "auto":
        is_log = _is_skewed(known) and not logarithm_in_words(soil_property, known)
        return "log" if is_log else "none"
    if wanted == "log" and (known <= 0).any():
        raise EngineError(
            tr(
                "{}: {} of {} values are 0 or negative, and their logarithm does not exist. Choose the"
                " transform 'none' or 'auto', or correct the values."
            ).format(field, (known <= 0).sum(), len(known))
        )
    if wanted == "logit" and (known.min() < 0 or known.max() > 100):
        raise EngineError(
            tr(
                "{}: the transform 'logit' is for shares from 0 to 1 or percentages from 0 to 100, but the"
                " values go from {:g} to {:g}. Choose 'none' or 'auto'."
            ).format(field, known.min(), known.max())
        )
    return wanted


def transform_in_words(wanted: str, values: Array, soil_property: SoilProperty) -> tuple[str, str]:
    """Why `auto` takes a logarithm or leaves one, for the log, and a doubt about a logarithm that was asked for; each
    may be empty."""
    known, field = values[np.isfinite(values)], soil_property.field
    is_already = logarithm_in_words(soil_property, known)
    if wanted == "log" and is_already:
        return "", (
            tr(
                "{} is learned as its logarithm, as you asked, but {}. Maps of such properties are usually"
                " better without it: choose the transform 'auto' or 'none'."
            ).format(field, is_already)
        )
    if wanted != "auto" or not _is_skewed(known):
        return "", ""
    shape = tr("{}: its values are above 0 and skewed ({:.2g})").format(field, skewness(known))
    because = tr("{}, but no logarithm is taken, because {}. Choose the transform 'log' to take one.")
    learned = tr("{}, so it is learned as its logarithm. Choose the transform 'none' where it is one already.")
    return (because if is_already else learned).format(shape, is_already), ""


def skewness(values: Array) -> float:
    """The third moment of standardized values (n,), NaN where all are next to equal."""
    apart = values - values.mean()
    variance = float((apart**2).mean())
    if variance <= (np.finfo(np.float64).eps * abs(float(values.mean()))) ** 2:
        return math.nan
    return float((apart**3).mean() / variance**1.5)


def _is_skewed(known: Array) -> bool:
    return bool(known.min() > 0 and skewness(known) > 1 and abs(skewness(np.log(known))) < abs(skewness(known)))


def upper_bound(values: Array) -> float:
    """Upper bound of shares or percentages (N,), NaN where missing: 1 or 100."""
    return 1.0 if np.nanmax(values) <= 1 else 100.0


def fit_scale(transform: str, values: Array, upper: float, is_censored: Flags | None = None) -> TargetScale:
    """Fit the scale to training values (n,), NaN where missing. `upper` is the bound of all values, held-out ones, too:
    percentages of a training part may all be below 1."""
    is_known = np.isfinite(values)
    is_censored = np.zeros(len(values), np.bool_) if is_censored is None else is_censored
    known = values[is_known]
    # Values at the bounds are drawn inwards by half an observation (Smithson & Verkuilen 2006, eq. 4,
    # 10.1037/1082-989X.11.1.54).
    unscaled = TargetScale(transform, 0.0, 1.0, upper, 0.5 / len(known) if transform == "logit" else 0.0)
    centre, spread = normal_moments(unscaled.forward(known), is_censored[is_known])
    return TargetScale(transform, centre, spread if spread > 0 else 1.0, upper, unscaled.squeeze)


@dataclass(frozen=True)
class CompositionScale:
    """D parts of `whole` as D - 1 isometric log-ratios (Egozcue et al. 2003, 10.1023/A:1023818214614), standardized by
    `centre` and `spread` (D - 1,). A part below its floor in `floors` (D,) counts as the floor."""

    whole: float
    floors: tuple[float, ...]
    centre: tuple[float, ...]
    spread: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = (self.whole, *self.floors, *self.centre, *self.spread)
        is_number = all(map(math.isfinite, numbers)) and min((self.whole, *self.floors, *self.spread)) > 0
        is_ratio = max(map(abs, (*self.centre, *self.spread)), default=0) <= _LARGEST_RATIO
        has_parts = len(self.floors) >= 2 and len(self.centre) == len(self.spread) == len(self.floors) - 1
        if not is_number or not is_ratio or not has_parts:
            raise ValueError(f"no scale of a composition: {self}")

    @property
    def columns(self) -> int:
        return len(self.centre)

    def forward(self, parts: Array) -> Array:
        """Parts (n, D) that sum to the whole -> ratios (n, D - 1), standardized; NaN stays NaN."""
        raised = np.maximum(parts, self.floors)
        ratios: Array = np.log(raised) @ _basis(len(self.floors))
        return (ratios - self.centre) / self.spread

    def back(self, ratios: Array) -> Array:
        """Ratios (D - 1, ...) -> parts (D, ...) that sum to the whole."""
        factors, offsets = self.centred()
        logarithms = np.tensordot(factors, ratios, axes=1) + offsets.reshape(-1, *[1] * (ratios.ndim - 1))
        powers = np.exp(logarithms - logarithms.max(axis=0))
        parts: Array = powers / powers.sum(axis=0) * self.whole
        return parts

    def centred(self) -> tuple[Array, Array]:
        """Factors (D, D - 1) and offsets (D,) that turn the standardized columns into the parts' centred log-ratios."""
        basis = _basis(len(self.floors))
        return basis * self.spread, basis @ np.array(self.centre)


def fit_composition(parts: Array) -> CompositionScale:
    """Fit the scale to training observations (n, D), NaN where missing, each summing to one whole."""
    known = parts[np.isfinite(parts).all(axis=1)]
    whole = float(known[0].sum())
    floors = np.array([_floor(part[part > 0], whole, known.shape[1]) for part in known.T])
    unscaled = CompositionScale(
        whole, tuple(floors.tolist()), (0.0,) * (known.shape[1] - 1), (1.0,) * (known.shape[1] - 1)
    )
    ratios = unscaled.forward(known)
    spread = np.where(ratios.std(axis=0) > _NO_SPREAD, ratios.std(axis=0), 1.0)
    return CompositionScale(whole, unscaled.floors, tuple(ratios.mean(axis=0).tolist()), tuple(spread.tolist()))


def aitchison_distances(one: Array, other: Array, scale: CompositionScale) -> Array:
    """Distances (n,) between compositions (n, D): Euclidean distances of their centred log-ratios (Aitchison et al.
    2000, 10.1023/A:1007529726302)."""
    logs = [np.log(np.maximum(parts, scale.floors)) for parts in (one, other)]
    ratios = [each - each.mean(axis=1, keepdims=True) for each in logs]
    distances: Array = np.linalg.norm(ratios[0] - ratios[1], axis=1)
    return distances


def _floor(positive: Array, whole: float, parts: int) -> float:
    if not len(positive):
        return 0.001 * whole
    smallest = max(float(positive.min()), _SHARE_OF_MEDIAN * float(np.median(positive)))
    return min(_SHARE_OF_SMALLEST * smallest, 0.5 * whole / parts)


def _basis(parts: int) -> Array:
    """Basis (D, D - 1) of unit columns at right angles to each other and to 1 (Egozcue et al. 2003, eq. 18)."""
    basis = np.zeros((parts, parts - 1))
    for i in range(1, parts):
        basis[:i, i - 1] = math.sqrt(1 / (i * (i + 1)))
        basis[i, i - 1] = -math.sqrt(i / (i + 1))
    return basis


_ELEMENTS = (
    "ag|al|as|au|b|ba|be|bi|c|ca|cd|ce|cl|co|cr|cs|cu|f|fe|ga|ge|hg|i|k|la|li|mg|mn|mo|n|na|nb|ni|p|pb|rb|s|sb|sc|se"
    "|si|sn|sr|ta|te|th|ti|tl|u|v|w|y|zn|zr|zinc|copper|lead|cadmium|nickel|oc|soc|toc|om|som|ec|ece|cec|ksat|ks|awc"
)
_LOGARITHM = tr("a logarithm")
_WORDS = {  # a word of a name, in lower case -> what it is, and the values between which it can be that
    rf"(log|ln|lg|loge|log1p)(2|10)?({_ELEMENTS})?\d*|log10[a-z]+|logit|[aci]lr\d*": (_LOGARITHM, -50.0, 50.0),
    r"p(-?)h((ih?ox|iho5|h2[o0]|w|wa|water|wasser|aq|aqua|kcl|cacl|cacl2|ca|bacl2?|naf|field|lab|value|val|wert)\d*)?\d*"
    r"|(soil|top|sub|mean|field|lab)ph": ("pH", 0.0, 14.5),
    r"pf\d*": ("pF", -3.0, 8.0),
}
_UNITS = {
    r"-?\s*(log|ln|lg|loge)\s*(10|2|e)?($|[\s(\[_*].*)|log\d+.*|-log.*|db": (_LOGARITHM, -np.inf, np.inf),
    r"ph($|[\s\-_(\[].*)": ("pH", 0.0, 14.5),
    r"pf($|[\s\-_(\[].*)": ("pF", -3.0, 8.0),
}
_WITHOUT_UNIT = re.compile(r"[-\u2013\u2014/.1\s]*|none|unitless|dimensionless|no unit", re.IGNORECASE)


def logarithm_in_words(soil_property: SoilProperty, values: Array) -> str:
    """Say what makes a property a logarithm already, such as `it is pH by its name`; empty where nothing does.

    The unit decides, or a word of the field's name, if the values (N,), NaN where missing, are possible for it. A name
    such as ph counts only without a unit: phosphorus in mg/kg may be called so, too.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return ""
    lowest, highest = float(known.min()), float(known.max())
    unit = soil_property.unit.strip().replace("\u2212", "-").lower()
    for pattern, (what, low, high) in _UNITS.items():
        if re.fullmatch(pattern, unit) and low <= lowest and highest <= high:
            return tr("it is {} by its unit ({})").format(what, soil_property.unit.strip())
    for pattern, (what, low, high) in _WORDS.items():
        is_alone = what == _LOGARITHM or _WITHOUT_UNIT.fullmatch(unit) is not None
        is_named = any(re.fullmatch(pattern, word) for word in _words(soil_property.field))
        if is_alone and is_named and low <= lowest and highest <= high:
            return tr("it is {} by its name, and its values ({:g} to {:g}) agree").format(what, lowest, highest)
    return ""


def _words(field: str) -> set[str]:
    """Words of a field's name in lower case: `soil_pH`, `logZn` and `TopsoilPH` hold ph, log and ph."""
    parts = re.split(r"[^A-Za-z0-9]+", field)
    humps = [
        hump
        for part in parts
        for hump in re.split(r"(?<=[a-z0-9])(?=p?[A-Z])|(?<=[a-z])(?=pH)|(?<=log)(?=[A-Z])|(?<=ln)(?=[A-Z])", part)
    ]
    return {word.lower() for word in (*parts, *humps) if word}
