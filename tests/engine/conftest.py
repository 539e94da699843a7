"""What several rooms test with: a raster that is written, and an assessment as a run would leave it, of lognormal
properties and five methods whose distributions are nearly right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray
from scipy.stats import norm

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import Assessment, FoldsInWords, LossCurve
from soil_cnn_plugin.engine.assessment.comparison import verdict
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, MEAN, NETWORK
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.kriging import kernels
from soil_cnn_plugin.engine.reports import drawing
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, Scores, score
from soil_cnn_plugin.engine.training import designs
from tests.engine import pretended_gpu

RasterWriter = Callable[..., str]
pretended_gpu.register()


@pytest.fixture
def write_raster(tmp_path: Path) -> RasterWriter:
    """write_raster(name, (H, W) or (C, H, W) array, transform=..., crs=..., nodata=..., scale=..., offset=...)."""

    def write(
        name: str,
        values: NDArray[Any],
        transform: tuple[float, ...] = (10.0, 0.0, 1000.0, 0.0, -10.0, 2000.0),
        crs: str | None = "EPSG:28992",
        scale: float | None = None,
        offset: float | None = None,
        mask: NDArray[Any] | None = None,
        **options: Any,
    ) -> str:
        path = tmp_path / name
        bands = values if values.ndim == 3 else values[np.newaxis]
        count, height, width = bands.shape
        with rasterio.open(
            path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype,
            crs=crs, transform=rasterio.Affine(*transform), **options,
        ) as dataset:  # fmt: skip
            dataset.write(bands)
            if scale is not None:
                dataset.scales, dataset.offsets = (scale,) * count, (offset or 0.0,) * count
            if mask is not None:
                dataset.write_mask(mask)
        return str(path)

    return write


ERRORS = {BLEND: 0.34, NETWORK: 0.36, FOREST: 0.42, FOREST_CONTEXT: 0.39, MEAN: 0.6}
"""Standard deviation of what each method leaves unexplained, on the log scale, where the observations' is 0.6."""


def _render_words(figure: Figure) -> str:
    """A figure of its words alone. To lay out and draw those of one report takes seconds."""
    words = (item.get_text() for item in figure.findobj(Text))
    texts = "".join(f"<text>{escape(each, quote=False)}</text>" for each in words)
    return f'<svg xmlns="http://www.w3.org/2000/svg">{texts}</svg>'


@pytest.fixture
def words_of_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "render", _render_words)


@pytest.fixture(scope="module")
def words_of_all_figures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "render", _render_words)
        yield


@pytest.fixture(scope="module")
def quick_fits() -> Iterator[None]:
    """Fits in a fraction of their time, where tests look neither at what is cut short nor at folds of another kind:
    few trees, short searches for a Gaussian process's parameters, and only the folds that are asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 10)
        patch.setattr(kernels, "_STEPS", 8)
        patch.setattr(kernels, "_STEPS_ANEW", 2)
        patch.setattr(designs, "_with_other_folds", lambda *_: ())
        yield


@pytest.fixture(scope="session")
def make_assessment() -> Callable[..., Assessment]:
    return _make


def _make(
    count: int = 120,
    properties: Sequence[tuple[str, str]] = (("zinc", "mg/kg"), ("clay_5_15", "%")),
    *,
    folds: int = 5,
    overlap: float = 10.0,
    has_random_folds: bool = False,
    crs_name: str = "EPSG:28992",
    errors: dict[str, float] = ERRORS,
    widen: float = 1.0,
) -> Assessment:
    """`widen` makes predicted distributions wider than they should be. Each second target lacks some observations."""
    rng = np.random.default_rng(1)
    centres = rng.uniform((178500, 330000), (181500, 333500), (14, 2))
    coordinates = centres[rng.integers(0, len(centres), count)] + rng.normal(0, 220, (count, 2))
    fold = np.argsort(np.argsort(coordinates @ (0.7, 0.7))) * folds // count
    targets = []
    for t, (field, unit) in enumerate(properties):
        rows = np.arange(count) if t % 2 == 0 else np.flatnonzero(rng.random(count) < 0.8)
        x, y = ((coordinates[rows] - coordinates.mean(axis=0)) / 1000).T
        surface = np.sin(1.7 * x + t) + np.cos(1.3 * y - 0.4 * x * t)
        standard = (surface - surface.mean()) / surface.std() * 0.85 + rng.normal(0, 0.53, len(rows))
        logs = 3 + 0.6 * standard / standard.std()
        methods = {name: _predict(rng, logs, error, fold[rows], widen) for name, error in errors.items()}
        other_methods = {
            name: _predict(rng, logs, 0.9 * error if name != MEAN else error, fold[rows], widen)
            for name, error in errors.items()
        }
        targets.append(
            NumberTarget(
                soil_property=SoilProperty(field, unit),
                rows=rows,
                observed=np.exp(logs),
                fold=fold[rows],
                is_censored=np.zeros(len(rows), bool),
                limits=np.full(len(rows), -np.inf),
                errors=np.zeros(len(rows)),
                methods=methods,
                transform="log",
                verdict=verdict(methods, BLEND if BLEND in methods else NETWORK),
                other_methods=other_methods if has_random_folds else {},
            )
        )
    return Assessment(
        targets=tuple(targets),
        folds=FoldsInWords(
            "spatial_blocks",
            folds,
            f"{folds} folds of square blocks of 600 m: all observations in a block are held out together.",
            overlap,
            "random" if has_random_folds else "",
        ),
        coverage=0.9,
        coordinates=coordinates,
        crs_name=crs_name,
        cell_size=40.0,
        patch_size=31,
        loss_curves=_curves(rng),
        settings={"architecture": "both", "preset": "standard", "seed": "0", "device": "cpu"},
        versions={"Soil CNN": "0.1.0", "Python": "3.11.2", "torch": "2.13.0"},
        notes=("Two observations share a cell.",),
        predictor=BLEND if BLEND in errors else NETWORK,
    )


def _predict(rng: np.random.Generator, logs: np.ndarray, error: float, fold: np.ndarray, widen: float) -> HeldOut:
    """Predictions whose errors have the standard deviation `error` on the log scale, and are no better known."""
    share = 1 - (error / 0.6) ** 2
    location = 3 + share * (logs - 3) + rng.normal(0, error * np.sqrt(share), len(logs))
    quantiles = np.exp(location[:, None] + widen * error * norm.ppf(QUANTILE_LEVELS))
    mean = np.exp(location + error**2 / 2)
    lower, upper = quantiles[:, 4], quantiles[:, 94]
    observed = np.exp(logs)

    def score_of(rows: np.ndarray) -> Scores:
        return score(observed[rows], mean[rows], lower[rows], upper[rows], 0.9, quantiles[rows])

    by_fold = tuple(score_of(fold == number) for number in range(int(fold.max()) + 1))
    return HeldOut(mean, lower, upper, quantiles, score_of(np.ones(len(logs), bool)), by_fold)


def _curves(rng: np.random.Generator) -> tuple[LossCurve, ...]:
    steps = tuple(range(10, 310, 10))
    curves = []
    for architecture, speed in (("ring", 60), ("padarian", 90)) * 3:
        falling = np.exp(-np.array(steps) / speed)
        training = 0.3 + falling + rng.normal(0, 0.01, len(steps))
        held_out = 0.5 + falling + np.array(steps) / 3000 + rng.normal(0, 0.01, len(steps))
        kept = int(rng.choice(steps[5:20]))
        curves.append(LossCurve(architecture, steps, tuple(training), tuple(held_out), kept))
    return tuple(curves)
