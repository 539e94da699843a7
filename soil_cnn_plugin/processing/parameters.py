"""Short ways to declare parameters, and the parameters that several algorithms share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Optional

from qgis.core import (
    Qgis,
    QgsProcessingDestinationParameter,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

from ..contract.jobs import DEVICES, FULL_GPU
from ..contract.language import tr
from .settings import default_device

Parameter = QgsProcessingParameterDefinition
Parameters = list[Parameter]


def explained(parameter: Parameter, text: str, advanced: bool = False) -> Parameter:
    """Return the parameter with its help; rarely used parameters are folded away as advanced."""
    parameter.setHelp(text)
    if advanced:
        parameter.setFlags(parameter.flags() | Qgis.ProcessingParameterFlag.Advanced)
    return parameter


def folded(parameters: Parameters, shown: Collection[str] = ()) -> Parameters:
    """Return the parameters, all but those of the names `shown` folded away as advanced."""
    for parameter in parameters:
        if parameter.name() not in shown:
            parameter.setFlags(parameter.flags() | Qgis.ProcessingParameterFlag.Advanced)
    return parameters


def made_by_default(parameters: Parameters, names: Collection[str]) -> Parameters:
    """Return the parameters; a dialog begins with making the outputs of these names."""
    for parameter in parameters:
        if isinstance(parameter, QgsProcessingDestinationParameter) and parameter.name() in names:
            parameter.setCreateByDefault(True)
    return parameters


def optional(parameter: Parameter) -> Parameter:
    parameter.setFlags(parameter.flags() | Qgis.ProcessingParameterFlag.Optional)
    return parameter


def choice(name: str, label: str, options: tuple[str, ...], default: str) -> Parameter:
    """Return a choice between words; scripts and models use the words themselves."""
    return QgsProcessingParameterEnum(
        name, label, options=list(options), allowMultiple=False, defaultValue=default, usesStaticStrings=True
    )


def boolean(name: str, label: str, default: bool) -> Parameter:
    return QgsProcessingParameterBoolean(name, label, default)


def integer(name: str, label: str, default: Optional[int], low: int, optional: bool = False) -> Parameter:
    kind = QgsProcessingParameterNumber.Type.Integer
    return QgsProcessingParameterNumber(name, label, kind, default, optional, low)


def number(
    name: str, label: str, default: Optional[float], low: float, high: float, optional: bool = False
) -> Parameter:
    kind = QgsProcessingParameterNumber.Type.Double
    parameter = QgsProcessingParameterNumber(name, label, kind, default, optional, low, high)
    parameter.setMetadata({"widget_wrapper": {"decimals": 6}})
    return parameter


def rasters(name: str, label: str, optional: bool = False) -> Parameter:
    kind = Qgis.ProcessingSourceType.Raster
    return QgsProcessingParameterMultipleLayers(name, label, kind, optional=optional)


def file_output(name: str, label: str, kinds: str, **options: Any) -> Parameter:
    return QgsProcessingParameterFileDestination(name, label, kinds, **options)


def html_output(label: str, optional: bool = True) -> Parameter:
    return file_output("REPORT", label, tr("HTML files (*.html)"), optional=optional)


def metrics_output(optional: bool = True) -> Parameter:
    return explained(
        file_output("METRICS", tr("Metrics"), tr("JSON files (*.json)"), optional=optional, createByDefault=False),
        tr("The numbers of the report as a JSON file, for scripts."),
    )


def thresholds() -> Parameter:
    return explained(
        QgsProcessingParameterString("EXCEEDANCE", tr("Thresholds"), optional=True),
        tr(
            "Values that a soil property may exceed, such as the legal limit of a metal: copper > 150; zinc > 300. Name"
            " a target, or a property to mean all its depths; use the less-than sign to ask for values below the"
            " threshold. The report of the training checks such probabilities on held-out observations (empty: for the"
            " median and the 90 % quantile of the observed values, or between values where several are equal). To map"
            " them, also choose a file for the probabilities of exceeding thresholds."
        ),
        advanced=True,
    )


def device() -> Parameter:
    return explained(
        choice("DEVICE", tr("Computing device"), DEVICES, default_device()),
        tr(
            "Device that computes the network. auto uses a graphics card (cuda) if there is one that works, else the"
            " processor (cpu); Apple's graphics (mps) are used only if you choose them. The log says which device is"
            " used and why."
        ),
        advanced=True,
    )


def devices() -> Parameters:
    """The device, and what to do when it is full."""
    full_gpu = explained(
        choice("FULL_GPU", tr("If the graphics card is full"), FULL_GPU, FULL_GPU[0]),
        tr(
            "What to do when other programs hold the memory of the graphics card, at the start or later. processor: the"
            " run is computed on the processor instead if the computing device is auto, and begins anew there if memory"
            " runs out later; if the device is cuda, it ends with a message. wait: the run waits until there is room,"
            " and can be cancelled meanwhile. The log says what happens and names the programs, where the driver tells"
            " them."
        ),
        advanced=True,
    )
    return [device(), full_gpu]


def seed(default: int, meaning: str) -> Parameter:
    return explained(integer("SEED", tr("Seed"), default, 0), meaning, advanced=True)
