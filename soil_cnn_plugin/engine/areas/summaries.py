"""From draws of an area's cells to its answers: mean, interval, total, probability of lying beyond a threshold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.engine.areas.area_store import CHOSEN, AreaCells, AreaStore
from soil_cnn_plugin.engine.areas.error_draws import Draw, ErrorDraws, class_agreement
from soil_cnn_plugin.engine.areas.quantities import CLASS, SHARE, VALUE, Quantities, mean_of_possible
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.targets.classes import CLASSES_IN_WORDS
from soil_cnn_plugin.engine.targets.groups import own_columns

_OWN = 4  # pixels in a cell whose own errors are drawn, for each chosen one


@dataclass(frozen=True)
class AreaEstimate:
    """A quantity of an area: its mean, or the share of the area, with standard deviation and interval. `beyond` are the
    probabilities that the mean lies beyond the thresholds of its target, in their order. `uncertain_spread` is the
    relative error of the standard deviation that comes from pixels standing for others, 0 where each is drawn.
    `excluded` is the share of draws that cannot go together; where that is all of them, the numbers are NaN."""

    mean: float
    deviation: float
    lower: float
    upper: float
    beyond: tuple[float, ...] = ()
    uncertain_spread: float = 0.0
    excluded: float = 0.0


@dataclass(frozen=True)
class AreaSummary:
    """What is told of one area. `hectares` are of the whole polygon, `mapped` and `applicable` shares of it;
    `observations` is None where it is not known where they lie. AreaCells of `side` x `side`
    pixels were drawn. `estimates` are in the order of the quantities, None
    where nothing is predicted."""

    number: int
    hectares: float
    mapped: float
    applicable: float | None
    observations: int | None
    pixels: int
    side: int
    estimates: tuple[AreaEstimate, ...] | None


def estimates_of(
    store: AreaStore, quantities: Quantities, draws: ErrorDraws, coverage: float, seed: int
) -> tuple[AreaEstimate, ...]:
    """The estimates of all quantities of one area."""
    cells = store.cells()
    drawn, excluded, halves = _drawn(cells, quantities, draws, seed)  # (Q, draws)
    exact = np.where(store.weights > 0, store.sums / np.maximum(store.weights, 1e-300), np.nan)
    pieces = [quantities.expected(cells.location[:, :, one], cells.scale[:, :, one]) for one in range(CHOSEN)]
    stand_in = _mean_of_cells(mean_of_possible(np.stack(pieces, axis=-1)), cells.weights)
    is_moved = np.array([bool(draws.given_fields & set(quantities.needs(each))) for each in quantities.all])
    placed = _around(drawn, np.where(is_moved, stand_in, mean_of_possible(drawn)), exact, quantities)
    tail = (1 - coverage) / 2
    found = []
    for number, (quantity, values) in enumerate(zip(quantities.all, placed)):
        thresholds = [
            threshold for t, threshold in quantities.thresholds if quantity.kind == VALUE and t == quantity.of
        ]
        beyond = [np.mean(values > each.value if each.is_above else values < each.value) for each in thresholds]
        known = values[np.isfinite(values)]  # draws whose values can go together in no pixel tell nothing
        known = known if len(known) else np.full(1, np.nan)
        lower, upper = np.quantile(known, [tail, 1 - tail])
        one, other = halves[:, number]
        found.append(
            AreaEstimate(
                mean=float(known.mean()),
                deviation=float(known.std()),
                lower=float(lower),
                upper=float(upper),
                beyond=tuple(float(each) for each in beyond),
                uncertain_spread=float(np.nan_to_num(abs(one - other) / max(one + other, 1e-12))),
                excluded=float(excluded[number]),
            )
        )
    return tuple(found)


def _drawn(cells: AreaCells, quantities: Quantities, draws: ErrorDraws, seed: int) -> tuple[Array, Array, Array]:
    """Draws (Q, D) of the area's quantities, NaN where values can go together in no pixel; shares (Q,) of draws that
    cannot go together; and the standard deviations (2, Q) by each of two chosen pixels a cell."""
    generator = np.random.default_rng(seed)
    outcomes = quantities.description.outcomes
    agreements = [
        class_agreement(outcome, cells.location[at, :, 0] @ cells.weights, cells.scale[at, :, 0] @ cells.weights, seed)
        if len(kind.fields) == 1 and kind.is_measured_as == CLASSES_IN_WORDS
        else None
        for kind, outcome, at in zip(
            quantities.description.kinds, outcomes, own_columns([outcome.scaled for outcome in outcomes])
        )
    ]
    found, excluded, split = [], [], []
    for draw in draws.of(cells, agreements):
        parts = list(_parts(cells, quantities, draw, generator))  # (Q, draws) each, of each chosen pixel
        found.append(mean_of_possible(np.stack([values for values, _ in parts], axis=-1)))
        excluded.append(np.mean([lost for _, lost in parts], axis=0))
        split.append([values for values, _ in parts])
    both = [_spread(np.concatenate([each[min(one, len(each) - 1)] for each in split], axis=1)) for one in (0, 1)]
    return np.concatenate(found, axis=1), np.mean(excluded, axis=0), np.stack(both)


def _parts(
    cells: AreaCells, quantities: Quantities, draw: Draw, generator: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """The area's quantities (Q, draws) and the shares (Q,) that were left out, by one chosen pixel a cell after the
    other."""
    columns, count, _ = draw.common.shape
    for one in range(1 if cells.is_single else CHOSEN):
        if cells.is_single:
            scores = draw.common[..., None]
        else:
            half = generator.standard_normal((columns, count, 1, _OWN // 2))
            own = np.concatenate([half, -half], axis=3)
            own /= np.sqrt((own**2).mean(axis=3, keepdims=True))
            scores = draw.common[..., None] + draw.own[:, :, None, None] * own
        place = cells.location[:, :, one, None, None], cells.scale[:, :, one, None, None]
        values = quantities.drawn(*place, scores)  # (Q, B, draws, own)
        possible = np.isfinite(values)
        weights = possible * cells.weights[:, None, None]
        total = weights.sum(axis=(1, 3))
        mean = (np.where(possible, values, 0.0) * weights).sum(axis=(1, 3)) / np.maximum(total, 1e-12)
        yield np.where(total > 0, mean, np.nan), 1 - possible.mean(axis=(1, 2, 3))


def _mean_of_cells(values: Array, weights: Array) -> Array:
    """Means (Q,) over the cells, with weights (B,) that sum to 1, of what is known of them (Q, B); NaN where nothing
    is."""
    known = np.isfinite(values)
    share = np.where(known.all(axis=1), 1.0, known @ weights)
    return np.where(share > 0, np.where(known, values, 0.0) @ weights / np.where(share > 0, share, 1.0), np.nan)


def _spread(values: Array) -> Array:
    """Standard deviations (Q,) of draws (Q, D), without those that are NaN."""
    found: Array = np.sqrt(mean_of_possible((values - mean_of_possible(values)[:, None]) ** 2))
    return found


def _around(drawn: Array, stand_in: Array, exact: Array, quantities: Quantities) -> Array:
    """Draws (Q, D) moved so that they lie around the mean of all pixels, as they lay around that of the pixels that
    stand for others: the mean changes only where residuals nearby tell errors. What is never negative is multiplied, so
    that it stays so; shares stay between 0 and 1, and those of classes sum to 1."""
    found = np.empty_like(drawn)
    for number, quantity in enumerate(quantities.all):
        values, was, now = drawn[number], stand_in[number], exact[number]
        is_positive = quantity.kind == VALUE and not (values < 0).any() and was > 0 and not _is_part(quantities, number)
        found[number] = values * now / was if is_positive else values + now - was
        if quantity.kind == SHARE:
            found[number] = np.clip(found[number], 0, 1)
    for own in _wholes(quantities, CLASS):
        shares = np.clip(found[own], 0, None)
        found[own] = shares / shares.sum(axis=0)
    return found


def _is_part(quantities: Quantities, number: int) -> bool:
    """Whether the quantity is one part of a composition, whose draws must go on to sum to the whole."""
    field = quantities.all[number].field
    return any(field in composition for composition in quantities.description.compositions)


def _wholes(quantities: Quantities, kind: str) -> Iterator[list[int]]:
    """The numbers of quantities of that kind that belong to one target."""
    targets: dict[int, list[int]] = {}
    for number, quantity in enumerate(quantities.all):
        if quantity.kind == kind:
            targets.setdefault(quantity.of, []).append(number)
    yield from targets.values()


def totals(summary: AreaSummary, factor: float, estimate: AreaEstimate) -> Sequence[float]:
    """Total, lower and upper limit of what is one per hectare, over the mapped part of the area."""
    mapped = summary.hectares * summary.mapped
    return [factor * mapped * value for value in (estimate.mean, estimate.lower, estimate.upper)]
