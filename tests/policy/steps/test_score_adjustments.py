import torch

from tasks.policy.steps.score_adjustments import LengthPenalty, MissingEos, ScoreClip


def test_tokens_beyond_the_free_ones_cost():
    scores, lengths = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([10, 300, 350])
    assert torch.allclose(LengthPenalty().apply(scores, lengths), torch.tensor([1.0, 1.0, 0.5]))
    assert torch.equal(LengthPenalty(coefficient=0.0).apply(scores, lengths), scores)


def test_reference_rewards_are_penalised_alike():
    anchors, lengths = torch.zeros(1, 3), torch.tensor([[299, 301, 400]])
    assert torch.allclose(LengthPenalty().apply(anchors, lengths), torch.tensor([[0.0, -0.01, -1.0]]))


def test_an_unfinished_response_loses_its_score():
    scores = torch.tensor([5.0, torch.nan, -3.0])
    adjusted = MissingEos().apply(scores, torch.tensor([True, False, False]))
    assert adjusted.tolist() == [5.0, -1.0, -1.0]
    assert scores[0] == 5.0


def test_scores_are_held_within_the_limit():
    assert ScoreClip(limit=2.5).apply(torch.tensor([-11.0, 1.0, 3.0])).tolist() == [-2.5, 1.0, 2.5]
