"""Common base of the algorithms: declare parameters, make a job from their values, run it, return its outputs."""

from __future__ import annotations

import errno
import importlib
import tempfile
import time
from pathlib import Path
from typing import Any, Optional

import qgis.utils
from qgis.core import (  # type: ignore[attr-defined]  # the stubs lack QgsProcessingException
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputFile,
    QgsProcessingOutputFolder,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterLayer,
)
from qgis.PyQt.QtCore import QCoreApplication, QThread
from qgis.PyQt.QtGui import QIcon

from ..bridge import environment
from ..bridge.errors import WorkerFailed
from ..bridge.run_folder import RunFolder
from ..bridge.worker import prepare_worker, run_job
from ..contract.jobs import Job, JobError
from ..contract.language import tr
from ..paths import resource
from . import styles
from .checks import find_problem
from .choices import with_values
from .dialogs import make_dialog
from .full_disk import full_disk_sentence
from .help_page import page_address, panel_text
from .inputs import Inputs, check_rasters, note_rasters
from .labels import LabelledFeedback, with_labels
from .last_files import note_files, propose_files
from .links import set_up_message
from .outputs import check_outputs, drop_layers
from .parameters import Parameters
from .rasters import Raster
from .recent_runs import note_run
from .report_title import report_title
from .results_folder import ResultsFolder


