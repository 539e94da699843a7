"""Fits Gaussian processes to observations, and predicts each inner fold by a process that had not seen it.

Up to 1,500 observations a process is exact. Of more, 1,500 drawn at random support it, and 20,000 inform what these
count. Variances and length scales maximize the likelihood times weak priors (type-II MAP).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.kriging.evidence import Evidence, Knowledge, KnownValues
from soil_cnn_plugin.engine.kriging.gaussian_process import PROCESS_ARRAYS, FeatureLayout, GaussianProcess
from soil_cnn_plugin.engine.kriging.kernels import PRIOR_MEANS, find_parameters, split
from soil_cnn_plugin.engine.machine.memory import give_back
from soil_cnn_plugin.engine.machine.processes import predict_together
from soil_cnn_plugin.engine.targets.learned import Learned, units

MOST_SUPPORTS = 1500
"""The most observations around which a process has kernels: its training grows with their square, and a map's time with
their number."""
MOST_INFORMING = 20_000
"""The most observations that tell what the supports count."""
_FOR_SPREAD = 500  # supports: the spread of a process has no part in a map, and its time grows with their square
_ENOUGH = 300  # observations on which parameters are found
_MOST_IN_DOUBLE = 5000  # observations whose spread is found in double precision, which takes almost twice as long
_ROUNDING = 1e-4  # what rounding may leave of a feature's spread: deviations of covariates where all ground is flat
_SMALLEST_SPREAD = 0.05  # in standard deviations of the target, as that of a forest
_FOUND = ("root", "gained", "weights")  # of Knowledge


@dataclass(frozen=True)
class FittedProcess:
    """A process of all training rows, and predictions (N, R) of each row by parts of it, which had not seen its inner
    fold; NaN where the target is missing. `spreads` tell the spread of each unit of columns."""

    process: GaussianProcess
    location: Array
    scale: Array
    spreads: tuple[Knowledge, ...]

    def predict(self, features: Singles) -> tuple[Array, Array]:
        """Return location and scale (N, R) of observations with `features` (N, F) that it had not seen."""
        return _predict(self.process, self.spreads, features)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was found, by name, for a file."""
        arrays = {**self.process.arrays(), "location": self.location, "scale": self.scale}
        for number, known in enumerate(self.spreads):
            arrays |= {f"{number}.{name}": getattr(known, name).numpy() for name in _FOUND}
        return arrays

    @classmethod
    def of(cls, layout: FeatureLayout, learned: Learned, arrays: Mapping[str, NDArray[Any]]) -> FittedProcess:
        """Read what was found for the same observations from a file.

        Raises:
            KeyError: an array is missing.
            ValueError: the arrays make no sense.
        """
        process = GaussianProcess.of(layout, learned.layout, {name: arrays[name] for name in PROCESS_ARRAYS})
        location, scale = arrays["location"], arrays["scale"]
        supports = process.places
        if len(process.known) > _FOR_SPREAD:
            supports = supports.take(slice(_FOR_SPREAD))
        count, spreads = len(supports.point), []
        for number, own in enumerate(units(process.columns)):
            variances, lengths = split(torch.from_numpy(process.parameters[own.start]))
            # Columns lie together in memory, as LAPACK leaves them: another order would round otherwise.
            found = [torch.from_numpy(arrays[f"{number}.{name}"]).T.contiguous().T for name in _FOUND]
            if [tuple(each.shape) for each in found] != [(count, count)] * 2 + [(count, own.stop - own.start)]:
                raise ValueError("the spread of its Gaussian process is incomplete")
            spreads.append(Knowledge(supports, variances, lengths, *found))
        if not location.shape == scale.shape == learned.estimate.shape:
            raise ValueError("its Gaussian process is that of other observations")
        return cls(process, location, scale, tuple(spreads))


def fit_process(
    features: Singles,
    layout: FeatureLayout,
    learned: Learned,
    fold: Rows,
    seed: int,
    progress: Callable[[float], None] = lambda share: None,
) -> FittedProcess:
    """Fit a process to what is `learned` of N observations with `features` (N, F), and predict each inner `fold` (N,)
    without it. Censored values count as their estimates. `progress` gets the share done, from 0.

    Few observations are predicted by processes whose means and parameters, too, had not seen them: those of all rows
    know how a held-out cluster differs from the others, and errors of few clusters came out up to a tenth too small.
    """
    progress(0.0)
    process, spreads = _fit(features, layout, learned, fold, seed)
    if int(fold.max()) > 0 and len(features) <= _ENOUGH:
        held_out = _hold_out_anew(process, features, learned, fold, seed)
    else:
        held_out = _hold_out(process, spreads, features, fold, np.isnan(learned.estimate), progress)
    return FittedProcess(process, *held_out, tuple(evidence.weigh() for evidence in spreads))


