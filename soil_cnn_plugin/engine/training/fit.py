"""Trains all members of a packed network at once, with early stopping on the observations that they hold out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Flags
from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.device import training_dtype
from soil_cnn_plugin.engine.machine.processes import (
    is_agreed,
    is_joined,
    mean_over_processes,
    sum_over_processes,
    with_shared_gradients,
)
from soil_cnn_plugin.engine.machine.torchrun import process_count, process_number
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.targets.learned import Lesson
from soil_cnn_plugin.engine.training.checkpoint import Average, Best, Checkpoint, TrainingState
from soil_cnn_plugin.engine.training.input_rows import Batch, Batches, InputRows
from soil_cnn_plugin.engine.training.stopping import STOPPING

_WARM_UP_STEPS = 20  # the learning rate rises linearly over these
_ROWS_AT_ONCE = 512  # most observations that a member predicts at once
_BYTES_AT_ONCE = 2**26  # inputs of all members; where these lie far, several pieces are fetched ahead


@dataclass(frozen=True)
class FitSettings:
    """How members are trained. `patience` counts evaluations without improvement, `evaluate_every` steps apart."""

    batch_size: int
    learning_rate: float
    weight_decay: float
    steps: int
    evaluate_every: int
    patience: int
    seed: int


@dataclass(frozen=True)
class HeldOutPredictions:
    """Each member's predictions of rows it held out: `location` and `scale` (K, N, R), NaN for its training rows."""

    location: Tensor
    scale: Tensor


def fit(
    network: PackedNetwork,
    inputs: InputRows,
    lesson: Lesson,
    held_out: Flags,
    settings: FitSettings,
    progress: Callable[[float], None],
    tell: Callable[[str], None],
    checkpoint: Checkpoint | None = None,
) -> tuple[HeldOutPredictions, LossCurve]:
    """Train `network` in place.

    `inputs` and the `lesson` are of N observations, the lesson lies on the device; `held_out` (K, N) says which rows
    each member does not train on. The members keep the moving average of their parameters at the step where the mean
    score of their held-out rows was lowest. `progress` gets the share done, first of all what a `checkpoint` had done,
    from which training goes on; `tell` gets a line now and then.

    Raises:
        EngineError: a member never predicts a number.
    """
    generator = torch.Generator(inputs.device).manual_seed(settings.seed)
    network.draw_parameters(generator)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=inputs.device.type in ("cpu", "cuda"),  # one pass over the parameters
    )
    now = TrainingState(network, optimizer, generator, Average(network), Best.of(network))
    if checkpoint and checkpoint.read(now):
        tell(tr("{}: goes on from its checkpoint, step {}").format(network.NAME, now.step))
    if not is_agreed(now.step, inputs.device):
        raise EngineError(
            tr(
                "The processes that train together do not find the same checkpoints beside the network file."
                " Choose a folder that all machines share, or train without RESUME."
            )
        )
    progress(1.0 if now.is_finished else now.step / settings.steps)
    if now.is_finished:
        STOPPING.note_end(network.NAME, now.best.step)
    else:
        _train(now, inputs, lesson, held_out, settings, progress, tell, checkpoint)
    if now.best.has_failed:
        raise EngineError(
            tr(
                "The training of the {} network diverged: its errors are not numbers from the start. Lower the"
                " learning rate, which is {:g}, and check the targets for wild values."
            ).format(network.NAME, settings.learning_rate)
        )
    epochs = now.best.step * min(1.0, settings.batch_size / int((~held_out).sum(1).min()))
    tell(f"{network.NAME}: {now.best.kept_in_words(epochs)}")
    now.best.restore(network)
    location, scale = predict_held_out(network, inputs, _tests(held_out, inputs.device), len(lesson), network.predict)
    return HeldOutPredictions(location, scale), now.best.curve(network.NAME)


