"""Network files of compositions: what is written is read, and what strangers change is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from soil_cnn_plugin.engine.targets.compositions import CompositionOutcome
from soil_cnn_plugin.engine.training.network_file import read_network, write_network
from tests.engine.compositions import composition_network
from tests.engine.landscape import make_landscape, same_description
from tests.engine.training.test_network_file import change_description, refused

DEPTHS = ("0_5", "5_15", "15_30")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("composition")
    path = str(folder / "n.safetensors")
    write_network(path, composition_network(make_landscape(folder), DEPTHS))
    return Path(path).read_bytes()


@pytest.fixture
def path(content: bytes, tmp_path: Path) -> str:
    (tmp_path / "n.safetensors").write_bytes(content)
    return str(tmp_path / "n.safetensors")


def test_compositions_come_back_as_they_were(tmp_path: Path) -> None:
    trained = composition_network(make_landscape(tmp_path), DEPTHS)
    write_network(str(tmp_path / "n.safetensors"), trained)
    found = read_network(str(tmp_path / "n.safetensors"), torch.device("cpu"))
    assert same_description(found.description, trained.description)
    assert all(isinstance(outcome, CompositionOutcome) for outcome in found.description.outcomes)
    assert found.description.transforms["clay_5_15"] == "log-ratio"


def outcome_of(description: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = description["outcomes"][0]
    return found


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a whole of nothing": lambda d: outcome_of(d)["scale"].update(whole=0.0),
    "a whole that is no number": lambda d: outcome_of(d)["scale"].update(whole="100"),
    "a part too few": lambda d: outcome_of(d)["scale"]["floors"].pop(),
    "a column too many": lambda d: outcome_of(d)["scale"]["centre"].append(0.0),
    "a ratio beyond all numbers": lambda d: outcome_of(d)["scale"].update(centre=[1e300, 0.0]),
    "no residuals": lambda d: outcome_of(d)["calibration"].update(residuals=[]),
    "residuals of another width": lambda d: outcome_of(d)["calibration"]["residuals"][3].append(1.0),
    "a residual too many": lambda d: outcome_of(d)["calibration"].update(residuals=[[0.0, 0.0]] * 257),
    "spreads below 0": lambda d: outcome_of(d)["calibration"].update(scales=[[-1.0, 1.0], [1.0, 1.0]]),
    "spreads of one column": lambda d: outcome_of(d)["calibration"]["scales"].pop(),
    "an outcome of numbers": lambda d: d["outcomes"].__setitem__(
        0, {"scale": {"transform": "none", "centre": 0, "spread": 1, "upper": 1, "squeeze": 0}, "calibration": {}}
    ),
    "no compositions": lambda d: d.update(compositions=[]),
    "a composition of one part": lambda d: d["compositions"][0].__delitem__(slice(1, None)),
    "a composition of a part that is no target": lambda d: d["compositions"][0].__setitem__(0, "gold"),
    "one part in two compositions": lambda d: d["compositions"][1].__setitem__(0, d["compositions"][0][0]),
    "a composition too few": lambda d: d["compositions"].pop(),
    "weights of the parts, not of what is learned": lambda d: d["weights"][0].extend([1.0] * 3),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_composition_that_makes_no_sense_is_refused(path: str, what: str) -> None:
    change_description(path, CHANGES[what])
    refused(path)
