"""Results in QGIS: a run's layers, each with its name, its place in the run's group and its style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from qgis.core import QgsMapLayer, QgsProcessingContext, QgsProcessingLayerPostProcessorInterface

from ..contract.language import moment_in_words, tr
from .difference_plans import difference_plans
from .layer_plan import PART, LayerPlan, style_of
from .layer_words import LayerWords
from .not_applicable import TITLE, hatch, write_not_applicable
from .point_plans import point_plans
from .project_layers import free_group_name, is_showing, place_in_group, reload_layers, set_depth_range
from .raster_plans import FIRST_PROPERTY, RasterPlans

_NOT_APPLICABLE_ORDER = FIRST_PROPERTY - 1


@dataclass(frozen=True)
class RunPlan:
    """The layers of a run by the path of their file, in the order of `LayerPlan.order`; `companions` are files that
    belong to another one: they are made for showing, and appear together with it."""

    title: str
    layers: dict[str, list[LayerPlan]]
    companions: dict[str, list[LayerPlan]]


def plan_run(results: dict[str, Any]) -> RunPlan:
    """Plan the layers of a run's results: output name -> path, and the threshold of dissimilarity."""
    rasters = RasterPlans(results)
    labels = {label.title: label.labelled for label in rasters.labels()}
    layers = {**rasters.plans(), **difference_plans(results), **point_plans(results, labels)}
    subject = rasters.subject
    return RunPlan(tr("Soil map: {}").format(subject) if subject else tr("Soil CNN"), layers, {})


def with_companions(plan: RunPlan, results: dict[str, Any]) -> RunPlan:
    """Write what is needed only to show the results: the width of the interval, and polygons to be hatched."""
    companions: dict[str, list[LayerPlan]] = {}
    pale = RasterPlans(results).pale()
    if pale:
        companions[results["UPPER"]] = pale
    threshold = results.get("DISSIMILARITY_THRESHOLD")
    path = write_not_applicable(results["DISSIMILARITY"], threshold) if "DISSIMILARITY" in results and threshold else ""
    if path:
        companions[results["DISSIMILARITY"]] = [_hatched(path)]
    return replace(plan, companions=companions)


def dress(results: dict[str, Any], context: QgsProcessingContext) -> str:
    """Write a .qml beside each raster and point layer of a run, and tell Processing how to load them; return the title
    of the run's group."""
    plan = plan_run(results)
    for path, layers in plan.layers.items():
        write_style(path, layers[0].style)
    loaded = {path for path in plan.layers if context.willLoadLayerOnCompletion(path)}
    if loaded:
        plan = with_companions(plan, results)
    group = f"{plan.title}, {moment_in_words(datetime.now())}"
    for path in loaded:
        _announce(path, [*plan.layers[path], *plan.companions.get(path, [])], group, context)
    _leave_out_empty(results, plan, context)
    return plan.title


def show_results(results: dict[str, Any], title: str, project: Any) -> None:
    """Load the results of a former run into a group of their own, as they looked after it."""
    plan = with_companions(plan_run(results), results)
    name = free_group_name(project, title)
    project.layerTreeRoot().insertGroup(0, name)
    for plans in (*plan.layers.values(), *plan.companions.values()):
        for each in plans:
            layer = each.open()
            each.dress(layer)
            project.addMapLayer(layer, False)
            place_in_group(project, layer, name, each)
    set_depth_range(project)


def write_style(path: str, style: str) -> str:
    """Write a .qml beside a layer's file, so that it looks the same wherever it is opened in QGIS."""
    qml = Path(path).with_suffix(".qml")
    qml.write_text(style, encoding="utf-8")
    return str(qml)


def settle(paths: Sequence[str], context: QgsProcessingContext) -> None:
    """Show replaced files anew and choose the run's group. Call it in the main thread, before results are loaded."""
    project = context.project()
    if project is None:
        return
    loading = [path for path in paths if context.willLoadLayerOnCompletion(path)]
    groups = {path: context.layerToLoadOnCompletionDetails(path).groupName or "" for path in loading}
    free = {name: free_group_name(project, name) for name in set(groups.values()) if name}
    for path, name in groups.items():
        context.layerToLoadOnCompletionDetails(path).groupName = free.get(name, name)
    reload_layers(project, paths)


class Dresser(QgsProcessingLayerPostProcessorInterface):
    """Gives a loaded layer its style and its place, and adds the other layers of its file."""

    def __init__(self, path: str, plans: list[LayerPlan]) -> None:
        super().__init__()
        self._path, self._plans = path, plans

    def postProcessLayer(  # type: ignore[override]  # QGIS always gives a layer
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: object
    ) -> None:
        project = context.project()
        group = ""
        if project is not None:
            reload_layers(project, {plan.path for plan in self._plans} - {self._path})
        if project is not None and context.willLoadLayerOnCompletion(self._path):
            group = (
                context.layerToLoadOnCompletionDetails(self._path).groupName or ""
            )  # a model may have chosen another
        for plan, each in self._pair(layer, project).items():
            self._plans[plan].dress(each)
            if project is not None:
                if each.id() not in project.mapLayers() and each is not layer:
                    project.addMapLayer(each, False)
                place_in_group(project, each, group, self._plans[plan])
        if project is not None:
            set_depth_range(project)
        if self in _KEPT:
            _KEPT.remove(self)

    def _pair(self, layer: QgsMapLayer, project: Any) -> dict[int, QgsMapLayer]:
        """Return number of a plan -> its layer: one that a former run has left, the one that QGIS loaded, or a new
        one."""
        there = list(project.mapLayers().values()) if project is not None else []
        pairs: dict[int, QgsMapLayer] = {}
        for number, plan in enumerate(self._plans):
            known = [each for each in there if each.customProperty(PART) == plan.part and is_showing(each, plan.path)]
            if known:
                pairs[number] = known[0]
        if layer not in pairs.values():
            free = [n for n, plan in enumerate(self._plans) if n not in pairs and plan.path == self._path]
            pairs[free[0] if free else 0] = layer
        if project is not None:
            for number, plan in enumerate(self._plans):
                if number not in pairs:
                    pairs[number] = plan.open()
        return pairs


_KEPT: list[Dresser] = []
"""Holds post-processors, because Python must keep each one until QGIS has called it."""


def _announce(path: str, plans: list[LayerPlan], group: str, context: QgsProcessingContext) -> None:
    """Tell Processing how to load a result; a greater key puts it further up."""
    details = context.layerToLoadOnCompletionDetails(path)
    details.name = plans[0].title
    details.groupName = group
    details.layerSortKey = -plans[0].order[0]
    dresser = Dresser(path, plans)
    _KEPT.append(dresser)
    details.setPostProcessor(dresser)


def _leave_out_empty(results: dict[str, Any], plan: RunPlan, context: QgsProcessingContext) -> None:
    """Load no layer of observations that were not used where all were."""
    path = results.get("DROPPED", "")
    if path and path not in plan.layers and context.willLoadLayerOnCompletion(path):
        loading = context.layersToLoadOnCompletion()
        context.setLayersToLoadOnCompletion({key: value for key, value in loading.items() if key != path})


def _hatched(path: str) -> LayerPlan:
    words = LayerWords(tr("Here the map meets conditions that its observations do not cover. Do not trust it."))
    plan = LayerPlan(path, TITLE, order=(_NOT_APPLICABLE_ORDER,), is_expanded=True, words=words)
    layer: Any = plan.open()
    hatch(layer)
    return replace(plan, style=style_of(layer))
