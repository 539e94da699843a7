"""Train network: a patch file -> a trained network and its held-out report."""

from __future__ import annotations

from dataclasses import replace

from qgis.core import (
    Qgis,
    QgsProcessingParameterFile,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterVectorDestination,
)

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import (
    Parameter,
    Parameters,
    boolean,
    choice,
    devices,
    explained,
    file_output,
    html_output,
    integer,
    metrics_output,
    number,
    seed,
    thresholds,
)

SCORES = {
    "RMSE": tr("Held-out RMSE of the map's predictor, mean over targets"),
    "MEC": tr("Held-out model efficiency, mean over targets"),
    "CCC": tr("Held-out concordance, mean over targets"),
    "PICP": tr("Held-out coverage of the interval, mean over targets"),
    "BASELINE_RMSE": tr("Held-out RMSE of the better random forest, mean over targets"),
    "ACCURACY": tr("Soil classes: held-out share of correct classes, map's predictor"),
    "BRIER": tr("Soil classes: held-out Brier score, map's predictor"),
    "LOG_SCORE": tr("Soil classes: held-out log score, map's predictor"),
    "BASELINE_ACCURACY": tr("Soil classes: held-out share of correct classes, better random forest"),
}
VERDICT = {"VERDICT": tr("Whether the network beats the random forests")}


class TrainNetwork(JobAlgorithm):
    ID = "trainnetwork"
    GROUP_ID = "2 Train"
    NUMBERS = SCORES
    TEXTS = VERDICT

    def label(self) -> str:
        return tr("Train network")

    def summary(self) -> str:
        return tr(
            "Trains an ensemble of convolutional networks on a patch file and measures its error on held-out"
            " observations."
        )

    def explanation(self) -> str:
        return tr(
            "Observations are divided into folds. Networks that have not seen a fold predict it, and random forests"
            " predict the same folds for comparison, so the report shows whether the network is worth using for these"
            " data. The final network is trained on all observations and gives a prediction interval that was"
            " calibrated on held-out predictions.\n\n"
            "The defaults suit most data sets of one hundred to a few thousand observations."
        )

    def keywords(self) -> list[str]:
        return ["fit", "model", "cross-validation", "random forest", "padarian"]

    def parameters(self) -> Parameters:
        patches = QgsProcessingParameterFile("PATCHES", tr("Patches"), extension="h5")
        return [
            explained(patches, tr("Patch file written by Extract patches.")),
            *training_parameters(),
            explained(
                boolean("RESUME", tr("Resume an interrupted training"), jobs.TrainNetwork.resume),
                tr(
                    "For trainings that take hours: keeps checkpoints in a folder beside the network file. After an"
                    " interruption, a run with the same settings continues from them. The folder is deleted when the"
                    " training ends."
                ),
                advanced=True,
            ),
            *training_outputs(network_optional=False),
        ]

    def job(self, inputs: Inputs) -> jobs.TrainNetwork:
        job = train_network_job(inputs, inputs.file("PATCHES", tr("patch file")), inputs.destination("NETWORK"))
        return replace(job, resume=inputs.boolean("RESUME"))


def train_network_job(inputs: Inputs, patches: str, network: str) -> jobs.TrainNetwork:
    return jobs.TrainNetwork(
        patches=patches,
        network=network,
        report=inputs.destination("REPORT"),
        held_out=inputs.destination("HELD_OUT"),
        metrics=inputs.destination("METRICS"),
        architecture=inputs.choice("ARCHITECTURE"),
        predictor=inputs.choice("PREDICTOR"),
        location=inputs.choice("LOCATION"),
        preset=inputs.choice("PRESET"),
        members=inputs.integer_or_none("MEMBERS"),
        epochs=inputs.integer_or_none("EPOCHS"),
        batch_size=inputs.integer_or_none("BATCH_SIZE"),
        learning_rate=inputs.number_or_none("LEARNING_RATE"),
        weight_decay=inputs.number_or_none("WEIGHT_DECAY"),
        patience=inputs.integer_or_none("PATIENCE"),
        transform=inputs.choice("TRANSFORM"),
        validation=inputs.choice("VALIDATION"),
        domain=inputs.domain("DOMAIN"),
        folds=inputs.integer("FOLDS"),
        repeats=inputs.integer("REPEATS"),
        coverage=inputs.number("COVERAGE"),
        exceedance=jobs.parse_thresholds(inputs.text("EXCEEDANCE")),
        device=inputs.choice("DEVICE"),
        full_gpu=inputs.choice("FULL_GPU"),
        seed=inputs.integer("SEED"),
    )


