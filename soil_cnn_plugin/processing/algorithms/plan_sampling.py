"""Plan sampling: which pixels to visit, by designs that cover, represent or prove, or that ask the network."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from ...contract import jobs
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import (
    Parameter,
    Parameters,
    choice,
    device,
    explained,
    file_output,
    html_output,
    integer,
    metrics_output,
    number,
    rasters,
)
from ..translation import tr

_POLYGONS = [Qgis.ProcessingSourceType.VectorPolygon]
_MOST_METRES = 1e7


class PlanSampling(JobAlgorithm):
    ID = "plansampling"
    GROUP_ID = "1 Prepare"
    NUMBERS = {"COUNT": tr("Points planned"), "WALK_KM": tr("Length of the way past all points (km)")}
    TEXTS = {"VERDICT": tr("What the points achieve")}

    def label(self) -> str:
        return tr("Plan sampling")

    def summary(self) -> str:
        return tr(
            "Chooses the places to sample by a design, and says in one page what the design can and cannot prove."
        )

    def explanation(self) -> str:
        return tr(
            "Points lie at the centres of pixels. Choose the design by what the samples are for.\n\n"
            "To map: spatial_coverage spreads points over the area, feature_coverage over the values of the covariates,"
            " and latin_hypercube samples each covariate over its whole range, as often as its values occur.\n\n"
            "To prove: simple_random, stratified_random and balanced draw places at random with known chances. With"
            " them, Assess map estimates means and the accuracy of any map with confidence intervals that need no"
            " assumption. balanced (the local pivotal method) spreads the random points over the area.\n\n"
            "To improve a map: where_next asks a trained network which samples lower the expected error of its map"
            " most. Each point is chosen after those before it, so that points do not crowd where the map is least"
            " sure.\n\n"
            "Existing points count as sampled already. The page compares the plan with random points, and, from"
            " existing measurements or a variogram, tells how the error falls with the number of samples. GPX and CSV"
            " files go to the field; points are numbered along a short way."
        )

    def keywords(self) -> list[str]:
        return [
            *("sampling design", "sample", "cLHS", "conditioned Latin hypercube", "k-means", "stratified", "random"),
            *("spatially balanced", "local pivotal", "active learning", "GPX", "where next", "how many", "variogram"),
        ]

    def parameters(self) -> Parameters:
        return [
            *_design_parameters(),
            *_place_parameters(),
            *_strata_parameters(),
            *_network_parameters(),
            *_cost_parameters(),
            *_outputs(),
        ]

    def job(self, inputs: Inputs) -> jobs.PlanSampling:
        legacy, target = "", None
        if inputs.is_given("LEGACY"):
            legacy, fields = inputs.observations("LEGACY")
            target = inputs.target("TARGET", fields) if inputs.field("TARGET", fields) else None
        network = inputs.file("NETWORK", "trained network") if inputs.is_given("NETWORK") else ""
        return jobs.PlanSampling(
            plan=inputs.destination("PLAN"),
            design=inputs.choice("DESIGN"),
            points=inputs.integer("POINTS"),
            reference=inputs.raster("REFERENCE"),
            covariates=inputs.covariates(),
            area=inputs.area("AREA"),
            excluded=inputs.area("EXCLUDED"),
            legacy=legacy,
            target=target,
            strata=inputs.domain("STRATA"),
            stratum=inputs.text("STRATUM"),
            strata_count=inputs.integer_or_none("STRATA_COUNT"),
            network=network,
            network_target=inputs.text("NETWORK_TARGET"),
            focus=inputs.area("FOCUS"),
            cost=inputs.band("COST", 1),
            cost_weight=inputs.number("COST_WEIGHT"),
            min_spacing=inputs.number("MIN_SPACING"),
            variogram=inputs.text("VARIOGRAM"),
            iterations=inputs.integer("ITERATIONS"),
            report=inputs.destination("REPORT"),
            gpx=inputs.destination("GPX"),
            csv=inputs.destination("CSV"),
            metrics=inputs.destination("METRICS"),
            device=inputs.choice("DEVICE"),
            seed=inputs.integer("SEED"),
        )


def _design_parameters() -> Parameters:
    return [
        explained(
            choice("DESIGN", tr("Design"), jobs.PlanSampling.DESIGNS, jobs.PlanSampling.design),
            tr(
                "spatial_coverage: even over the area. feature_coverage: even over the values of the covariates."
                " latin_hypercube: each covariate over its whole range. simple_random, stratified_random, balanced: at"
                " random with known chances, to estimate means and the accuracy of maps. where_next: where a trained"
                " network gains most."
            ),
        ),
        explained(
            integer("POINTS", tr("Number of points"), jobs.PlanSampling.points, 1),
            tr("How many new points to plan. The page says what twice as many would bring, where that can be known."),
        ),
        explained(
            integer("SEED", tr("Seed"), jobs.PlanSampling.seed, 0),
            tr("Seed of the random numbers: the same seed and inputs give the same points."),
            advanced=True,
        ),
        explained(
            integer("ITERATIONS", tr("Iterations of the Latin hypercube"), jobs.PlanSampling.iterations, 100),
            tr("Steps of the annealing that finds a Latin hypercube. More steps take longer and find a better one."),
            advanced=True,
        ),
    ]


def _place_parameters() -> Parameters:
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
                "Rasters that describe the soil's surroundings. feature_coverage and latin_hypercube spread points over"
                " their values; for all designs only pixels where all of them have data may be sampled. For where_next"
                " they are matched with the network's by name; empty: the files that it was trained on."
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
                "Points where the soil is known already. Coverage designs, the Latin hypercube and where_next fill the"
                " gaps that these leave; balanced lowers the chances near them; purely random designs are not changed."
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


def _strata_parameters() -> Parameters:
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
                "For stratified_random: a raster of class codes, or polygons. Empty: compact strata of about equal size"
                " are made of the area."
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
            tr("For stratified_random without given strata. Empty: one for every two points, which is most precise."),
            advanced=True,
        ),
    ]


def _network_parameters() -> Parameters:
    focus = QgsProcessingParameterFeatureSource("FOCUS", tr("Area whose uncertainty counts"), _POLYGONS, optional=True)
    return [
        explained(
            QgsProcessingParameterFile("NETWORK", tr("Trained network"), extension="safetensors", optional=True),
            tr("For where_next: file written by Train network or Map soil properties."),
        ),
        explained(
            QgsProcessingParameterString("NETWORK_TARGET", tr("Target of the network"), optional=True),
            tr("For where_next: field of the target whose uncertainty counts. Empty: all targets count alike."),
            advanced=True,
        ),
        explained(
            focus,
            tr(
                "For where_next: polygons whose pixels must become more certain; points may also lie outside them."
                " Empty: all of the area to sample."
            ),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterString("VARIOGRAM", tr("Variogram: nugget, sill, range"), optional=True),
            tr(
                "Three numbers of a spherical variogram, with the range in metres: 0.2, 1.0, 800. Without existing"
                " measurements, the page tells from it how the error falls with the number of points. For where_next it"
                " stands in for the network's own correlogram of errors."
            ),
            advanced=True,
        ),
        device(),
    ]


def _cost_parameters() -> Parameters:
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


def _outputs() -> Parameters:
    plan = QgsProcessingParameterVectorDestination("PLAN", tr("Sampling plan"), Qgis.ProcessingSourceType.VectorPoint)
    return [
        explained(
            plan,
            tr(
                "Point layer with order (the first ones matter most, where the design has an order), walk (the walking"
                " order), stratum and stratum_area in hectares, inclusion (the inclusion probability of random"
                " designs), cost, longitude and latitude."
            ),
        ),
        explained(
            html_output(tr("Report")),
            tr(
                "Web page with a map of the points, what the design can and cannot prove, what the points achieve, how"
                " many are enough, and a list to print."
            ),
        ),
        explained(
            file_output("GPX", tr("Waypoints"), tr("GPX files (*.gpx)"), optional=True, createByDefault=False),
            tr("Waypoints and a route for a GPS receiver or a phone."),
        ),
        explained(
            file_output("CSV", tr("Table"), tr("CSV files (*.csv)"), optional=True, createByDefault=False),
            tr("The points in walking order as a table, with coordinates of the grid's CRS and in degrees."),
        ),
        metrics_output(),
    ]
