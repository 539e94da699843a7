"""Reading the requirements file without pip."""

from pathlib import Path

from soil_cnn_plugin.contract import requirements
from soil_cnn_plugin.contract.requirements import Requirement, numbers_in, read_requirements


def test_names_and_versions_are_read_and_comments_are_not() -> None:
    text = "# the engine\n\ntorch==2.13.0  # at least 2.4\nscikit-learn==1.9.1 # at least 1.5\n"
    assert read_requirements(text) == (
        Requirement("torch", "2.13.0", "2.4"),
        Requirement("scikit-learn", "1.9.1", "1.5"),
    )


def test_every_line_of_the_engines_file_is_understood() -> None:
    path = Path(requirements.__file__).parents[1] / "engine" / "requirements.txt"
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert len(read_requirements("\n".join(lines))) == len(lines) > 5


def test_versions_compare_as_numbers_whatever_the_build() -> None:
    assert numbers_in("2.13.0+cpu") == (2, 13, 0)
    assert Requirement("torch", "2.13.0", "2.4").is_met_by("2.10.1+cu128")
    assert not Requirement("torch", "2.13.0", "2.4").is_met_by("2.3.9")
