"""Parameters of Plan sampling that limit the places: areas, existing points, strata, a network, costs and spacing."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ..contract import jobs
from ..contract.language import tr
from .parameters import Parameter, Parameters, devices, explained, integer, number, rasters

_POLYGONS = [Qgis.ProcessingSourceType.VectorPolygon]
_MOST_METRES = 1e7


def place_parameters() -> Parameters:
    def polygons(name: str, label: str, text: str) -> Parameter:
        return explained(QgsProcessingParameterFeatureSource(name, label, _POLYGONS, optional=True), text)

    legacy = QgsProcessingParameterFeatureSource(
        "LEGACY", tr("Existing points"), [Qgis.ProcessingSourceType.VectorPoint], optional=True
    )
    target = QgsProcessingParameterField(
        "TARGET", tr("Target measured at the existing points"), parentLayerParameterName="LEGACY", optional=True
    )
    return [
        explained(
            rasters("COVARIATES", tr("Covariates"), optional=True),
            tr(
                "Rasters that describe the soil's surroundings. The design “even over the covariates” and the Latin"
                " hypercube spread points over their values; for all designs only pixels where all of them have data"
                " may be sampled. Where a trained network is asked, they are matched with its own by name; empty: the"
                " files that it was trained on."
            ),
        ),
        explained(
            rasters("CATEGORICAL_COVARIATES", tr("Categorical covariates"), optional=True),
            tr("Rasters of class codes, such as geology or land cover."),
        ),
        explained(
            QgsProcessingParameterRasterLayer("REFERENCE", tr("Reference raster"), optional=True),
            tr(
                "Raster whose pixels with data are the places that may be sampled. Empty: the grid of the first"
                " covariate, or of the network."
            ),
            advanced=True,
        ),
        polygons("AREA", tr("Area to sample"), tr("Polygons in which points may lie. Empty: everywhere.")),
        polygons(
            "EXCLUDED",
            tr("Excluded areas"),
            tr("Polygons in which no point may lie, such as built-up areas or land without permission."),
        ),
        explained(
            legacy,
            tr(
                "Points where the soil is known already. Even designs, the Latin hypercube and “where a trained network"
                " gains most” fill the gaps that these leave; the random sample that spreads over the area has lower"
                " chances near them; the other random designs are not changed."
            ),
        ),
        explained(
            target,
            tr(
                "Numeric field of the existing points. With it and covariates, the page tells how the error of a map"
                " falls with the number of samples. At least 40 values are needed."
            ),
            advanced=True,
        ),
    ]


def strata_parameters() -> Parameters:
    strata = QgsProcessingParameterMapLayer(
        "STRATA", tr("Strata"), optional=True, types=[Qgis.ProcessingSourceType.Raster, *_POLYGONS]
    )
    stratum = QgsProcessingParameterField(
        "STRATUM", tr("Field that names the strata"), parentLayerParameterName="STRATA", optional=True
    )
    return [
        explained(
            strata,
            tr(
                "For a random sample in each stratum: a raster of class codes, or polygons. Empty: compact strata of"
                " about equal size are made of the area."
            ),
            advanced=True,
        ),
        explained(
            stratum,
            tr(
                "Field of the polygons that names the stratum; polygons of one name are one stratum. Empty: each"
                " polygon is a stratum."
            ),
            advanced=True,
        ),
        explained(
            integer("STRATA_COUNT", tr("Number of strata to make"), None, 1, optional=True),
            tr(
                "For a random sample in each stratum, without given strata. Empty: one for every two points, which is"
                " most precise."
            ),
            advanced=True,
        ),
    ]


def network_parameters() -> Parameters:
    focus = QgsProcessingParameterFeatureSource("FOCUS", tr("Area whose uncertainty counts"), _POLYGONS, optional=True)
    return [
        explained(
            QgsProcessingParameterFile("NETWORK", tr("Trained network"), extension="safetensors", optional=True),
            tr("For “where a trained network gains most”: file written by Train network or Map soil properties."),
        ),
        explained(
            QgsProcessingParameterString("NETWORK_TARGET", tr("Target of the network"), optional=True),
            tr(
                "For “where a trained network gains most”: field of the target whose uncertainty counts. Empty: all"
                " targets count alike."
            ),
            advanced=True,
        ),
        explained(
            focus,
            tr(
                "For “where a trained network gains most”: polygons whose pixels must become more certain; points may"
                " also lie outside them. Empty: all of the area to sample."
            ),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterString("VARIOGRAM", tr("Variogram: nugget, sill, range"), optional=True),
            tr(
                "Three numbers of a spherical variogram, with the range in metres: 0.2, 1.0, 800. Without existing"
                " measurements, the page tells from it how the error falls with the number of points. Where a"
                " trained network is asked, it stands in for the network's own correlogram of errors."
            ),
            advanced=True,
        ),
        *devices(),
    ]


def cost_parameters() -> Parameters:
    return [
        explained(
            QgsProcessingParameterRasterLayer("COST", tr("Cost of reaching a place"), optional=True),
            tr(
                "Raster of distances to roads, times or prices, 0 or more. Pixels without data are out of reach."
                " Cheaper places are preferred; random designs draw them with known, higher chances."
            ),
            advanced=True,
        ),
        explained(
            number("COST_WEIGHT", tr("Weight of the cost"), jobs.PlanSampling.cost_weight, 0.0, 1000.0),
            tr(
                "What it costs to reach a place of mean cost, relative to taking and analysing the sample there: 1 for"
                " equal costs, 0 to use the raster only to exclude places out of reach."
            ),
            advanced=True,
        ),
        explained(
            number("MIN_SPACING", tr("Smallest spacing (m)"), jobs.PlanSampling.min_spacing, 0.0, _MOST_METRES),
            tr(
                "Least distance between new points in metres, and from existing points for designs that are not random."
                " Random designs keep it by drawing from a lattice with a random start, so that chances stay known."
            ),
            advanced=True,
        ),
    ]
