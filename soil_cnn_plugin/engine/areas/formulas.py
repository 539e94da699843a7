"""Stocks and other formulas of several targets, evaluated on arrays: in which unit, and which values are impossible."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from soil_cnn_plugin.contract.expressions import parse_formula
from soil_cnn_plugin.contract.jobs import Expression, SummarizeAreas
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.notes import comma_separated

_CONTENTS = {
    "%": 0.01,
    "g/100g": 0.01,
    "g/kg": 1e-3,
    "mg/g": 1e-3,
    "mg/kg": 1e-6,
    "ppm": 1e-6,
    "kg/kg": 1.0,
    "g/g": 1.0,
}
_DENSITIES = {"g/cm3": 1.0, "t/m3": 1.0, "mg/m3": 1.0, "kg/dm3": 1.0, "kg/l": 1.0, "g/ml": 1.0, "kg/m3": 1e-3}
_SHARES = {"%": 0.01, "vol%": 0.01, "vol.%": 0.01, "%vol": 0.01, "m3/m3": 1.0, "cm3/cm3": 1.0, "1": 1.0, "-": 1.0}
_MINERAL, _ORGANIC = 2.65, 1.4  # t/m3, densities of solid matter
_ORGANIC_OF_CARBON = 1.724
STOCK_UNIT = "t/ha"


class Formula(Protocol):
    """A number made from several targets. `title` and `unit` are for readers, `name` is for files; `fields` are the
    targets it needs."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def fields(self) -> tuple[str, ...]: ...

    def evaluate(self, values: Mapping[str, Array]) -> Array:
        """Its values, from those of the targets by field, of any one shape; NaN where these cannot go together."""
        ...


@dataclass(frozen=True)
class TypedFormula:
    """A formula as the user typed it."""

    expression: Expression

    @property
    def name(self) -> str:
        return self.expression.name

    @property
    def title(self) -> str:
        return self.name

    @property
    def unit(self) -> str:
        return self.expression.unit

    @property
    def fields(self) -> tuple[str, ...]:
        return parse_formula(self.expression.formula)[1]

    def evaluate(self, values: Mapping[str, Array]) -> Array:
        tree, names = parse_formula(self.expression.formula)
        with np.errstate(all="ignore"):
            found = np.asarray(_value(tree, [values[name] for name in names]), np.float64)
        return np.where(np.isfinite(found), found, np.nan)


_FUNCTIONS: dict[str, Callable[..., Array]] = {
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "max": lambda *values: np.maximum.reduce(np.broadcast_arrays(*values)),
    "min": lambda *values: np.minimum.reduce(np.broadcast_arrays(*values)),
    "sqrt": np.sqrt,
}
_OPERATIONS: dict[type[ast.operator], Callable[[Array, Array], Array]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}


def _value(node: ast.expr, values: Sequence[Array]) -> Array:
    """The value of a node of `parse_formula`, which lets no others through."""
    if isinstance(node, ast.Constant):
        return np.asarray(node.value, np.float64)
    if isinstance(node, ast.Name):
        return values[int(node.id[1:])]
    if isinstance(node, ast.UnaryOp):
        inner = _value(node.operand, values)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _FUNCTIONS[node.func.id](*(_value(each, values) for each in node.args))
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_value(node.left, values), _value(node.right, values))
    raise TypeError(f"a formula holds {ast.dump(node)[:60]}")


@dataclass(frozen=True)
class _Layer:
    """One layer of a stock: fields of its targets, factors of their units, and its thickness in m."""

    carbon: str
    density: str
    stones: str
    factors: tuple[float, float, float]
    thickness: float


@dataclass(frozen=True)
class CarbonStock:
    """Carbon in all layers, or in the upper `soil_mass` (t/ha) of fine soil (Wendt & Hauser 2013, 10.1111/ejss.12002;
    below the lowest layer its content goes on). In t/ha."""

    layers: tuple[_Layer, ...]
    soil_mass: float | None

    @property
    def name(self) -> str:
        what = "organic carbon stock"
        return what if self.soil_mass is None else f"{what} in {self.soil_mass:g} t/ha of fine soil"

    @property
    def title(self) -> str:
        if self.soil_mass is None:
            return tr("organic carbon stock")
        return tr("organic carbon stock in {:,.0f} t/ha of fine soil").format(self.soil_mass)

    @property
    def unit(self) -> str:
        return STOCK_UNIT

    @property
    def fields(self) -> tuple[str, ...]:
        named = [field for each in self.layers for field in (each.carbon, each.density, each.stones) if field]
        return tuple(dict.fromkeys(named))

    def evaluate(self, values: Mapping[str, Array]) -> Array:
        total: Array = np.zeros(())
        mass_left = np.asarray(np.inf if self.soil_mass is None else self.soil_mass, np.float64)
        for number, layer in enumerate(self.layers):
            content, mass, is_possible = _of_layer(layer, values)
            is_last = self.soil_mass is not None and number == len(self.layers) - 1
            taken = mass_left if is_last else np.minimum(mass, mass_left)
            total = np.where(is_possible, total + content * taken, np.nan)
            mass_left = mass_left - taken
        return total

    def held(self, values: Mapping[str, Array]) -> Array:
        """The mass of fine soil (t/ha) in all layers."""
        total: Array = np.sum([_of_layer(layer, values)[1] for layer in self.layers], axis=0)
        return total


