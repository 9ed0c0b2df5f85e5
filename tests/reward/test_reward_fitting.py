"""Fitting a reward model: it learns, repeats itself, goes on after a kill, and other programs read it alike."""

import pytest
import torch
from transformers import AutoModelForSequenceClassification, GPT2Config, GPT2LMHeadModel

from tasks.data.rows import PairRow, user_prompt
from tasks.data.tables import read_rows_of, store_rows
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.refs import Checkpoint
from tasks.engine.schema import UserError
from tasks.engine.spool import read_events
from tasks.engine.store import Store
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.judges.reward_model import RewardModel
from tasks.evaluation.judges.settings import JudgeSettings
from tasks.evaluation.metrics import find_metric
from tasks.models.batching import pad_right
from tasks.models.config import ModelConfig
from tasks.models.loading import save_model
from tasks.models.opening import open_policy
from tasks.reward.fitted import FittedRewards
from tasks.reward.fitting import encode_pairs, fit_reward, held_out_facts, reward_loss
from tasks.reward.judged import Judged
from tasks.reward.model import new_network, score_groups
from tasks.reward.objectives.bradley_terry import BradleyTerry
from tasks.reward.objectives.odin import ODIN
from tasks.reward.objectives.token_bradley_terry import TokenBradleyTerry
from tasks.reward.sources import FittedReward
from tasks.reward.storing import open_reward, read_card


def logged(tmp_path, run: int = 1) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for event, _ in read_events(tmp_path / f"fit-{run}" / "run.jsonl"):
        for name, value in event.get("values", {}).items() if event["event"] == "metrics" else ():
            found.setdefault(name, []).append(value)
    return found


def test_it_learns_to_prefer_and_logs_registered_metrics(tmp_path, fit):
    ref = fit()
    card = read_card(ref)
    assert card.accuracy > 0.9
    assert card.standard_deviation[0] > 0
    metrics = logged(tmp_path)
    assert metrics["train/loss"][-1] < 0.4 < metrics["train/loss"][0]
    assert metrics["held_out/reward_accuracy"] == [card.accuracy]
    assert all(find_metric(name) for name in metrics)


def test_the_card_tells_what_it_was_fitted_on(fit, base, pairs, held_out):
    card = read_card(fit(seed=3, objective=BradleyTerry(centring=0.01)))
    assert (card.base, card.pairs, card.held_out) == (base.digest, pairs.digest, held_out.digest)
    assert (card.pairs_name, card.pairs_rows, card.seed) == ("closing-train", 32, 3)
    assert card.objective["kind"] == "bradley_terry"
    assert card.objective["centring"] == 0.01


def test_mean_and_deviation_are_those_of_the_held_out_scores(fit, held_out, config):
    opened = open_reward(fit(), config)
    groups = encode_pairs(opened.tokenizer, read_rows_of(held_out, PairRow))
    scores = torch.cat(score_groups(opened.network, groups))
    assert opened.card.mean[0] == pytest.approx(float(scores.mean()), abs=1e-5)
    assert opened.card.standard_deviation[0] == pytest.approx(float(scores.std(correction=0)), abs=1e-5)


def test_a_seed_repeats_and_another_gives_another_model(fit):
    first, again, other = fit(seed=0), fit(seed=0), fit(seed=1)
    assert first.digest == again.digest != other.digest


