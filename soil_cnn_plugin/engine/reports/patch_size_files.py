"""A comparison of patch sizes as the content of a JSON file."""

from __future__ import annotations

from dataclasses import asdict

from soil_cnn_plugin.engine.assessment.comparison import RMSE, Judged, Measure
from soil_cnn_plugin.engine.assessment.patch_sizes import (
    AT_SIZES,
    CHOSEN_BY,
    ErrorCurves,
    PatchSizeComparison,
    conclusion,
)


def metrics_content(comparison: PatchSizeComparison) -> dict[str, object]:
    """Curves of all targets together and of each, the scores behind them, and what they come to."""
    east, north = comparison.metres
    return {
        "best_patch_size": comparison.curves.recommended,
        "lowest_error_patch_size": comparison.curves.best,
        "chosen_by": CHOSEN_BY,
        "conclusion": conclusion(comparison),
        "sizes": [
            {
                "pixels": size,
                "metres_east": size * east,
                "metres_north": size * north,
                "overlap_percent": comparison.overlap_percent[size],
            }
            for size in comparison.sizes
        ],
        "all_targets": _curves_content(comparison.curves),
        "targets": {
            target.soil_property.field: {
                "label": target.soil_property.label,
                "n": target.count,
                "standard_deviation": target.deviation,
                **_curves_content(curves),
                "scores": {
                    **{
                        name: _scores_content(held_out, comparison.measure)
                        for name, held_out in target.baselines.items()
                    },
                    **{
                        name: {
                            str(size): _scores_content(target.by_size[size][name], comparison.measure)
                            for size in comparison.sizes
                        }
                        for name in AT_SIZES
                    },
                },
            }
            for target, curves in zip(comparison.targets, comparison.target_curves)
        },
        "folds": comparison.folds_sentence,
        "notes": comparison.notes,
        "settings": comparison.settings,
        "versions": comparison.versions,
    }


def _curves_content(curves: ErrorCurves) -> dict[str, object]:
    return {
        "recommended": curves.recommended,
        "lowest_error": curves.best,
        "curves": {name: [asdict(item) for item in items] for name, items in curves.sized.items()},
        "baselines": {name: asdict(item) for name, item in curves.baselines.items()},
        "context_against_point": asdict(curves.context) if curves.context else None,
    }


def _scores_content(held_out: Judged, measure: Measure) -> dict[str, object]:
    """Over all held-out observations, and the error in each fold."""
    name = "fold_rmse" if measure == RMSE else "fold_brier"
    return {**vars(held_out.scores), name: [scores.error for scores in held_out.fold_scores]}
