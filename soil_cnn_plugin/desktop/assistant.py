"""Fills in what can be guessed, proposes covariates and their kinds, and offers only what fits what is mapped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Callable

from qgis.core import (
    Qgis,
    QgsFeatureRequest,
    QgsFields,
    QgsProcessingAlgorithm,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.gui import QgsCollapsibleGroupBoxBasic, QgsMessageBar, QgsMessageBarItem
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QMetaType
from qgis.PyQt.QtWidgets import QGroupBox, QHBoxLayout, QLabel, QPushButton, QWidget

from ..contract.language import tr, tr_n
from ..processing.categories import is_candidate, why_categorical
from ..processing.guesses import guess_field, guess_measured, guess_parts, guess_targets
from ..processing.last_files import last_file
from .panel_values import POINTS, PanelValues

_GUESSED = ("PROFILE", "UPPER", "LOWER", "X", "Y")
_KINDS = ("OBSERVATIONS", "TARGETS", "COMPOSITION", "CLASS_TARGETS", "TARGET_TYPE")
_OF_NUMBERS = (
    *("LOWER", "UPPER", "MEDIAN", "STANDARD_DEVIATION", "EXCEEDANCE_PROBABILITY"),
    *("EXCEEDANCE", "TRANSFORM", "COVERAGE", "DETECTION_LIMIT", "ERROR", "UNITS", "COMPOSITION"),
)
_OF_CLASSES = ("PROBABILITIES", "CONFUSION_INDEX", "RARE_CLASSES")
_OF_TEXTURE = ("TEXTURE_CLASSES", "TEXTURE_SYSTEM")
_ROWS = 50  # whose texts are looked at
_NUMBER = re.compile(r"^\s*[<>]?\s*[-+]?\d*[.,]?\d+([eE][-+]?\d+)?\s*$")


class Assistant:
    """Stands beside a dialog's panel of parameters. What it changes, it says in the dialog's message bar, with a way
    back."""

    def __init__(self, algorithm: QgsProcessingAlgorithm, panel: Any, bar: QgsMessageBar) -> None:
        self._panel, self._bar, self._values = panel, bar, PanelValues(algorithm, panel)
        self._is_silent = False
        self._message: Any = None
        self._refused: set[str] = set()
        """What the user took back: layers that are no categories, and parts that are no whole."""
        self._on(POINTS, self._guess_fields)
        self._on(("MAP",), self._guess_target)
        self._on(("COVARIATES",), self._move_categorical)
        self._on(("TARGETS",), self._propose_parts)
        self._on(("NETWORK",), self._follow_network)
        self._on(_KINDS, self.follow_kinds)
        for box in panel.findChildren(QGroupBox):  # an opened box shows all that lies in it
            if box.inherits("QgsCollapsibleGroupBoxBasic"):
                folding = sip.cast(box, QgsCollapsibleGroupBoxBasic)  # PyQt sees no more than a QGroupBox
                folding.collapsedStateChanged.connect(lambda _is_collapsed: self.follow_kinds())

    def begin(self) -> None:
        """Fill in a fresh dialog."""
        self._choose_points()
        self._guess_fields()
        if self._values.is_optional("COVARIATES") is False:
            self._propose_covariates()
        self.follow_kinds()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Change values without an answer of the assistant."""
        before, self._is_silent = self._is_silent, True
        try:
            yield
        finally:
            self._is_silent = before

    # What follows from the layer of observations

    def _choose_points(self) -> None:
        """Choose the first layer that may hold the observations, unless QGIS has chosen one that may."""
        name, chosen = self._values.points_name(), self._values.points()
        if not name or (chosen is not None and self._may_hold(name, chosen)):
            return
        layers = [node.layer() for node in QgsProject.instance().layerTreeRoot().findLayers()]
        vectors = [layer for layer in layers if isinstance(layer, QgsVectorLayer)]
        fitting = [layer for layer in vectors if self._may_hold(name, layer)]
        if fitting:
            with self.silent():
                self._values.set(name, fitting[0].id())

    def _may_hold(self, name: str, layer: QgsVectorLayer) -> bool:
        if name == "HORIZONS":
            return all(guess_field(limit, layer.fields()) for limit in ("UPPER", "LOWER"))
        return layer.geometryType() == Qgis.GeometryType.Point

    def _guess_fields(self) -> None:
        fields = self._values.fields()
        if fields is None:
            return
        guesses = {name: guess_field(name, fields) for name in _GUESSED if self._values.is_field(name)}
        is_table = self._values.points().geometryType() == Qgis.GeometryType.Null
        with self.silent():
            has_depths = bool(guesses.get("UPPER") and guesses.get("LOWER"))
            for name, guess in guesses.items():
                needs = {"X": is_table, "Y": is_table}.get(name, has_depths)
                self._values.set(name, guess if needs or self._values.is_optional(name) is False else "")
            self._values.set("TARGET", "")
            self._values.set("TARGETS", guess_targets(fields))
            self._guess_target()
        self.follow_kinds()

    def _guess_target(self) -> None:
        """Choose the field that the map's first band names."""
        fields, layers = self._values.fields(), self._values.layers("MAP")
        if fields is not None and layers:
            field = guess_measured(fields, str(layers[0].dataProvider().bandDescription(1)))
            if field:
                self._values.set("TARGET", field)

    # What follows from the covariates

    def _propose_covariates(self) -> None:
        """Propose the project's rasters, those of classes as categorical."""
        layers = [node.layer() for node in QgsProject.instance().layerTreeRoot().findLayers()]
        rasters = [layer for layer in layers if isinstance(layer, QgsRasterLayer) and is_candidate(layer)]
        coded = [layer for layer in rasters if why_categorical(layer)]
        if len(rasters) == len(coded):
            return
        with self.silent():
            self._values.set("COVARIATES", [layer.id() for layer in rasters if layer not in coded])
            self._values.set("CATEGORICAL_COVARIATES", [layer.id() for layer in coded])
        among = tr(" Categorical: {}.").format(_names(coded)) if coded else ""
        text = tr_n(
            "{} raster of the project is proposed as a covariate.{}",
            "{} rasters of the project are proposed as covariates.{}",
            len(rasters),
        ).format(len(rasters), among)
        self._tell(text, tr("Choose none"), self._choose_no_covariates)

    def _choose_no_covariates(self) -> None:
        with self.silent():
            self._values.set("COVARIATES", [])
            self._values.set("CATEGORICAL_COVARIATES", [])

    def _move_categorical(self) -> None:
        """Move rasters of classes among the chosen covariates to the categorical ones."""
        if "CATEGORICAL_COVARIATES" not in self._panel.wrappers:
            return
        chosen, categorical = self._values.layers("COVARIATES"), self._values.layers("CATEGORICAL_COVARIATES")
        why = {layer: why_categorical(layer) for layer in chosen if layer.id() not in self._refused}
        coded = [layer for layer, reason in why.items() if reason]
        if not coded:
            return

        def take_back() -> None:
            self._refused.update(layer.id() for layer in coded)
            with self.silent():
                self._values.set("COVARIATES", [_value(layer) for layer in chosen])
                self._values.set("CATEGORICAL_COVARIATES", [_value(layer) for layer in categorical])

        with self.silent():
            self._values.set("COVARIATES", [_value(layer) for layer in chosen if layer not in coded])
            both = list(dict.fromkeys(_value(layer) for layer in (*categorical, *coded)))
            self._values.set("CATEGORICAL_COVARIATES", both)
        reasons = ", ".join(f"{layer.name()} ({why[layer]})" for layer in coded)
        self._tell(tr("Moved to the categorical covariates: {}.").format(reasons), tr("Undo"), take_back)

    # What follows from the fields to map

    def _propose_parts(self) -> None:
        parts = guess_parts(self._values.chosen_fields("TARGETS"))
        if not parts or self._values.chosen_fields("COMPOSITION") or set(parts) <= self._refused:
            return

        def take_back() -> None:
            self._refused.update(parts)
            self._values.set("COMPOSITION", [])

        self._values.set("COMPOSITION", parts)
        text = tr("{} are mapped as parts of a whole: positive, with a constant sum.")
        self._tell(text.format(", ".join(parts)), tr("Undo"), take_back)

    def follow_kinds(self) -> None:
        """Offer only outputs and settings that fit the kinds of the fields to map; all if nothing is chosen yet."""
        fields = self._values.fields()
        if fields is None or "TARGETS" not in self._panel.wrappers:
            return
        chosen = [*self._values.chosen_fields("TARGETS"), *self._values.chosen_fields("CLASS_TARGETS")]
        parts = self._values.chosen_fields("COMPOSITION")
        classes = [field for field in chosen if self._is_class(field, fields)]
        if chosen or parts:
            self._offer_kinds(len(classes) < len({*chosen, *parts}), bool(classes), bool(parts))
        else:
            self._offer_kinds(True, True, True)

    def _offer_kinds(self, has_numbers: bool, has_classes: bool, has_parts: bool) -> None:
        self._values.offer(_OF_NUMBERS, has_numbers)
        self._values.offer(_OF_CLASSES, has_classes)
        self._values.offer(("CLASSES",), has_numbers and has_classes)  # else the prediction holds them
        self._values.offer(_OF_TEXTURE, has_parts)

    def _is_class(self, field: str, fields: QgsFields) -> bool:
        kind = self._panel.wrappers["TARGET_TYPE"].parameterValue()
        if kind == "class" or field in self._values.chosen_fields("CLASS_TARGETS"):
            return True
        if kind == "continuous" or fields.field(field).type() != QMetaType.Type.QString:
            return False
        request = QgsFeatureRequest().setLimit(_ROWS).setFlags(Qgis.FeatureRequestFlag.NoGeometry)
        texts = [str(row[field]) for row in self._values.points().getFeatures(request) if row[field]]
        return any(not _NUMBER.match(text) for text in texts)

    # What follows from the network

    def _follow_network(self) -> None:
        """Take the patches that lie beside the chosen network."""
        network = str(self._panel.wrappers["NETWORK"].parameterValue() or "")
        if network and self._values.is_input("PATCHES"):
            self._values.set("PATCHES", last_file("PATCHES", network))

    # What a user notices

    def _on(self, names: Iterable[str], answer: Callable[[], None]) -> None:
        for name in names:
            if self._values.is_input(name):
                self._panel.wrappers[name].widgetValueHasChanged.connect(lambda _wrapper: self._answer(answer))

    def _answer(self, answer: Callable[[], None]) -> None:
        if not self._is_silent:
            answer()

    def _tell(self, text: str, button: str, answer: Callable[[], None]) -> None:
        self._bar.clearWidgets()
        widget, label, way_back = QWidget(), QLabel(text), QPushButton(button)
        label.setWordWrap(True)
        label.setMinimumHeight(2 * label.fontMetrics().lineSpacing())
        layout = QHBoxLayout(widget)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(label, 1)
        layout.addWidget(way_back)
        message = QgsMessageBarItem(widget, Qgis.MessageLevel.Info)
        self._message = widget, message  # Python must keep what the bar shows

        def go_back() -> None:
            self._bar.popWidget(message)
            answer()

        way_back.clicked.connect(go_back)
        self._bar.pushItem(message)


def _names(layers: Sequence[QgsRasterLayer]) -> str:
    shown = ", ".join(layer.name() for layer in layers[:4])
    return shown if len(layers) <= 4 else tr("{} and {} more").format(shown, len(layers) - 4)


def _value(layer: QgsRasterLayer) -> str:
    """Return what a parameter holds for the layer: its id in the project, or its file."""
    return str(layer.id() if QgsProject.instance().mapLayer(layer.id()) is not None else layer.source())
