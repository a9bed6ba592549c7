import jax
import numpy as np
import pytest

from gmmal_jax.config import SelectConfig
from gmmal_jax.selection import TOP, Ask
from gmmal_jax.strategies import base, uncertainty
from gmmal_jax.testing.strategies import view


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (uncertainty.entropy, 1),
        (uncertainty.margin, 0),
        (uncertainty.least_confidence, 1),
    ],
)
def test_entropy_and_confidence_buy_the_second_margin_the_first(make, expected):
    with np.errstate(divide="ignore"):
        logits = np.log(np.float32([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3]]))
    pool = view()._replace(
        ids=np.arange(2, dtype=np.uint32),
        labeled=np.zeros(2, bool),
        candidates=np.ones(2, bool),
        labels=np.full(2, -1, np.int32),
        columns={"logits": logits},
    )
    strategy = make()
    assert strategy.needs == {"logits"} and strategy.select == TOP
    ask = Ask(1, 3, SelectConfig())
    found = base.query(jax.random.key(0), strategy, pool, ask)
    assert found.scores.keys() == {strategy.name}
    np.testing.assert_array_equal(found.indices, [expected])
