"""The mass-preserving spline of Bishop, McBratney & Laslett (1999) over all profiles at once: arithmetic, no files.

The spline f is a parabola between the limits of a layer, and a straight line across a gap. Its value and slope are
continuous, and its slope is 0 at both ends. It minimises

    1/n sum (y_i - s_i)^2 + lambda * integral of f'(x)^2

where y_i are the measured means of the n layers of a profile and s_i those of the spline (Malone et al. 2009, eq. 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows


@dataclass(frozen=True)
class Layers:
    """Parts of profiles with one measured mean each, none overlapping another, sorted by profile and depth.

    `profile` (N,) numbers the profiles from 0; `upper` and `lower` (N,) are in cm, with upper above lower; `mean` (N,)
    are the measured means.
    """

    profile: Rows
    upper: Array
    lower: Array
    mean: Array

    def __len__(self) -> int:
        return len(self.profile)

    @property
    def thickness(self) -> Array:
        return self.lower - self.upper

    @property
    def joins(self) -> Flags:
        """Flags (N - 1,), True where a layer and the next one belong to one profile."""
        return np.asarray(self.profile[1:] == self.profile[:-1])

    @property
    def gaps(self) -> Array:
        """Distances (N - 1,) in cm between a layer and the next one of its profile, 0 where there is none."""
        return np.where(self.joins, self.upper[1:] - self.lower[:-1], 0.0)


@dataclass(frozen=True)
class SplineMeans:
    """The means of the profiles' splines over an interval, and how much of it they stand for.

    `mean` (P,) is that over the part of the interval that the profile covers, NaN where it covers none. `covered` (P,)
    is the share of the interval between the profile's first and last limit; `measured` (P,) is its share in the
    profile's layers, which is less where the spline bridges a gap.
    """

    mean: Array
    covered: Array
    measured: Array


@dataclass(frozen=True)
class Splines:
    """The splines, one for each profile.

    `fitted` (N,) is the mean of the spline over each layer. `slope` (N + 1,), in value per cm, is its slope at the
    upper limit of each layer, and thus, from number 1 on, at the lower limit of the layer before.
    """

    layers: Layers
    fitted: Array
    slope: Array

    def rmse(self, profiles: int) -> Array:
        """Return the RMSE (P,) of the fitted means against the measured ones, NaN for profiles without layers."""
        squares = np.bincount(self.layers.profile, (self.layers.mean - self.fitted) ** 2, profiles)
        counts = np.bincount(self.layers.profile, minlength=profiles)
        return np.where(counts > 0, np.sqrt(squares / np.maximum(counts, 1)), np.nan)

    def interval_means(self, upper: float, lower: float, profiles: int) -> SplineMeans:
        layers, (start, linear, square) = self.layers, self.parabolas()
        inside, masses = _integrate(layers.upper, layers.lower, start, linear, square, upper, lower)
        across, bridged = self._bridge(upper, lower)
        measured = np.bincount(layers.profile, inside, profiles)
        covered = measured + np.bincount(layers.profile[:-1], across, profiles)
        mass = np.bincount(layers.profile, masses, profiles) + np.bincount(layers.profile[:-1], bridged, profiles)
        mean = np.where(covered > 0, mass / np.where(covered > 0, covered, 1.0), np.nan)
        return SplineMeans(mean, covered / (lower - upper), measured / (lower - upper))

    def values(self, number: int, depths: Array) -> Array:
        """Return the values of the spline within layer `number`, at depths in cm."""
        start, linear, square = (each[number] for each in self.parabolas())
        below = depths - self.layers.upper[number]
        return np.asarray(start + linear * below + square * below**2)

    def parabolas(self) -> tuple[Array, Array, Array]:
        """Return value, slope and half the curvature, (N,) each, at the upper limit of each layer."""
        thickness, above, below = self.layers.thickness, self.slope[:-1], self.slope[1:]
        square = (below - above) / (2 * thickness)
        return self.fitted - above * thickness / 2 - square * thickness**2 / 3, above, square

    def lines(self) -> tuple[Array, Array]:
        """Return value and slope, (N - 1,) each, at the upper end of the gap below each layer, which may be closed."""
        start = self.fitted + self.layers.thickness * (self.slope[:-1] / 6 + self.slope[1:] / 3)
        return start[:-1], self.slope[1:-1]

    def _bridge(self, upper: float, lower: float) -> tuple[Array, Array]:
        """Return the cm of an interval in the gap below each layer, and the spline's integral there, (N - 1,) each."""
        layers, (start, linear) = self.layers, self.lines()
        top = layers.lower[:-1]
        return _integrate(top, top + layers.gaps, start, linear, np.zeros(len(top)), upper, lower)


def fit_splines(layers: Layers, smoothing: float) -> Splines:
    """Fit splines; `smoothing` is lambda, in cm, and 0 gives each layer its measured mean exactly.

    In Malone et al. (2009), eqs. 4-6, R b = 6 Q s gives the slopes b at the limits between layers, and
    s = (I + 6 n lambda Q' R^-1 Q)^-1 y. Together these are (R + 6 n lambda Q Q') b = 6 Q y and s = y - n lambda Q' b,
    where Q takes differences of neighbours, so that one tridiagonal system holds all limits of all profiles.
    """
    count = len(layers)
    slope = np.zeros(count + 1)
    if not layers.joins.any():
        return Splines(layers, layers.mean.copy(), slope)
    thickness, joins = layers.thickness, layers.joins
    weight = smoothing * np.bincount(layers.profile)[layers.profile]  # n lambda, (N,)
    penalty = 6 * weight[:-1]
    banded, right = np.zeros((2, count)), np.zeros(count)  # the very last slope is 0, too
    banded[0] = 1.0
    banded[0, :-1][joins] = (2 * (thickness[:-1] + thickness[1:]) + 6 * layers.gaps + 2 * penalty)[joins]
    banded[1, : count - 2] = np.where(joins[:-1] & joins[1:], thickness[1:-1] - penalty[:-1], 0.0)
    right[:-1] = np.where(joins, 6 * np.diff(layers.mean), 0.0)
    slope[1:] = solveh_banded(banded, right, lower=True)
    return Splines(layers, layers.mean + weight * np.diff(slope), slope)


def _integrate(
    top: Array, bottom: Array, start: Array, linear: Array, square: Array, upper: float, lower: float
) -> tuple[Array, Array]:
    """Return the cm of the interval within each part, and a parabola's integral over them, (N,) each.

    The parabola's argument is cm below `top`.
    """
    begin = np.clip(upper, top, bottom) - top
    end = np.clip(lower, top, bottom) - top
    inside = end - begin
    mean = start + linear * (begin + end) / 2 + square * (begin**2 + begin * end + end**2) / 3
    return inside, inside * mean
