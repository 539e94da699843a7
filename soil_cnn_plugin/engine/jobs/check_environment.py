"""Check the compute environment: versions, device, memory, and a small trial of what jobs rest on."""

from __future__ import annotations

from soil_cnn_plugin.contract.jobs import CheckEnvironment
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.machine.environment import (
    Environment,
    check_libraries,
    describe_computer,
    find_device,
    run_trials,
)
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.environment_page import write_environment_metrics, write_environment_page


def run(job: CheckEnvironment, report: Report) -> dict[str, str | float | int]:
    """Check the environment. A broken one is a finding, not a failure: it is reported, with warnings in the log.

    Raises:
        EngineError: the job asks by name for a device that cannot be used.
    """
    libraries = check_libraries(report)
    report.progress(0.1)
    device, device_words = find_device(job.device, report)
    report.progress(0.3)
    computer = describe_computer(device)
    for name, value in computer.items():
        report.info(f"{name}: {value}")
    trials = run_trials(device, _MORE_TRIALS, report.part(0.3, 1.0))
    if not all(trial.passed for trial in trials):
        report.warning(tr("The compute environment does not work as it should. Run 'Set up the compute environment'."))
    found = Environment(device_words, computer, libraries, trials)
    if job.metrics:
        write_environment_metrics(job.metrics, found)
    if job.report:
        write_environment_page(job.report, found)
    return {"device": device_words, **job.output_paths()}


def _try_encoding() -> str:
    """Encode covariates."""
    from soil_cnn_plugin.engine.training.trial import try_encoding  # needs numba, which may be the broken library

    return try_encoding()


def _try_layers() -> str:
    """Let compiled layers learn."""
    from soil_cnn_plugin.engine.training.trial import try_layers  # needs numba, which may be the broken library

    return try_layers()


def _try_forest() -> str:
    """Fit small random forests, and share out their answers."""
    from soil_cnn_plugin.engine.explaining.trial import try_contributions  # needs numba, maybe the broken library
    from soil_cnn_plugin.engine.forests.trial import try_forest

    try_contributions()
    return try_forest()


def _try_process() -> str:
    """Predict by a small Gaussian process."""
    from soil_cnn_plugin.engine.kriging.trial import try_process  # needs numba, which may be the broken library

    return try_process()


_MORE_TRIALS = {
    tr("Encode covariates"): _try_encoding,
    tr("Train compiled layers"): _try_layers,
    tr("Fit a random forest"): _try_forest,
    tr("Predict by a Gaussian process"): _try_process,
}
"""These also compile what they try, so that the first training and the first map do not wait for it."""
