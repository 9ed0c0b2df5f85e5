"""Best-of-n curves from one pool: gold is sorted by the proxy that chooses, whatever the aggregate."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.data.rows import user_prompt
from tasks.data.tables import read_scores
from tasks.engine.refs import Rewards
from tasks.engine.schema import UserError
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.best_of_n_settings import BestOfNSweep, Selector
from tasks.evaluation.best_of_n_sweep import Pool, read_pool, select, sweep_best_of_n, sweep_pool
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.statistics.best_of_n import best_of_n_gold
from tasks.models.generation import SampleRow, store_samples
from tasks.reward.scoring import store_rewards

MEMBERS = np.array([[[0.1, 0.4, 0.2, 0.9, 0.7]], [[0.8, 0.1, 0.35, 0.2, 0.6]]])
GOLD = np.array([[1.0, 2.0, 0.5, -1.0, 3.0]])
COUNTS = BestOfNSweep(counts=[1, 2, 3, 4, 5])
FIRST_ALONE = [1.1, 0.95, 0.5, -0.2, -1.0]


def pool(members=MEMBERS, gold=GOLD) -> Pool:
    return Pool([f"p{index}" for index in range(gold.shape[0])], members, {"gold_reward": gold})


def test_gold_is_sorted_by_the_aggregate_and_not_by_the_first_member():
    found = sweep_pool(pool(), Selector(kind="mean"), COUNTS)["gold_reward"][0]
    assert found == pytest.approx([1.1, 1.15, 1.6, 2.2, 3.0], abs=1e-6)
    stale = sweep_pool(pool(MEMBERS[:1]), Selector(kind="mean"), COUNTS)["gold_reward"][0]
    assert stale == pytest.approx(FIRST_ALONE, abs=1e-6)


def test_single_is_the_average_of_the_members_curves():
    found = sweep_pool(pool(), Selector(kind="single"), COUNTS)
    curves = [[float(best_of_n_gold(one[0], GOLD[0], n)) for n in COUNTS.counts] for one in MEMBERS]
    assert found["gold_reward"][0] == pytest.approx(np.mean(curves, axis=0))
    assert curves[0] == pytest.approx(FIRST_ALONE)
    assert found["proxy_reward"][0, -1] == pytest.approx((0.9 + 0.8) / 2)


def test_divergence_is_the_formula_of_the_paper():
    found = sweep_pool(pool(), Selector(), COUNTS)["best_of_n_kl"][0]
    assert found == pytest.approx([0.0, 0.193147, 0.431946, 0.636294, 0.809438], abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "chosen"),
    [
        ("mean", [0.95, 0.325, -0.25]),
        ("worst_case", [0.6, -0.3, -0.7]),
        ("uncertainty_weighted", [0.90625, 0.2290625, -0.32375]),
    ],
)
def test_aggregates_of_four_members(kind, chosen):
    members = np.array([[1, 0.2, -0.5], [0.6, 0.9, -0.1], [1.4, -0.3, 0.3], [0.8, 0.5, -0.7]])[:, None]
    assert select(members, Selector(kind=kind, penalty=0.5))[0, 0] == pytest.approx(chosen, abs=1e-6)


def test_disagreement_is_that_of_all_members_about_the_chosen_sample():
    found = sweep_pool(pool(), Selector(kind="mean"), COUNTS)["reward_variance"][0]
    spread = MEMBERS.var(axis=0)[0]
    assert found[0] == pytest.approx(spread.mean())
    assert found[-1] == pytest.approx(spread[4])
    assert "reward_variance" not in sweep_pool(pool(MEMBERS[:1]), Selector(), COUNTS)
    first = sweep_pool(pool(), Selector(kind="mean", members=1), COUNTS)
    assert first["gold_reward"][0] == pytest.approx(FIRST_ALONE)
    with pytest.raises(UserError, match=r"2 member\(s\), not 3"):
        sweep_pool(pool(), Selector(members=3), COUNTS)


numbers = st.integers(-20, 20).map(lambda number: number / 4)


@given(
    arrays(np.float64, (3, 2, 6), elements=numbers),
    arrays(np.float64, (2, 6), elements=numbers),
    st.permutations(range(6)),
)
def test_neither_the_order_of_samples_nor_the_scale_of_standardised_members_matters(members, gold, order):
    for kind in ("single", "mean", "worst_case", "uncertainty_weighted"):
        settings = BestOfNSweep(counts=[1, 3, 6], standardise_gold=True)
        found = sweep_pool(pool(members, gold), Selector(kind=kind), settings)
        shuffled = sweep_pool(pool(members[..., order], gold[:, order]), Selector(kind=kind), settings)
        for name, values in found.items():
            assert values == pytest.approx(shuffled[name], abs=1e-7)
    settings = BestOfNSweep(counts=[1, 3, 6], standardise_members=True)
    scaled = members * 4.0 + 8.0
    one, other = (sweep_pool(pool(m, gold), Selector(kind="worst_case"), settings) for m in (members, scaled))
    assert one["proxy_reward"] == pytest.approx(other["proxy_reward"], abs=1e-7)


def test_standardised_gold_has_mean_0_and_variance_1_over_the_pool():
    gold = np.random.default_rng(0).normal(3.0, 2.0, (5, 8))
    members = np.random.default_rng(1).normal(size=(2, 5, 8))
    settings = BestOfNSweep(counts=[1, 8], standardise_gold=True)
    found = sweep_pool(pool(members, gold), Selector(), settings)["gold_reward"]
    assert found[:, 0].mean() == pytest.approx(0.0, abs=1e-9)
    assert found == pytest.approx(
        (sweep_pool(pool(members, gold), Selector(), COUNTS_1_8)["gold_reward"] - gold.mean()) / gold.std()
    )


COUNTS_1_8 = BestOfNSweep(counts=[1, 8])


def sampled(per_prompt: dict[str, int]) -> list[SampleRow]:
    return [
        SampleRow(
            prompt_id=name, prompt=user_prompt(f"say {name}"), family="hh", sample=number, response="x",
            ids=[5] * (number + 1), finished=True, log_prob=-1.0,
        )
        for name, count in per_prompt.items()
        for number in range(count)
    ]  # fmt: skip


def table(rows: list[SampleRow], **columns) -> pd.DataFrame:
    identity = {"prompt_id": [row["prompt_id"] for row in rows], "sample": [row["sample"] for row in rows]}
    return pd.DataFrame({**identity, **columns})


@pytest.fixture
def tracker(rlhf_home, tmp_path):
    with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work") as opened:
        yield opened


def test_a_stage_gives_tidy_points_and_registered_metrics(tracker):
    rows = sampled({"b": 5, "a": 5})
    members = {f"member_{k}": np.concatenate([MEMBERS[k, 0], MEMBERS[k, 0]]) for k in range(2)}
    gold = np.concatenate([GOLD[0], GOLD[0] + 10.0])
    rewards = store_rewards(table(rows, reward=gold * 0.0, **members, variance=gold * 0.0, gold_reward=gold))
    scores = read_scores(sweep_best_of_n(store_samples(rows), [rewards], Selector(kind="mean"), COUNTS))
    assert sorted(scores["point"].unique()) == ["n1", "n2", "n3", "n4", "n5"]
    found = scores[scores["metric"] == "gold_reward"].pivot(index="prompt_id", columns="point", values="value")
    assert found.loc["b"].tolist() == pytest.approx([1.1, 1.15, 1.6, 2.2, 3.0], abs=1e-6)
    assert found.loc["a"].tolist() == pytest.approx([11.1, 11.15, 11.6, 12.2, 13.0], abs=1e-6)
    assert set(scores["metric"]) == {
        "gold_reward", "proxy_reward", "reward_variance", "response_tokens", "best_of_n_kl",
    }  # fmt: skip
    assert all(find_metric(f"eval/{name}") for name in scores["metric"].unique())
    tokens = scores[(scores["metric"] == "response_tokens") & (scores["point"] == "n5")]
    assert tokens["value"].tolist() == [5.0, 5.0]


def test_tables_of_single_members_are_stacked_and_unknown_gold_is_left_out(tracker):
    rows = sampled({"a": 5})
    samples = store_samples(rows)
    tables = [store_rewards(table(rows, reward=one[0], gold_reward=np.nan)) for one in MEMBERS]
    found = read_pool(samples, tables)
    assert found.members.tolist() == MEMBERS.tolist()
    assert set(found.measured) == {"response_tokens"}


def test_rewards_of_other_samples_are_refused(tracker):
    rows = sampled({"a": 3, "b": 3})
    swapped: Rewards = store_rewards(table(rows[::-1], reward=[0.0] * 6, gold_reward=[0.0] * 6))
    with pytest.raises(UserError, match="rewards 0 are not those of these samples"):
        read_pool(store_samples(rows), [swapped])
    with pytest.raises(UserError, match="at least one table"):
        read_pool(store_samples(rows), [])
    uneven = sampled({"a": 3, "b": 2})
    rewards = store_rewards(table(uneven, reward=[0.0] * 5, gold_reward=[0.0] * 5))
    with pytest.raises(UserError, match="equally many samples a prompt, these hold 2 to 3"):
        read_pool(store_samples(uneven), [rewards])
    even = store_rewards(table(rows, reward=[0.0] * 6, gold_reward=[0.0] * 6))
    with pytest.raises(UserError, match="best of 4 cannot be estimated from 3"):
        sweep_best_of_n(store_samples(rows), [even], Selector(), BestOfNSweep(counts=[4]))
