"""How many samples: the expected error of a map against their number, from data at hand or from a variogram."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.distance import cdist
from sklearn.ensemble import RandomForestRegressor

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array

FEWEST_FOR_CURVE = 40
_SIZES, _REPEATS, _TREES = 6, 15, 60
_SMALLEST_SHARE = 0.25
_TESTED_SHARE = 0.2
_DRAWS = 200
_NEIGHBOURS = 5  # nodes of the square grid on each side of a place
_STEPS = 5  # places across a cell, at which the variance of kriging is averaged


@dataclass(frozen=True)
class ErrorCurve:
    """The expected RMSE (k,) at numbers of samples (k,), between `low` and `high` in 90 of 100 cases.

    `measured_counts` and `measured` are what was seen at the data at hand; `present` is the number of samples from
    which doubling is told. `basis` says what it rests on.
    """

    counts: Array
    rmse: Array
    low: Array
    high: Array
    measured_counts: Array
    measured: Array
    present: int
    gain: tuple[float, float, float]  # by which share twice the samples lower the RMSE, and its limits
    basis: str
    unit: str = ""

    @property
    def sentence(self) -> str:
        """What twice the samples bring."""
        best, low, high = (100 * each for each in self.gain)
        limits = tr(" ({:.0f} to {:.0f} %)").format(low, high) if high - low > 0.5 else ""
        return tr("Twice the samples ({} instead of {}) lower the RMSE by about {:.0f} %{}.").format(
            2 * self.present, self.present, best, limits
        )


def learn_curve(
    features: Array, values: Array, planned: int, unit: str, seed: int, progress: Callable[[float], None]
) -> ErrorCurve:
    """Measure the RMSE of a random forest on `features` (N, F) at N values, trained on some of them and tested on
    others, for several numbers of training observations, and extend the curve as a power law with a floor.

    Limits come from curves through repeats drawn again; they tell the scatter of the repeats, not whether the power law
    holds beyond the data.
    """
    count, rng = len(values), np.random.default_rng([seed, 3])
    tested = max(8, round(_TESTED_SHARE * count))
    sizes = np.unique(np.geomspace(_SMALLEST_SHARE * (count - tested), count - tested, _SIZES).astype(int))
    squared = np.empty((_REPEATS, len(sizes)))
    for repeat in range(_REPEATS):
        order = rng.permutation(count)
        test, rest = order[:tested], order[tested:]
        for column, size in enumerate(sizes.tolist()):
            forest = RandomForestRegressor(
                _TREES, min_samples_leaf=3, max_features=1 / 3, random_state=int(rng.integers(2**31)), n_jobs=1
            )
            forest.fit(features[rest[:size]], values[rest[:size]])
            squared[repeat, column] = ((forest.predict(features[test]) - values[test]) ** 2).mean()
        progress((repeat + 1) / _REPEATS)
    most = max(2 * count, count + planned)
    counts = np.unique(np.geomspace(sizes[0], most, 60).round())
    drawn = [squared[rng.integers(_REPEATS, size=_REPEATS)].mean(axis=0) for _ in range(_DRAWS)]
    laws = np.array([_fit_law(sizes, each) for each in (squared.mean(axis=0), *drawn)])
    best, *others = np.sqrt(_mean_squares(laws, counts))
    low, high = np.quantile(others, [0.05, 0.95], axis=0)
    once, twice = _mean_squares(laws, np.array([1.0 * count, 2.0 * count])).T
    gain, *gains = 1 - np.sqrt(twice / once)
    gain_low, gain_high = np.quantile(gains, [0.05, 0.95])
    return ErrorCurve(
        counts=counts,
        rmse=best,
        low=low,
        high=high,
        measured_counts=sizes.astype(np.float64),
        measured=np.sqrt(squared.mean(axis=0)),
        present=count,
        gain=(float(gain), float(gain_low), float(gain_high)),
        basis=(
            tr(
                "A random forest on the covariates and coordinates was trained on {} to {} of the {} existing"
                " points and tested on {} others, {} times each. Beyond {} points the curve is extended, not"
                " measured."
            ).format(sizes[0], sizes[-1], count, tested, _REPEATS, sizes[-1])
        ),
        unit=unit,
    )


def _mean_squares(laws: Array, counts: Array) -> Array:
    """Return the mean squared errors (D, k) at `counts` (k,): floor + drop x count^-rate of each of the laws (D, 3)."""
    floor, drop, rate = laws.T[:, :, None]
    found: Array = floor + drop * counts.astype(np.float64) ** -rate
    return found


def _fit_law(sizes: Array, squared: Array) -> Array:
    """Fit floor, drop and rate (0.05 to 1) to mean squared errors by least squares of relative errors."""

    def misfit(law: Array) -> Array:
        found: Array = _mean_squares(law[None], sizes)[0] / squared - 1
        return found

    top = float(squared.max())
    bounds = ([0.0, 0.0, 0.05], [top, 1000 * top, 1.0])
    found = least_squares(misfit, [0.5 * top, 0.5 * top * float(sizes[0]) ** 0.5, 0.5], bounds=bounds, x_scale="jac")
    parameters: Array = found.x
    return parameters


def curve_of_variogram(
    nugget: float, sill: float, reach: float, hectares: float, planned: int, source: str, unit: str = ""
) -> ErrorCurve:
    """Return the root of the mean variance of ordinary kriging from a square grid of samples over the area, for a
    spherical variogram (McBratney, Webster & Burgess 1981, 10.1016/0098-3004(81)90077-7). A variogram that is guessed
    has no limits of its own: they repeat the curve."""
    counts = np.unique(np.geomspace(max(4, planned / 5), 5 * planned, 30).round())
    rmse = np.sqrt([kriging_variance(nugget, sill, reach, (hectares * 1e4 / each) ** 0.5) for each in counts])
    once, twice = (kriging_variance(nugget, sill, reach, (hectares * 1e4 / n) ** 0.5) for n in (planned, 2 * planned))
    gain = 1 - (twice / once) ** 0.5
    return ErrorCurve(
        counts, rmse, rmse, rmse, np.empty(0), np.empty(0), planned, (gain, gain, gain),
        tr("{} The error is that of ordinary kriging from a square grid of points over {:.2f} ha, without"
                " covariates; clustered points do worse.").format(source, hectares),
        unit,
    )  # fmt: skip


def kriging_variance(nugget: float, sill: float, reach: float, spacing: float) -> float:
    """Return the mean variance of the value at a place (with the nugget) over a square grid of that spacing."""
    axis = np.arange(-_NEIGHBOURS, _NEIGHBOURS + 1) * spacing
    nodes = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    within = (np.arange(_STEPS) + 0.5) / _STEPS * spacing / 2  # a quarter of a cell tells of all, by symmetry
    places = np.stack(np.meshgrid(within, within), axis=-1).reshape(-1, 2)
    count = len(nodes)
    matrix = np.ones((count + 1, count + 1))
    matrix[:count, :count] = spherical(cdist(nodes, nodes), nugget, sill, reach)
    matrix[count, count] = 0.0
    right = np.ones((count + 1, len(places)))
    right[:count] = spherical(cdist(nodes, places), nugget, sill, reach)
    return float((np.linalg.solve(matrix, right) * right).sum(axis=0).mean())


def spherical(distances: Array, nugget: float, sill: float, reach: float) -> Array:
    """Return the spherical variogram, 0 at distance 0."""
    share = np.minimum(distances / reach, 1.0)
    found: Array = np.where(distances > 0, nugget + (sill - nugget) * (1.5 * share - 0.5 * share**3), 0.0)
    return found
