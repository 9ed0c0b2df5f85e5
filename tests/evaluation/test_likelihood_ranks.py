"""Average log-probabilities of held-out pairs, and their rank correlation with length."""

import pytest

from tasks.evaluation.evidence_on_ranks import RankCorrelationDifference
from tasks.evaluation.likelihoods import likelihood_metrics
from tasks.evaluation.scores import concat_scores, score_rows


def test_sum_and_average_may_rank_a_pair_apart():
    found = likelihood_metrics(
        scores=[[-12.0, -14.0], [-12.0, -14.0], [-6.0, -6.0]],
        frozen=[[-13.0, -13.5], [-13.0, -13.5], [-6.0, -6.0]],
        lengths=[[6, 4], [4, 7], [3, 3]],
    )
    assert found["likelihood_accuracy"] == [1.0, 0.0, 0.5]
    assert found["reward_likelihood_agreement"] == [1.0, 0.0, 0.5]
    assert found["chosen_token_log_prob"] == [-2.0, -3.0, -2.0]
    assert found["chosen_tokens"] == [6.0, 4.0, 3.0]


def test_correlations_are_compared_seed_by_seed():
    frames = []
    for arm, order in (("rising", [1.0, 2.0, 3.0, 4.0]), ("falling", [4.0, 3.0, 2.0, 1.0])):
        for seed in (0, 1):
            for metric, values in (("chosen_token_log_prob", order), ("chosen_tokens", [3.0, 5.0, 8.0, 9.0])):
                named = {f"p{index}": value for index, value in enumerate(values)}
                frames.append(score_rows(paper="simpo", arm=arm, seed=seed, suite="pairs", metric=metric, values=named))
    found = RankCorrelationDifference(
        metric="chosen_token_log_prob", other_metric="chosen_tokens", arm="rising", baseline="falling", suite="pairs"
    ).measure(concat_scores(frames))
    assert found.values.tolist() == [[pytest.approx(2.0)], [pytest.approx(2.0)]]
    assert found.bounds == (-2.0, 2.0)
