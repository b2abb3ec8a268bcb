import pytest

from hanziformers.processors.character_variants import traditional_form, variants

pytestmark = pytest.mark.usefixtures("own_fonts")


def test_variants_of_a_character():
    assert variants("马") == ("馬",)
    assert variants("馬") == ("马",)
    assert variants("人") == ()


def test_traditional_form_of_a_character():
    forms = [traditional_form(character) for character in ["马", "馬", "人", "a", "\ud800", "𠮷"]]
    assert forms == ["馬", "馬", "人", "a", "\ud800", "𠮷"]
