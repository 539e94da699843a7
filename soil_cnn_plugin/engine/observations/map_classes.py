"""Which class of a map an observed class is: told by its name or its code, never guessed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.jobs import AssessMap
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import as_numbers, is_text, parse_numbers
from soil_cnn_plugin.engine.observations.map_values import BandFacts
from soil_cnn_plugin.engine.observations.names import plain_name
from soil_cnn_plugin.engine.observations.notes import Notes, comma_separated
from soil_cnn_plugin.engine.observations.point_layer import Layer
from soil_cnn_plugin.engine.observations.soil_classes import OTHER, class_texts
from soil_cnn_plugin.engine.observations.target_values import holds_names
from soil_cnn_plugin.engine.targets.measured import TargetValues

_FEW_NUMBERS = 20
_CODE = re.compile(r"-?[0-9]{1,15}")


def is_map_of_classes(job: AssessMap, layer: Layer, facts: BandFacts, notes: Notes) -> bool:
    """Decide whether classes are compared: the job says so, the map has names of classes, or the field holds names.

    Raises:
        EngineError: the map has names of classes, but the field holds measured numbers.
    """
    field = job.target.field
    if job.target_type != "auto":
        return job.target_type == "class"
    if holds_names(layer, field):
        notes.facts.append(tr("{} holds names, so the map is assessed as one of classes.").format(field))
        return True
    column = layer.column(field, "target")
    values = parse_numbers(column).values if is_text(column) else as_numbers(column)
    different = np.unique(values[np.isfinite(values)])
    are_whole = bool((different == np.rint(different)).all())
    if facts.class_names:
        if not are_whole:
            odd = float(different[different != np.rint(different)][0])
            raise EngineError(
                tr(
                    "{} is a map of classes ({}), but {} of '{}' holds measured numbers such as {:g}. Choose"
                    " the field of classes; or the target type 'continuous', if the map holds measured numbers"
                    " in spite of its names."
                ).format(job.map.path, comma_separated(facts.class_names.values()), field, layer.name, odd)
            )
        names = comma_separated(facts.class_names.values())
        notes.facts.append(tr("The map has names of classes ({}), so it is assessed as one of classes.").format(names))
        return True
    if facts.is_whole and are_whole and 1 < len(different) <= _FEW_NUMBERS:
        notes.doubts.append(
            tr(
                "The map and {} hold whole numbers only, {} {} different ones, and are compared as measured"
                " numbers. If they are codes of classes, choose the target type 'class'."
            ).format(field, field, len(different))
        )
    return False


def check_no_interval(job: AssessMap) -> None:
    """Raise EngineError where limits are given, which a map of classes cannot have."""
    if job.lower is not None:
        raise EngineError(
            tr("{} is a map of classes, which has no prediction interval. Leave LOWER and UPPER empty.").format(
                job.map.path
            )
        )
    if job.detection_limit:
        raise EngineError(
            tr("{} holds classes, which have no detection limit. Leave {} out.").format(
                job.target.field, job.detection_limit
            )
        )


def read_observed_classes(layer: Layer, field: str, notes: Notes) -> tuple[list[str], TargetValues]:
    """Return the observed classes, sorted, and the number of each observation's class, NaN where none is given.

    Raises:
        EngineError: there are no classes, or measured numbers.
    """
    texts = class_texts(layer, field, notes)
    different = sorted(set(texts) - {""})
    number = {text: float(index) for index, text in enumerate(different)}
    values = np.array([[number.get(text, np.nan)] for text in texts])
    return different, TargetValues(
        values, np.zeros(values.shape, np.bool_), np.zeros_like(values), np.ones(len(values))
    )


@dataclass(frozen=True)
class MatchedClasses:
    """The classes of a map and of its observations: `of_code` and `of_text` lead to a class, by its number.

    `names` are those of the map's classes in the order of their codes, then those that only observations have.
    `by` is `name` or `code`; `unmapped` counts the observations of classes that the map does not have.
    """

    names: tuple[str, ...]
    of_code: dict[int, int]
    of_text: dict[str, int]
    by: str
    unmapped: dict[str, int]

    def numbers(self, codes: Array) -> Rows:
        """Return the class of each of the codes (n,)."""
        return np.array([self.of_code[int(code)] for code in codes], np.int64)

    def per_class(self, by_code: Mapping[int, float]) -> Array:
        """Return the sum (K,) of what each code has, class by class."""
        sums = np.zeros(len(self.names))
        for code, value in by_code.items():
            sums[self.of_code[code]] += value
        return sums


def match_classes(
    texts: Iterable[str], present: Iterable[int], legend: Mapping[int, str], job: AssessMap, notes: Notes
) -> MatchedClasses:
    """Match the observed classes with those of a map whose pixels hold the codes `present`, and tell how.

    Names count before codes, unless codes match more observations: this plugin numbers the classes of a map anew,
    and observations of class `7` belong to the class of that name, whatever its code.

    Raises:
        EngineError: no observation has a class of the map.
    """
    observed = Counter(sorted(texts))
    named = {code: plain_name(name) for code, name in legend.items() if plain_name(name)}
    codes = sorted({*present, *named})
    names = _names_of_codes(codes, named)
    by_name, spelt = _by_name(observed, set(named.values()))
    by_code = {text: names[int(text)] for text in observed if _CODE.fullmatch(text) and int(text) in names}
    unlike = [text for text in by_name if text in by_code and by_name[text] != by_code[text]]
    if by_name:  # a code without a name goes by its number
        nameless = {str(code): name for code, name in names.items() if code not in named}
        by_name |= {text: nameless[text] for text in observed if text in nameless and text not in by_name}
    hits = {kind: sum(observed[text] for text in found) for kind, found in (("name", by_name), ("code", by_code))}
    if not any(hits.values()):
        raise _nothing_in_common(observed, names, job)
    by = "name" if hits["name"] >= hits["code"] else "code"
    found = by_name if by == "name" else by_code
    if unlike:
        code = _code_of(by_name[unlike[0]], names)
        taken = (
            tr("They are taken for names, which fit {} of {} observations.")
            if by == "name"
            else tr("They are taken for codes, which fit {} of {} observations.")
        ).format(hits[by], observed.total())
        notes.doubts.append(
            tr(
                "{} holds numbers that are both names and codes of the map's classes, and mean different ones: {} is"
                " the name of code {}. {} Use names of words if that is wrong."
            ).format(job.target.field, unlike[0], str(code), taken)
        )
    unmapped = {text: count for text, count in observed.items() if text not in found}
    if unmapped and OTHER in names.values():
        notes.doubts.append(
            tr(
                "The map shows {!r} where training merged rare classes. Observations of classes that it does"
                " not name count as such: {}."
            ).format(OTHER, _counted(unmapped))
        )
        found, unmapped = {**found, **dict.fromkeys(unmapped, OTHER)}, {}
    _tell(found, observed, unmapped, spelt if by == "name" else 0, by, job, notes)
    on_map = dict.fromkeys(names[code] for code in codes if code in set(present) or names[code] in found.values())
    # A class that the map lacks gets no name of one that it has.
    lacking = {text: tr("{} (observed)").format(text) if text in on_map else text for text in unmapped}
    order = {name: number for number, name in enumerate([*on_map, *sorted(lacking.values())])}
    return MatchedClasses(
        names=tuple(order),
        of_code={code: order[name] for code, name in names.items() if name in order},
        of_text={text: order[name] for text, name in {**found, **lacking}.items()},
        by=by,
        unmapped={lacking[text]: count for text, count in unmapped.items()},
    )


def _names_of_codes(codes: list[int], named: Mapping[int, str]) -> dict[int, str]:
    """Return code -> name; a code without one has its number, or `code 3` where a class is called 3."""
    taken = set(named.values())
    return {
        code: named.get(code) or (tr("code {}").format(str(code)) if str(code) in taken else str(code))
        for code in codes
    }


def _by_name(observed: Counter[str], own: set[str]) -> tuple[dict[str, str], int]:
    """Return observed text -> one of the map's `own` names, and how many observations differ from it in capital letters
    only."""
    folded: dict[str, set[str]] = {}
    for name in own:
        folded.setdefault(name.casefold(), set()).add(name)
    found, spelt = {text: text for text in observed if text in own}, 0
    for text in observed.keys() - found.keys():
        alike = folded.get(text.casefold(), set())
        if len(alike) == 1:
            found[text] = next(iter(alike))
            spelt += observed[text]
    return found, spelt


def _tell(
    found: Mapping[str, str],
    observed: Counter[str],
    unmapped: Mapping[str, int],
    spelt: int,
    by: str,
    job: AssessMap,
    notes: Notes,
) -> None:
    matched = sum(observed[text] for text in found)
    notes.facts.append(
        (
            tr("{} of {} observations are matched with the map's classes by name ({}: {} of {} classes).")
            if by == "name"
            else tr("{} of {} observations are matched with the map's classes by code ({}: {} of {} classes).")
        ).format(matched, observed.total(), job.target.field, len(found), len(observed))
    )
    if spelt:
        notes.doubts.append(
            tr(
                "{} observations have a class that differs from the map's name in capital letters only; they"
                " count as of the map's class."
            ).format(spelt)
        )
    if unmapped:
        notes.doubts.append(
            tr(
                "The map does not have the classes of {} observations: {}. It is wrong wherever they are, and"
                " they count as such."
            ).format(sum(unmapped.values()), _counted(unmapped))
        )


def _counted(counts: Mapping[str, int]) -> str:
    return comma_separated((f"{name} {count}" for name, count in counts.items()), 20)


def _code_of(name: str, names: Mapping[int, str]) -> int:
    return next(code for code, other in names.items() if other == name)


def _nothing_in_common(observed: Counter[str], names: Mapping[int, str], job: AssessMap) -> EngineError:
    shown = comma_separated(f"{code} {name}" if name != str(code) else name for code, name in names.items())
    classes = comma_separated(map(repr, sorted(observed)))
    return EngineError(
        tr(
            "No observation has a class of the map. {} holds {}; the map has the codes {}. Choose a field that"
            " holds the map's codes or names, or name the codes in the map's attribute table or in the legend"
            " of its layer."
        ).format(job.target.field, classes, shown)
    )
