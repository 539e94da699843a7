"""A methods section says how observations were held out in fact, and what overlapping patches mean for the map."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.assessment.assessment import Assessment, FoldsInWords
from soil_cnn_plugin.engine.assessment.folds import PlacedTargets, make_folds
from soil_cnn_plugin.engine.assessment.nearness import Nearness
from soil_cnn_plugin.engine.reports.held_out_words import (
    folds_in_words,
    methods_sentence,
    overlap_is_doubtful,
    overlap_sentence,
)

Make = Callable[..., Assessment]
RNG = np.random.default_rng(0)
AREA = RNG.uniform(0, 1000, (2000, 2))
SPREAD = RNG.uniform(0, 1000, (100, 2))
CLUSTERED = np.vstack([RNG.normal(centre, 15, (20, 2)) for centre in RNG.uniform(100, 300, (5, 2))])


def folds_of(kind: str, places: np.ndarray, overlap: float = 60.0) -> FoldsInWords:
    found = make_folds(kind, PlacedTargets(places, np.arange(100)), 5, seed=0, domain=AREA)
    return FoldsInWords(found.kind, found.count, found.sentence, overlap, is_random=found.is_random)


@pytest.mark.parametrize(
    ("kind", "places", "words"),
    [
        ("random", SPREAD, "(random folds)"),
        ("random", CLUSTERED, "(random folds)"),
        ("spatial_blocks", SPREAD, "(spatial blocks)"),
        ("groups", SPREAD, "(folds of whole groups)"),
        ("knndm", CLUSTERED, "(folds matched to the distances of the map (kNNDM))"),
        ("knndm", SPREAD, "(random folds, since by kNNDM the observations are no more clustered than the map)"),
    ],
)
def test_methods_say_what_was_done(make_assessment: Make, kind: str, places: np.ndarray, words: str) -> None:
    content = replace(make_assessment(), folds=folds_of(kind, places))
    assert f"assessed by 5-fold cross-validation {words}." in methods_sentence(content)


def test_every_validation_has_words() -> None:
    found = {folds_in_words(folds_of(kind, SPREAD)) for kind in TrainNetwork.VALIDATIONS}
    assert len(found) == len(TrainNetwork.VALIDATIONS) and not found & set(TrainNetwork.VALIDATIONS)


@pytest.mark.parametrize("places", [SPREAD, CLUSTERED])
def test_overlap_of_folds_matched_to_the_map_is_no_doubt(places: np.ndarray) -> None:
    folds = folds_of("knndm", places)
    text = overlap_sentence(folds)
    assert text.startswith("The patches of 60 % of the held-out observations overlap a patch that was trained on. ")
    assert "Patches of the map overlap those trained on, too" in text
    assert "The scores hold for the area that the folds were matched to" in text
    assert not overlap_is_doubtful(folds)


def test_overlap_is_a_doubt_where_even_matched_folds_lie_nearer_than_the_map() -> None:
    folds = replace(folds_of("knndm", CLUSTERED), nearness=Nearness(10.0, 100.0))
    assert overlap_is_doubtful(folds) and "the scores hold close to the observations" in overlap_sentence(folds)
    assert not overlap_is_doubtful(replace(folds, nearness=Nearness(60.0, 100.0)))


@pytest.mark.parametrize("kind", ["random", "spatial_blocks", "groups"])
def test_overlap_of_other_folds_is_a_doubt(kind: str) -> None:
    folds = folds_of(kind, SPREAD)
    assert overlap_is_doubtful(folds) and "the scores hold close to the observations" in overlap_sentence(folds)
    few = replace(folds, overlap_percent=10.0)
    assert not overlap_is_doubtful(few) and overlap_sentence(few).endswith("that was trained on.")
