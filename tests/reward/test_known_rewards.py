"""Rewards that are no fitted model: noisy gold, program tests, a cost beside a reward."""

import statistics

import pytest

from tasks.data.rows import PairRow, user_prompt
from tasks.data.tables import read_rows_of
from tasks.data.tiny_world import FAMILIES, demonstrations, prompt_row, prompt_text, sample_prompts
from tasks.engine.schema import UserError
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.sandbox.isolation import require_isolation
from tasks.evaluation.sandbox.limits import Limits
from tasks.models.config import ModelConfig
from tasks.models.generation import SampleRow, store_samples
from tasks.reward.cost_pairs import label_costs
from tasks.reward.fitting import LabelledPairRow
from tasks.reward.function import Judged, open_reward_function
from tasks.reward.noisy_gold import deviation_at, standard_normal
from tasks.reward.objectives.cost import Cost
from tasks.reward.report import scored_pairs
from tasks.reward.sources import CodeTestsReward, FittedReward, GoldReward, NoisyGoldReward, RewardAndCost
from tasks.reward.storing import read_card

CONFIG = ModelConfig()


def judged(family: str, count: int) -> list[Judged]:
    rows = demonstrations(sample_prompts(family, "val", count, seed=0), seed=0)
    return [Judged(row, row["response"], True) for row in rows]


def score(source, batch, fitted=()):
    return open_reward_function(source, list(fitted), CONFIG).score(batch)


def test_a_text_has_its_noise_whatever_stands_around_it():
    batch = judged("tldr", 20)
    found = score(NoisyGoldReward(), batch)
    assert score(NoisyGoldReward(), batch[::-1])["reward"] == found["reward"][::-1]
    assert score(NoisyGoldReward(seed=1), batch)["reward"] != found["reward"]
    assert found["gold"] == score(GoldReward(), batch)["reward"]


def test_noise_is_standard_normal():
    rows = sample_prompts("tldr", "train", 1000, seed=0)
    draws = [standard_normal(Judged(row, "text", True), 0) for row in rows]
    assert statistics.fmean(draws) == pytest.approx(0.0, abs=0.1)
    assert statistics.pstdev(draws) == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize(("gold", "expected"), [(-9.0, 0.0), (-2.0, 0.0), (0.5, 2.0), (1.75, 1.5), (3.0, 0.0)])
def test_noise_peaks_in_the_middle(gold, expected):
    assert deviation_at(gold, NoisyGoldReward(deviation=2.0)) == pytest.approx(expected)
    assert deviation_at(gold, NoisyGoldReward(deviation=2.0, shape="homoscedastic")) == 2.0


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match="must lie above"):
        NoisyGoldReward(lowest=1.0, highest=1.0)


def test_programs_are_rewarded_by_running_them():
    try:
        require_isolation(Limits())
    except UserError as error:
        pytest.skip(str(error))
    rows = sample_prompts("code", "val", 6, seed=0)
    right = [Judged(row, FAMILIES["code"].solve(prompt_text(row)), True) for row in rows]
    sloppy = judged("code", 12)
    strange = [Judged(rows[0], text, True) for text in ("", "return", "def", "return undefined")]
    cut = [Judged(rows[0], right[0].response, False)]
    found = score(CodeTestsReward(wall_seconds=20.0), [*right, *sloppy, *strange, *cut])["reward"]
    assert found[:6] == [1.0] * 6
    assert found[6:18] == score(GoldReward(), sloppy)["reward"]
    assert found[18:] == [0.0] * 5


def test_programs_of_other_families_are_refused():
    with pytest.raises(UserError, match="rewards family code, not gsm"):
        score(CodeTestsReward(), judged("gsm", 1))


def test_a_cost_stands_beside_the_reward():
    batch = judged("hh", 8)
    source = RewardAndCost(reward=GoldReward(label_by="helpfulness"), cost=GoldReward(label_by="cost"), cost_members=0)
    found, gold = score(source, batch), score(GoldReward(), batch)
    assert found["reward"] == gold["helpfulness"]
    assert found["cost"] == gold["cost"]


def cost_samples(split: str, count: int):
    prompts = sample_prompts("hh", split, count, seed=0)
    rows = [
        SampleRow(
            prompt_id=row["prompt_id"], prompt=row["prompt"], family="hh", sample=number, response=response, ids=[],
            finished=True, log_prob=0.0,
        )
        for row in prompts
        for number, response in enumerate((FAMILIES["hh"].solve(prompt_text(row)), harmful(prompt_text(row))))
    ]  # fmt: skip
    return store_samples(rows)


def harmful(prompt: str) -> str:
    from tasks.data.tiny_world.hh import STEPS, read_request, write_steps

    return write_steps(*STEPS[read_request(prompt)[0]])


def test_cost_pairs_prefer_the_safer_and_say_what_is_unsafe(rlhf_home):
    pairs = read_rows_of(label_costs(cost_samples("train", 40), 0.0, 0.0, seed=0), LabelledPairRow)
    unequal = [row for row in pairs if row["chosen_gold"] != row["rejected_gold"]]
    assert unequal
    for row in unequal:
        assert row["chosen_gold"] > row["rejected_gold"]
        assert (row["chosen_unsafe"], row["rejected_unsafe"]) == (False, True)


def test_a_cost_model_learns_the_sign_and_is_pessimistic(fit, rlhf_home, budget):
    pairs, held_out = (label_costs(cost_samples(split, 48), 0.0, 0.0, seed=0) for split in ("train", "val"))
    training = budget.model_copy(update={"epochs": 15, "learning_rate": 1e-2, "pooling": "mean"})
    refs = [fit(seed, Cost(), pairs=pairs, held_out=held_out, training=training) for seed in (0, 1)]
    assert not read_card(refs[0]).higher_is_better
    rows = read_rows_of(held_out, PairRow)
    table = scored_pairs(rows, FittedReward(standardise=False), refs[:1], CONFIG)
    unequal = table[table["chosen_gold"] != table["rejected_gold"]]
    assert (unequal["chosen"] > unequal["rejected"]).mean() > 0.9
    batch = [Judged(row, row["chosen"], True) for row in rows]
    found = score(FittedReward(aggregate="worst_case", standardise=False), batch, refs)
    members = zip(found["member_0"], found["member_1"], strict=True)
    assert found["reward"] == pytest.approx([max(pair) for pair in members])


def test_fitted_rewards_and_costs_share_the_list_of_models(fit):
    refs = [fit(seed=seed) for seed in (0, 1)]
    row = prompt_row("instruct", prompt_text(sample_prompts("instruct", "val", 1, seed=0)[0]))
    batch = [Judged(row, "red , blue .", True)]
    found = score(RewardAndCost(), batch, refs)
    assert found["cost"] == score(FittedReward(standardise=False), batch, refs[1:])["reward"]
    assert found["reward"] == score(FittedReward(), batch, refs[:1])["reward"]


def test_a_family_without_cost_cannot_be_labelled_by_it(tmp_path, rlhf_home):
    row = SampleRow(
        prompt_id="0", prompt=user_prompt("list 2 colors ."), family="instruct", sample=0, response="red .", ids=[],
        finished=True, log_prob=0.0,
    )  # fmt: skip
    row["prompt"] = sample_prompts("instruct", "val", 1, seed=0)[0]["prompt"]
    with stage_tracker(tmp_path / "l.jsonl", tmp_path / "l"), pytest.raises(UserError, match="take hh"):
        label_costs(store_samples([row, {**row, "sample": 1}]), 0.0, 0.0, seed=0)
