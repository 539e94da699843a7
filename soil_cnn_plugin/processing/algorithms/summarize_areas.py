"""Summarize areas: a trained network and polygons -> means, totals and shares with intervals."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import (
    Parameter,
    Parameters,
    choice,
    devices,
    explained,
    html_output,
    integer,
    metrics_output,
    number,
    rasters,
)


class SummarizeAreas(JobAlgorithm):
    ID = "summarizeareas"
    GROUP_ID = "3 Map"
    NUMBERS = {"COUNT": tr("Areas with an answer"), "AREA_HA": tr("Hectares of these areas")}

    def label(self) -> str:
        return tr("Summarize areas")

    def summary(self) -> str:
        return tr(
            "Tells the mean, the total and the share beyond thresholds of fields, farms or districts, with intervals"
            " for the area, not for a pixel."
        )

    def explanation(self) -> str:
        return tr(
            "The mean of an area is surer than a pixel, but by how much depends on how alike errors of neighbouring"
            " pixels are. The network file knows that from held-out errors (the correlogram in its report). Errors of"
            " all pixels of an area are drawn jointly from it, so intervals are neither far too narrow, as if errors"
            " were independent, nor far too wide, as if they were all alike.\n\n"
            "Each polygon gets, for each target, mean, standard deviation and interval; a total where the unit is one"
            " per area (t/ha, kg/m2); with thresholds, the probability that its mean lies beyond, and the share of the"
            " area beyond with an interval; for soil classes, the hectares of each class. It also gets its hectares,"
            " the share that is mapped and the share that is like the observations, and the number of observations"
            " inside. Pixels count with their share in the polygon: slivers, holes, parts and overlaps are exact.\n\n"
            "Stocks and other formulas of several targets use their joint errors, so that their means are not biased."
        )

    def keywords(self) -> list[str]:
        return [
            "zonal statistics",
            "aggregation",
            "total",
            "carbon stock",
            "mean of a field",
            "share above a threshold",
            "uncertainty of averages",
        ]

    def parameters(self) -> Parameters:
        network = QgsProcessingParameterFile("NETWORK", tr("Trained network"), extension="safetensors")
        polygons = QgsProcessingParameterFeatureSource(
            "POLYGONS", tr("Areas"), [Qgis.ProcessingSourceType.VectorPolygon]
        )
        return [
            explained(network, tr("File written by Train network or Map soil properties.")),
            explained(
                polygons,
                tr(
                    "Polygons, in any CRS. Each feature is one area, with all its parts and without its holes; areas"
                    " may overlap. Filters and selections are respected."
                ),
            ),
            explained(
                QgsProcessingParameterField(
                    "NAME", tr("Name of the areas"), parentLayerParameterName="POLYGONS", optional=True
                ),
                tr("Field that names the areas in the report. Empty: their numbers."),
            ),
            explained(
                rasters("COVARIATES", tr("Covariates"), optional=True),
                tr(
                    "Rasters of the covariates, in any order; they are matched by name with those of the training."
                    " Empty: the files that the network was trained on, if they still exist."
                ),
            ),
            _thresholds(),
            *_formulas(),
            *_rarely_used(),
            *_outputs(),
        ]

    def job(self, inputs: Inputs) -> jobs.SummarizeAreas:
        return jobs.SummarizeAreas(
            network=inputs.file("NETWORK", tr("trained network")),
            polygons=inputs.area("POLYGONS"),
            areas=inputs.destination("AREAS"),
            report=inputs.destination("REPORT"),
            metrics=inputs.destination("METRICS"),
            covariates=inputs.covariates(),
            lower=inputs.raster("LOWER"),
            upper=inputs.raster("UPPER"),
            name_field=inputs.text("NAME"),
            exceedance=jobs.parse_thresholds(inputs.text("EXCEEDANCE")),
            stock=inputs.choice("STOCK"),
            carbon=_names(inputs.text("CARBON")),
            bulk_density=_names(inputs.text("BULK_DENSITY")),
            stones=_names(inputs.text("STONES")),
            thickness_cm=inputs.number_or_none("THICKNESS"),
            soil_mass=inputs.number_or_none("SOIL_MASS"),
            expressions=jobs.parse_expressions(inputs.text("EXPRESSIONS")),
            coverage=inputs.number("COVERAGE"),
            patches=inputs.file("PATCHES", tr("patch file")) if inputs.text("PATCHES") else "",
            block_size=inputs.integer_or_none("BLOCK_SIZE"),
            device=inputs.choice("DEVICE"),
            full_gpu=inputs.choice("FULL_GPU"),
            seed=inputs.integer("SEED"),
        )


def _names(text: str) -> tuple[str, ...]:
    """Read `soc_0_10, soc_10_30`."""
    return tuple(name for each in text.replace(";", ",").split(",") if (name := each.strip().strip('"')))


def _thresholds() -> Parameter:
    return explained(
        QgsProcessingParameterString("EXCEEDANCE", tr("Thresholds"), optional=True),
        tr(
            "Values that a soil property may exceed, such as a legal limit: copper > 150; zinc > 300. Name a target, or"
            " a property to mean all its depths; use the less-than sign to ask for values below. Each area then gets"
            " the probability that its mean lies beyond, and the share of it that does."
        ),
    )


def _formulas() -> Parameters:
    def text(name: str, label: str) -> Parameter:
        return QgsProcessingParameterString(name, label, optional=True)

    layers = tr("Several layers are named from the top, with commas between them: soc_0_10, soc_10_30.")
    return [
        explained(
            choice("STOCK", tr("Stock"), jobs.SummarizeAreas.STOCKS, jobs.SummarizeAreas.stock),
            tr(
                "organic_carbon: content x bulk density x thickness x (1 - stones), in t/ha and, for the area, in t."
                " equivalent_soil_mass: the carbon in the same mass of fine soil everywhere (Wendt and Hauser 2013),"
                " which a change of bulk density does not move. All must be targets of the network. Pairs that no soil"
                " can have, such as much carbon in dense soil, are left out, and counted."
            ),
        ),
        explained(
            text("CARBON", tr("Carbon content")),
            f"{tr('Field of the target that holds the carbon content (%, g/kg) of the stock.')} {layers}",
        ),
        explained(
            text("BULK_DENSITY", tr("Bulk density")),
            f"{tr('Field of the target that holds the bulk density (g/cm3, kg/m3) of the fine soil.')} {layers}",
        ),
        explained(
            text("STONES", tr("Stones")),
            f"{tr('Field of the target that holds the share of stones by volume (%). Empty: no stones.')} {layers}",
            advanced=True,
        ),
        explained(
            number("THICKNESS", tr("Thickness in cm"), None, 0.1, 1000, optional=True),
            tr("Thickness of the layer. Empty: from the depth in the fields' names, such as soc_0_30."),
            advanced=True,
        ),
        explained(
            number("SOIL_MASS", tr("Equivalent soil mass in t/ha"), None, 1, 999_999, optional=True),
            tr("Mass of fine soil in which carbon is counted, for example 4000. For equivalent_soil_mass only."),
            advanced=True,
        ),
        explained(
            text("EXPRESSIONS", tr("Formulas")),
            tr(
                "Formulas of the network's targets: name (unit) = formula, several with semicolons between them, such"
                " as metal load = zinc / 300 + copper / 150. Numbers, fields, + - * / **, brackets, and abs, exp, log,"
                " max, min and sqrt are allowed. A field with blanks stands in quotes. With the unit t/ha or kg/m2 an"
                " area gets a total, too."
            ),
            advanced=True,
        ),
    ]


def _rarely_used() -> Parameters:
    limit = tr(
        "of a map that this network made before: pixels are then taken from it instead of being predicted again. Choose"
        " both limits or neither, and no covariates."
    )
    patches = QgsProcessingParameterFile("PATCHES", tr("Patches"), extension="h5", optional=True)
    return [
        explained(
            QgsProcessingParameterRasterLayer("LOWER", tr("Lower limit"), optional=True),
            f"{tr('Raster of the lower limit')} {limit}",
            advanced=True,
        ),
        explained(
            QgsProcessingParameterRasterLayer("UPPER", tr("Upper limit"), optional=True),
            f"{tr('Raster of the upper limit')} {limit}",
            advanced=True,
        ),
        explained(
            number("COVERAGE", tr("Coverage of intervals"), jobs.SummarizeAreas.coverage, 0.5, 0.999),
            tr("Share of areas whose true value should lie between the limits: 0.9 for 90 % intervals."),
            advanced=True,
        ),
        explained(
            patches,
            tr(
                "Patch file that the network was trained on. It is needed only if the network was trained without a"
                " location, so that its file does not tell where the observations lie: they are then counted, and"
                " intervals become a little narrower."
            ),
            advanced=True,
        ),
        explained(
            integer("BLOCK_SIZE", tr("Block size in pixels"), jobs.SummarizeAreas.block_size, 16, optional=True),
            tr(
                "Width of the squares that are predicted at once. Empty: chosen from the free memory. Make it smaller"
                " if memory runs out."
            ),
            advanced=True,
        ),
        *devices(),
        explained(
            integer("SEED", tr("Seed"), jobs.SummarizeAreas.seed, 0),
            tr("Seed of the random numbers by which errors are drawn. One seed gives one result."),
            advanced=True,
        ),
    ]


def _outputs() -> Parameters:
    areas = QgsProcessingParameterVectorDestination(
        "AREAS", tr("Summarized areas"), Qgis.ProcessingSourceType.VectorPolygon
    )
    return [
        explained(
            areas,
            tr(
                "The polygons with their own fields, hectares, shares that are mapped and applicable, observations and"
                " pixels, and the numbers of each target: _mean, _sd, _lower, _upper, _total, _p_above (probability"
                " that the mean exceeds a threshold) and _above_..._share (share of the area)."
            ),
        ),
        explained(
            html_output(tr("Report")),
            tr(
                "Web page with the numbers of each area, figures of means with their intervals, and how they were"
                " computed. It opens without internet."
            ),
        ),
        metrics_output(),
    ]
