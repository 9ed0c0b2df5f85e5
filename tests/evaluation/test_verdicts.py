from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tasks.engine.schema import UserError
from tasks.evaluation.claims import Claim
from tasks.evaluation.evidence import Difference, FrontierGap, Level, Trend
from tasks.evaluation.scores import concat_scores, score_rows
from tasks.evaluation.verdicts import judge, judge_jointly, verdict_table

SUITE = "tldr"


def tidy(arm: str, values, metric: str = "gold_reward", *, first_seed: int = 0) -> pd.DataFrame:
    """Scores of one arm from an array [seeds, prompts]."""
    return concat_scores(
        [
            score_rows(
                paper="dpo",
                arm=arm,
                seed=seed,
                suite=SUITE,
                metric=metric,
                values={f"p{index:03d}": value for index, value in enumerate(row)},
            )
            for seed, row in enumerate(np.asarray(values, dtype=float), start=first_seed)
        ]
    )


def claim(evidence, **fields) -> Claim:
    return Claim(key="c", statement="s", source="Table 1", paper_value="0.61", evidence=evidence, **fields)


def beats(baseline: str = "sft", **fields) -> Claim:
    return claim(Difference(metric="gold_reward", arm="dpo", baseline=baseline, suite=SUITE), **fields)


def two_arms(gap: float, seeds: int = 3, prompts: int = 80, seed_sd: float = 0.05) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    base = rng.normal(0, 2.0, (1, prompts)) + rng.normal(0, 0.5, (seeds, prompts))
    effect = gap + rng.normal(0, seed_sd, (seeds, 1)) + rng.normal(0, 0.5, (seeds, prompts))
    return concat_scores([tidy("sft", base), tidy("dpo", base + effect)])


@pytest.mark.parametrize(("gap", "outcome"), [(1.0, "supported"), (-1.0, "refuted"), (0.0, "inconclusive")])
def test_a_paired_difference_is_judged_by_its_interval(gap, outcome):
    (verdict,) = judge([beats()], two_arms(gap))
    assert verdict.outcome == outcome
    assert verdict.low < verdict.effect < verdict.high
    assert abs(verdict.effect - gap) < 0.3
    assert (verdict.n_seeds, verdict.n_prompts) == (3, 80)


def test_pairing_on_prompts_removes_the_difficulty_they_share():
    (verdict,) = judge([beats()], two_arms(0.5))
    assert verdict.high - verdict.low < 0.8


def test_a_clear_gain_of_one_lucky_seed_is_not_enough():
    sft = np.zeros((3, 200))
    dpo = np.random.default_rng(1).normal(0, 0.1, (3, 200)) + np.array([[2.0], [0.0], [0.1]])
    (verdict,) = judge([beats()], concat_scores([tidy("sft", sft), tidy("dpo", dpo)]))
    assert verdict.outcome == "inconclusive"
    assert verdict.seeds_to_settle is not None
    assert verdict.seeds_to_settle > 3
    assert verdict.prompts_to_settle is None


def test_one_seed_says_that_seed_noise_is_not_in_it():
    (verdict,) = judge([beats()], two_arms(1.0, seeds=1))
    assert verdict.outcome == "supported"
    assert "one seed" in verdict.reason


@pytest.mark.parametrize(("wins", "outcome"), [(75, "supported"), (50, "inconclusive"), (20, "refuted")])
def test_a_win_rate_is_judged_against_one_half(wins, outcome):
    values = np.repeat([[1.0] * wins + [0.0] * (100 - wins)], 3, axis=0)
    level = claim(Level(metric="win_rate_vs_sft", arm="dpo", suite=SUITE), threshold=0.5)
    (verdict,) = judge([level], tidy("dpo", values, "win_rate_vs_sft"))
    assert verdict.outcome == outcome
    assert 0.0 <= verdict.low <= verdict.high <= 1.0


def test_four_wins_of_four_settle_nothing():
    level = claim(Level(metric="win_rate_vs_sft", arm="dpo", suite=SUITE), threshold=0.5)
    (verdict,) = judge([level], tidy("dpo", np.ones((1, 4)), "win_rate_vs_sft"))
    assert verdict.outcome == "inconclusive"


