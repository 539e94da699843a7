"""What the targets are: soil properties, classes, parts of a composition."""

from __future__ import annotations

from dataclasses import dataclass

from soil_cnn_plugin.contract.soil_property import SoilProperty


@dataclass(frozen=True)
class TargetsInWords:
    """The targets; `classes`, names of soil classes, where there is one target and its values count them from 0;
    `compositions`, the fields of the targets that are parts of one whole."""

    targets: tuple[SoilProperty, ...]
    classes: tuple[str, ...] = ()
    compositions: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        fields = [target.field for target in self.targets]
        parts = [part for composition in self.compositions for part in composition]
        if len(set(fields)) < len(fields) or len(set(parts)) < len(parts) or not set(parts) <= set(fields):
            raise ValueError("two targets have one name, or a composition other parts")
        if any(len(composition) < 2 for composition in self.compositions):
            raise ValueError("a composition has one part")
        is_odd = len(set(self.classes)) < len(self.classes) or len(self.classes) > MOST_CLASSES + 1  # and the others
        if self.classes and (len(fields) != 1 or parts or is_odd or not all(self.classes)):
            raise ValueError("the classes make no sense")

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the targets that are learned together: parts of a composition, each other target alone."""
        fields = [target.field for target in self.targets]
        whole_of = {part: composition for composition in self.compositions for part in composition}
        groups = dict.fromkeys(whole_of.get(field, (field,)) for field in fields)
        return tuple(tuple(fields.index(field) for field in group) for group in groups)


MOST_CLASSES = 100
