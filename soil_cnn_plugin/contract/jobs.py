"""The jobs of the engine: one frozen dataclass per job, with its defaults and rules, to and from JSON.

Every path is absolute. An empty path means "not wanted". Every output is first written under a name of its own run and
renamed when it is complete; see `parts`.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from .area_jobs import SummarizeAreas as SummarizeAreas
from .assess_jobs import AssessMap as AssessMap
from .assess_jobs import DescribeNetwork as DescribeNetwork
from .assess_jobs import ExplainNetwork as ExplainNetwork
from .assess_jobs import ExplainPixel as ExplainPixel
from .check_jobs import CheckObservations as CheckObservations
from .comparison_jobs import CompareMaps as CompareMaps
from .decode import DecodeError, decode
from .depth_jobs import StandardizeDepths as StandardizeDepths
from .expressions import Expression as Expression
from .expressions import parse_expressions as parse_expressions
from .job import DEVICES as DEVICES
from .job import FULL_GPU as FULL_GPU
from .job import LAYER_ENDINGS as LAYER_ENDINGS
from .job import RASTER_ENDINGS as RASTER_ENDINGS
from .job import TABLE_ENDINGS as TABLE_ENDINGS
from .job import Covariate as Covariate
from .job import Job as Job
from .job import JobError as JobError
from .job import check_ending as check_ending
from .job import would_replace as would_replace
from .language import tr
from .map_jobs import MapSoilProperties as MapSoilProperties
from .map_jobs import PredictMap as PredictMap
from .partners import partners as partners
from .parts import part as part
from .parts import remove_parts as remove_parts
from .prepare_jobs import ExtractPatches as ExtractPatches
from .sampling_jobs import PlanSampling as PlanSampling
from .set_up_jobs import CheckEnvironment as CheckEnvironment
from .threshold import Threshold as Threshold
from .threshold import pair_thresholds as pair_thresholds
from .threshold import parse_thresholds as parse_thresholds
from .train_jobs import ComparePatchSizes as ComparePatchSizes
from .train_jobs import TrainNetwork as TrainNetwork

VERSION = 1
"""Version of the job file; raise it whenever a worker of another version would misread the file."""

JOBS: dict[str, type[Job]] = {
    "check_observations": CheckObservations,
    "standardize_depths": StandardizeDepths,
    "extract_patches": ExtractPatches,
    "train_network": TrainNetwork,
    "predict_map": PredictMap,
    "map_soil_properties": MapSoilProperties,
    "summarize_areas": SummarizeAreas,
    "assess_map": AssessMap,
    "explain_network": ExplainNetwork,
    "explain_pixel": ExplainPixel,
    "compare_patch_sizes": ComparePatchSizes,
    "describe_network": DescribeNetwork,
    "compare_maps": CompareMaps,
    "plan_sampling": PlanSampling,
    "check_environment": CheckEnvironment,
}


def to_json(job: Job) -> str:
    """Return the text of the job file."""
    name = next(name for name, kind in JOBS.items() if type(job) is kind)
    return json.dumps({"job": name, "version": VERSION, **asdict(job)}, indent=1)


def from_json(text: str) -> Job:
    """Return the job in a job file; raise JobError if it is not a job of this version or breaks its rules."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise JobError(tr("The job file is not JSON: {}.").format(error)) from error
    if not isinstance(content, dict) or not isinstance(content.get("job"), str) or content["job"] not in JOBS:
        raise JobError(tr('The job file names no job. "job" must be one of: {}.').format(", ".join(JOBS)))
    if content.get("version") != VERSION:
        raise JobError(
            tr("The job file has version {}; this engine reads version {}.").format(
                json.dumps(content.get("version"), ensure_ascii=False)[:80], VERSION
            )
        )
    kind = JOBS[content.pop("job")]
    del content["version"]
    try:
        return decode(kind, content, kind.__name__)
    except DecodeError as error:
        raise JobError(str(error)) from error