def _fit(
    features: Singles, layout: FeatureLayout, learned: Learned, fold: Rows, seed: int, start: Array | None = None
) -> tuple[GaussianProcess, list[Evidence]]:
    """Fit a process, and gather what tells the spread of each unit of columns. The search for parameters begins at
    `start` (R, 8), if given."""
    rows = np.random.default_rng(seed).permutation(len(features))
    centre, width = _mean_and_spread(features)
    folds, columns, supports = int(fold.max()) + 1, learned.columns, features[rows[:MOST_SUPPORTS]]
    process = GaussianProcess(
        layout,
        learned.layout,
        known=supports,
        centre=centre.astype(np.float32),
        width=np.where(width > _ROUNDING, width, 1.0).astype(np.float32),
        means=np.zeros(columns),
        parameters=np.tile(PRIOR_MEANS, (columns, 1)),
        weights=np.zeros((columns, len(supports))),
        weights_of_parts=np.zeros((folds, columns, len(supports))),
    )
    means, parameters, weights, of_parts = (
        array.copy() for array in (process.means, process.parameters, process.weights, process.weights_of_parts)
    )
    spreads = []
    for own in units(process.columns):
        means[own], observed = _observed(process, features, learned, fold, rows, own)
        parameters[own] = _likeliest(observed, None if start is None else start[own.start])
        likeliest = torch.from_numpy(parameters[own.start])
        evidence = Evidence.gather(process.places, likeliest, observed, folds)
        weights[own] = evidence.weigh().weights.T.numpy()
        for number in range(folds):
            of_parts[number, own] = evidence.weigh(number).weights.T.numpy()
        if len(supports) > _FOR_SPREAD:
            few = process.places.take(slice(_FOR_SPREAD))
            evidence = Evidence.gather(few, likeliest, observed, folds)
        spreads.append(evidence)
        give_back()  # each step leaves holes that are of no use to the next
    return replace(process, means=means, parameters=parameters, weights=weights, weights_of_parts=of_parts), spreads


def _mean_and_spread(features: Singles) -> tuple[Array, Array]:
    """Mean and standard deviation (F,) of features (N, F), in double precision, column by column: a copy of all in
    double precision would take gigabytes."""
    found = [(column.mean(), column.std()) for column in (each.astype(np.float64) for each in features.T)]
    centre, width = np.array(found).T
    return centre, width


def rows_in_words(count: int) -> str:
    """Say on how many of `count` observations a process rests; empty where it is exact."""
    if count <= MOST_SUPPORTS:
        return ""
    return tr(
        "it predicts from {} of the {} observations, drawn at random, and {} tell how much each of these counts, so"
        " that time and memory stay bounded"
    ).format(MOST_SUPPORTS, count, min(count, MOST_INFORMING))


def _observed(
    process: GaussianProcess, features: Singles, learned: Learned, fold: Rows, rows: Rows, own: slice
) -> tuple[Array, KnownValues]:
    """Return the means (C,) of the columns `own` and what the process learns around them, from the first of the `rows`
    that have a value: a target may be known at few of many. All classes of a target share noise."""
    rows = rows[np.isfinite(learned.estimate[rows, own]).all(axis=1)][:MOST_INFORMING]
    means = learned.estimate[rows, own].mean(axis=0)
    values = torch.from_numpy(learned.estimate[rows, own] - means)
    noise = np.stack([1 / learned.weights[rows], learned.errors[rows, own.start] ** 2])
    places = process.scaled(torch.from_numpy(features[rows]))
    return means, KnownValues(places, values, torch.from_numpy(noise), torch.from_numpy(fold[rows]))


def _likeliest(observed: KnownValues, start: Array | None) -> Array:
    """Find the parameters (8,) that all columns share, on the first rows, which are random ones."""
    some = observed.take(torch.arange(min(_ENOUGH, len(observed.values))))
    return find_parameters(some.places, some.values.numpy(), some.noise.numpy(), PRIOR_MEANS, start)


def _hold_out_anew(
    process: GaussianProcess, features: Singles, learned: Learned, fold: Rows, seed: int
) -> tuple[Array, Array]:
    location, scale = np.full((2, *learned.estimate.shape), np.nan)
    for number in np.unique(fold):
        test, train = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        together = np.zeros(len(train), np.int64)
        part, spreads = _fit(features[train], process.layout, learned.take(train), together, seed, process.parameters)
        known = [evidence.weigh() for evidence in spreads]
        location[test], scale[test] = _predict(part, known, features[test])
    is_missing = np.isnan(learned.estimate)
    location[is_missing] = scale[is_missing] = np.nan
    return location, scale


def _hold_out(
    process: GaussianProcess,
    spreads: Sequence[Evidence],
    features: Singles,
    fold: Rows,
    is_missing: Flags,
    progress: Callable[[float], None],
) -> tuple[Array, Array]:
    location, scale = np.full((2, *is_missing.shape), np.nan)
    for number, part in enumerate(process.parts):
        progress((number + 1) / (len(process.parts) + 1))  # the fit takes about as long as a fold
        test, known = np.flatnonzero(fold == number), [evidence.weigh(number) for evidence in spreads]
        location[test], scale[test] = predict_together(partial(_predict, part, known), features[test])
        give_back()
    location[is_missing] = scale[is_missing] = np.nan
    return location, scale


def _predict(process: GaussianProcess, spreads: Sequence[Knowledge], features: Singles) -> tuple[Array, Array]:
    return process.locations(torch.from_numpy(features)), _scale(process, spreads, features)


def _scale(process: GaussianProcess, spreads: Sequence[Knowledge], features: Singles) -> Array:
    kind = torch.float64 if len(features) <= _MOST_IN_DOUBLE else torch.float32
    places, scale = process.scaled(torch.from_numpy(features), kind), np.empty((len(features), len(process.means)))
    for own, known in zip(units(process.columns), spreads):
        scale[:, own] = known.variance(places).clamp(min=_SMALLEST_SPREAD**2).sqrt()[:, None].numpy()
    return scale