@pytest.mark.parametrize(("gap", "outcome"), [(0.0, "supported"), (2.0, "refuted"), (0.5, "inconclusive")])
def test_about_equal_wants_the_whole_interval_within_the_margin(gap, outcome):
    (verdict,) = judge([beats(direction="within", threshold=0.5)], two_arms(gap))
    assert verdict.outcome == outcome


def test_about_equal_without_a_margin_is_refused():
    with pytest.raises(ValueError, match="threshold above 0"):
        beats(direction="within")


@pytest.mark.parametrize(
    ("slope", "direction", "outcome"),
    [(-0.5, "below", "supported"), (0.5, "below", "refuted"), (0.5, "above", "supported")],
)
def test_trend_over_a_sweep_is_the_slope_per_step(slope, direction, outcome):
    rng = np.random.default_rng(2)
    arms = ("dpo_beta_0.05", "dpo_beta_0.1", "dpo_beta_0.5", "dpo_beta_1")
    prompt = rng.normal(3, 1, (1, 50))
    scores = concat_scores(
        [tidy(arm, prompt + slope * step + rng.normal(0, 0.2, (3, 50)), "kl") for step, arm in enumerate(arms)]
    )
    (verdict,) = judge([claim(Trend(metric="kl", arms=arms, suite=SUITE), direction=direction)], scores)
    assert verdict.outcome == outcome
    assert verdict.effect == pytest.approx(slope, abs=0.05)


def test_a_trend_over_one_arm_is_refused():
    with pytest.raises(ValueError, match="two arms"):
        Trend(metric="kl", arms=("dpo",), suite=SUITE)


def frontier_scores(gain: float) -> pd.DataFrame:
    """sft at KL 0; two DPO and two PPO settings at other KLs; reward = sqrt(KL), plus ``gain`` for DPO."""
    rng = np.random.default_rng(3)
    parts = []
    for arm, kl, extra in (
        ("sft", 0.0, 0.0),
        ("dpo_a", 1.0, gain),
        ("dpo_b", 5.0, gain),
        ("ppo_a", 2.0, 0.0),
        ("ppo_b", 4.0, 0.0),
    ):
        seed_noise = rng.normal(0, 0.02, (3, 1))
        parts.append(tidy(arm, np.maximum(kl + 0.3 * kl * rng.normal(size=(3, 60)), 0.0), "kl"))
        parts.append(tidy(arm, np.sqrt(kl) + extra + seed_noise + rng.normal(0, 0.3, (3, 60))))
    return concat_scores(parts)


@pytest.mark.parametrize(("gain", "outcome"), [(1.0, "supported"), (-1.5, "refuted")])
def test_frontier_dominance_is_judged_at_equal_kl(gain, outcome):
    gap = FrontierGap(arms=("sft", "dpo_a", "dpo_b"), baselines=("sft", "ppo_a", "ppo_b"), suite=SUITE)
    (verdict,) = judge([claim(gap)], frontier_scores(gain))
    assert verdict.outcome == outcome
    assert "KL 0 to" in verdict.reason


def test_a_missing_arm_leaves_the_claim_open_and_the_others_judged():
    first, second = judge([beats(baseline="ppo"), beats()], two_arms(1.0))
    assert first.outcome == "inconclusive"
    assert np.isnan(first.effect)
    assert "arm 'ppo' has no 'gold_reward'" in first.reason
    assert second.outcome == "supported"


def test_a_seed_that_failed_in_one_arm_is_left_out_and_named():
    scores = two_arms(1.0)
    scores = scores[~((scores["arm"] == "dpo") & (scores["seed"] == 2))]
    (verdict,) = judge([beats()], scores)
    assert verdict.n_seeds == 2
    assert "seed(s) 2" in verdict.reason


def test_scores_of_two_papers_are_refused():
    scores = two_arms(1.0)
    with pytest.raises(UserError, match="one paper"):
        judge([beats()], concat_scores([scores, scores.assign(paper="ipo")]))


