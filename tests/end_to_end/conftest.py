"""One packaged plugin and one land for all tests: a plugin that is unpacked anew compiles its functions anew."""

from __future__ import annotations

import pytest

from tests.end_to_end.land import Land, make_land
from tests.end_to_end.packaged import Qgis, unpack


@pytest.fixture(scope="session")
def qgis(tmp_path_factory: pytest.TempPathFactory) -> Qgis:
    return unpack(tmp_path_factory.mktemp("qgis"))


@pytest.fixture(scope="session")
def land(tmp_path_factory: pytest.TempPathFactory) -> Land:
    return make_land(tmp_path_factory.mktemp("boden"))
