"""A judge that reads two responses together and says how likely the first one is the better."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from tasks.data.rows import PairRow
from tasks.data.tables import read_rows_of
from tasks.engine.refs import Checkpoint, DatasetRef, RewardRef
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.models.batching import plan_batches
from tasks.models.config import ModelConfig
from tasks.models.encoding import encode_response
from tasks.models.opening import open_policy
from tasks.models.packing import EncodedGroup
from tasks.models.parts import disable_dropout, output_head
from tasks.policy.loop import LossOf, Metrics, parameter_count, steps_of, train
from tasks.reward.fitting import HeldOutFacts, encode_pairs
from tasks.reward.model import RewardNetwork, new_network, score_groups
from tasks.reward.objectives.pairwise_judge import PairwiseJudge
from tasks.reward.settings import RewardTraining
from tasks.reward.storing import RewardCard, store_reward

HEAD = "preference"
"""Name of the head of a pairwise judge: its score is no reward of one response."""


def fit_pairwise(
    start: Checkpoint,
    pairs: DatasetRef,
    held_out: DatasetRef,
    objective: PairwiseJudge,
    training: RewardTraining,
    model: ModelConfig,
    seed: int,
) -> RewardRef:
    """Fit a pairwise judge on the body of ``start``; ``seed`` draws its head, the order of the data and of the pairs.

    Logs accuracy over both orders of ``held_out`` and the share of pairs whose winner changes with the order. Raises
    UserError for pairs too long for the model, too few of them, or a verdict word that is no single token.
    """
    tracker = current_tracker()
    tracker.dataset(pairs, "training")
    tracker.dataset(held_out, "validation")
    policy, tokenizer = open_policy(start, model)
    disable_dropout(policy)
    network = new_network(policy, 1, 0 if training.shared_head else seed, training.pooling)
    if objective.first_word:
        start_from_words(network, policy, tokenizer, objective)
    tracker.metrics({"model/parameters": parameter_count(network)}, 0)
    groups = encode_pairs(tokenizer, read_rows_of(pairs, PairRow))
    lengths = [len(group.prompt) + sum(map(len, group.responses)) for group in groups]
    plan = steps_of(plan_batches(lengths, training.batch_size, seed, training.epochs), training)
    turned = torch.rand(len(groups), generator=torch.Generator().manual_seed(seed)) < 0.5
    train(network, plan, pairwise_loss(groups, turned, objective), training, tracker)
    tracker.metrics({"cost/tokens": sum(2 * lengths[row] for batch in plan for row in batch)}, len(plan))
    logits = read_pairs(network, encode_pairs(tokenizer, read_rows_of(held_out, PairRow)))
    facts = pairwise_facts(logits)
    flipped = float(((logits[:, 0] > 0) == (logits[:, 1] > 0)).double().mean())
    tracker.metrics({"held_out/reward_accuracy": facts.accuracy, "held_out/reward_flip_rate": flipped}, len(plan))
    card = RewardCard(
        objective=objective.model_dump(mode="json"),
        heads=[HEAD],
        pooling=training.pooling,
        base=start.digest,
        pairs=pairs.digest,
        pairs_name=pairs.name,
        pairs_rows=len(groups),
        held_out=held_out.digest,
        seed=seed,
        **facts._asdict(),
    )
    return store_reward(network, policy, tokenizer, card)


def ordered(group: EncodedGroup, first: int = 0, second: int = 1) -> EncodedGroup:
    """Two responses of a group as one sequence, the ``first`` one as a part of the prompt."""
    return EncodedGroup([*group.prompt, *group.responses[first]], [group.responses[second]])


def pairwise_loss(groups: Sequence[EncodedGroup], turned: Tensor, objective: PairwiseJudge) -> LossOf:
    """The loss that the loop takes: ``objective`` on both orders of the pairs, the preferred response first."""

    def loss_of(module: nn.Module, rows: list[int], batch: list[int]) -> tuple[Tensor, Metrics]:
        part = [groups[row] for row in rows]
        logits = module([ordered(group) for group in part] + [ordered(group, 1, 0) for group in part])
        return objective.loss(logits.view(2, len(rows)).T, turned[rows].to(logits.device))

    return loss_of


def read_pairs(network: RewardNetwork, groups: Sequence[EncodedGroup]) -> Tensor:
    """[pairs, 2]: z(first, second) and z(second, first) of groups of two, without gradient, on the CPU."""
    orders = [ordered(group) for group in groups] + [ordered(group, 1, 0) for group in groups]
    return torch.cat(score_groups(network, orders)).view(2, len(groups)).T


def pairwise_facts(logits: Tensor) -> HeldOutFacts:
    """Accuracy over both orders, a tie counting half, and mean and deviation of z; ``logits`` as of ``read_pairs``."""
    signed = logits.double() * torch.tensor([1.0, -1.0])
    right = (signed > 0).double() + 0.5 * (signed == 0).double()
    return HeldOutFacts(float(right.mean()), [float(logits.mean())], [float(logits.double().std(correction=0))])


def start_from_words(
    network: RewardNetwork, policy: nn.Module, tokenizer: PreTrainedTokenizerBase, objective: PairwiseJudge
) -> None:
    """Set the head to the difference of two words' rows in the output layer: z is their log odds.

    Raises UserError if one of them is no single token.
    """
    first, second = (single_token(tokenizer, word) for word in (objective.first_word, objective.second_word))
    rows = output_head(policy).get_parameter("weight").detach().float()
    with torch.no_grad():
        network.head.weight.copy_((rows[first] - rows[second])[None])


def single_token(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    """The id of ``word``. Raises UserError if it is not one known token."""
    ids = encode_response(tokenizer, word, eos=False)
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise UserError(f"verdict word {word!r} is {len(ids)} token(s) or unknown; choose a word that is one token")
    return ids[0]
