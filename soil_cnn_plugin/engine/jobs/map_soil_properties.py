"""Map soil properties: extract, train and predict in one worker."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from soil_cnn_plugin.contract.jobs import MapSoilProperties
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.jobs import extract_patches, predict_map, train_network
from soil_cnn_plugin.engine.mapping.layers import check_offers, keep_fitting
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.rasters.unchanged import FileStates
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.closing_words import tell_results
from soil_cnn_plugin.engine.reports.held_out_report import write_report
from soil_cnn_plugin.engine.reports.maps_section import maps_section
from soil_cnn_plugin.engine.targets.groups import kinds_of
from soil_cnn_plugin.engine.targets.measured import TargetsInWords


def run(job: MapSoilProperties, report: Report) -> dict[str, str | float | int]:
    if job.predict.texture_classes:  # checked now, not when all patches are extracted
        words = TargetsInWords(job.extract.targets, compositions=job.extract.compositions)
        check_offers(["texture_classes"], kinds_of(words), tr("the observations hold"))
    covariates = job.predict.covariates or job.extract.covariates
    inputs = FileStates.of([job.extract.reference, *(each.path for each in (*covariates, *job.extract.covariates))])
    outputs = extract_patches.run(job.extract, report.part(0.0, 0.05, tr("Extracting patches")))
    inputs.check()
    with PatchFile(job.extract.patches) as file:
        predict = keep_fitting(replace(job.predict, covariates=covariates), kinds_of(file.words), report)
        check_offers(list(predict.output_paths()), kinds_of(file.words), tr("The observations hold"))
    trained, assessment = train_network.train(job.train, report.part(0.05, 0.9, tr("Training")))
    outputs |= trained
    inputs.check(tr("No map is made of it."))
    # The covariates are the user's own choice in this run: predicting need not trust what a file says of them.
    predicted = predict_map.run(predict, report.part(0.9, 1.0, tr("Predicting the map")), inputs)
    outputs |= predicted
    if assessment is not None:
        left_out: dict[str, Any] = {name: "" for name in predict.output_paths() if name not in predicted}
        made = replace(predict, **left_out)
        if job.train.report:
            maps = maps_section(made, assessment, predicted.get("dissimilarity_threshold"))
            write_report(job.train.report, assessment, maps)
        tell_results(report, assessment, replace(job, predict=made).output_paths())
    return outputs