def _train(
    now: TrainingState,
    inputs: InputRows,
    lesson: Lesson,
    held_out: Flags,
    settings: FitSettings,
    progress: Callable[[float], None],
    tell: Callable[[str], None],
    checkpoint: Checkpoint | None,
) -> None:
    """Train until the patience is used up, or all steps are done."""
    network = now.network
    network.batch_size = min(settings.batch_size, int((~held_out).sum(1).min()))
    batches = Batches(inputs, held_out, network.batch_size, settings.seed, network.symmetries())
    if now.order:
        batches.go_on(now.order)
    model, tests = with_shared_gradients(network), _tests(held_out, inputs.device)
    losses: list[Tensor] = []
    for step, batch in enumerate(islice(batches, settings.steps - now.step), now.step + 1):
        for group in now.optimizer.param_groups:
            group["lr"] = settings.learning_rate * min(1.0, step / _WARM_UP_STEPS)
        losses.append(_step(now, model, batch, lesson))
        progress(step / settings.steps)
        if step % settings.evaluate_every == 0 or step == settings.steps:
            mean_loss = mean_over_processes(torch.stack(losses).mean(0))
            now.best.take(step, mean_loss, _score(now, inputs, tests, lesson), now.average)
            losses.clear()
            now.step, now.order, now.evaluations = step, batch.order, now.evaluations + 1
            now.is_finished = now.best.waited >= settings.patience or step == settings.steps
            if now.is_finished:
                STOPPING.note_end(network.NAME, now.best.step)
            elif STOPPING.must_end(network.NAME, step):
                now.is_finished = True
                tell(tr("{} network: stops as asked and keeps the best of what it has learned").format(network.NAME))
            if checkpoint:
                checkpoint.write(now)
            if now.evaluations.bit_count() == 1 or now.is_finished:  # 1, 2, 4, 8, ...: often enough to see it grow
                most = max(1, round(settings.steps * batches.share_of_epoch))
                epochs = tr("epoch {:.0f} of at most {}").format(step * batches.share_of_epoch, most)
                tell(tr("{} network: {}, {}").format(network.NAME, epochs, now.best.in_words()))
            if now.is_finished:
                return


def _step(now: TrainingState, model: nn.Module, batch: Batch, lesson: Lesson) -> Tensor:
    """Take one step of the optimizer; return the losses (k,) before it."""
    device = batch.inputs.device
    dtype = training_dtype(device)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        output = model(batch.inputs)
    loss = now.network.loss(output.float(), lesson.take(batch.rows))
    now.optimizer.zero_grad(set_to_none=True)
    loss.sum().backward()
    now.optimizer.step()
    now.average.update(now.network)
    return loss.detach()


def _score(now: TrainingState, inputs: InputRows, tests: list[Tensor], lesson: Lesson) -> Tensor:
    """Scores (k,) of the average on the rows that each member holds out."""
    network = now.network
    with now.average.in_use(network):
        network.eval()
        location, scale = predict_held_out(network, inputs, tests, len(lesson), network.predict)
    network.train()
    score = network.heads.score(location, scale, lesson)
    return mean_over_processes(score)  # on unequal processors, a last bit could stop one process alone


def _tests(held_out: Flags, device: torch.device) -> list[Tensor]:
    return [torch.from_numpy(np.flatnonzero(rows)).to(device) for rows in held_out]


@torch.no_grad()
def predict_held_out(
    network: PackedNetwork,
    inputs: InputRows,
    tests: list[Tensor],
    count: int,
    predict: Callable[[Tensor], tuple[Tensor, Tensor]],
) -> tuple[Tensor, Tensor]:
    """Every member of a network in eval mode predicts its own held-out rows: location and scale (K, N, R), NaN
    elsewhere."""
    members, longest = len(tests), max(map(len, tests))
    location = torch.zeros((members, count, network.heads.columns), device=inputs.device)
    scale = torch.zeros_like(location)
    member = torch.arange(members, device=inputs.device)[:, None]
    # Rows repeat at the end of a shorter list: every member gets equally many, and the repeats change nothing.
    rows = torch.stack([test.repeat(-(-longest // len(test)))[:longest] for test in tests])
    pieces = rows.split(_rows_at_once(inputs, members), dim=1)
    own = pieces[process_number() :: process_count()] if is_joined() else pieces
    times = torch.zeros_like(location)  # by how many processes a row was predicted: repeats may fall to others
    for piece, seen in zip(own, inputs.fetch(inputs.take, own)):
        location[member, piece], scale[member, piece] = predict(seen)
        times[member, piece] = 1
    location, scale, times = (sum_over_processes(each) for each in (location, scale, times))
    return location / times, scale / times  # 0 / 0 where nothing was predicted


@torch.no_grad()
def predict_all(network: PackedNetwork, inputs: InputRows) -> tuple[Tensor, Tensor]:
    """Mean over members of location and scale for each row, (N, R)."""
    network.eval()
    pieces = []
    for batch in inputs.split(_rows_at_once(inputs, 1)):
        location, scale = network.predict(batch)
        pieces.append((location.mean(0), scale.mean(0)))
    return torch.cat([piece[0] for piece in pieces]), torch.cat([piece[1] for piece in pieces])


def _rows_at_once(inputs: InputRows, members: int) -> int:
    return max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // (members * inputs.row_bytes)))
