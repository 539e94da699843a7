"""Groups targets that are parts of one whole: sand, silt and clay of each depth."""

from __future__ import annotations

from collections.abc import Sequence

from .job import JobError
from .language import tr
from .soil_property import SoilProperty

Groups = tuple[tuple[str, ...], ...]


def group_parts(targets: Sequence[SoilProperty]) -> Groups:
    """Return the fields of the parts of each whole. Parts of one depth belong together (sand_0_5, clay_0_5); if the
    names have no depth, parts with the same ending do, provided each part has each ending (sand_A, clay_A, sand_B,
    clay_B)."""
    by_depth: dict[object, list[str]] = {}
    by_ending: dict[str, list[str]] = {}
    for target in targets:
        by_depth.setdefault(target.depth_cm, []).append(target.field)
        by_ending.setdefault(target.field.rpartition("_")[2], []).append(target.field)
    parts = {frozenset(field.rpartition("_")[0] for field in fields) for fields in by_ending.values()}
    is_by_ending = len(by_depth) == 1 and len(by_ending) > 1 and len(parts) == 1 and len(targets) > len(by_ending)
    groups = by_ending.values() if is_by_ending else by_depth.values()
    return tuple(tuple(group) for group in groups)


def check_parts(groups: Groups) -> None:
    """Raise JobError if a part stands alone or is missing at a depth."""
    for group in groups:
        if len(group) < 2:
            raise JobError(
                (
                    tr(
                        "{} is the only part of its composition at that depth. Choose all parts of the whole, for"
                        " example sand, silt and clay of each depth."
                    )
                    if len(groups) > 1
                    else tr(
                        "{} is the only part of its composition. Choose all parts of the whole, for example sand, silt"
                        " and clay of each depth."
                    )
                ).format(group[0])
            )
    largest = max(groups, key=len, default=())
    names = {SoilProperty(field).name for field in largest}
    for group in groups:
        depth = SoilProperty(group[0]).depth_cm
        if depth and (missing := names ^ {SoilProperty(field).name for field in group}):
            raise JobError(
                tr(
                    "The parts of the composition differ between depths: {} is not chosen both with {} and with"
                    " {}. Choose the same parts at each depth."
                ).format(", ".join(sorted(missing)), ", ".join(largest), ", ".join(group))
            )


def name_wholes(groups: Sequence[Sequence[SoilProperty]]) -> tuple[str, ...]:
    """Return a name for each whole, from its parts, that tells it from the others: `0-30 cm`, or the ending that its
    fields share; empty if there is only one whole and it has no depth."""
    names = []
    for parts in groups:
        depth, endings = parts[0].depth_cm, {part.field.rpartition("_")[2] for part in parts}
        ending = endings.pop() if len(endings) == 1 and len(groups) > 1 else ""
        names.append(f"{depth[0]:g}-{depth[1]:g} cm" if depth else ending)
    return tuple(names)
