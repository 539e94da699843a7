"""Reads the aliases of fields, which carry units, from GeoPackages, because GDAL does so only from version 3.7 on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Optional

from qgis.core import QgsField, QgsFields


def add_aliases(fields: QgsFields, path: Optional[str], layer: Optional[str]) -> QgsFields:
    """Return a copy with the aliases in the GeoPackage `path` where QGIS knows none. `layer` None: its only layer."""
    known = _read(path, layer) if path else {}
    copy = QgsFields()
    for original in fields.toList():
        field = QgsField(original)
        field.setAlias(field.alias() or known.get(field.name(), ""))
        copy.append(field)
    return copy


def _read(path: str, layer: Optional[str]) -> dict[str, str]:
    """Return field -> alias from the schema extension of GeoPackage; empty if there are none."""
    if not path.lower().endswith(".gpkg") or not Path(path).is_file():
        return {}
    try:
        with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT table_name, column_name, name FROM gpkg_data_columns").fetchall()
    except sqlite3.Error:  # usually there is no such table
        return {}
    tables = {table for table, _, _ in rows}
    wanted = layer or (tables.pop() if len(tables) == 1 else "")
    return {column: name for table, column, name in rows if table == wanted and isinstance(name, str) and name}
