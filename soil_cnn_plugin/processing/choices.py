"""Choices in words: what a dialog shows for the short names that scripts, models and commands use."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from qgis.core import QgsProcessingParameterDefinition, QgsProcessingParameterEnum

from ..contract.language import tr

WORDS: dict[str, dict[str, str]] = {  # parameter -> stored value -> words
    "TARGET_TYPE": {
        "auto": tr("as the fields look"),
        "continuous": tr("all are measured numbers"),
        "class": tr("all are soil classes"),
    },
    "DUPLICATES": {"keep": tr("keep all"), "average": tr("average them")},
    "RARE_CLASSES": {"drop": tr("leave them out"), "merge": tr("merge them into one class")},
    "ARCHITECTURE": {
        "ring": tr("point and surrounding rings (ring)"),
        "padarian": tr("convolutions (Padarian et al. 2019)"),
        "both": tr("both"),
    },
    "PREDICTOR": {
        "network": tr("networks alone"),
        "blend": tr("networks, random forest and Gaussian process (blend)"),
        "forest": tr("random forest alone"),
        "best": tr("what was best on held-out observations"),
    },
    "PRESET": {"fast": tr("fast"), "standard": tr("standard"), "best": tr("best")},
    "VALIDATION": {
        "knndm": tr("as the map needs (kNNDM)"),
        "spatial_blocks": tr("whole areas (spatial blocks)"),
        "random": tr("single observations (random)"),
        "groups": tr("whole profiles or sites (groups)"),
    },
    "LOCATION": {
        "auto": tr("in forest and Gaussian process"),
        "on": tr("in the ring network, too"),
        "off": tr("nowhere"),
    },
    "TRANSFORM": {
        "auto": tr("logarithm where values are skewed"),
        "none": tr("none"),
        "log": tr("logarithm"),
        "logit": tr("logit, for shares and percentages"),
    },
    "STOCK": {
        "none": tr("none"),
        "organic_carbon": tr("organic carbon"),
        "equivalent_soil_mass": tr("organic carbon in an equivalent soil mass"),
    },
    "PRECISION": {
        "auto": tr("half where it changes little"),
        "float32": tr("single (float32)"),
        "half": tr("half where it is faster"),
    },
    "DISSIMILARITY_SPACE": {
        "covariates": tr("weighted covariates (Meyer and Pebesma 2021)"),
        "embedding": tr("what the networks make of them"),
    },
    "TEXTURE_SYSTEM": {"usda": tr("USDA"), "wrb": tr("FAO and WRB")},
    "DEVICE": {
        "auto": tr("graphics card if one works, else processor"),
        "cuda": tr("NVIDIA graphics card (cuda)"),
        "mps": tr("Apple graphics (mps)"),
        "cpu": tr("processor (cpu)"),
    },
    "FULL_GPU": {"processor": tr("go on with the processor"), "wait": tr("wait until it has memory")},
    "SAMPLE": {
        "none": tr("not drawn at random, or unknown"),
        "simple": tr("simple random sample"),
        "stratified": tr("random sample in each stratum"),
        "probabilities": tr("random sample with known chances that differ"),
        "map_classes": tr("random sample in each class of the map"),
    },
    "QUESTION": {"better": tr("which map is better"), "change": tr("what has changed between two dates")},
    "DESIGN": {
        "spatial_coverage": tr("even over the area"),
        "feature_coverage": tr("even over the covariates"),
        "latin_hypercube": tr("each covariate over its range (Latin hypercube)"),
        "simple_random": tr("simple random sample"),
        "stratified_random": tr("random sample in each stratum"),
        "balanced": tr("random sample that spreads over the area"),
        "where_next": tr("where a trained network gains most"),
    },
    "BUILD": {"auto": tr("as this computer needs"), "cpu": tr("processor (cpu)"), "cuda": tr("NVIDIA graphics card")},
}


def in_words(name: str, value: str) -> str:
    """Return the words for a stored value of a parameter; the value itself if it has none."""
    return WORDS.get(name, {}).get(value, value)


def help_in_words(definition: QgsProcessingParameterDefinition) -> str:
    """Return a parameter's help with the words of its choices in place of the stored values that begin sentences."""
    text = str(definition.help())
    for value, words in WORDS.get(definition.name(), {}).items():
        begin = f"{words[:1].upper()}{words[1:]}".replace("\\", "\\\\")
        text = re.sub(rf"(^|(?<=[.)] )){value}(?=\s?: )", begin, text)
    return text


def with_values(definitions: Iterable[QgsProcessingParameterDefinition], parameters: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the parameters with values of choices instead of the numbers that `qgis_process help` lists."""
    given = dict(parameters)
    for definition in definitions:
        text = str(given.get(definition.name(), ""))
        if isinstance(definition, QgsProcessingParameterEnum) and text.isdecimal():
            options = definition.options()
            given[definition.name()] = options[int(text)] if int(text) < len(options) else text
    return given
