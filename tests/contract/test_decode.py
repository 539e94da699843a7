"""JSON becomes the dataclass that it was written from, even where several would fit."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pytest

from soil_cnn_plugin.contract.decode import DecodeError, decode


@dataclass(frozen=True)
class Circle:
    radius: float


@dataclass(frozen=True)
class Square:
    side: float


@dataclass(frozen=True)
class Drawn:
    """Has the same fields as `Painted`, but not the same fields within them."""

    shape: Circle
    name: str


@dataclass(frozen=True)
class Painted:
    shape: Square
    name: str


@dataclass(frozen=True)
class Coloured:
    colours: dict[str, str]


@dataclass(frozen=True)
class Page:
    pictures: tuple[Drawn | Painted, ...]
    height: float | None = None


@dataclass(frozen=True)
class Legend:
    circles: dict[str, Circle]


def test_of_two_dataclasses_with_the_same_fields_the_one_whose_own_fields_fit_is_meant() -> None:
    page = Page((Painted(Square(2.0), "b"), Drawn(Circle(1.0), "a")), 3.0)
    assert decode(Page, {"pictures": [asdict(each) for each in page.pictures], "height": 3.0}, "The page") == page


def test_what_fits_none_of_several_dataclasses_is_named() -> None:
    content = {"pictures": [{"shape": {"corners": 3}, "name": "c"}]}
    with pytest.raises(DecodeError, match=r"The page\.pictures\[0\]\.shape has no field 'corners'\. It has: radius\."):
        decode(Page, content, "The page")


def test_values_of_a_dictionary_are_checked_and_named_by_their_key() -> None:
    legend = Legend({"small": Circle(1.0)})
    assert decode(Legend, asdict(legend), "The legend") == legend
    with pytest.raises(DecodeError, match=r"The legend\.circles\['big'\]\.radius must be float, not 'wide'\."):
        decode(Legend, {"circles": {"big": {"radius": "wide"}}}, "The legend")
    with pytest.raises(DecodeError, match=r"The legend\.circles must be dict, not"):
        decode(Legend, {"circles": [1.0]}, "The legend")


@pytest.mark.parametrize(
    "value", [{"shape": {"radius": 1.0}, "name": "a\ud800"}, {"shape": {"radius": 1.0}, "name": "\udcff"}]
)
def test_half_a_character_is_refused_by_the_name_of_its_field(value: dict[str, object]) -> None:
    with pytest.raises(DecodeError, match=r"Drawing\.name holds half of a character, which no file can keep") as caught:
        decode(Drawn, value, "Drawing")
    str(caught.value).encode()


def test_half_a_character_in_a_key_is_refused() -> None:
    with pytest.raises(DecodeError, match="a key of .* holds half of a character"):
        decode(Coloured, {"colours": {"\udfff": "red"}}, "Picture")