def test_the_seed_draws_the_head_unless_it_is_shared(base, config):
    policy, _ = open_policy(base, config)
    heads = [new_network(policy, 1, seed).head.weight for seed in (0, 0, 1)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


class Killed(Exception):
    """Stands for the process's end."""


def test_a_killed_fit_goes_on_to_the_same_weights(tmp_path, monkeypatch, fit, base, pairs, held_out, config, budget):
    whole = fit()
    calls = 0

    def killing(*arguments):
        inner = reward_loss(*arguments)

        def loss_of(module, rows, batch):
            nonlocal calls
            calls += 1
            if calls == 8:
                raise Killed
            return inner(module, rows, batch)

        return loss_of

    given = (base, pairs, held_out, BradleyTerry(), budget, config, 0)
    with monkeypatch.context() as patched:
        patched.setattr("tasks.reward.fitting.reward_loss", killing)
        with stage_tracker(tmp_path / "killed.jsonl", tmp_path / "killed"), pytest.raises(Killed):
            fit_reward(*given)
    assert list((tmp_path / "killed" / "checkpoints").glob("step-*"))
    with stage_tracker(tmp_path / "resumed.jsonl", tmp_path / "killed"):
        assert fit_reward(*given).digest == whole.digest


@pytest.mark.parametrize("changes", [{}, {"lora_rank": 4, "lora_alpha": 64.0}, {"gradient_checkpointing": True}])
def test_transformers_and_the_judge_read_the_same_rewards(fit, held_out, config, changes):
    ref = fit(model=config.model_copy(update=changes))
    opened = open_reward(ref, config)
    rows = read_rows_of(held_out, PairRow)
    groups = encode_pairs(opened.tokenizer, rows)
    ours = [float(scores[0]) for scores in score_groups(opened.network, groups)]

    judge = RewardModel(JudgeSettings(kind="reward_model", model=str(Store().open(ref))))
    theirs = judge.rewards([(row["prompt"], row["chosen"]) for row in rows])
    assert ours == pytest.approx(theirs, abs=1e-5)

    classifier = AutoModelForSequenceClassification.from_pretrained(Store().open(ref))
    ids = torch.tensor([groups[0].prompt + groups[0].responses[0]])
    with torch.no_grad():
        assert classifier(input_ids=ids).logits.item() == pytest.approx(ours[0], abs=1e-5)


def test_a_judge_does_not_take_a_mean_over_tokens_for_a_last_token(fit, budget):
    ref = fit(training=budget.model_copy(update={"pooling": "mean"}))
    judge = RewardModel(JudgeSettings(kind="reward_model", model=str(Store().open(ref))))
    with pytest.raises(UserError, match="mean over tokens"):
        judge.rewards([(user_prompt("list 2 colors ."), "red .")])


def test_a_mean_over_tokens_learns_and_is_opened_as_it_was_fitted(fit, budget, held_out, config):
    opened = open_reward(fit(training=budget.model_copy(update={"pooling": "mean"})), config)
    assert opened.network.pooling == "mean"
    facts = held_out_facts(opened.network, encode_pairs(opened.tokenizer, read_rows_of(held_out, PairRow)), True)
    assert facts.accuracy == opened.card.accuracy > 0.9
    assert facts.mean == pytest.approx(opened.card.mean, abs=1e-6)


@pytest.mark.parametrize("objective", [ODIN(), TokenBradleyTerry()], ids=lambda one: one.kind)
def test_other_objectives_learn_too(tmp_path, fit, held_out, config, objective):
    ref = fit(objective=objective)
    opened = open_reward(ref, config)
    assert opened.card.heads == list(objective.heads)
    assert opened.network.head.weight.shape[0] == len(objective.heads)
    assert all(find_metric(name) for name in logged(tmp_path))
    rows = read_rows_of(held_out, PairRow)
    both = score_groups(opened.network, encode_pairs(opened.tokenizer, rows))
    total = torch.stack(both).sum(-1)
    assert (total[:, 0] > total[:, 1]).float().mean() > 0.7
    judge = RewardModel(JudgeSettings(kind="reward_model", model=str(Store().open(ref))))
    theirs = judge.rewards([(row["prompt"], row["rejected"]) for row in rows])
    assert [float(scores[1, 0]) for scores in both] == pytest.approx(theirs, abs=1e-5)
    for place, head in enumerate(opened.card.heads):
        function = FittedRewards(FittedReward(head=head, standardise=False), [opened])
        found = function.score([Judged(row, row["rejected"], True) for row in rows])["reward"]
        assert found == pytest.approx([float(scores[1, place]) for scores in both], abs=1e-5)


def test_a_gpt2_without_padding_token_is_read_alike_by_transformers(tmp_path, rlhf_home, fit, held_out, config):
    tokenizer = build_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    shape = GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=128, **ids)
    model = GPT2LMHeadModel(shape)
    start = Store().write(Checkpoint, lambda folder: save_model(model, tokenizer, folder))
    ref = fit(start=start)
    opened = open_reward(ref, config)
    rows = read_rows_of(held_out, PairRow)
    groups = encode_pairs(opened.tokenizer, rows)
    classifier = AutoModelForSequenceClassification.from_pretrained(Store().open(ref)).eval()
    texts = [group.prompt + group.responses[0] for group in groups]
    padded, mask = pad_right(texts, classifier.config.pad_token_id)
    with torch.no_grad():
        theirs = classifier(input_ids=padded, attention_mask=mask).logits[:, 0].tolist()
    assert [float(scores[0]) for scores in score_groups(opened.network, groups)] == pytest.approx(theirs, abs=1e-5)


def test_adapters_alone_and_the_head_are_trained(base, config):
    policy, _ = open_policy(base, config.model_copy(update={"lora_rank": 2}))
    network = new_network(policy, 1, 0)
    trained = [name for name, value in network.named_parameters() if value.requires_grad]
    assert all("lora_" in name or name == "head.weight" for name in trained)
    assert "head.weight" in trained


def test_a_half_precision_body_still_gives_float_scores(fit, held_out):
    config = ModelConfig(dtype="bfloat16")
    opened = open_reward(fit(model=config), config)
    (scores, *_) = score_groups(opened.network, encode_pairs(opened.tokenizer, read_rows_of(held_out, PairRow)[:2]))
    assert opened.network.body.dtype == torch.bfloat16
    assert scores.dtype == torch.float32


def test_a_pair_longer_than_the_context_is_refused(fit):
    row = PairRow(
        prompt_id="0", prompt=user_prompt("list 2 colors ."), family="x", chosen="red . " * 200, rejected="blue ."
    )
    with pytest.raises(UserError, match="row 0: prompt and response take"):
        fit(pairs=store_rows([row] * 8, "long"))
