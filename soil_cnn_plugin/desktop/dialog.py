"""The dialog of an algorithm: QGIS's own, with choices in words, outputs that fold away, and an assistant."""

from __future__ import annotations

import importlib
from typing import Any, Optional

from qgis.core import (
    Qgis,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingDestinationParameter,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterEnum,
)
from qgis.gui import QgsCollapsibleGroupBox, QgsProcessingParametersGenerator
from qgis.PyQt.QtWidgets import QComboBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from ..bridge.worker import prepare_worker
from ..contract.language import tr
from ..processing.choices import help_in_words, in_words
from ..processing.results_folder import SKIP
from .assistant import Assistant

ParametersPanel: Any = importlib.import_module("processing.gui.ParametersPanel").ParametersPanel
AlgorithmDialog: Any = importlib.import_module("processing.gui.AlgorithmDialog").AlgorithmDialog


class Panel(ParametersPanel):
    """The parameters. Outputs that are flagged as advanced stand in a box that is folded at first."""

    _box: Optional[QgsCollapsibleGroupBox] = None

    def initWidgets(self) -> None:
        self.withdrawn: set[str] = set()
        """What is not offered now, because it does not fit what is mapped."""
        super().initWidgets()
        for name, wrapper in self.wrappers.items():
            definition, widget = self.algorithm().parameterDefinition(name), wrapper.wrappedWidget()
            if widget is None:
                continue
            widget.setToolTip(help_in_words(definition))
            if isinstance(definition, QgsProcessingParameterEnum):
                _speak(widget, name)
            elif isinstance(definition, QgsProcessingDestinationParameter):
                wrapper.widgetValueHasChanged.connect(_tell_place)
                _tell_place(wrapper)
        results = self.wrappers.get("RESULTS")
        if results is not None:  # not optional to a person: without it, each output needs a file name
            results.wrappedLabel().setText(self.algorithm().parameterDefinition("RESULTS").description())

    def addOutputLabel(self, label: QLabel) -> None:
        if self._is_folded():
            label.setText(self.algorithm().parameterDefinition(self._last()).description())  # without "[optional]"
            self._folded_layout().addWidget(label)
        else:
            super().addOutputLabel(label)

    def addOutputWidget(self, widget: QWidget, stretch: int = 0) -> None:
        if self._is_folded():
            self._folded_layout().addWidget(widget)
        else:
            super().addOutputWidget(widget, stretch)

    def createProcessingParameters(self, flags: Any = QgsProcessingParametersGenerator.Flags()) -> dict[str, Any]:  # noqa: B008
        """Return the values. They name the default outputs that the user skips; otherwise the results folder would get
        them."""
        given: dict[str, Any] = super().createProcessingParameters(flags)
        given = {name: value for name, value in given.items() if name not in self.withdrawn}
        for name in getattr(self.algorithm(), "DEFAULTS", ()):
            given.setdefault(name, SKIP)
        return given

    def _is_folded(self) -> bool:
        flags = self.algorithm().parameterDefinition(self._last()).flags()
        return bool(flags & Qgis.ProcessingParameterFlag.Advanced)

    def _last(self) -> str:
        """Return the name of the output whose label and widget are being placed."""
        return str(next(reversed(self.wrappers)))

    def _folded_layout(self) -> Any:
        if self._box is None:
            has_folder = self.algorithm().parameterDefinition("RESULTS") is not None
            self._box = QgsCollapsibleGroupBox(tr("Results one by one") if has_folder else tr("More results"))
            QVBoxLayout(self._box)
            self._box.setCollapsed(True)
            super().addOutputWidget(self._box, 0)
        return self._box.layout()


class Dialog(AlgorithmDialog):
    def __init__(self, algorithm: QgsProcessingAlgorithm, parent: Optional[QWidget]) -> None:
        super().__init__(algorithm, False, parent)
        self.assistant = Assistant(algorithm, self.mainWidget(), self.messageBar())
        self.assistant.begin()
        prepare_worker()

    def getParametersPanel(self, alg: QgsProcessingAlgorithm, parent: QWidget) -> Panel:
        return Panel(parent, alg)

    def setParameters(self, parameters: dict[str, Any]) -> None:
        """Take values that somebody chose before; the assistant's proposals give way to them."""
        if not parameters:
            return
        shown = {name: None if value == SKIP else value for name, value in parameters.items()}
        with self.assistant.silent():
            super().setParameters(shown)
        self.messageBar().clearWidgets()
        self.assistant.follow_kinds()


def make_dialog(algorithm: QgsProcessingAlgorithm, parent: Any) -> Dialog:
    return Dialog(algorithm, parent)


def _speak(widget: QWidget, name: str) -> None:
    """Show words for the stored values of a choice."""
    for box in [widget] if isinstance(widget, QComboBox) else widget.findChildren(QComboBox):
        for index in range(box.count()):
            box.setItemText(index, in_words(name, str(box.itemData(index))))


def _tell_place(wrapper: Any) -> None:
    """Say in an output's empty line where its file goes; QGIS says that it goes to a temporary file."""
    value = wrapper.parameterValue()
    sink = value.sink.staticValue() if isinstance(value, QgsProcessingOutputLayerDefinition) else value
    if sink == QgsProcessing.TEMPORARY_OUTPUT:
        for line in wrapper.wrappedWidget().findChildren(QLineEdit):
            line.setPlaceholderText(tr("[In the results folder]"))
