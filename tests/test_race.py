"""The last seats, wanted by many at once from several processes; `make race` does the same with ten thousand people."""

import pytest

from forums.settings import Settings
from tests.race import is_proof, race


@pytest.mark.parametrize("engine_settings", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True)
def test_of_four_processes_none_oversells_where_counting_first_would(engine_settings: Settings) -> None:
    product, control = race(engine_settings, people=300, seats=20, processes=4)

    assert (product.acknowledged, product.oversold, product.lost, product.waiting, product.in_order) == (300, 0, 0, 280, True)
    assert control.oversold > 0
    assert is_proof([product, control])
