"""Train network: a patch file -> a trained network and its held-out report."""

from __future__ import annotations

from dataclasses import replace

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterFile,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterVectorDestination,
)

from ...contract import jobs
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import (
    Parameter,
    Parameters,
    boolean,
    choice,
    device,
    explained,
    file_output,
    html_output,
    integer,
    metrics_output,
    number,
    thresholds,
)
from ..translation import tr

SCORES = {
    "RMSE": tr("Held-out RMSE of the map's predictor, mean over targets"),
    "MEC": tr("Held-out model efficiency, mean over targets"),
    "CCC": tr("Held-out concordance, mean over targets"),
    "PICP": tr("Held-out coverage of the interval, mean over targets"),
    "BASELINE_RMSE": tr("Held-out RMSE of the better random forest, mean over targets"),
    "ACCURACY": tr("Of soil classes: held-out share of right classes of the map's predictor"),
    "BRIER": tr("Of soil classes: held-out Brier score of the map's predictor"),
    "LOG_SCORE": tr("Of soil classes: held-out log score of the map's predictor"),
    "BASELINE_ACCURACY": tr("Of soil classes: held-out share of right classes of the better random forest"),
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
            "Observations are divided into folds. Each fold is predicted by networks that have not seen it, and by"
            " random forests on the same folds for comparison: the report shows whether the network is worth using for"
            " these data. The final network is trained on all observations and gives a prediction interval that was"
            " calibrated on held-out predictions.\n\n"
            "The defaults suit most data of one hundred to a few thousand observations."
        )

    def keywords(self) -> list[str]:
        return ["fit", "model", "cross-validation", "random forest", "padarian"]

    def parameters(self) -> Parameters:
        patches = QgsProcessingParameterFile("PATCHES", tr("Patches"), extension="h5")
        return [
            explained(patches, tr("Patch file made by Extract patches.")),
            *training_parameters(),
            explained(
                boolean("RESUME", tr("Resume an interrupted training"), jobs.TrainNetwork.resume),
                tr(
                    "For trainings of hours: keeps checkpoints in a folder beside the network file, and goes on from"
                    " there when a run with the same settings was interrupted. The folder goes when the training ends."
                ),
                advanced=True,
            ),
            *training_outputs(network_optional=False),
        ]

    def job(self, inputs: Inputs) -> jobs.TrainNetwork:
        job = train_network_job(inputs, inputs.file("PATCHES", "patch file"), inputs.destination("NETWORK"))
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
        location=inputs.boolean("LOCATION"),
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
        coverage=inputs.number("COVERAGE"),
        exceedance=jobs.parse_thresholds(inputs.text("EXCEEDANCE")),
        device=inputs.choice("DEVICE"),
        seed=inputs.integer("SEED"),
    )


def training_parameters() -> Parameters:
    return [
        explained(
            choice("ARCHITECTURE", tr("Architecture"), jobs.TrainNetwork.ARCHITECTURES, jobs.TrainNetwork.architecture),
            tr(
                "ring: the covariates at the point and their means over growing squares around it; fast, good with few"
                " observations. padarian: convolutions over the middle 15 x 15 pixels, after Padarian et al. (2019)."
                " both: an ensemble of the two, the safest choice."
            ),
        ),
        explained(
            choice("PREDICTOR", tr("Predictor"), jobs.TrainNetwork.PREDICTORS, jobs.TrainNetwork.predictor),
            tr(
                "blend: the map is a weighted mean of the networks and a random forest, with weights learned on"
                " held-out predictions; best or tied on most data it was tried on. network: the networks alone. The"
                " report shows both, and the forest alone, on the same held-out observations."
            ),
        ),
        explained(
            choice("PRESET", tr("Preset"), jobs.TrainNetwork.PRESETS, jobs.TrainNetwork.preset),
            tr(
                "fast for a first look, standard for most maps, best for twice as many networks. It sets the advanced"
                " training parameters that are left empty."
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
                "auto: the logarithm for strongly skewed targets, none for others. none, log (positive values), logit"
                " (shares and percentages). Maps and errors are always in the original unit."
            ),
            advanced=True,
        ),
        explained(
            number("COVERAGE", tr("Coverage of the prediction interval"), jobs.TrainNetwork.coverage, 0.5, 0.99),
            tr("Share of true values that should lie between the lower and the upper limit: 0.9 is the 90 % interval."),
            advanced=True,
        ),
        thresholds(),
        device(),
        explained(
            integer("SEED", tr("Seed"), jobs.TrainNetwork.seed, 0),
            tr("Start of the random numbers. The same seed on the same device gives the same result."),
            advanced=True,
        ),
    ]


