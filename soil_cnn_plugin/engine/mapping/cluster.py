"""A map's blocks as tasks of a Dask cluster: each worker opens the network and covariates once and finishes its blocks.

A worker that dies costs only its blocks, because the scheduler gives them to another one. The scheduler itself needs
only Dask: tasks name the function that workers are to call, and carry bytes that only workers open.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import astuple, dataclass, field
from functools import lru_cache
from operator import methodcaller
from pkgutil import resolve_name
from socket import gethostname
from uuid import uuid4

import torch
from distributed import Client, Future, get_worker
from distributed.client import ClosedClientError
from distributed.protocol.serialize import deserialize_bytes, serialize_bytes
from distributed.scheduler import KilledWorker
from toolz import pipe  # type: ignore[import-untyped]

from soil_cnn_plugin.contract.jobs import Covariate, PredictMap
from soil_cnn_plugin.contract.language import all_of, tr, tr_n
from soil_cnn_plugin.engine.arrays import Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.failures import error_in_words
from soil_cnn_plugin.engine.machine.device import choose_device
from soil_cnn_plugin.engine.machine.memory import keep_freed
from soil_cnn_plugin.engine.machine.threads import alone
from soil_cnn_plugin.engine.mapping.blocks import BLOCKS_ON_GPU, Read, read_block
from soil_cnn_plugin.engine.mapping.half_precision import half_kinds
from soil_cnn_plugin.engine.mapping.layers import FinishedBlock, Finisher, plan_map
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack, open_stack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.polygons import read_area
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.network_file import read_network
from soil_cnn_plugin.engine.versions import read_versions

_SECONDS_TO_CONNECT = 15
_SECONDS_A_LOOK = 5.0
_LOOKS = 60  # without any worker before the map is given up: Dask itself would wait for ever
_SECONDS_A_COUNT = 1.0  # between questions for the number of threads, which cost the scheduler as much as a block
_TASKS_A_THREAD = 3  # under way: so many that no worker waits, so few that results do not pile up
_ON_WORKER = f"{__name__}:finish_on_worker"
_COMPARED = ("Soil CNN", "torch")  # versions that decide what a block's numbers are
_READING = threading.Lock()
_ON_GPU = threading.BoundedSemaphore(BLOCKS_ON_GPU)


@dataclass(frozen=True)
class MapTask:
    """What a worker must know of the map. Paths must name the same files on every machine."""

    job: PredictMap
    covariates: tuple[Covariate, ...]
    grid: Grid
    dtype: str = "float32"  # the type in torch that networks compute in, where it is fast
    run: str = field(default_factory=lambda: uuid4().hex)  # keeps maps apart: workers outlive a map, and files change


def finish_blocks_on_cluster(
    scheduler: str, task: MapTask, size: int, report: Report
) -> Generator[FinishedBlock | Block, None, None]:
    """Yield every block of the grid, or the bare Block where nothing is to be predicted. The workers of the scheduler,
    at an address such as tcp://node1:8786, finish them. Workers may come and go.

    Raises:
        EngineError: there is no scheduler or worker, they lack this software or the files, or the cluster is lost
            half-way.
    """
    with _connected(scheduler) as client:
        with _in_words(scheduler):
            workers = len(client.nthreads())
        report.info(
            tr_n(
                "The blocks are predicted on the Dask cluster {}: {} worker now.",
                "The blocks are predicted on the Dask cluster {}: {} workers now.",
                workers,
            ).format(scheduler, workers)
        )
        waiting: deque[Future[FinishedBlock | Block]] = deque()
        blocks, sent = task.grid.blocks(size), serialize_bytes(task)
        most, counted = 0, -math.inf
        try:
            while True:
                with _in_words(scheduler):
                    if time.monotonic() - counted > _SECONDS_A_COUNT:
                        counted = time.monotonic()
                        most = _TASKS_A_THREAD * max(1, sum(client.nthreads().values()))
                    while len(waiting) < most and (block := next(blocks, None)) is not None:
                        call = methodcaller("__call__", _versions(), sent, astuple(block))
                        waiting.append(client.submit(pipe, _ON_WORKER, resolve_name, call, pure=False))
                if not waiting:
                    return
                yield _result(waiting.popleft(), client, scheduler, report)
        finally:
            with suppress(ClosedClientError):
                client.cancel(list(waiting))


def _connected(scheduler: str) -> Client:
    for name in ("distributed.client", "asyncio"):  # they log tracebacks of what the user reads in one sentence
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return Client(scheduler, timeout=_SECONDS_TO_CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        raise EngineError(
            tr(
                "No Dask scheduler answers at {!r}: {}. Write its address as tcp://machine:8786, as 'dask"
                " scheduler' prints it when it starts; or leave the cluster empty."
            ).format(scheduler, error)
        ) from error


def _result(
    future: Future[FinishedBlock | Block], client: Client, scheduler: str, report: Report
) -> FinishedBlock | Block:
    looks = 0
    while looks < _LOOKS:
        with _in_words(scheduler):
            try:
                result: FinishedBlock | Block = future.result(timeout=_SECONDS_A_LOOK)
                return result
            except TimeoutError:
                if future.done():  # type: ignore[no-untyped-call]  # meanwhile, or the worker itself raised it
                    result = future.result()
                    return result
            looks = 0 if client.nthreads() else looks + 1  # type: ignore[no-untyped-call]
        if looks == 1:
            report.warning(
                tr("The Dask cluster {} has no worker. The map waits {:.0f} minutes for one.").format(
                    scheduler, _LOOKS * _SECONDS_A_LOOK / 60
                )
            )
    raise EngineError(
        tr(
            "The Dask cluster {} has had no worker for {:.0f} seconds. Nothing is written. Start workers, or"
            " let them live longer, and run again."
        ).format(scheduler, _LOOKS * _SECONDS_A_LOOK)
    )


@contextmanager
def _in_words(scheduler: str) -> Iterator[None]:
    """Turn what goes wrong on the cluster, or with it, into an EngineError in plain words."""
    try:
        yield
    except EngineError as error:
        raise EngineError(tr("A worker of the Dask cluster {} failed {}").format(scheduler, error)) from error
    except ImportError as error:
        raise EngineError(
            tr(
                "A worker of the Dask cluster {} cannot import what it needs ({}). Start workers with the"
                " Python of the compute environment and the plugin's parent folder in PYTHONPATH."
            ).format(scheduler, error)
        ) from error
    except AttributeError as error:
        raise EngineError(
            tr("A worker of the Dask cluster {} has another version of Soil CNN than this one, {}. {}").format(
                scheduler, _in_a_row(_versions()), _SAME_VERSIONS
            )
        ) from error
    except KilledWorker as error:
        raise EngineError(
            tr(
                "Several workers of the Dask cluster {} died over one block. Perhaps their memory is too small:"
                " choose a smaller block size, or fewer threads per worker."
            ).format(scheduler)
        ) from error
    except RuntimeError as error:
        raise EngineError(
            tr(
                "The Dask cluster {} cannot run the map's tasks ({}). Start its scheduler and workers with the"
                " Python of the compute environment, the workers with the plugin's parent folder in PYTHONPATH,"
                " too."
            ).format(scheduler, error)
        ) from error
    except (OSError, CancelledError, ClosedClientError) as error:
        raise EngineError(
            tr(
                "The Dask cluster {} was lost half-way, and nothing is written. Start it again and run again."
                " Dask says: {}"
            ).format(scheduler, " ".join(str(error).split()))
        ) from error


def finish_on_worker(versions: Mapping[str, str], task: bytes, block: tuple[int, ...]) -> FinishedBlock | Block:
    """Finish a block on a worker, which calls this by its name. The task is opened only where it was made by the same
    versions."""
    try:
        if versions != _versions():
            raise EngineError(
                tr("it has {}, but the map was begun with {}. {}").format(
                    _in_a_row(_versions()), _in_a_row(versions), _SAME_VERSIONS
                )
            )
        return _finish(deserialize_bytes(task), Block(*block))
    except Exception as error:  # noqa: BLE001 - the worker's door: what went wrong is told where the job runs
        raise EngineError(tr("on {}: {}").format(gethostname(), error_in_words(error, None))) from error


_SAME_VERSIONS = tr(
    "Start scheduler and workers with the compute environment and the plugin that the map is begun with, and run again."
)


@lru_cache
def _versions() -> dict[str, str]:
    """Return the versions to compare. A processor's and a GPU's build of one release, 2.13.0+cpu and 2.13.0+cu130,
    count as the same, and may work on one map."""
    return {name: version.partition("+")[0] for name, version in read_versions().items() if name in _COMPARED}


def _in_a_row(versions: Mapping[str, str]) -> str:
    return all_of(f"{name} {version}" for name, version in versions.items()) or tr("an older version")


def _finish(task: MapTask, block: Block) -> FinishedBlock | Block:
    """Read and predict a block. One of the worker's threads reads rasters at a time; blocks are predicted side by side,
    on a GPU as many as in a map without a cluster."""
    with _READING:
        opened = _open(task)
        read = read_block(opened.stack, block, opened.predictor.trained.predictor.halo, opened.inside)
    if read is None:
        return block

    def finish(values: Read) -> FinishedBlock:
        with _ON_GPU if is_on_gpu else nullcontext():
            predicted = opened.predictor.predict(block, *values)
        return opened.finisher.finish(predicted)

    is_on_gpu = opened.predictor.device.type != "cpu"
    is_shared = not is_on_gpu and get_worker().state.nthreads > 1
    return (alone(finish) if is_shared else finish)(read)


@dataclass(frozen=True)
class _Opened:
    predictor: BlockPredictor
    finisher: Finisher
    stack: CovariateStack
    inside: Callable[[Block], Flags] | None


@lru_cache(maxsize=1)
def _open(task: MapTask) -> _Opened:
    """Open the network and the covariates, once for each worker and map."""
    keep_freed()
    job, silent = task.job, Report(lambda event: None)
    device = choose_device(job.device, silent, job.full_gpu)
    trained = read_network(job.network, device)
    finisher = plan_map(job, trained, device, silent)
    inside = read_area(job.area, task.grid, silent) if job.area else None
    predictor = BlockPredictor(trained, task.grid, device, finisher.index, _dtype_here(task, device))
    return _Opened(predictor, finisher, open_stack(task.covariates, task.grid), inside)


def _dtype_here(task: MapTask, device: torch.device) -> torch.dtype:
    """Return half precision only where this worker is fast in it, too: emulated, it takes a hundred times as long."""
    asked: torch.dtype = getattr(torch, task.dtype)
    return asked if asked == torch.float32 or asked in half_kinds(device) else torch.float32
