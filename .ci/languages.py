"""Collect the texts in tr() and tr_n() into soil_cnn_plugin/languages/*.po, and compile these to the *.mo in use.

Translators work on the .po files. Texts that left the source are dropped; new ones stay empty until they are
translated, and tests/test_languages.py fails as long as one is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from soil_cnn_plugin.contract.language import CATALOGUES, ENGLISH, LANGUAGES

PACKAGE = Path(__file__).resolve().parent.parent / "soil_cnn_plugin"
_METHODS = [("**/templates/**.j2", "jinja2"), ("**.py", "python")]
_KEYWORDS = {"tr": None, "tr_n": (1, 2)}


def texts() -> Iterator[tuple[str, str | tuple[str, str]]]:
    """Yield the texts of the source with their files: one text, or the two of a count."""
    for file, _line, message, _comments, _context in extract_from_dir(PACKAGE, _METHODS, keywords=_KEYWORDS):
        yield file, message


def template() -> Catalog:
    """Return the catalogue of all texts, with the files that they come from."""
    found = Catalog(project="Soil CNN", charset="utf-8")
    for file, message in sorted(texts(), key=lambda item: item[0]):
        found.add(message, locations=[(file, 0)])
    return found


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.stem)


def main() -> None:
    found = template()
    for name in LANGUAGES:
        if name != ENGLISH:
            _update(CATALOGUES / f"{name}.po", found)


def _update(path: Path, found: Catalog) -> None:
    catalogue = read(path) if path.exists() else Catalog(locale=path.stem, project="Soil CNN", charset="utf-8")
    found.creation_date = catalogue.creation_date  # else each run would change the file
    catalogue.update(found, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.header_comment = f"# Soil CNN in another language: {path.stem}. `make languages` keeps this file."
    catalogue.fuzzy = False
    with path.open("wb") as file:
        write_po(file, catalogue, width=116, omit_header=False, include_lineno=False)
    with path.with_suffix(".mo").open("wb") as file:
        write_mo(file, read(path))
    missing = sum(not all(_strings(message.string)) for message in catalogue if message.id)
    print(f"{path.name}: {len(catalogue)} texts, {missing} not translated")


def _strings(string: str | tuple[str, ...]) -> tuple[str, ...]:
    return string if isinstance(string, tuple) else (string,)


if __name__ == "__main__":
    main()