def training_parameters() -> Parameters:
    return [
        explained(
            choice("ARCHITECTURE", tr("Architecture"), jobs.TrainNetwork.ARCHITECTURES, jobs.TrainNetwork.architecture),
            tr(
                "ring: uses the covariates at the point and their means over growing squares around it; fast, and good"
                " with few observations. padarian: convolutions over the middle 15 x 15 pixels, after Padarian et al."
                " (2019). both: an ensemble of the two, the safest choice; the preset standard then trains padarian"
                " only with {} observations or more, because with fewer it does not make maps better."
            ).format(jobs.TrainNetwork.ENOUGH_FOR_BOTH),
        ),
        explained(
            choice("PREDICTOR", tr("Predictor"), jobs.TrainNetwork.PREDICTORS, jobs.TrainNetwork.predictor),
            tr(
                "blend: the map is a weighted mean of the networks, a random forest and a Gaussian process, with"
                " weights learned on held-out predictions; it was best or tied for best on most of the data it was"
                " tried on. network: the networks alone. forest: the random forest with context alone. best: whichever"
                " of these three has the lowest held-out error. The report compares all of them on the same held-out"
                " observations."
            ),
        ),
        explained(
            choice("PRESET", tr("Preset"), jobs.TrainNetwork.PRESETS, jobs.TrainNetwork.preset),
            tr(
                "fast: for a first look. standard: for most maps. best: twice as many networks. The preset sets the"
                " advanced training parameters that you leave empty."
            ),
        ),
        *_validation_parameters(),
        _location(),
        *_tuning_parameters(),
        explained(
            choice(
                "TRANSFORM",
                tr("Transformation of the targets"),
                jobs.TrainNetwork.TRANSFORMS,
                jobs.TrainNetwork.transform,
            ),
            tr(
                "auto: the logarithm for strongly skewed targets above 0, none for others and for logarithms: those"
                " with a unit such as pH, pF or log(mg/kg), and those named ph, pf, log, ln or lg with values that"
                " agree. The log tells the choice. The other choices are none, log (positive values) and logit (shares"
                " and percentages). Maps and errors are always in the original unit."
            ),
            advanced=True,
        ),
        explained(
            number("COVERAGE", tr("Coverage of the prediction interval"), jobs.TrainNetwork.coverage, 0.5, 0.99),
            tr("Share of true values that should lie between the lower and upper limit; 0.9 gives the 90 % interval."),
            advanced=True,
        ),
        thresholds(),
        *devices(),
        seed(jobs.TrainNetwork.seed, tr("Seed of the random numbers: the same seed and device give the same result.")),
    ]


