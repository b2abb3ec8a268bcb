import pytest

from hanziformers.processors.character_variants import variants

pytestmark = pytest.mark.usefixtures("own_fonts")


def test_variants_of_a_character():
    assert variants("马") == ("馬",)
    assert variants("馬") == ("马",)
    assert variants("人") == ()
