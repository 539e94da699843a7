"""Names of classes, from wherever a raster or its user has them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas
import pyogrio
import pytest
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.summaries import read_summaries

Write = Callable[..., str]
CODES: NDArray[np.uint8] = np.array([[1, 2], [3, 1]], np.uint8)
FIELD = '<FieldDefn index="{}"><Name>{}</Name><Type>{}</Type><Usage>{}</Usage></FieldDefn>'


def labels(path: str, *given: tuple[int, str]) -> tuple[str, ...]:
    with open_stack([Covariate(path, "soil", kind="categorical", labels=given)], reference_grid(path)) as stack:
        (summary,) = read_summaries(stack)
    assert summary.categories == (1, 2, 3) and summary.covariate.labels == ()  # they stand once
    return summary.labels


def write_beside(path: str, content: str) -> None:
    Path(path + ".aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1">{content}</PAMRasterBand></PAMDataset>', "utf-8"
    )


def table(fields: list[tuple[str, int, int]], rows: list[tuple[object, ...]]) -> str:
    """Fields are title, type (0 whole number, 2 text) and usage (0 any, 1 count, 2 name, 5 value)."""
    definitions = "".join(FIELD.format(number, *field) for number, field in enumerate(fields))
    cells = "".join(
        f'<Row index="{number}">{"".join(f"<F>{cell}</F>" for cell in row)}</Row>' for number, row in enumerate(rows)
    )
    return f"<GDALRasterAttributeTable>{definitions}{cells}</GDALRasterAttributeTable>"


@pytest.mark.parametrize(
    ("fields", "rows"),
    [
        ([("VALUE", 0, 5), ("soil", 2, 2)], [(3, "Peat"), (1, "Clay")]),
        ([("Value", 0, 0), ("Count", 0, 1), ("Class_Name", 2, 0)], [(3, 9, "Peat"), (1, 5, "Clay")]),
        ([("OID", 0, 0), ("value", 0, 0), ("WRB_GROUP", 2, 0)], [(0, 3, "Peat"), (1, 1, "Clay")]),
        ([("Histogram", 0, 1), ("Class_Names", 2, 2)], [(0, ""), (5, "Clay"), (7, ""), (9, "Peat")]),  # ERDAS
    ],
)
def test_attribute_tables_of_all_kinds_are_understood(
    write_raster: Write, fields: list[tuple[str, int, int]], rows: list[tuple[object, ...]]
) -> None:
    path = write_raster("soil.tif", CODES)
    write_beside(path, table(fields, rows))
    assert labels(path) == ("Clay", "2", "Peat")


def test_category_names_count_from_zero(write_raster: Write) -> None:
    path = write_raster("soil.tif", CODES)
    names = "".join(f"<Category>{name}</Category>" for name in ("none", "Clay", "", "Peat"))
    write_beside(path, f"<CategoryNames>{names}</CategoryNames>")
    assert labels(path) == ("Clay", "2", "Peat")


@pytest.mark.parametrize("name", ["soil.tif.vat.dbf", "soil.vat.dbf"])
def test_the_table_that_arcgis_writes_beside_a_raster_is_read(write_raster: Write, tmp_path: Path, name: str) -> None:
    path = write_raster("soil.tif", CODES)
    rows = pandas.DataFrame({"VALUE": [1, 2, 3], "COUNT": [2.0, 1.0, 1.0], "SOILTYPE": ["Löss", None, "Peat"]})
    pyogrio.write_dataframe(rows, tmp_path / "table.dbf", driver="ESRI Shapefile", encoding="UTF-8")
    shutil.copy(tmp_path / "table.dbf", tmp_path / name)
    shutil.copy(tmp_path / "table.cpg", (tmp_path / name).with_suffix(".cpg"))
    assert labels(path) == ("Löss", "2", "Peat")


def test_a_broken_table_beside_a_raster_is_no_hindrance(write_raster: Write, tmp_path: Path) -> None:
    path = write_raster("soil.tif", CODES)
    (tmp_path / "soil.tif.vat.dbf").write_bytes(b"no table")
    assert labels(path) == ("1", "2", "3")


def test_names_that_the_user_gave_count_more_than_those_of_the_file(write_raster: Write) -> None:
    path = write_raster("soil.tif", CODES)
    write_beside(path, table([("VALUE", 0, 5), ("soil", 2, 2)], [(1, "Clay"), (3, "Peat")]))
    assert labels(path, (1, "Heavy clay"), (7, "Water")) == ("Heavy clay", "2", "Peat")