def _validation_parameters() -> Parameters:
    return [
        explained(
            choice("VALIDATION", tr("Validation"), jobs.TrainNetwork.VALIDATIONS, jobs.TrainNetwork.validation),
            tr(
                "How observations are held out to measure the error. knndm: held-out observations lie as far from the"
                " others as the map's pixels lie from the observations, so that the error fits the map; the safe"
                " choice. spatial_blocks: whole areas are held out, a stricter test for maps that reach beyond the"
                " observations. random: single observations are held out, right for a random sample of the mapped area."
                " groups: whole profiles or sites are held out, as named in Extract patches."
            ),
        ),
        explained(
            integer("FOLDS", tr("Folds"), jobs.TrainNetwork.folds, 2),
            tr("Number of parts of the observations. Each is held out once. knndm makes fewer to keep groups whole."),
        ),
        explained(
            integer("REPEATS", tr("Repeats of the cross-validation"), jobs.TrainNetwork.repeats, 0),
            tr(
                "How many times all observations are held out, each time with other folds. Scores are means over the"
                " repeats, and the comparison of network and random forest finds smaller differences: with 150"
                " observations and one repeat a difference of 10 % is found in one of seven data sets, with three"
                " repeats in one of three. 0: the preset and the number of observations decide. fast: 1. standard: 3 up"
                " to 500 observations, 2 up to 2,000, else 1. best: 5, 3 and 1. Each repeat takes about as long as the"
                " first one. The map does not depend on it."
            ),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterMapLayer(
                "DOMAIN",
                tr("Domain: where maps will be made"),
                optional=True,
                types=[Qgis.ProcessingSourceType.Raster, Qgis.ProcessingSourceType.VectorPolygon],
            ),
            tr(
                "Area to be mapped: polygons, or a raster, whose pixels with data count. The validation knndm holds"
                " observations out as this area needs it. Empty: wherever the covariates have data."
            ),
            advanced=True,
        ),
    ]


def _location() -> Parameter:
    return explained(
        choice("LOCATION", tr("Location as an input"), jobs.TrainNetwork.LOCATIONS, jobs.TrainNetwork.location),
        tr(
            "auto: forest and Gaussian process of the blend see the coordinates; held-out observations decide how much"
            " they count. on: the ring network sees them, too, which harms maps that reach beyond the observations."
            " off: nothing does, and the network file tells nobody where observations lie."
        ),
        advanced=True,
    )


def _tuning_parameters() -> Parameters:
    empty = tr("Empty: the preset's value.")
    texts = {
        "members": (
            tr("Members"),
            tr("Number of networks in each ensemble, at least 2. More members give steadier maps and take longer."),
        ),
        "epochs": (
            tr("Longest training in epochs"),
            tr("Number of passes over the observations after which training ends in any case."),
        ),
        "batch_size": (tr("Batch size"), tr("Number of observations processed before each update of the weights.")),
        "patience": (tr("Patience"), tr("How long training continues without improvement on held-out observations.")),
    }
    lowest = {"members": 2}
    integers = [
        explained(
            integer(name.upper(), label, None, lowest.get(name, 1), optional=True), f"{text} {empty}", advanced=True
        )
        for name, (label, text) in texts.items()
    ]
    rate = number("LEARNING_RATE", tr("Learning rate"), None, 0, 1, optional=True)
    decay = number("WEIGHT_DECAY", tr("Weight decay"), None, 0, 1e6, optional=True)
    return [
        *integers,
        explained(rate, f"{tr('Size of the steps by which the weights change.')} {empty}", advanced=True),
        explained(decay, f"{tr('Pull of the weights towards zero, against overfitting.')} {empty}", advanced=True),
    ]


def training_outputs(network_optional: bool) -> Parameters:
    network = file_output("NETWORK", tr("Trained network"), tr("Networks (*.safetensors)"), optional=network_optional)
    held_out = QgsProcessingParameterVectorDestination(
        "HELD_OUT",
        tr("Held-out predictions"),
        Qgis.ProcessingSourceType.VectorPoint,
        optional=True,
    )
    return [
        explained(
            network,
            tr("One file with everything needed for prediction: weights, covariates, scaling, units and errors."),
        ),
        explained(
            html_output(tr("Report")),
            tr(
                "Web page that compares the network with random forests and the plain mean: held-out errors, plots and"
                " maps. It opens in the Results Viewer or a browser, without internet."
            ),
        ),
        explained(
            held_out,
            tr(
                "Point layer of the predictions for held-out observations (of the first repeat), with the fields"
                " observed, predicted, lower, upper, residual and fold. For soil classes: observed and predicted class,"
                " the probabilities of both, whether the prediction is correct, and the fold."
            ),
        ),
        metrics_output(),
    ]
