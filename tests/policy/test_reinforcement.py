"""The policy-gradient loop on a tiny policy: it learns, KL holds it back, and what it logs is known."""

import math
from itertools import pairwise
from statistics import mean

import pytest
from reinforced import SHORT, changed, reward_model, same_weights

from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric, metric_range
from tasks.models.decoding import Decoding
from tasks.policy.policy_gradient import PolicyGradient, ReinforcementTraining, ValueModel
from tasks.policy.reinforcement import plan_prompts
from tasks.policy.steps.advantages import (
    BatchBaseline,
    GroupNormalised,
    LeaveOneOut,
    RunningBaseline,
)
from tasks.policy.steps.clipped_policy import ClippedSurrogate, ScoreFunction
from tasks.policy.steps.filters import RankWeights
from tasks.policy.steps.kl_control import AdaptiveKL, FixedKL
from tasks.policy.steps.shaping_curves import PreferenceAsReward
from tasks.policy.steps.starts import DatasetReset
from tasks.policy.steps.termination_rules import FixedNGram
from tasks.reward.sources import FittedReward, GoldReward

LEARNING = changed(
    SHORT, iterations=24, rollouts=48, learning_rate=1e-2, max_grad_norm=1.0, decoding=Decoding(max_new_tokens=8)
)
PPO = PolicyGradient(per_prompt=4)
PAIRS = PolicyGradient(per_prompt=2, advantage=LeaveOneOut())
FREE = FixedKL(coefficient=0.0)


@pytest.mark.parametrize(
    ("method", "training"),
    [
        (PPO, {"inner_epochs": 2, "minibatches": 2}),
        (PPO.model_copy(update={"value": ValueModel(trunk="shared")}), {}),
        (PPO.model_copy(update={"start": DatasetReset(share=0.5), "actions": FixedNGram(length=3)}), {}),
        (PolicyGradient(per_prompt=4, advantage=LeaveOneOut(), policy_loss=ScoreFunction()), {}),
        (
            PolicyGradient(
                per_prompt=4, kl=FREE, advantage=GroupNormalised(), policy_loss=ClippedSurrogate(kl_coefficient=0.01)
            ),
            {"learning_rate": 2e-2},
        ),
        (PolicyGradient(advantage=RunningBaseline(), policy_loss=ScoreFunction()), {}),
        (PolicyGradient(advantage=BatchBaseline(), policy_loss=ScoreFunction()), {}),
    ],
    ids=["ppo", "ppo-shared-trunk", "reset-macro-ppo", "rloo", "grpo", "reinforce-running", "reinforce-batch"],
)  # fmt: skip
def test_it_raises_the_reward(bench, method, training):
    scores = bench.run(method, changed(LEARNING, **training), GoldReward()).column("train/score")
    assert mean(scores[-4:]) > mean(scores[:4]) + 0.25


def test_a_kl_penalty_keeps_the_kl_smaller(bench):
    runs = [
        bench.run(PPO.model_copy(update={"kl": FixedKL(coefficient=beta)}), LEARNING, GoldReward())
        for beta in (0.0, 1.0)
    ]
    free, held = (mean(run.column("train/kl_k3")[-4:]) for run in runs)
    assert held < free / 2
    assert mean(runs[0].column("train/score")[-4:]) > mean(runs[1].column("train/score")[-4:])


@pytest.mark.parametrize(("target", "sign"), [(1e-4, 1), (1e4, -1)])
def test_the_controller_moves_the_coefficient_towards_the_target(bench, target, sign):
    control = AdaptiveKL(coefficient=0.1, target=target, horizon=100)
    run = bench.run(PPO.model_copy(update={"kl": control}), changed(SHORT, iterations=6))
    coefficients, observed = run.column("train/kl_coefficient"), run.column("train/kl_k1")
    assert coefficients[0] == 0.1
    for (before, after), kl in zip(pairwise(coefficients), observed, strict=False):
        assert after == pytest.approx(control.next_coefficient(before, kl, SHORT.rollouts), rel=1e-12)
    assert sign * (coefficients[-1] - coefficients[2]) > 0.0


def test_the_policy_starts_at_its_reference_and_the_first_step_has_ratio_one(bench):
    first, second, *_ = bench.run(PPO, changed(SHORT, warmup_steps=2)).logged
    assert first["train/kl_k1"] == pytest.approx(0.0, abs=1e-5)
    assert first["train/ratio_max"] == pytest.approx(1.0, abs=1e-5)
    assert second["train/kl_k3"] > 0.0
    assert (first["train/learning_rate"], second["train/learning_rate"]) == (
        SHORT.learning_rate / 2,
        SHORT.learning_rate,
    )


def test_the_same_seed_gives_the_same_weights_and_snapshots_are_spread(bench):
    training = changed(SHORT, iterations=4, snapshots=2)
    first, again = bench.run(PPO, training), bench.run(PPO, training)
    assert first.series.steps == [2, 4]
    assert [one.digest for one in first.series.checkpoints] == [one.digest for one in again.series.checkpoints]
    assert len({one.digest for one in [bench.base, *first.series.checkpoints]}) == 3


