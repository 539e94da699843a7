"""Messages name parameters and choices as the dialog shows them; scripts go on seeing names and stored values."""

from __future__ import annotations

import re
from typing import Any

import qgis.utils
from qgis.core import QgsProcessingAlgorithm, QgsProcessingMultiStepFeedback

from ..contract.language import tr
from .choices import WORDS

_ALSO_A_WORD = {"CRS", "X", "Y"}
_BEFORE = ("field", "fields", "Feld", "Felder", "Feldern", "campo", "campos", "champ", "champs", "bidang", "kolom")
"""Words of the languages after which a name in capital letters is that of a user's field."""
_NO_FIELD = "".join(f"(?<!{word} )" for word in _BEFORE)
_NAME = re.compile(rf"(?<![\w./\\=\"'“„«-]){_NO_FIELD}[A-Z]+(?:_[A-Z]+)*(?![\w./\\=\"'”»-]\w|\w)")
_VALUE = re.compile(r"(?<![\w./\\=\"'“„«-])[a-z]+(?:_[a-z]+)+(?![\w/\\=\"'”»-]|\.\w)")
"""A stored value of two words or more; what is none of the algorithm's choices stays."""


def with_labels(text: str, algorithm: QgsProcessingAlgorithm) -> str:
    """Return the text with labels instead of the algorithm's parameter names, and with the words of its choices
    instead of stored values such as where_next; in the window only."""
    if qgis.utils.iface is None:
        return text
    labels = {item.name(): item.description() for item in algorithm.parameterDefinitions()}
    words = {value: shown for name in labels for value, shown in WORDS.get(name, {}).items()}
    text = _VALUE.sub(lambda match: tr("“{}”").format(words[match[0]]) if match[0] in words else match[0], text)

    def label(match: re.Match[str]) -> str:
        name = match[0]
        if name in _ALSO_A_WORD or name not in labels:
            return name
        is_bracketed = text[match.start() - 1 : match.start()] == "(" and text[match.end() : match.end() + 1] == ")"
        return labels[name] if is_bracketed else tr("“{}”").format(labels[name])

    return _NAME.sub(label, text)


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
