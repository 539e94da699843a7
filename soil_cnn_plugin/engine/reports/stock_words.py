"""Words for stocks: what was asked for, and the part of a soil mass that lies below the lowest layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soil_cnn_plugin.contract.jobs import SummarizeAreas
from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.engine.areas.formulas import CarbonStock
from soil_cnn_plugin.engine.areas.quantities import VALUE, Quantities
from soil_cnn_plugin.engine.areas.summaries import AreaSummary
from soil_cnn_plugin.engine.reports.words import rounded

_LITTLE = 0.01  # of the mass: so small a part below the layers is not worth a word


def stock_settings(job: SummarizeAreas) -> dict[str, str]:
    """Return the settings of the stock that a job asks for, without those that are empty."""
    settings = {
        "carbon content": ", ".join(job.carbon),
        "bulk density": ", ".join(job.bulk_density),
        "stones": ", ".join(job.stones),
        "thickness": "" if job.thickness_cm is None else localized(f"{job.thickness_cm:g} cm"),
        "equivalent soil mass": "" if job.soil_mass is None else localized(f"{job.soil_mass:,.0f} t/ha"),
    }
    return {name: value for name, value in settings.items() if value}


def total_in_words(value: float) -> str:
    """Return a total with three significant digits, as in `20,800`."""
    return localized(f"{float(f'{value:.3g}'):,.0f}") if abs(value) >= 1000 else rounded(value)


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
        "Areas whose layers hold less fine soil than the {:,.0f} t/ha asked for: {} of {}, with {:,.0f} t/ha on"
        " average. The other {:.0f} % of the mass lies below the lowest layer, and is counted with the carbon content"
        " of that layer. Carbon usually decreases with depth, so these stocks are probably too high. Ask for a"
        " smaller equivalent soil mass, or add deeper layers."
    ).format(stock.soil_mass, len(short), len(told), mean, 100 * (1 - mean / stock.soil_mass))
