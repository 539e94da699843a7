"""Words for the part of an equivalent soil mass that lies below the lowest layer of its stock."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.areas.formulas import CarbonStock
from soil_cnn_plugin.engine.areas.quantities import VALUE, Quantities
from soil_cnn_plugin.engine.areas.summaries import AreaSummary

_LITTLE = 0.01  # of the mass: so small a part below the layers is not worth a word


def mass_below_in_words(quantities: Quantities, summaries: Sequence[AreaSummary]) -> str:
    """Return a sentence about the areas whose layers hold less fine soil than the stock counts; empty without any."""
    stock = next((each for each in quantities.formulas if isinstance(each, CarbonStock)), None)
    if stock is None or stock.soil_mass is None:
        return ""
    told = [each.estimates for each in summaries if each.estimates]
    means = {
        each.field: np.array([estimates[number].mean for estimates in told])
        for number, each in enumerate(quantities.all)
        if each.kind == VALUE and each.field in stock.fields
    }
    held = stock.held(means)
    short = held[held < (1 - _LITTLE) * stock.soil_mass]
    if not len(short):
        return ""
    mean = float(short.mean())
    return tr(
        "In {} of {} areas, the layers of the stock hold less fine soil than the {:,.0f} t/ha asked for, {:,.0f} t/ha"
        " on average; the other {:.0f} % lie below the lowest layer and get its carbon content, so ask for a smaller"
        " mass (SOIL_MASS), or add deeper layers."
    ).format(len(short), len(told), stock.soil_mass, mean, 100 * (1 - mean / stock.soil_mass))
