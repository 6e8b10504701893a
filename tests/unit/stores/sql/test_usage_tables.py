"""The tables of usage: how rows are added."""

from __future__ import annotations

import sqlalchemy as sa

from dragoman.state.usage_sums import Sums
from dragoman.stores.sql.usage_columns import SUMMED, amounts, full
from dragoman.stores.sql.usage_tables import USAGE_BY_VALUE, USAGE_UNITS, Adding

MANY = Sums({"requests": 3, "cost": 2**40}, {"input": 5, "images": 2}, {0: 2}, {7: 1})


def test_a_row_is_made_first_and_added_to_later() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        USAGE_BY_VALUE.create(connection)
        USAGE_UNITS.create(connection)
        adding = Adding(USAGE_BY_VALUE, SUMMED)
        row = (0, 1, 3600, "ann", *full(amounts(MANY)))
        adding.run(connection, [])
        adding.run(connection, [row, row])
        found = connection.execute(sa.select(USAGE_BY_VALUE.c.requests, USAGE_BY_VALUE.c.cost)).all()
        units = Adding(USAGE_UNITS, ["amount"])
        units.run(connection, [(0, 1, 3600, "ann", "images", 2), (0, 1, 3600, "ann", "images", 5)])
        amount = connection.execute(sa.select(USAGE_UNITS.c.amount)).scalars().all()
    engine.dispose()
    assert (found, amount) == ([(6, 2**41)], [7])
