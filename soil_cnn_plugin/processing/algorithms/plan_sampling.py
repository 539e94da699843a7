"""Plan sampling: which pixels to visit, by designs that cover, represent or prove, or that ask the network."""

from __future__ import annotations

from qgis.core import Qgis, QgsProcessingParameterVectorDestination

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters, choice, explained, file_output, html_output, integer, metrics_output
from ..place_parameters import cost_parameters, network_parameters, place_parameters, strata_parameters


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
            "To map: points lie even over the area, or even over the values of the covariates; a Latin hypercube"
            " samples each covariate over its whole range, as often as its values occur.\n\n"
            "To prove: a simple random sample, one in each stratum, and one that spreads over the area (the local"
            " pivotal method) draw places at random with known chances. With them, Assess map estimates means and the"
            " accuracy of any map with confidence intervals that need no assumption.\n\n"
            "To improve a map: a trained network is asked which samples lower the expected error of its map most. Each"
            " point is chosen after those before it, so that points do not crowd where the map is least sure.\n\n"
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
            *place_parameters(),
            *strata_parameters(),
            *network_parameters(),
            *cost_parameters(),
            *_outputs(),
        ]

    def job(self, inputs: Inputs) -> jobs.PlanSampling:
        legacy, target = "", None
        if inputs.is_given("LEGACY"):
            legacy, fields = inputs.observations("LEGACY")
            target = inputs.target("TARGET", fields) if inputs.field("TARGET", fields) else None
        network = inputs.file("NETWORK", tr("trained network")) if inputs.is_given("NETWORK") else ""
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
            full_gpu=inputs.choice("FULL_GPU"),
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