@settings(max_examples=25, deadline=None)
@given(st.floats(-1.5, 1.5), st.floats(-1.0, 1.0))
def test_turning_the_direction_turns_the_verdict(gap, threshold):
    scores = two_arms(gap, prompts=20)
    (above,) = judge([beats(threshold=threshold)], scores)
    (below,) = judge([beats(threshold=threshold, direction="below")], scores)
    turned = {"supported": "refuted", "refuted": "supported", "inconclusive": "inconclusive"}
    assert below.outcome == turned[above.outcome]
    assert (above.outcome == "inconclusive") == (above.p_value >= 0.05)


def sweep_scores(gaps) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    base = rng.normal(size=(3, 40))
    arms = [tidy(f"arm{i}", base + gap + rng.normal(0, 0.6, (3, 40))) for i, gap in enumerate(gaps)]
    return concat_scores([tidy("sft", base), *arms])


def sweep_claims(count: int) -> list[Claim]:
    return [
        replace(claim(Difference(metric="gold_reward", arm=f"arm{i}", baseline="sft", suite=SUITE)), key=f"c{i}")
        for i in range(count)
    ]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.floats(-0.8, 0.8), min_size=1, max_size=5))
def test_joint_verdicts_follow_holm_and_never_say_more_than_single_ones(gaps):
    scores, claims = sweep_scores(gaps), sweep_claims(len(gaps))
    single, joint = judge(claims, scores), judge_jointly(claims, scores)
    smallest = sorted(verdict.p_value for verdict in joint)
    rejected = 0
    while rejected < len(gaps) and smallest[rejected] <= 0.05 / (len(gaps) - rejected):
        rejected += 1
    assert sum(verdict.outcome != "inconclusive" for verdict in joint) == rejected
    for alone, together in zip(single, joint, strict=True):
        assert together.claim == alone.claim
        assert together.outcome in (alone.outcome, "inconclusive")
        assert together.low <= alone.low
        assert together.high >= alone.high


def test_no_claims_no_verdicts():
    assert judge_jointly([], two_arms(1.0)) == []
    assert verdict_table([], []).empty


def test_the_table_shows_the_papers_number_beside_ours():
    claims = [beats(), beats(baseline="ppo")]
    table = verdict_table(claims, judge(claims, two_arms(1.0)))
    assert table["paper_value"].tolist() == ["0.61", "0.61"]
    assert table["outcome"].tolist() == ["supported", "inconclusive"]
    assert table["seeds_to_settle"].isna().all()
    assert table["tuned"].tolist() == ["no", "no"]
    tuned = verdict_table(claims, judge(claims, two_arms(1.0)), "12 trials each: dpo")
    assert tuned["tuned"].tolist() == ["12 trials each: dpo"] * 2


def test_two_claims_at_p_0_04_are_each_enough_alone_and_not_together():
    differences = np.random.default_rng(6).normal(size=(1, 30))
    differences = (differences - differences.mean()) / differences.std(ddof=1)
    differences += stats.t.isf(0.02, 29) / 30**0.5
    zero = tidy("sft", np.zeros((1, 30)))
    scores = concat_scores([zero, tidy("arm0", differences), tidy("arm1", differences)])
    single, joint = judge(sweep_claims(2), scores), judge_jointly(sweep_claims(2), scores)
    assert [verdict.p_value for verdict in single] == pytest.approx([0.04, 0.04])
    assert [verdict.outcome for verdict in single] == ["supported", "supported"]
    assert [verdict.outcome for verdict in joint] == ["inconclusive", "inconclusive"]
    assert [verdict.level for verdict in joint] == pytest.approx([0.975, 0.975])


def test_a_difference_of_shares_lies_between_minus_one_and_one():
    wrong, right = np.zeros((3, 30)), np.ones((3, 30))
    wrong[:, 0] = 1.0
    evidence = Difference(metric="accuracy", arm="dpo", baseline="sft", suite=SUITE)
    scores = concat_scores([tidy("dpo", wrong, "accuracy"), tidy("sft", right, "accuracy")])
    (verdict,) = judge([claim(evidence, direction="below")], scores)
    assert verdict.outcome == "supported"
    assert verdict.low >= -1.0
    assert verdict.effect == pytest.approx(-29 / 30)
