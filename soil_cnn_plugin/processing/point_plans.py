"""Plans for the points and tables of a run: one layer a target, with words for its fields and a tip on the map."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from qgis.core import QgsVectorLayer

from ..contract.language import tr
from ..contract.soil_property import SoilProperty
from .area_styles import colour_areas
from .band_labels import sentence_case
from .class_styles import colour_right_and_wrong
from .few_digits import show_few_digits
from .layer_plan import LayerPlan, style_of
from .layer_words import LayerWords
from .plan_styles import colour_plan
from .point_styles import colour_problems, colour_residuals
from .profile_styles import colour_profiles
from .raster_styles import colour_ramp, ramp_for

TITLES = {  # from the top down
    "AREAS": tr("Summarized areas"),
    "PLAN": tr("Sampling plan (labels: walking order)"),
    "PROBLEMS": tr("Problems"),
    "HELD_OUT": tr("Held-out predictions"),
    "RESIDUALS": tr("Residuals of the map"),
    "PAIRS": tr("Pairs at the observations"),
    "DROPPED": tr("Observations not used"),
    "OUTPUT": tr("Standard depths"),
    "IMPORTANCE": tr("Importance of the covariates"),
}
_SHOWS = {
    "AREAS": tr("Means, totals and shares of areas, with intervals."),
    "PLAN": tr("Places to sample, in the order in which they matter and along a short way."),
    "PAIRS": tr("What was observed, and what two maps show there."),
    "PROBLEMS": tr("What may be wrong with the observations, and the remedy."),
    "HELD_OUT": tr("What was observed, and what was predicted without having seen it."),
    "RESIDUALS": tr("What was observed, and what the map shows there."),
    "DROPPED": tr("Observations that could not be used, and why."),
    "OUTPUT": tr("Means of the horizons over fixed depth intervals."),
    "IMPORTANCE": tr("How much the error grows when a covariate is exchanged between observations."),
}
_WORDS = {  # the last part of a field's name -> what it means
    "observed": tr("observed"),
    "predicted": tr("predicted"),
    "reported": tr("predicted, as a laboratory would report it"),
    "censored": tr("below its detection limit"),
    "lower": tr("lower limit"),
    "upper": tr("upper limit"),
    "residual": tr("residual (predicted minus observed)"),
    "correct": tr("right class"),
    "probability": tr("probability of the predicted class"),
    "probability_of_observed": tr("probability of the observed class"),
}
_ALONE = {
    "fold": tr("Fold in which it was held out"),
    "observation": tr("Observation (row of the input, from 0)"),
    "reason": tr("Why it was not used"),
    "severity": tr("Severity"),
    "sentence": tr("What is wrong, and what to do"),
    "problem": tr("Problem"),
    "target": tr("Target"),
    "covariate": tr("Covariate"),
    "importance": tr("Growth of the error"),
    "importance_percent": tr("Growth of the error (%)"),
    "spread": tr("Spread of the growth over folds"),
    "spread_percent": tr("Spread of the growth over folds (%)"),
    "p": tr("p of such a growth by chance"),
}
_ENDING = re.compile(rf"^(?:(?P<field>.+)_)?(?P<what>{'|'.join(sorted(_WORDS, key=len, reverse=True))})$")
_IN_NO_TIP = ("censored", "reported")


def point_plans(results: dict[str, Any], labels: dict[str, str]) -> dict[str, list[LayerPlan]]:
    """Return path -> plans. `labels` tells a target's title with its unit: `zinc` -> `zinc (mg/kg)`."""
    found = {}
    for height, (name, title) in enumerate(TITLES.items()):
        path = results.get(name, "")
        layer = QgsVectorLayer(path, title, "ogr") if path and Path(path).is_file() else None
        if layer is not None and layer.isValid() and not (name == "DROPPED" and layer.featureCount() == 0):
            found[path] = _plans(name, path, layer, height, labels)
    return found


