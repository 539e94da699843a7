"""A map's blocks as tasks of a Dask cluster: each worker opens network and covariates once and predicts what it gets.

A worker that dies costs only its blocks: the scheduler gives them to another one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import uuid4

import numpy as np
import torch
from distributed import Client, Future, get_worker
from distributed.client import ClosedClientError
from distributed.scheduler import KilledWorker
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.data.covariates import CovariateStack, open_stack
from soil_cnn_plugin.engine.data.grid import Block, Grid
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.mapping.ahead import alone
from soil_cnn_plugin.engine.mapping.area import read_area
from soil_cnn_plugin.engine.mapping.blocks import Read, read_block
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock
from soil_cnn_plugin.engine.networks.device import choose_device
from soil_cnn_plugin.engine.networks.dissimilarity import BlockIndex
from soil_cnn_plugin.engine.networks.half_precision import half_kinds
from soil_cnn_plugin.engine.networks.network_file import read_network
from soil_cnn_plugin.engine.report import Report

_SECONDS_TO_CONNECT = 15
_SECONDS_A_LOOK = 5.0
_LOOKS = 60  # without any worker, until all is given up: Dask itself would wait for ever
_LOCK = threading.Lock()
_TASKS_A_THREAD = 3  # under way: enough that no worker waits, few enough that results do not pile up


@dataclass(frozen=True)
class MapTask:
    """What a worker must know of the map; paths must name the same files on every machine."""

    network: str
    covariates: tuple[Covariate, ...]
    grid: Grid
    area: str
    dissimilarity_space: str  # empty: not asked for
    dtype: str = "float32"  # of torch, what networks compute in where that is fast
    device: str = "auto"
    run: str = field(default_factory=lambda: uuid4().hex)  # workers live on, and files change: nothing is kept for long


def predict_blocks_on_cluster(
    scheduler: str, task: MapTask, size: int, report: Report
) -> Generator[PredictedBlock | Block, None, None]:
    """As `predict_blocks`, on the workers of the scheduler at an address such as tcp://node1:8786.

    Raises:
        EngineError: there is no scheduler or worker, they lack this software or the files, or all is lost half-way.
    """
    with _connected(scheduler) as client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise EngineError(f"The Dask scheduler {scheduler} has no workers. Start some and run again.")
        report.info(f"The blocks are predicted on the Dask cluster {scheduler}: {len(client.nthreads())} workers.")
        waiting: deque[Future[PredictedBlock | Block]] = deque()
        blocks = iter(task.grid.blocks(size))
        try:
            while True:
                while len(waiting) < _TASKS_A_THREAD * threads and (block := next(blocks, None)) is not None:
                    with _in_words(scheduler):
                        waiting.append(client.submit(_predict, task, block, pure=False))
                if not waiting:
                    return
                yield _result(waiting.popleft(), client, scheduler, report)
        finally:
            with suppress(ClosedClientError):
                client.cancel(list(waiting))


def _connected(scheduler: str) -> Client:
    try:
        return Client(scheduler, timeout=_SECONDS_TO_CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        raise EngineError(
            f"No Dask scheduler answers at {scheduler!r}: {error}. Write its address as tcp://machine:8786, as"
            " 'dask scheduler' tells when it starts; or leave the cluster empty."
        ) from error


def _result(
    future: Future[PredictedBlock | Block], client: Client, scheduler: str, report: Report
) -> PredictedBlock | Block:
    looks = 0
    while looks < _LOOKS:
        with _in_words(scheduler):
            try:
                result: PredictedBlock | Block = future.result(timeout=_SECONDS_A_LOOK)
                return result
            except TimeoutError:
                if future.done():  # type: ignore[no-untyped-call]  # it was raised on a worker
                    raise
            looks = 0 if client.nthreads() else looks + 1  # type: ignore[no-untyped-call]
        if looks == 1:
            report.warning(f"The Dask cluster {scheduler} has no worker left. The map waits for new ones.")
    raise EngineError(
        f"The Dask cluster {scheduler} has had no worker for {_LOOKS * _SECONDS_A_LOOK:.0f} seconds. Nothing is"
        " written. Start workers, or let them live longer, and run again."
    )


@contextmanager
def _in_words(scheduler: str) -> Iterator[None]:
    """What went wrong on the cluster, or with it."""
    try:
        yield
    except EngineError as error:
        raise EngineError(f"A worker of the Dask cluster {scheduler} failed: {error}") from error
    except ModuleNotFoundError as error:
        raise EngineError(
            f"The workers of the Dask cluster {scheduler} cannot import {error.name}. Start them with the Python of the"
            " compute environment and the plugin's parent folder in PYTHONPATH."
        ) from error
    except KilledWorker as error:
        raise EngineError(
            f"Several workers of the Dask cluster {scheduler} died over one block. Perhaps their memory is too small:"
            " choose a smaller block size, or fewer threads a worker."
        ) from error
    except (OSError, RuntimeError, CancelledError, ClosedClientError) as error:
        raise EngineError(
            f"The Dask cluster {scheduler} was lost half-way: {error}. Nothing is written. Start it"
            " again and run again."
        ) from error


def _predict(task: MapTask, block: Block) -> PredictedBlock | Block:
    """On a worker: rasters are read by one of its threads at a time, blocks are predicted side by side."""
    with _LOCK:
        opened = _open(task)
        read = read_block(opened.stack, block, opened.predictor.trained.predictor.halo, opened.inside)
    if read is None:
        return block

    def predict(values: Read) -> PredictedBlock:
        return opened.predictor.predict(block, *values)

    if opened.predictor.device.type != "cpu":
        with _LOCK:
            return predict(read)
    return alone(predict)(read) if get_worker().state.nthreads > 1 else predict(read)


@dataclass(frozen=True)
class _Opened:
    predictor: BlockPredictor
    stack: CovariateStack
    inside: Callable[[Block], NDArray[np.bool_]] | None


@lru_cache(maxsize=1)
def _open(task: MapTask) -> _Opened:
    """Once a worker and map."""
    device = choose_device(task.device, Report(lambda event: None))
    trained = read_network(task.network, device)
    index = None
    if task.dissimilarity_space:
        (space,) = (space for space in trained.spaces if space.words.space == task.dissimilarity_space)
        index = BlockIndex(space, trained.encoder, device)
    inside = read_area(task.area, task.grid) if task.area else None
    predictor = BlockPredictor(trained, task.grid, device, index, _dtype_here(task, device))
    return _Opened(predictor, open_stack(task.covariates, task.grid), inside)


def _dtype_here(task: MapTask, device: torch.device) -> torch.dtype:
    """Half precision where this worker is fast in it, too: emulated it takes a hundred times as long."""
    asked: torch.dtype = getattr(torch, task.dtype)
    return asked if asked == torch.float32 or asked in half_kinds(device) else torch.float32
