import numpy as np
from hypothesis import given, settings, strategies as st

from gmmal_jax import selection


class TestQuotas:
    def quotas(self, candidates, labeled, budget, mode):
        found = selection.quotas(np.array(candidates), np.array(labeled), budget, mode)
        assert found.dtype == np.int32
        return found.tolist()

    def test_uniform(self):
        assert self.quotas([9, 9, 9], [5, 0, 1], 6, "uniform") == [2, 2, 2]

    def test_a_remainder_goes_to_the_class_with_fewest_labels(self):
        assert self.quotas([9, 9, 9], [5, 0, 1], 7, "uniform") == [2, 3, 2]
        assert self.quotas([9, 9, 9], [5, 0, 1], 8, "uniform") == [2, 3, 3]

    def test_complement_makes_the_labeled_set_equal(self):
        assert self.quotas([9, 9, 9], [5, 0, 1], 9, "complement") == [0, 5, 4]

    def test_complement_is_proportional_to_what_is_lacking(self):
        # Each class should hold 4 then: 0, 4 and 3 are lacking, 5 are bought.
        assert self.quotas([9, 9, 9], [6, 0, 1], 5, "complement") == [0, 3, 2]
        assert self.quotas([9, 9], [0, 100], 4, "complement") == [4, 0]

    def test_no_more_than_the_candidates(self):
        assert self.quotas([1, 9, 0], [0, 0, 0], 6, "uniform") == [1, 2, 0]

    @settings(deadline=None, max_examples=100)
    @given(
        st.lists(st.integers(0, 10**6), min_size=1, max_size=6),
        st.integers(1, 10**6),
        st.sampled_from(["uniform", "complement"]),
    )
    def test_sum_to_the_budget_and_stay_near_the_share(self, labeled, budget, mode):
        labeled = np.array(labeled)
        plenty = np.full(len(labeled), budget)
        found = selection.quotas(plenty, labeled, budget, mode)
        assert found.sum() == budget and found.min() >= 0
        if mode == "uniform":
            assert found.max() - found.min() <= 1
        else:
            above = labeled > (labeled.sum() + budget) / len(labeled)
            assert np.all(found[above] == 0)