def _plans(name: str, path: str, layer: QgsVectorLayer, height: int, labels: dict[str, str]) -> list[LayerPlan]:
    for index, field in enumerate(layer.fields().toList()):
        alias = _alias(field.name(), labels)
        if alias:
            layer.setFieldAlias(index, alias)
    show_few_digits(layer, _own_numbers(name, layer))
    words = LayerWords(_SHOWS[name])
    if name == "OUTPUT":
        shown = colour_profiles(layer, path, lambda soil_property: colour_ramp(ramp_for(soil_property)))
        title = tr("{}: {}").format(TITLES[name], shown) if shown else TITLES[name]
        return [LayerPlan(path, title, order=(height,), style=style_of(layer), words=words)]
    if name == "PROBLEMS" and layer.fields().indexOf("severity") >= 0:
        colour_problems(layer)
    if name in ("AREAS", "PLAN"):
        tip = colour_areas(layer) if name == "AREAS" else colour_plan(layer)
        return [LayerPlan(path, TITLES[name], order=(height,), style=style_of(layer), map_tip=tip, words=words)]
    if name not in ("HELD_OUT", "RESIDUALS", "PAIRS"):
        tip = '<b>[% "reason" %]</b>' if name == "DROPPED" else ""
        return [LayerPlan(path, TITLES[name], order=(height,), style=style_of(layer), map_tip=tip, words=words)]
    fields = [field.name() for field in layer.fields().toList() if _what(field.name()) in ("residual", "correct")]
    plans = [_of_target(name, path, layer, field, labels) for field in fields]
    plans = [plan for plan in plans if plan is not None]
    if not plans:
        return [LayerPlan(path, TITLES[name], order=(height,), style=style_of(layer), words=words)]
    is_alone = len(plans) == 1
    return [
        LayerPlan(
            path,
            plan.title,
            plan.part,
            groups=() if is_alone else (TITLES[name],),
            order=(height,) if is_alone else (height, number),
            is_shown=(True,) if is_alone else (True, number == 0),
            style=plan.style,
            map_tip=plan.map_tip,
            words=words,
        )
        for number, plan in enumerate(plans)
    ]


def _of_target(name: str, path: str, layer: QgsVectorLayer, field: str, labels: dict[str, str]) -> Optional[LayerPlan]:
    """Plan the layer of one target; None where its residuals have nothing to show."""
    if _what(field) == "correct":
        colour_right_and_wrong(layer, field)
    elif not colour_residuals(layer, field):
        return None
    match = _ENDING.match(field)
    target = match["field"] if match else None
    title = f"{TITLES[name]}: {_label(target, labels)}" if target else TITLES[name]
    prefix = f"{target}_" if target else ""
    there = {each.name() for each in layer.fields().toList()}
    rows = "".join(
        f'<tr><td>{word}</td><td>[% represent_value("{prefix}{what}") %]</td></tr>'
        for what, word in _WORDS.items()
        if f"{prefix}{what}" in there and what not in _IN_NO_TIP
    )
    return LayerPlan(path, title, field, style=style_of(layer), map_tip=f"<b>{title}</b><table>{rows}</table>")


def _own_numbers(name: str, layer: QgsVectorLayer) -> Callable[[str], bool]:
    """Return which fields hold what was computed, not what the user's own layer brought along."""
    if name == "AREAS":
        names = layer.fields().names()
        ours = names[names.index("area_ha") :] if "area_ha" in names else []
        return lambda field: field in ours
    if name == "OUTPUT":
        return lambda field: SoilProperty(field).depth_cm is not None or field.endswith("_rmse")
    return lambda field: _what(field) in _WORDS or (name == "IMPORTANCE" and field in _ALONE)


def _what(field: str) -> str:
    match = _ENDING.match(field)
    return match["what"] if match else ""


def _alias(field: str, labels: dict[str, str]) -> str:
    if field in _ALONE:
        return _ALONE[field]
    match = _ENDING.match(field)
    if match is None:
        return ""
    words = _WORDS[match["what"]]
    return f"{sentence_case(_label(match['field'], labels))}, {words}" if match["field"] else sentence_case(words)


def _label(field: str, labels: dict[str, str]) -> str:
    title = SoilProperty(field).title
    return labels.get(title, title)
