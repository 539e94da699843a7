"""Pairs each target with the field that holds its detection limit or its measurement error."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .job import JobError
from .language import tr
from .soil_property import SoilProperty

IN_WORDS = {"detection limit": tr("detection limit"), "measurement error": tr("measurement error")}
"""What a field may hold beside its target -> the words for it in messages."""


def partners(
    targets: Sequence[SoilProperty],
    fields: Sequence[str],
    what: str,
    without: Collection[str] = (),
    is_final: bool = True,
) -> dict[str, str]:
    """Return target field -> the field that holds its `what`; a target may have none.

    `what` is a key of `IN_WORDS`. `without` are targets that have none, such as classes. They wait for no field, and
    get one only if it has their name, or nothing else can be meant: it is for the caller to refuse that. Unless
    `is_final`, further targets may turn out to have none, so that too few fields for the remaining targets are no error
    yet; those are left out.

    A field belongs to the target whose name its own name begins or ends with (copper_dl, dl_copper), or to all depths
    of that property (clay_sd to clay_0_5 and clay_5_15). Fields with other names belong to the remaining targets in
    order; there must be one for each of them.

    Raises:
        JobError: it remains unclear which field belongs to which target.
    """
    taken = [field for field in fields if any(field == target.field for target in targets)]
    if taken:
        raise JobError(
            tr("{} is chosen both as a target and as a {} field. Choose another field for one of the two.").format(
                taken[0], IN_WORDS[what]
            )
        )
    found: dict[str, str] = {}
    by_length = sorted(fields, key=lambda field: len(_longest_name(field, targets)), reverse=True)
    for field in by_length:
        name = _longest_name(field, targets)
        owners = [target.field for target in targets if name and name in (target.field, target.name)]
        if owners and all(owner in found for owner in owners):
            raise JobError(
                tr("{} and {} are both named after {}, but a target has only one {} field. Choose one of them.").format(
                    found[owners[0]], field, owners[0], IN_WORDS[what]
                )
            )
        found.update({owner: field for owner in owners if owner not in found})
    nameless = [field for field in fields if field not in found.values()]
    rest = [target.field for target in targets if target.field not in found]
    left = [field for field in rest if field not in without] or rest
    if nameless and not is_final and len(nameless) < len(left):
        nameless = []
    if nameless and len(nameless) != len(left):
        example = tr("{}_{} for {}").format(targets[0].field, "dl" if "limit" in what else "sd", targets[0].field)
        raise JobError(
            tr(
                "It is not clear which {} belongs to which target: {} for {} targets ({}). Choose one field for"
                " each target, in the same order, or name each after its target: {}."
            ).format(IN_WORDS[what], ", ".join(nameless), len(left), ", ".join(left), example)
        )
    found.update(zip(left, nameless))
    return {target.field: found[target.field] for target in targets if target.field in found}


def _longest_name(field: str, targets: Sequence[SoilProperty]) -> str:
    """Return the longest name of a target or its property that a field's name begins or ends with, else empty."""
    names = {name for target in targets for name in (target.field, target.name) if _is_named_after(field, name)}
    return max(names, key=len, default="")


def _is_named_after(field: str, name: str) -> bool:
    """Whether a field has a target's name: `copper_dl`, `dl-copper` and `copperDL` have copper's, `pb_dl` not p's."""
    rest = field[len(name) :]
    if field.lower().startswith(name.lower()) and rest:
        return not rest[0].isalnum() or (rest[0].isupper() and not field[: len(name)].isupper())
    rest = field[: -len(name)]
    return field.lower().endswith(name.lower()) and bool(rest) and not rest[-1].isalnum()
