"""Each observation is predicted by what had not seen it, and an exchange changes one covariate alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.explaining.patch_views import encode, exchange_beyond, see
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.unseen import (
    HeldOutRows,
    TrainingRows,
    UnseenPredictor,
    covariate_names,
    place_keys,
)
from tests.engine.landscape import SIDE, Landscape, cut, make_landscape, random_network

SIZE, COUNT = 15, 30
RNG = np.random.default_rng(5)
PLACES = np.column_stack([1000 + 400 * RNG.random(COUNT), 1600 + 400 * RNG.random(COUNT)])


@pytest.fixture
def landscape(tmp_path: Path) -> Landscape:
    return make_landscape(tmp_path, has_aspect=True)


@pytest.fixture
def trained(landscape: Landscape) -> TrainedNetwork:
    return random_network(landscape, patch_size=SIZE, has_location=True)


@pytest.fixture
def patches(landscape: Landscape) -> np.ndarray:
    rows, cols = RNG.integers(8, SIDE - 8, (2, COUNT))
    return cut(landscape.values, rows, cols, SIZE)


def test_exchanging_a_covariate_is_exchanging_its_layer_in_the_patches(trained: TrainedNetwork, patches) -> None:
    order = RNG.permutation(COUNT)
    views = see(trained, encode(trained, patches, PLACES))
    for covariate in range(patches.shape[1]):
        changed = patches.copy()
        changed[:, covariate] = patches[order, covariate]
        expected = see(trained, encode(trained, changed, PLACES))
        found = views.exchange(covariate, order)
        torch.testing.assert_close(found.inputs[0], expected.inputs[0])
        # The last channel of the convolutions is the share of known covariates, which belongs to none of them.
        torch.testing.assert_close(found.inputs[1][..., :-1], expected.inputs[1][..., :-1])
        np.testing.assert_allclose(found.context, expected.context, rtol=1e-6)


def test_exchanging_the_location_leaves_the_covariates_alone(trained: TrainedNetwork, patches) -> None:
    order = RNG.permutation(COUNT)
    names = covariate_names(trained.encoder)
    assert names == ["elevation", "flow", "soil", "aspect", "location"]
    found = see(trained, encode(trained, patches, PLACES)).exchange(names.index("location"), order)
    expected = see(trained, encode(trained, patches, PLACES[order]))
    np.testing.assert_allclose(found.context[:, -6:], expected.context[:, -6:])
    np.testing.assert_allclose(found.context[:, :-6], see(trained, encode(trained, patches, PLACES)).context[:, :-6])


def test_pixels_beyond_a_radius_are_exchanged_in_all_covariates_together(trained: TrainedNetwork, patches) -> None:
    order, radius, middle = RNG.permutation(COUNT), 3, SIZE // 2
    kept = slice(middle - radius, middle + radius + 1)
    mixed = patches[order].copy()
    mixed[:, :, kept, kept] = patches[:, :, kept, kept]
    expected = see(trained, encode(trained, mixed, PLACES))
    found = see(trained, exchange_beyond(encode(trained, patches, PLACES), order, radius))
    torch.testing.assert_close(found.inputs[0], expected.inputs[0])
    torch.testing.assert_close(found.inputs[1], expected.inputs[1])


def test_members_predict_only_what_they_held_out(trained: TrainedNetwork, patches) -> None:
    views = see(trained, encode(trained, patches, PLACES))
    first = np.arange(COUNT) < 10
    members = np.stack([first, ~first])
    unseen = UnseenPredictor(trained.predictor.networks, (), HeldOutRows((members, members), (~first).astype(np.int64)))
    location, scale = unseen.predict(views)
    for index, network in enumerate(trained.predictor.networks):
        with torch.no_grad():
            all_members = network.predict(views.inputs[index].expand(2, *views.inputs[index].shape))[0].numpy()
        np.testing.assert_allclose(location[index, first], all_members[0, first], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(location[index, ~first], all_members[1, ~first], rtol=1e-4, atol=1e-5)
    assert np.isfinite(scale).all()


def test_forests_predict_only_the_fold_that_they_left_out(trained: TrainedNetwork, patches) -> None:
    views = see(trained, encode(trained, patches, PLACES))
    forests = trained.predictor.forests
    fold = np.arange(COUNT) % 2
    held_out = HeldOutRows(tuple(np.ones((2, COUNT), bool) for _ in range(2)), fold)
    parts = ((forests[0], forests[1]), (forests[1], forests[0]))  # of each target: of fold 0, of fold 1
    location, _ = UnseenPredictor(trained.predictor.networks, parts, held_out).predict(views)
    answers = [forest.mean_and_spread(views.context)[0][:, 0] for forest in forests]
    np.testing.assert_allclose(location[-1, :, 0], np.where(fold == 0, answers[0], answers[1]))
    np.testing.assert_allclose(location[-1, :, 1], np.where(fold == 0, answers[1], answers[0]))


def test_training_rows_survive_a_file_and_are_checked() -> None:
    rows = TrainingRows(place_keys(PLACES), HeldOutRows((RNG.random((3, COUNT)) < 0.2,), np.arange(COUNT) % 5))
    tensors = rows.tensors()
    found = TrainingRows.of(tensors, [3])
    assert found is not None and (found.keys == rows.keys).all() and (found.held_out.fold == rows.held_out.fold).all()
    assert (found.held_out.members[0] == rows.held_out.members[0]).all()
    assert TrainingRows.of({}, [3]) is None
    with pytest.raises(ValueError, match="incomplete"):
        TrainingRows.of(tensors, [4])
    with pytest.raises(ValueError, match="folds that do not exist"):
        TrainingRows.of({**tensors, "fold": tensors["fold"] - 1}, [3])


def test_keys_tell_places_apart_and_nothing_else() -> None:
    keys = place_keys(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [1.0, 2.0000001]]))
    assert keys[0] == keys[2] and len(set(keys.tolist())) == 3
