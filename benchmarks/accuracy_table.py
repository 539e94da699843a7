"""The table of `accuracy.py`: scores over all repeats of the folds and paired differences, as Markdown and JSON.

`python benchmarks/accuracy_table.py FOLDER ...` prints one table of the runs that wrote into these folders.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from soil_cnn_plugin.contract.decode import decode
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.comparison import PairedTest, paired_test
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, MEAN, METHODS, NETWORK
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, pit

PAIRS = ((BLEND, FOREST_CONTEXT), (NETWORK, FOREST_CONTEXT), (FOREST, FOREST_CONTEXT))
"""Every method beside the forest with context, the fair rival; below 0 is better than it."""
MEASURES = {"rmse": "RMSE", "crps": "CRPS", "interval_score": "interval score"}
"""What the blend and the rivals are compared by."""
EXCEEDED = (0.75, 0.9, 0.95)
"""Quantiles of the observed values that are thresholds for the blend's probabilities of exceedance."""
HEADINGS = {
    "data": "data, folds",
    "rmse": "RMSE blend / forest with context",
    BLEND: "blend (p)",
    "crps": "its CRPS (p)",
    "interval_score": "its interval score (p)",
    NETWORK: "network (p)",
    FOREST: "forest at the point (p)",
    MEAN: "mean",
    "mec": "MEC blend / forest",
    "picp": "PICP90 blend / forest",
    "width": "width blend / forest",
}


@dataclass(frozen=True)
class Repeat:
    """Held-out predictions of one repeat of the folds, by method, and what was observed, for each target."""

    seed: int
    seconds: float
    targets: tuple[dict[str, HeldOut], ...]
    observed: tuple[Array, ...]


@dataclass(frozen=True)
class Mean:
    """One method's scores over all held-out observations, mean over the repeats."""

    rmse: float
    rmse_lowest: float
    rmse_highest: float
    mec: float
    ccc: float
    picp: float
    width: float


@dataclass(frozen=True)
class Change:
    """A measure of one method minus another's, in percent of the latter; `test` is in the unit, over all repeats'
    folds."""

    measure: str
    method: str
    other: str
    percent: float
    test: PairedTest | None
    folds_lower: int


@dataclass(frozen=True)
class Reliability:
    """Whether the blend's distributions hold: the share of observations that is `expected` above each quantile at
    EXCEEDED, with the standard `error` of counting them, and the `observed` one; and the share that is `covered`
    by 90 % intervals, in thirds from the narrowest intervals to the widest."""

    expected: tuple[float, ...]
    error: tuple[float, ...]
    observed: tuple[float, ...]
    covered: tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """One target with one kind of folds."""

    data: str
    target: str
    observations: int
    kind: str
    repeats: int
    folds: int
    seconds: float
    methods: dict[str, Mean]
    changes: tuple[Change, ...]
    reliability: Reliability


def summarize(data: str, target: str, t: int, kind: str, repeats: Sequence[Repeat]) -> Row:
    """Return the row of target number `t`."""
    of_target = [repeat.targets[t] for repeat in repeats]
    first = of_target[0][FOREST_CONTEXT]
    return Row(
        data=data,
        target=target,
        observations=len(first.mean),
        kind=kind,
        repeats=len(repeats),
        folds=len(first.fold_scores),
        seconds=sum(repeat.seconds for repeat in repeats),
        methods={name: _mean([methods[name] for methods in of_target]) for name in of_target[0]},
        changes=tuple(_change(of_target, method, other) for method, other in PAIRS)
        + tuple(_change(of_target, BLEND, FOREST_CONTEXT, measure) for measure in ("crps", "interval_score"))
        + tuple(
            _change(of_target, BLEND, name, measure)
            for name in of_target[0]
            if name not in METHODS
            for measure in MEASURES
        ),
        reliability=_reliability([repeat.observed[t] for repeat in repeats], [found[BLEND] for found in of_target]),
    )


def write_table(folder: Path, rows: Sequence[Row], settings: Mapping[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"settings": settings, "rows": [asdict(row) for row in rows]}
    (folder / "accuracy.json").write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")
    text = "\n".join(filter(None, [to_markdown(rows), rivals_to_markdown(rows), reliability_to_markdown(rows)]))
    (folder / "accuracy.md").write_text(text, encoding="utf-8")


def read_rows(folder: Path) -> tuple[Row, ...]:
    content = json.loads((folder / "accuracy.json").read_text(encoding="utf-8"))
    return decode(tuple[Row, ...], content["rows"], "rows")  # type: ignore[arg-type]


def to_markdown(rows: Sequence[Row]) -> str:
    return _table([*HEADINGS.values()], [_cells(row) for row in rows])


def rivals_to_markdown(rows: Sequence[Row]) -> str:
    """The blend beside methods of others, a table a measure: below 0 the blend is better. Empty where none were asked
    for."""
    found = [{(each.other, each.measure): each for each in row.changes if each.method == BLEND} for row in rows]
    rivals = [*dict.fromkeys(other for changes in found for other, _ in changes if other not in METHODS)]
    tables = []
    for measure, words in MEASURES.items() if rivals else ():
        lines = [
            [
                _data_in_words(row),
                *(_change_in_words(changes[rival, measure]) if (rival, measure) in changes else "" for rival in rivals),
            ]
            for row, changes in zip(rows, found)
        ]
        tables.append(_table([f"{words} of the blend against (p)", *rivals], lines))
    return "\n".join(tables)


def reliability_to_markdown(rows: Sequence[Row]) -> str:
    """Whether the blend's probabilities of exceedance and its intervals hold."""
    heading = ["data, folds", *(f"above the {100 * level:g} % quantile, expected / observed" for level in EXCEEDED)]
    lines = []
    for row in rows:
        found = row.reliability
        above = zip(found.expected, found.error, found.observed)
        cells = [f"{told:.3f} ± {error:.3f} / {seen:.3f}" for told, error, seen in above]
        lines.append([_data_in_words(row), *cells, " / ".join(f"{share:.2f}" for share in found.covered)])
    return _table([*heading, "coverage, narrowest / middle / widest third"], lines)


def _table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    shown = [heading, ["---"] * len(heading), *lines]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in shown)