EVERYTHING = PolicyGradient(
    per_prompt=4, start=DatasetReset(share=0.5), filter=RankWeights(), kl=AdaptiveKL(), actions=FixedNGram(length=2),
    policy_loss=ClippedSurrogate(kl_coefficient=0.04, entropy_coefficient=0.01),
)  # fmt: skip


@pytest.mark.parametrize(
    "method", [EVERYTHING, PolicyGradient(advantage=RunningBaseline(), policy_loss=ScoreFunction())]
)
def test_every_metric_is_registered_and_in_its_range(bench, method):
    members = [reward_model(bench.base, seed) for seed in (0, 1)]
    run = bench.run(method, source=FittedReward(aggregate="mean"), fitted=members)
    for values in run.logged:
        for name, value in values.items():
            assert find_metric(name), name
            lowest, highest = metric_range(name)
            assert math.isfinite(value), name
            assert lowest - 1e-6 <= value <= highest + 1e-6, name
    expected = {
        "score", "score_deviation", "shaped_reward", "gold_reward", "reward_variance", "kl_k1", "kl_k2", "kl_k3",
        "kl_coefficient", "entropy", "finished", "response_tokens", "forced_tokens", "action_tokens",
        "filter/kept_share", "filter/fell_back", "loss", "policy_loss", "policy_grad_norm", "learning_rate",
    }  # fmt: skip
    assert {f"train/{name}" for name in expected} <= run.logged[0].keys()
    assert {f"cost/{name}_seconds" for name in ("sample", "score", "train")} <= run.logged[0].keys()


def test_shaping_reads_rewards_of_reference_responses(bench):
    """PAR of rewards equal to the references' is one half."""
    member = reward_model(bench.base, fill=0.0)
    zeros = {row["prompt_id"]: [0.0, 0.0] for row in bench.rows}
    method = PPO.model_copy(update={"shaping": PreferenceAsReward(references=2)})
    ran = bench.run(method, source=FittedReward(), fitted=[member], anchors=[bench.anchors(zeros)])
    assert ran.column("train/shaped_reward") == [0.5] * SHORT.iterations
    few = bench.anchors(zeros | {bench.rows[5]["prompt_id"]: [0.0]})
    for anchors, present in (([], 0), ([few], 1)):
        with pytest.raises(UserError, match=f"2 reference responses a prompt and prompt .* has {present} of"):
            bench.run(method, anchors=anchors)


def test_a_value_model_may_start_from_the_reward_model(bench):
    member = reward_model(bench.base)
    method = PPO.model_copy(update={"value": ValueModel(start="reward")})
    plain, started = (bench.run(one, source=FittedReward(), fitted=[member]) for one in (PPO, method))
    assert not same_weights(plain, started)
    with pytest.raises(UserError, match=r"value\.start is 'reward' and no reward model was fitted"):
        bench.run(method)


@pytest.mark.parametrize(
    ("method", "training", "match"),
    [
        (PolicyGradient(per_prompt=3), {}, "rollouts 8 of an iteration are not a multiple of 3 responses a prompt"),
        (PolicyGradient(per_prompt=16), {}, "rollouts 8 of an iteration are not a multiple of 16"),
        (PolicyGradient(), {"rollouts": 64}, "an iteration wants 64 prompts and there are 48"),
        (PolicyGradient(advantage=LeaveOneOut()), {}, "leave_one_out compares responses .* per_prompt 2 or more"),
        (PolicyGradient(advantage=GroupNormalised()), {}, "group_normalised compares responses"),
        (PolicyGradient(kl=AdaptiveKL(horizon=1)), {}, "kl.horizon 1 is too short for 8 responses"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_said_before_anything_is_computed(bench, method, training, match):
    with pytest.raises(UserError, match=match):
        bench.run(method, changed(SHORT, **training))
    assert not list(bench.folder.glob("run-1/work/*"))


def test_a_greedy_policy_is_refused():
    with pytest.raises(ValueError, match="a policy gradient needs samples"):
        ReinforcementTraining(decoding=Decoding(temperature=0.0))


def test_every_epoch_of_the_plan_takes_each_prompt_once():
    plan = plan_prompts(10, PolicyGradient(per_prompt=4), changed(SHORT, rollouts=12, iterations=7), seed=3)
    assert [len(batch) for batch in plan] == [3] * 7
    for epoch in (plan[:3], plan[3:6]):
        taken = [index for batch in epoch for index in batch]
        assert len(set(taken)) == len(taken) == 9
    assert plan[:3] != plan[3:6]
    other = plan_prompts(10, PolicyGradient(), changed(SHORT, rollouts=3, iterations=7), seed=3)
    assert other == plan


def test_values_are_fitted_where_there_is_a_value_model(bench):
    fitted = {"train/critic_grad_norm", "train/value_loss", "train/explained_variance"}
    for trunk in ("own", "shared"):
        assert fitted <= bench.run(PPO.model_copy(update={"value": ValueModel(trunk=trunk)})).logged[0].keys()
    for method in (PPO.model_copy(update={"value": ValueModel(trunk="none")}), PAIRS):
        assert not fitted & bench.run(method).logged[0].keys()
