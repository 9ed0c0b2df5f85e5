"""Averages of weights."""

import pytest
import torch

from tasks.engine.schema import UserError
from tasks.engine.tracking import stage_tracker
from tasks.reward.averaging import average_rewards, require_kin
from tasks.reward.storing import open_reward, read_card


@pytest.fixture
def average(tmp_path, held_out, config):
    def averaged(refs):
        with stage_tracker(tmp_path / "average.jsonl", tmp_path / "average"):
            return average_rewards(refs, held_out, config)

    return averaged


def test_every_weight_is_the_mean(fit, average, config, budget):
    training = budget.model_copy(update={"shared_head": True})
    refs = [fit(seed=seed, training=training) for seed in range(3)]
    found = average(refs)
    members = [dict(open_reward(ref, config).network.named_parameters()) for ref in refs]
    for name, value in open_reward(found, config).network.named_parameters():
        torch.testing.assert_close(value, torch.stack([member[name] for member in members]).mean(0))
    card = read_card(found)
    assert card.averaged == [ref.digest for ref in refs]
    assert card.accuracy > 0.8


def test_the_average_of_one_scores_as_it_does(fit, average, config):
    ref = fit()
    first, second = read_card(ref), read_card(average([ref]))
    assert second.mean == pytest.approx(first.mean, abs=1e-6)
    assert second.standard_deviation == pytest.approx(first.standard_deviation, abs=1e-6)
    assert second.accuracy == first.accuracy


def test_only_kin_can_be_averaged(fit):
    card = read_card(fit())
    with pytest.raises(UserError, match="differ in base"):
        require_kin([card, card.model_copy(update={"base": "0" * 64})])
    with pytest.raises(UserError, match="differ in pooling"):
        require_kin([card, card.model_copy(update={"pooling": "mean"})])
    with pytest.raises(UserError, match="no reward model"):
        require_kin([])
