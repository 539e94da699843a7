"""Splines held between the possible values of a property, with the mass that they had: where a curve overshoots and is
cut off, its layer takes back elsewhere what it would gain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.profiles.depths import Splines

_Span = tuple[Array, Array]
"""Where parts of a curve begin and end, in cm below the top of the layer or gap that they lie in."""


@dataclass(frozen=True)
class BoundedSplines:
    """Splines cut off at the `limits`, the lowest and the highest possible value.

    Within each layer, what is left of the curve is drawn towards the one limit until the layer has its own mass again:
    in proportion to its distance from that limit, so that nothing leaves the limits. A layer whose mean is itself
    impossible gets the limit, and the other layers of its profile give or take the difference in the same way. In a
    gap, where nothing was measured, the curve is only cut off.
    """

    splines: Splines
    limits: tuple[float, float]

    def masses(self, upper: float, lower: float, profiles: int) -> Array:
        """Integrals (P,) over the part of an interval that each profile covers, in value times cm."""
        layers = self.splines.layers
        whole = self._cut(layers.thickness * 0, layers.thickness)
        spans = _spans(layers.upper, layers.lower, upper, lower)
        found = _drawn(self._cut(*spans), spans[1] - spans[0], whole, layers.thickness, self._wanted(), self.limits)
        top = layers.lower[:-1]
        in_gaps = self._cut_gaps(_spans(top, top + layers.gaps, upper, lower))
        of_layers = np.bincount(layers.profile, found, profiles)
        return np.asarray(of_layers + np.bincount(layers.profile[:-1], in_gaps, profiles), np.float64)

    def gains(self, profiles: int) -> Array:
        """What the limits add to the mass of each profile (P,), from its first limit to its last one, as a share of it:
        0 but for rounding, unless a curve is cut off in a gap."""
        layers = self.splines.layers
        upper, lower = float(layers.upper.min()), float(layers.lower.max())
        free = self.splines.interval_means(upper, lower, profiles)
        mass = np.where(free.covered > 0, free.mean * free.covered * (lower - upper), 0.0)
        added = self.masses(upper, lower, profiles) - mass
        return np.where(mass > 0, added / np.where(mass > 0, mass, 1.0), (added > 0).astype(float))

    def _wanted(self) -> Array:
        """Masses of all layers (N,), as the splines have them, or as near as the limits allow."""
        layers, fitted = self.splines.layers, self.splines.fitted
        thickness, count = layers.thickness, int(layers.profile.max()) + 1
        possible = np.clip(fitted, *self.limits)

        def of_profiles(masses: Array) -> Array:
            return np.asarray(np.bincount(layers.profile, masses, count)[layers.profile], np.float64)

        return _drawn(
            *(possible * thickness, thickness),
            *(of_profiles(possible * thickness), of_profiles(thickness), of_profiles(fitted * thickness)),
            self.limits,
        )

    def _cut(self, begin: Array, end: Array) -> Array:
        return _integrate_cut(self.splines.parabolas(), (begin, end), self.limits)

    def _cut_gaps(self, spans: _Span) -> Array:
        start, linear = self.splines.lines()
        return _integrate_cut((start, linear, np.zeros(len(start))), spans, self.limits)


def _drawn(
    masses: Array, cm: Array, whole: Array, whole_cm: Array, wanted: Array, limits: tuple[float, float]
) -> Array:
    """Masses over some `cm` of wholes that have the mass `whole` and are to have the mass `wanted`, all (N,): drawn in
    proportion towards the limit on the side that the whole has to go."""
    found = masses.copy()
    for limit, is_off in ((limits[0], whole > wanted), (limits[1], whole < wanted)):
        if np.isfinite(limit):
            room = whole - limit * whole_cm
            is_off = is_off & (room != 0)
            share = np.clip((wanted - limit * whole_cm) / np.where(is_off, room, 1.0), 0.0, 1.0)
            found = np.where(is_off, limit * cm + (masses - limit * cm) * share, found)
    return found


def _spans(top: Array, bottom: Array, upper: float, lower: float) -> _Span:
    return np.clip(upper, top, bottom) - top, np.clip(lower, top, bottom) - top


def _integrate_cut(parabolas: tuple[Array, Array, Array], span: _Span, limits: tuple[float, float]) -> Array:
    """Integrals (N,) of parabolas that are cut off at the limits: between the depths where they cross one, a parabola
    is whole or is the limit."""
    start, linear, square = parabolas
    begin, end = span
    crossings = [root for limit in limits if np.isfinite(limit) for root in _roots(start - limit, linear, square)]
    edges = np.sort([begin, *(np.clip(root, begin, end) for root in crossings), end], axis=0)
    total = np.zeros(len(start))
    for a, b in zip(edges[:-1], edges[1:]):
        middle = (a + b) / 2
        value = start + linear * middle + square * middle**2
        mean = start + linear * middle + square * (a**2 + a * b + b**2) / 3
        total += (b - a) * np.where(value < limits[0], limits[0], np.where(value > limits[1], limits[1], mean))
    return total


def _roots(start: Array, linear: Array, square: Array) -> tuple[Array, Array]:
    """Where parabolas (N,) are 0; 0 stands for a root that does not exist."""
    root = np.sqrt(np.maximum(linear**2 - 4 * square * start, 0.0))
    q = -0.5 * (linear + np.where(linear >= 0, root, -root))  # the larger sum: nothing cancels
    first = np.where(square != 0, q / np.where(square != 0, square, 1.0), 0.0)
    second = np.where(q != 0, start / np.where(q != 0, q, 1.0), 0.0)
    return np.nan_to_num(first, posinf=0.0, neginf=0.0), np.nan_to_num(second, posinf=0.0, neginf=0.0)
