"""A training that is asked to stop: it keeps what it has learned, and others learn for as long."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from soil_cnn_plugin.contract.stop_file import STOP_VARIABLE
from soil_cnn_plugin.engine.training import fit as training
from soil_cnn_plugin.engine.training.checkpoint import Checkpoint, CheckpointFolder
from soil_cnn_plugin.engine.training.loss_line import curve_of
from soil_cnn_plugin.engine.training.stopping import Stopping
from tests.engine.landscape import Landscape, learned_of, lesson_of, make_landscape, rows_of
from tests.engine.training.test_fit import HELD_OUT, SETTINGS, build, data

LONG = replace(SETTINGS, steps=400, patience=400)


@pytest.fixture
def landscape(tmp_path: Path) -> Landscape:
    return make_landscape(tmp_path)


@pytest.fixture
def stop_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "stop"
    monkeypatch.setenv(STOP_VARIABLE, str(path))
    monkeypatch.setattr(training, "STOPPING", Stopping())
    return path


def learn(landscape: Landscape, stop_at: float, stop_file: Path) -> tuple[int, list[str]]:
    """Return the last step of a training, and what it told. The file appears when `stop_at` of it is done."""
    network, told = build(landscape, "ring"), []
    inputs, targets = data(network, landscape)

    def progress(share: float) -> None:
        if share >= stop_at:
            stop_file.write_text("")

    _, curve = training.fit(network, rows_of(inputs), lesson_of(targets), HELD_OUT, LONG, progress, told.append)
    return curve.steps[-1], told


def test_a_training_stops_when_the_file_appears_and_the_next_one_learns_for_as_long(
    landscape: Landscape, stop_file: Path
) -> None:
    steps, told = learn(landscape, 0.1, stop_file)
    assert steps == 40 and any("stops as asked" in line for line in told)
    assert learn(landscape, 0.0, stop_file)[0] == 40  # not at its first evaluation: its score is to be comparable
    assert training.STOPPING.note.startswith("Training was stopped by hand and kept what it had learned after 40 steps")


def test_without_the_file_nothing_stops_and_nothing_is_noted(landscape: Landscape, stop_file: Path) -> None:
    assert learn(landscape, 2.0, stop_file)[0] == 400
    assert training.STOPPING.note == ""


def test_an_ensemble_that_ended_by_itself_decides_for_those_that_follow(stop_file: Path) -> None:
    stopping = Stopping()
    stopping.note_end("ring", 60)
    stop_file.write_text("")
    assert [stopping.must_end("ring", step) for step in (40, 60, 80)] == [False, True, True]


def test_a_network_that_was_read_whole_decides_for_those_that_follow(
    landscape: Landscape, stop_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, kept = CheckpointFolder(tmp_path / "kept", pytest.fail), []
    for _ in range(2):  # the second time as in a process that goes on
        monkeypatch.setattr(training, "STOPPING", Stopping())
        network = build(landscape, "ring")
        inputs, targets = data(network, landscape)
        checkpoint = Checkpoint.of(folder, network, SETTINGS, learned_of(targets), HELD_OUT)
        arguments = (network, rows_of(inputs), lesson_of(targets), HELD_OUT, SETTINGS, lambda share: None)
        kept.append(training.fit(*arguments, lambda line: None, checkpoint)[1].kept_step)
    stop_file.write_text("")
    assert kept[0] == kept[1] > 4
    assert [training.STOPPING.must_end("ring", step) for step in (kept[0] - 1, kept[0])] == [False, True]


def test_the_curve_of_errors_falls_and_is_never_too_long() -> None:
    assert curve_of([4.0, 3.0, 2.0, 1.0]) == "█▆▃▁"
    assert curve_of([1.0]) == "" and curve_of([2.0, 2.0]) == "▁▁"
    assert len(curve_of([float(value) for value in range(1000)])) == 40