def _validation_parameters() -> Parameters:
    return [
        explained(
            choice("VALIDATION", tr("Validation"), jobs.TrainNetwork.VALIDATIONS, jobs.TrainNetwork.validation),
            tr(
                "How observations are held out to measure the error. knndm: as far from the others as the map's pixels"
                " are from the observations, so that the error fits the map; the safe choice. spatial_blocks: whole"
                " areas, a stricter test for maps that reach beyond the observations. random: single observations,"
                " right for a random sample of the mapped area. groups: whole profiles or sites, as named when patches"
                " were extracted."
            ),
        ),
        explained(
            integer("FOLDS", tr("Folds"), jobs.TrainNetwork.folds, 2),
            tr("Number of parts the observations are divided into; each is held out once."),
        ),
        explained(
            QgsProcessingParameterMapLayer(
                "DOMAIN",
                tr("Domain: where maps will be made"),
                optional=True,
                types=[QgsProcessing.SourceType.TypeRaster, QgsProcessing.SourceType.TypeVectorPolygon],
            ),
            tr(
                "Raster (its pixels with data) or polygons of the area to be mapped, for the validation knndm. Empty:"
                " wherever the covariates have data."
            ),
            advanced=True,
        ),
    ]


def _location() -> Parameter:
    return explained(
        boolean("LOCATION", tr("Use the location as an input"), jobs.TrainNetwork.location),
        tr(
            "Gives the ring network and the forest the coordinates as well. It can help to interpolate between evenly"
            " spread observations. It harms maps that reach beyond them, and a network that is used in another area:"
            " leave it off unless the report with it is better."
        ),
        advanced=True,
    )


def _tuning_parameters() -> Parameters:
    """Empty means: what the preset and the architecture say."""
    empty = tr("Empty: the preset's value.")
    texts = {
        "members": (
            tr("Members"),
            tr("Number of networks in each ensemble, at least 2. More are steadier and slower."),
        ),
        "epochs": (
            tr("Longest training in epochs"),
            tr("Passes over the observations after which training ends anyway."),
        ),
        "batch_size": (tr("Batch size"), tr("Observations looked at before each change of the weights.")),
        "patience": (tr("Patience"), tr("How long training goes on without improvement on held-out observations.")),
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
        explained(rate, f"{tr('Size of the steps in which the weights change.')} {empty}", advanced=True),
        explained(decay, f"{tr('Pull of the weights towards zero, against overfitting.')} {empty}", advanced=True),
    ]


def training_outputs(network_optional: bool) -> Parameters:
    network = file_output("NETWORK", tr("Trained network"), tr("Networks (*.safetensors)"), optional=network_optional)
    held_out = QgsProcessingParameterVectorDestination(
        "HELD_OUT",
        tr("Held-out predictions"),
        QgsProcessing.SourceType.TypeVectorPoint,
        optional=True,
        createByDefault=False,
    )
    return [
        explained(
            network, tr("One file with everything prediction needs: weights, covariates, scaling, units and errors.")
        ),
        explained(
            html_output(tr("Report")),
            tr(
                "Web page with held-out errors, plots and maps of the network beside random forests and the plain mean,"
                " for the Results Viewer or a browser. It opens without internet."
            ),
        ),
        explained(
            held_out,
            tr(
                "Point layer of what was predicted where the observation was held out: observed, predicted, lower,"
                " upper, residual, fold; of soil classes: observed, predicted, the probabilities of both, whether it is"
                " right, fold."
            ),
        ),
        metrics_output(),
    ]
