"""Labels by implicit rewards: best against worst by log-ratio, and their agreement with the true reward."""

import numpy as np
import pytest

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of, read_scores, store_rows
from tasks.data.tiny_world import prompt_text, sample_prompts
from tasks.data.tiny_world.families import FAMILIES
from tasks.engine.schema import UserError
from tasks.engine.tracking import stage_tracker
from tasks.models.decoding import Decoding
from tasks.models.generation import SampleRow, sample_responses, store_samples
from tasks.models.scoring import score_pairs
from tasks.policy.objectives.dpo import DPO
from tasks.policy.optimisation import PreferenceTraining
from tasks.policy.preference import optimise_preferences
from tasks.reward.implicit_labels import best_against_worst, label_by_log_ratio, log_probs, measure_labels


@pytest.fixture(autouse=True)
def tracked(rlhf_home):
    with stage_tracker(rlhf_home / "stage.jsonl", rlhf_home / "work"):
        yield


def sampled(answers: int = 3) -> list[SampleRow]:
    """The best answer to a post, then ever worse ones."""
    rows = []
    for prompt in sample_prompts("tldr", "train", 4, seed=0):
        best = FAMILIES["tldr"].solve(prompt_text(prompt))
        texts = [best, best.split(" ; ")[0], "my dog"][:answers]
        rows += [
            SampleRow(**prompt, sample=number, response=text, ids=[5], finished=True, log_prob=-1.0)
            for number, text in enumerate(texts)
        ]
    return rows


def test_best_and_worst_of_a_prompt_become_a_pair_with_their_true_rewards():
    rows = sampled()
    pairs = best_against_worst(rows, [1.0, 0.0, -1.0] * 4)
    assert [pair["chosen"] for pair in pairs] == [row["response"] for row in rows if row["sample"] == 0]
    assert {pair["rejected"] for pair in pairs} == {"my dog"}
    assert all(pair["chosen_gold"] == 4.0 for pair in pairs)
    assert best_against_worst(rows, [0.0] * 12) == []


def test_labels_are_those_of_the_log_ratio(base, pairs, config):
    budget = PreferenceTraining(learning_rate=3e-3, batch_size=8, epochs=3, warmup_steps=2, snapshots=1)
    trained = optimise_preferences(base, pairs, score_pairs(base, pairs, config), DPO(), budget, config, seed=0)
    samples = sample_responses(base, pairs, Decoding(max_new_tokens=8), 4, config, seed=0)
    rows = read_rows_of(samples, SampleRow)
    ratios = np.array(log_probs(trained.final, rows, config)) - np.array(log_probs(base, rows, config))
    of_text = {(row["prompt_id"], row["response"]): value for row, value in zip(rows, ratios, strict=True)}
    labelled = read_rows_of(label_by_log_ratio(samples, trained, base, config), PairRow)
    assert len(labelled) > 20
    for pair in labelled:
        own = [value for (prompt, _), value in of_text.items() if prompt == pair["prompt_id"]]
        assert of_text[pair["prompt_id"], pair["chosen"]] == pytest.approx(max(own), abs=1e-4)


def test_the_reference_itself_prefers_nothing(base, pairs, config):
    samples = sample_responses(base, pairs, Decoding(max_new_tokens=4), 2, config, seed=0)
    with pytest.raises(UserError, match="have one implicit reward"):
        label_by_log_ratio(samples, base, base, config)


def test_agreement_with_the_true_reward_counts_ties_half():
    rows = best_against_worst(sampled(), [1.0, 0.0, -1.0] * 4)
    golds = (1.0, 0.0, -1.0, 0.0)
    turned = [
        PairRow(**{**row, "chosen_gold": 0.0, "rejected_gold": gold}) for row, gold in zip(rows, golds, strict=True)
    ]
    table = read_scores(measure_labels(store_rows(turned, "labels"), "round1"))
    assert list(table["value"]) == [0.0, 0.5, 1.0, 0.5]
    assert set(table["point"]) == {"round1"}


def test_agreement_wants_a_true_reward(pairs):
    bare = [
        {name: row[name] for name in ("prompt_id", "prompt", "family", "chosen", "rejected")}
        for row in read_rows_of(pairs, PairRow)
    ]
    with pytest.raises(UserError, match="the tiny world alone has"):
        measure_labels(store_rows(bare, "bare"), "")


def test_samples_of_one_answer_make_no_pair(rlhf_home):
    assert store_samples(sampled(1)).rows == 4
    assert best_against_worst(sampled(1), [1.0] * 4) == []