def _of_layer(layer: _Layer, values: Mapping[str, Array]) -> tuple[Array, Array, Flags]:
    """Content of carbon (kg/kg), mass of fine soil (t/ha), and where both can be: no soil is denser than its solid
    matter, of which organic matter is 1.724 times the carbon."""
    by_content, by_density, by_stones = layer.factors
    content, density = by_content * values[layer.carbon], by_density * values[layer.density]
    stones = by_stones * values[layer.stones] if layer.stones else np.zeros(())
    organic = np.clip(_ORGANIC_OF_CARBON * content, 0, 1)
    solid = 1 / (organic / _ORGANIC + (1 - organic) / _MINERAL)
    is_possible: Flags = (content >= 0) & (_ORGANIC_OF_CARBON * content <= 1) & (density > 0) & (density < solid)
    is_possible &= (stones >= 0) & (stones <= 1)
    return content, density * layer.thickness * 1e4 * (1 - stones), is_possible


def plan_formulas(job: SummarizeAreas, targets: Sequence[SoilProperty], numbers: Sequence[str]) -> list[Formula]:
    """The formulas that the job asks for; `numbers` are the fields of targets that are numbers.

    Raises:
        EngineError: one names no target, a target that is no number, or one of a stock has no unit or depth.
    """
    found: list[Formula] = [TypedFormula(each) for each in job.expressions]
    if job.stock != "none":
        found.append(_plan_stock(job, targets))
    for formula in found:
        missing = [field for field in formula.fields if field not in numbers]
        if missing:
            raise EngineError(
                tr(
                    "'{}' names {}, which the network does not predict as a number. It predicts: {}. Write"
                    " their fields."
                ).format(
                    formula.title, comma_separated(missing), comma_separated(numbers) if numbers else tr("no numbers")
                )
            )
    return found


def _plan_stock(job: SummarizeAreas, targets: Sequence[SoilProperty]) -> CarbonStock:
    known = {target.field: target for target in targets}
    layers = []
    for number, (carbon, density) in enumerate(zip(job.carbon, job.bulk_density)):
        stones = job.stones[number] if job.stones else ""
        named = {tr("carbon"): carbon, tr("bulk density"): density, **({tr("stones"): stones} if stones else {})}
        for role, field in named.items():
            if field not in known:
                raise EngineError(
                    tr(
                        "The {} of the stock is {!r}, but the network predicts {}. Write the field of one of these."
                    ).format(role, field, comma_separated([target.field for target in targets]))
                )
        factors = (
            _factor(known[carbon], tr("carbon"), _CONTENTS),
            _factor(known[density], tr("bulk density"), _DENSITIES),
            _factor(known[stones], tr("stones"), _SHARES) if stones else 1.0,
        )
        layers.append(
            _Layer(carbon, density, stones, factors, _thickness(job, [known[each] for each in named.values()]))
        )
    return CarbonStock(tuple(layers), job.soil_mass)


def _factor(target: SoilProperty, role: str, units: Mapping[str, float]) -> float:
    plain = _plain(target.unit)
    if plain in units:
        return units[plain]
    if target.unit:
        what = tr("{}, the {} of the stock, has the unit {!r}; a stock needs one of: {}.")
    else:
        what = tr("{0}, the {1} of the stock, has no unit; a stock needs one of: {3}.")
    remedy = tr("Write the unit into the field's alias, such as Carbon (g/kg), extract the patches and train again.")
    raise EngineError(f"{what.format(target.field, role, target.unit, ', '.join(units))} {remedy}")


def _plain(unit: str) -> str:
    """`g kg⁻¹` -> `g/kg`, `g/cm³` -> `g/cm3`."""
    text = unit.strip().lower().translate(str.maketrans("³²⁻¹", "32-1")).replace("^", "").replace("**", "")
    text = re.sub(r"[ ·*]?\b([a-z]+)(3?) ?-1\b", r"/\1\2", text)  # g kg-1
    text = re.sub(r"[ ·*]?\b([a-z]+)-([23])\b", r"/\1\2", text)  # g cm-3
    return text.replace(" ", "")


def _thickness(job: SummarizeAreas, targets: Sequence[SoilProperty]) -> float:
    """Thickness in m: as given, or from the depths of the layer's targets, which must agree."""
    if job.thickness_cm is not None:
        return job.thickness_cm / 100
    depths = {target.depth_cm for target in targets}
    depth = next(iter(depths))
    if len(depths) > 1 or depth is None:
        told = comma_separated([f"{target.field}: {target.depth_cm or tr('none')}" for target in targets])
        raise EngineError(
            tr(
                "The thickness of a layer of the stock is not known, because its targets have these depths: {}."
                " Name fields with one depth, such as soc_0_30 and bd_0_30, or give the THICKNESS in cm."
            ).format(told)
        )
    return (depth[1] - depth[0]) / 100


def per_hectare(unit: str) -> tuple[float, str] | None:
    """Factor and unit of a total, where a unit is one per area: t/ha -> (1, 't'), kg/m2 -> (10, 't'); None for
    others."""
    found = {"t/ha": (1.0, "t"), "mg/ha": (1.0, "t"), "kg/ha": (1e-3, "t"), "kg/m2": (10.0, "t"), "g/m2": (0.01, "t")}
    return found.get(_plain(unit))
