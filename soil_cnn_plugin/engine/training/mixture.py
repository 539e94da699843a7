"""What the components of a fit predict together by one method, and how far that lies from what was learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.independent_errors import independent_share
from soil_cnn_plugin.engine.targets.groups import AnyOutcome, own_columns, score_all
from soil_cnn_plugin.engine.targets.kinds import Scaled
from soil_cnn_plugin.engine.targets.learned import CLASSES, Learned


@dataclass(frozen=True)
class Mixture:
    """The M components of a fit, mixed by the `weights` (M, R) of a `method`: `location` and `scale` (N, R) at the rows
    of what is `learned`, by parts that had not seen them.

    Each kind of targets has an outcome, and an `independent` share of errors: of several columns the least, and 1 of
    classes.
    """

    method: str
    weights: Array
    learned: Learned
    location: Array
    scale: Array
    independent: tuple[float, ...]
    outcomes: tuple[AnyOutcome, ...]

    @classmethod
    def of(
        cls,
        method: str,
        weights: Array,
        scaled: Sequence[Scaled],
        learned: Learned,
        predicted: tuple[Array, Array],
        places: Array,
    ) -> Mixture:
        """Calibrate the kinds of targets, `scaled`, by the errors of predictions, locations and scales (N, R), at rows
        that lie at `places` (N, 2) in metres."""
        (location, scale), columns = predicted, own_columns(scaled)
        # Censored values have no known error, and classes no spread.
        errors = np.where(learned.is_censored, np.nan, (learned.values - location) / scale)
        independent = tuple(
            1.0
            if each.columns.head == CLASSES
            else min(independent_share(column, places) for column in errors[:, own].T)
            for each, own in zip(scaled, columns)
        )
        outcomes = tuple(
            each.calibrate(learned.of(own), location[:, own], scale[:, own], share)
            for each, own, share in zip(scaled, columns, independent)
        )
        return cls(method, weights, learned, location, scale, independent, outcomes)

    def scores(self) -> Array:
        """Errors (N, R) at the rows of the fit; see `Outcome.scores`."""
        return score_all(self.outcomes, self.learned, self.location, self.scale)[0]