class JobAlgorithm(QgsProcessingAlgorithm):
    """Base class of the algorithms; each subclass gives its names, parameters and job."""

    ID = ""  # frozen: users' models and scripts depend on it
    GROUP_ID = ""
    NUMBERS: dict[str, str] = {}  # outputs -> their labels
    TEXTS: dict[str, str] = {}
    IS_NOTED = True  # among the recent runs
    DEFAULTS: tuple[str, ...] = ()  # outputs that a results folder gets unless they are skipped

    def __init__(self) -> None:
        super().__init__()
        self._rasters: dict[str, list[Raster]] = {}
        self._report = ""
        self._written: list[str] = []

    def label(self) -> str:
        raise NotImplementedError

    def summary(self) -> str:
        """Return one sentence, the tool tip."""
        raise NotImplementedError

    def explanation(self) -> str:
        """Return plain text, because `qgis_process help` shows HTML raw."""
        raise NotImplementedError

    def keywords(self) -> list[str]:
        return []

    def parameters(self) -> Parameters:
        raise NotImplementedError

    def job(self, inputs: Inputs) -> Job:
        """Return the job or raise JobError. Called once per run: evaluating a destination registers a layer to load."""
        raise NotImplementedError

    def engine(self, inputs: Inputs, feedback: QgsProcessingFeedback) -> Path:
        """Return the interpreter that runs the job."""
        return environment.find_python()

    def job_feedback(self, feedback: QgsProcessingFeedback) -> QgsProcessingFeedback:
        """Return what the job reports to, once there is an interpreter to run it."""
        return feedback

    # What QGIS calls

    def name(self) -> str:
        return self.ID

    def displayName(self) -> str:
        return self.label()

    def groupId(self) -> str:
        return self.GROUP_ID

    def group(self) -> str:
        return GROUPS[self.GROUP_ID]

    def shortDescription(self) -> str:
        return self.summary()

    def shortHelpString(self) -> str:
        """Return the help. The dialog shows only this text; qgis_process prints it below the summary."""
        if qgis.utils.iface is None:
            return self.explanation()
        return panel_text(self)

    def helpUrl(self) -> str:
        """Return the link to the algorithm's page in the guide, which the plugin's window half answers."""
        return "" if qgis.utils.iface is None else page_address(self)

    def tags(self) -> list[str]:
        return ["soil", "cnn", "neural network", "deep learning", "digital soil mapping", *self.keywords()]

    def icon(self) -> QIcon:
        return QIcon(self.svgIconPath())

    def svgIconPath(self) -> str:
        return str(resource("icon.svg"))

    def createInstance(self) -> JobAlgorithm:
        return type(self)()

    def initAlgorithm(self, configuration: Any = None) -> None:
        for parameter in self.parameters():
            if parameter.name() == "REPORT":
                # Declare a file, not the HTML output that QGIS would make of it: batch mode of QGIS 3.40 and 3.44 shows
                # an error dialog for each row that returns HTML (qgis/QGIS 47884). Instead, postProcessAlgorithm adds
                # the report to the Results Viewer in single runs, batch runs and models alike.
                self.addParameter(parameter, False)
                self.addOutput(QgsProcessingOutputFile("REPORT", parameter.description()))
            else:
                self.addParameter(parameter)
        for name, label in self.NUMBERS.items():
            self.addOutput(QgsProcessingOutputNumber(name, label))
        for name, label in self.TEXTS.items():
            self.addOutput(QgsProcessingOutputString(name, label))
        if self.parameterDefinition("RESULTS") is not None:
            self.addOutput(QgsProcessingOutputFolder("FOLDER", tr("Folder of this run")))
        if qgis.utils.iface is not None:
            propose_files(self)

    def createCustomParametersWidget(self, parent: Any = None) -> Any:
        """Return the dialog that guesses fields and tells what is doubtful; None for QGIS's own."""
        return make_dialog(self, parent)

    def problem(self) -> str:
        """Say why the algorithm cannot run now; empty if it can."""
        return environment.problem()

    def canExecute(self) -> tuple[bool, str]:
        """QGIS's window shows the message as HTML, where a link opens the set-up."""
        problem = self.problem()
        return not problem, problem if qgis.utils.iface is None else set_up_message(problem)

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, Optional[str]]:
        problem = self.problem()
        if problem:
            return False, problem
        parameters = with_values(self.parameterDefinitions(), parameters)
        kinds = (QgsProcessingParameterMultipleLayers, QgsProcessingParameterRasterLayer)
        rasters = [each.name() for each in self.parameterDefinitions() if isinstance(each, kinds)]
        try:
            check_rasters(rasters, parameters, context)
        except JobError as error:
            return False, with_labels(str(error), self)
        broken_rule = find_problem(self.parameterDefinitions(), parameters, context)
        if broken_rule:
            return False, with_labels(broken_rule, self)
        return super().checkParameterValues(parameters, context)

    def prepareAlgorithm(  # type: ignore[override]  # QGIS always gives a feedback
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        self._rasters = note_rasters(self, parameters, context)
        return True

    def processAlgorithm(  # type: ignore[override]  # QGIS always gives a feedback
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        feedback = LabelledFeedback(feedback, self)
        is_in_model = context.expressionContext().hasVariable("model_path")
        place = self._results_place(parameters, context)
        try:
            with RunFolder("soilcnn-inputs-") as folder:
                inputs = Inputs(self, parameters, context, self._rasters, folder, place)
                job = self.job(inputs)
                for note in inputs.notes:
                    feedback.pushInfo(note)
                _tell_place(place, feedback)
                check_outputs(job, inputs.used)
                python = self.engine(inputs, feedback)
                outputs = run_job(job, self.job_feedback(feedback), python, is_followed=is_in_model)
        except (JobError, WorkerFailed) as error:
            raise QgsProcessingException(with_labels(str(error), self)) from error
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise QgsProcessingException(full_disk_sentence(tempfile.gettempdir())) from error
        finally:
            if qgis.utils.iface is not None:
                prepare_worker()
            place.drop_if_empty()
            drop_layers([file for file in place.files if not Path(file).exists()], context)
        results = self._results(outputs, inputs, place)
        subject = styles.dress(results, context)
        if self.IS_NOTED:
            note_run(self, results, subject)
            note_files({name: path for name, path in results.items() if name in inputs.destinations})
        # A model lists the reports that it gives by itself; children would list each of them once more.
        self._report = "" if is_in_model else results.get("REPORT", "")
        self._written = [path for path in inputs.destinations.values() if path]
        return results

    def postProcessAlgorithm(  # type: ignore[override]
        self, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        is_main_thread = QThread.currentThread() == QCoreApplication.instance().thread()
        if is_main_thread:
            styles.settle(self._written, context)
        if self._report and qgis.utils.iface is not None and is_main_thread:
            results = importlib.import_module("processing.core.ProcessingResults")  # of QGIS's own plugin
            results.resultsList.addResult(
                icon=self.icon(),
                name=report_title(self._report) or self.displayName(),
                timestamp=time.localtime(),
                result=self._report,
            )
        return {}

    def _results_place(self, parameters: dict[str, Any], context: QgsProcessingContext) -> ResultsFolder:
        if self.parameterDefinition("RESULTS") is None:
            return ResultsFolder(self.displayName())
        chosen = self.parameterAsString(parameters, "RESULTS", context).strip()
        thresholds = ("EXCEEDANCE_PROBABILITY",) if parameters.get("EXCEEDANCE") else ()
        return ResultsFolder(self.displayName(), chosen, (*self.DEFAULTS, *thresholds))

    def _results(self, outputs: dict[str, Any], inputs: Inputs, place: ResultsFolder) -> dict[str, Any]:
        """Return the worker's outputs under their declared names, without files that nobody asked for, and without
        those that were left out because they do not fit."""
        given = {name.upper(): value for name, value in outputs.items()}
        wanted = {
            name: path
            for name, path in inputs.destinations.items()
            if path and (name in given or name not in place.unnamed)
        }
        if place.path is not None and self.outputDefinition("FOLDER") is not None:
            wanted["FOLDER"] = str(place.path)
        values = {name: given[name] for name in (*self.NUMBERS, *self.TEXTS) if given.get(name) is not None}
        return {**wanted, **values}


def _tell_place(place: ResultsFolder, feedback: QgsProcessingFeedback) -> None:
    if place.path is not None:
        feedback.pushInfo(tr("Results without a file name go to {}").format(place.path))
    if place.temporary:
        feedback.pushWarning(
            tr(
                "{} will lie in QGIS's temporary folder, which is emptied when QGIS closes. To keep results, name files"
                " or set a results folder."
            ).format(", ".join(place.temporary))
        )


GROUPS = {  # id -> name; the ids equal the names, because a model file knows its group by name only
    "0 Set up": tr("0 Set up"),
    "1 Prepare": tr("1 Prepare"),
    "2 Train": tr("2 Train"),
    "3 Map": tr("3 Map"),
    "4 Assess": tr("4 Assess"),
}
