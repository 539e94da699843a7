"""Messages name parameters and choices as the dialog shows them; scripts go on seeing names and stored values."""

from __future__ import annotations

import re
from typing import Any

import qgis.utils
from qgis.core import QgsProcessingAlgorithm, QgsProcessingMultiStepFeedback

from .choices import WORDS

_ALSO_A_WORD = {"CRS", "X", "Y"}
_NAME = re.compile(r"(?<![\w./\\=\"'“-])(?<!field )(?<!fields )[A-Z]+(?:_[A-Z]+)*(?![\w./\\=\"'”-]\w|\w)")
_VALUE = re.compile(r"(?:(?<=design )|(?<=type )|(?<= is )|(?<=Choose )|(?<=choose )|(?<= or )|(?<= as ))'(\w+)'")
"""A stored value in quotes. Fields of layers stand in quotes too, and may be called as one: after other words."""


def with_labels(text: str, algorithm: QgsProcessingAlgorithm) -> str:
    """Return the text with labels instead of the algorithm's parameter names, and with the words of choices instead of
    stored values in quotes; in the window only."""
    if qgis.utils.iface is None:
        return text
    labels = {item.name(): item.description() for item in algorithm.parameterDefinitions()}
    words = {value: shown for name in labels for value, shown in WORDS.get(name, {}).items()}
    quoted = _VALUE.sub(lambda match: f"“{words[match[1]]}”" if match[1] in words else match[0], text)

    def label(match: re.Match[str]) -> str:
        name = match[0]
        if name in _ALSO_A_WORD or name not in labels:
            return name
        is_bracketed = quoted[match.start() - 1 : match.start()] == "(" and quoted[match.end() : match.end() + 1] == ")"
        return labels[name] if is_bracketed else f"“{labels[name]}”"

    return _NAME.sub(label, quoted)


class LabelledFeedback(QgsProcessingMultiStepFeedback):
    """Passes everything on to another feedback, with labels in what it tells."""

    def __init__(self, feedback: Any, algorithm: QgsProcessingAlgorithm) -> None:
        super().__init__(1, feedback)
        self._feedback, self._algorithm = feedback, algorithm
        if feedback.isCanceled():
            self.cancel()

    def pushInfo(self, info: Any) -> None:
        self._feedback.pushInfo(with_labels(info, self._algorithm))

    def pushWarning(self, warning: Any) -> None:
        self._feedback.pushWarning(with_labels(warning, self._algorithm))

    def reportError(self, error: Any, fatalError: bool = False) -> None:
        self._feedback.reportError(with_labels(error, self._algorithm), fatalError)