def _cells(row: Row) -> list[str]:
    of_rival = [change for change in row.changes if change.other == FOREST_CONTEXT]
    changes = {change.method: change for change in of_rival if change.measure == "rmse"}
    spread = {change.measure: change for change in of_rival}
    rival, blend = row.methods[FOREST_CONTEXT], row.methods[BLEND]
    of_mean = 100 * (row.methods[MEAN].rmse / rival.rmse - 1)
    return [
        f"{_data_in_words(row)}, {row.repeats} x {row.folds}",
        f"{blend.rmse:.4g} / {rival.rmse:.4g}",
        _change_in_words(changes[BLEND]),
        *(_change_in_words(spread[name]) for name in ("crps", "interval_score")),
        *(_change_in_words(changes[name]) for name in (NETWORK, FOREST)),
        f"{of_mean:+.1f} %",
        *(f"{getattr(blend, name):.3g} / {getattr(rival, name):.3g}" for name in ("mec", "picp", "width")),
    ]


def _data_in_words(row: Row) -> str:
    return f"{row.data} {row.target} ({row.observations}), {row.kind.replace('_', ' ')}"


def _change_in_words(change: Change) -> str:
    percent = round(change.percent, 1)
    return (f"{percent:+.1f} %" if percent else "0.0 %") + (f" ({change.test.p:.2g})" if change.test else "")


def _mean(held_out: Sequence[HeldOut]) -> Mean:
    scores = [each.scores for each in held_out]
    errors = [each.rmse for each in scores]
    means = {
        name: float(np.mean([np.nan if getattr(each, name) is None else getattr(each, name) for each in scores]))
        for name in ("rmse", "mec", "ccc", "picp", "width")
    }
    return Mean(**means, rmse_lowest=min(errors), rmse_highest=max(errors))


def _reliability(observed: Sequence[Array], held_out: Sequence[HeldOut]) -> Reliability:
    """Means over the repeats."""
    told, error, seen, covered = [], [], [], []
    for values, found in zip(observed, held_out):
        thresholds = np.quantile(values, EXCEEDED)
        above = np.array([1 - pit(np.full(len(values), each), found.quantiles, QUANTILE_LEVELS) for each in thresholds])
        told.append(above.mean(axis=1))
        error.append(np.sqrt((above * (1 - above)).sum(axis=1)) / len(values))
        seen.append((values > thresholds[:, None]).mean(axis=1))
        inside = (values >= found.lower) & (values <= found.upper)
        thirds = np.array_split(np.argsort(found.upper - found.lower, kind="stable"), 3)
        covered.append([inside[third].mean() for third in thirds])
    return Reliability(*(tuple(np.mean(each, axis=0).tolist()) for each in (told, error, seen, covered)))


def _change(repeats: Sequence[Mapping[str, HeldOut]], method: str, other: str, measure: str = "rmse") -> Change:
    """Compare two methods; the folds of all repeats are tested together (Bouckaert & Frank 2004)."""
    pairs = [
        (a, b)
        for methods in repeats
        for a, b in zip(methods[method].fold_scores, methods[other].fold_scores)
        if a.n > 0
    ]
    total = sum(a.n for a, _ in pairs) / len(repeats)
    test_to_train = float(np.mean([a.n / (total - a.n) for a, _ in pairs]))
    means = [np.mean([getattr(methods[name].scores, measure) for methods in repeats]) for name in (method, other)]
    differences = np.array([getattr(a, measure) - getattr(b, measure) for a, b in pairs])
    return Change(
        measure=measure,
        method=method,
        other=other,
        percent=float(100 * (means[0] / means[1] - 1)),
        test=paired_test(differences, test_to_train),
        folds_lower=int((differences < 0).sum()),
    )


if __name__ == "__main__":
    found = [row for folder in sys.argv[1:] for row in read_rows(Path(folder))]
    print(to_markdown(found), rivals_to_markdown(found), reliability_to_markdown(found), sep="\n", end="")
