"""Objectives on games small enough to solve: their population minimisers are the papers' closed forms."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from tasks.policy.objectives.brain import BRAIn
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.inpo import INPO
from tasks.policy.objectives.length_regularised_dpo import LengthRegularisedDPO
from tasks.policy.objectives.objective import Objective
from tasks.policy.objectives.scores import ScoredGroup
from tasks.policy.objectives.spce import SPCE
from tasks.policy.objectives.sppo import SPPO
from tasks.policy.objectives.srpo import SRPO
from tasks.policy.objectives.vpo import VPO

CYCLE = torch.tensor([[0.5, 0.8, 0.3], [0.2, 0.5, 0.6], [0.7, 0.4, 0.5]], dtype=torch.float64)
"""P(row beats column): no order of the three agrees with it."""
Weighted = list[tuple[float, int, int]]
"""Probability of a labelled pair, its winner and its loser."""


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def labelled_pairs(behaviour: Tensor, preference: Tensor) -> Weighted:
    """Every labelled pair of two independent responses of ``behaviour``."""
    size = len(behaviour)
    return [
        (float(2 * behaviour[i] * behaviour[j] * preference[i, j]), i, j)
        for i in range(size)
        for j in range(size)
        if i != j
    ]


def expected_loss(
    objective: Objective, log_policy: Tensor, pairs: Weighted, lengths: Tensor | None = None, **anchors: Tensor
) -> Tensor:
    """The objective's expectation over labelled pairs of a table of responses."""
    counts = torch.ones(len(log_policy)) if lengths is None else lengths
    total = torch.zeros((), dtype=torch.float64)
    for weight, *pair in pairs:
        frozen = {name: scores.log()[pair][None] for name, scores in anchors.items()}
        total = total + weight * objective.loss(ScoredGroup(log_policy[pair][None], frozen, counts[pair][None]))[0]
    return total


def minimise(loss_of: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    """Logits at which ``loss_of`` is least, from ``start``, to machine precision."""
    logits = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [logits], max_iter=2000, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(logits)
        loss.backward()
        return loss

    optimizer.step(closure)
    return logits.detach()


def fitted(objective: Objective, pairs: Weighted, start: Tensor, lengths: Tensor | None = None, **anchors: Tensor):
    """The policy that minimises the objective's expectation."""
    return minimise(
        lambda logits: expected_loss(objective, logits.log_softmax(0), pairs, lengths, **anchors), start.log()
    ).softmax(0)


def softly(weights: Tensor) -> Tensor:
    return weights / weights.sum()


def test_inpo_s_minimiser_is_the_mirror_descent_step():
    current, reference, eta, ratio = vector(0.5, 0.3, 0.2), vector(0.4, 0.4, 0.2), 0.5, 0.4
    wins = CYCLE @ current
    step = softly((wins / eta).exp() * reference**ratio * current ** (1 - ratio))
    assert wins.tolist() == pytest.approx([0.55, 0.37, 0.57])
    assert step.tolist() == pytest.approx([0.507950, 0.260835, 0.231215], abs=1e-6)
    found = fitted(
        INPO(eta=eta, tau_eta_ratio=ratio),
        labelled_pairs(current, CYCLE),
        current,
        reference=reference,
        previous=current,
    )
    assert found.tolist() == pytest.approx(step.tolist(), abs=1e-7)


def test_sppo_s_minimiser_is_the_multiplicative_update_where_its_normaliser_is_one_half():
    current, eta = vector(1 / 3, 1 / 3, 1 / 3), 0.01
    wins = CYCLE @ current

    def loss(logits: Tensor) -> Tensor:
        columns = {"win_rates": wins[None]}
        group = ScoredGroup(logits.log_softmax(0)[None], {"previous": current.log()[None]}, torch.ones(1, 3), columns)
        return SPPO(eta=eta).loss(group)[0]

    found = minimise(loss, current.log()).softmax(0)
    assert found.tolist() == pytest.approx(softly(current * (eta * wins).exp()).tolist(), abs=1e-7)


def exploitability(policy: Tensor, preference: Tensor, reference: Tensor, tau: float) -> float:
    """Duality gap of the KL-regularised game: twice what a best response to ``policy`` gains; 0 at the Nash policy."""
    best = tau * (reference * ((preference @ policy) / tau).exp()).sum().log()
    return float(2 * (best + tau * (policy * (policy / reference).log()).sum() - 0.5))


def self_play(objective: Objective, rounds: int, reference: Tensor, preference: Tensor) -> list[Tensor]:
    """Policies of rounds that sample from the policy as it is, label by ``preference`` and minimise ``objective``."""
    policies = [reference]
    for _ in range(rounds):
        now = policies[-1]
        policies.append(fitted(objective, labelled_pairs(now, preference), now, reference=reference, previous=now))
    return policies


def test_on_rock_paper_scissors_inpo_approaches_the_nash_policy_and_iterated_dpo_cycles():
    preference = torch.tensor([[0.5, 0.8, 0.2], [0.2, 0.5, 0.8], [0.8, 0.2, 0.5]], dtype=torch.float64)
    reference, tau = vector(0.6, 0.3, 0.1), 0.05
    as_strong = 4 * tau
    """logit(P) is 4 (P - 1/2) near 1/2, so that DPO's beta regularises as much as tau does."""

    def gaps(objective: Objective) -> list[float]:
        policies = self_play(objective, 40, reference, preference)
        return [exploitability(policy, preference, reference, tau) for policy in policies]

    nash_seeking, iterated = gaps(INPO(eta=0.5, tau_eta_ratio=tau / 0.5)), gaps(DPO(beta=as_strong))
    assert nash_seeking[-1] < 0.1 * nash_seeking[0]
    assert min(iterated[-10:]) > 4 * iterated[0]
    assert iterated[-1] == pytest.approx(iterated[-4], abs=1e-6), "rock, paper, scissors, rock"
    assert abs(iterated[-1] - iterated[-2]) > 0.1


@pytest.mark.parametrize("alpha", [0.2, 0.5])
@pytest.mark.parametrize("behaviour", [(1 / 3, 1 / 3, 1 / 3), (0.7, 0.1, 0.2)])
def test_srpo_s_minimiser_solves_the_game_whoever_wrote_the_pairs(alpha, behaviour):
    beta, reference = 0.7, vector(0.5, 0.3, 0.2)
    draft_reference = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.2, 0.2], [0.3, 0.3, 0.4]], dtype=torch.float64)
    objective = SRPO(beta=beta, alpha=alpha)
    pairs = labelled_pairs(vector(*behaviour), CYCLE)
    frozen = torch.cat([reference[None], draft_reference]).log()

    def loss(logits: Tensor) -> Tensor:
        scores = logits.log_softmax(1)
        total = torch.zeros((), dtype=torch.float64)
        for weight, won, lost in pairs:
            places = ([0, 0, 1 + lost, 1 + lost, 1 + won, 1 + won], [won, lost, won, lost, won, lost])
            group = ScoredGroup(scores[places][None], {"reference": frozen[places][None]}, torch.ones(1, 6))
            total = total + weight * objective.loss(group)[0]
        return total

    found = minimise(loss, frozen).softmax(1)
    assert found[0].tolist() == pytest.approx([0.552622, 0.236928, 0.210450], abs=1e-6)
    assert found[1].tolist() == pytest.approx([0.216232, 0.352155, 0.431614], abs=1e-6)
    assert found[2].tolist() == pytest.approx([0.711548, 0.154510, 0.133941], abs=1e-6)
    assert found[3].tolist() == pytest.approx([0.232054, 0.356217, 0.411729], abs=1e-6)
    normaliser = (draft_reference * (CYCLE.T / beta).exp()).sum(1).log()
    value = beta * (found[0] * normaliser).sum() + beta * (found[0] * (found[0] / reference).log()).sum()
    assert float(value) == pytest.approx(0.515422, abs=1e-6)


@pytest.mark.parametrize(("sign", "direction"), [("optimistic", 1.0), ("pessimistic", -1.0)])
def test_vpo_s_further_term_is_the_optimal_value_of_the_reward(sign, direction):
    reference, calibration, beta, alpha = vector(0.5, 0.3, 0.2), vector(0.2, 0.5, 0.3), 0.5, 0.3
    reward = vector(1.0, -0.5, 0.3)
    reward = reward - (calibration * reward).sum()
    optimum = softly(reference * (reward / beta).exp())
    value = (optimum * reward).sum() - beta * (optimum * (optimum / reference).log()).sum()
    assert optimum.tolist() == pytest.approx([0.886123, 0.026470, 0.087406], abs=1e-6)
    assert float(value) == pytest.approx(0.673876, abs=1e-6)
    assert float(value) == pytest.approx(float(beta * (reference * (reward / beta).exp()).sum().log()), abs=1e-12)

    def loss(strength: float) -> float:
        objective = VPO(beta=beta, alpha=strength, sign=sign)
        groups = [(float(weight), [0, 1, y]) for y, weight in enumerate(calibration)]
        return sum(
            weight
            * objective.loss(
                ScoredGroup(optimum.log()[group][None], {"reference": reference.log()[group][None]}, torch.ones(1, 3))
            )[0].item()
            for weight, group in groups
        )

    assert loss(alpha) - loss(0.0) == pytest.approx(-direction * alpha * float(value), abs=1e-12)


def test_soft_labels_and_hard_ones_drawn_from_them_have_one_minimiser():
    reference, beta = vector(0.5, 0.3, 0.2), 0.4
    reward = vector(0.3, -0.2, 0.5)
    preference = (reward[:, None] - reward[None, :]).sigmoid()
    optimum = softly(reference * (reward / beta).exp())

    def soft(logits: Tensor) -> Tensor:
        scores, pairs = logits.log_softmax(0), [(i, j) for i in range(3) for j in range(i)]
        group = ScoredGroup(
            torch.stack([scores[list(pair)] for pair in pairs]),
            {"reference": torch.stack([reference.log()[list(pair)] for pair in pairs])},
            torch.ones(3, 2),
            {"strength": torch.stack([preference[pair] for pair in pairs])},
        )
        return SPCE(beta=beta).loss(group)[0]

    assert minimise(soft, reference.log()).softmax(0).tolist() == pytest.approx(optimum.tolist(), abs=1e-7)
    hard = fitted(DPO(beta=beta), labelled_pairs(reference, preference), reference, reference=reference)
    assert hard.tolist() == pytest.approx(optimum.tolist(), abs=1e-7)


def test_length_regularised_dpo_finds_the_optimum_of_the_reward_less_the_length():
    reference, beta, alpha = vector(0.5, 0.3, 0.2), 0.4, 0.05
    reward, lengths = vector(0.3, -0.2, 0.5), torch.tensor([4, 9, 20])
    preference = (reward[:, None] - reward[None, :]).sigmoid()
    optimum = softly(reference * ((reward - alpha * lengths) / beta).exp())
    objective = LengthRegularisedDPO(beta=beta, alpha=alpha)
    found = fitted(objective, labelled_pairs(reference, preference), reference, lengths, reference=reference)
    assert found.tolist() == pytest.approx(optimum.tolist(), abs=1e-7)


def drawn(policy: Tensor, prior: Tensor, proposal: Tensor, reward: Tensor, chosen: Tensor) -> ScoredGroup:
    """Groups of the responses ``chosen`` [prompts, n], scored by policy, prior and proposal."""
    anchors: Mapping[str, Tensor] = {"reference": prior.log()[chosen], "behaviour": proposal.log()[chosen]}
    return ScoredGroup(policy[chosen], anchors, torch.ones(chosen.shape), {"rewards": reward[chosen]})


def posterior_game(size: int = 20) -> tuple[Tensor, Tensor, Tensor]:
    """A prior, rewards, and the posterior p exp(r / 0.5) / Z."""
    generator = np.random.default_rng(0)
    prior = torch.tensor(generator.dirichlet(np.ones(size)))
    reward = torch.tensor(generator.uniform(-1.0, 1.0, size))
    return prior, reward, softly(prior * (reward / 0.5).exp())


def test_brain_s_minimiser_over_all_responses_is_the_posterior():
    prior, reward, posterior = posterior_game()
    everything = torch.arange(len(prior))[None]
    uniform = torch.full_like(prior, 1 / len(prior))

    def loss(logits: Tensor) -> Tensor:
        return BRAIn(reward_temperature=0.5).loss(drawn(logits.log_softmax(0), prior, uniform, reward, everything))[0]

    assert minimise(loss, prior.log()).softmax(0).tolist() == pytest.approx(posterior.tolist(), abs=1e-7)


@pytest.mark.parametrize("responses", [2, 8])
def test_brain_on_samples_of_the_policy_converges_to_the_posterior(responses):
    prior, reward, posterior = posterior_game()
    objective = BRAIn(reward_temperature=0.5)
    logits = prior.log().clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.02)
    generator = torch.Generator().manual_seed(0)
    for _ in range(1200):
        proposal = logits.detach().softmax(0)
        chosen = torch.multinomial(proposal, 64 * responses, replacement=True, generator=generator).view(64, responses)
        optimizer.zero_grad()
        objective.loss(drawn(logits.log_softmax(0), prior, proposal, reward, chosen))[0].backward()
        optimizer.step()
    start, end = (0.5 * (policy - posterior).abs().sum().item() for policy in (prior, logits.detach().softmax(0)))
    assert start > 0.2
    assert end < 0.03


def test_self_normalisation_tames_the_gradient_where_the_proposal_is_far_from_the_posterior():
    prior, reward, _ = posterior_game()
    policy = softly(prior * (-reward).exp()).log()
    generator = torch.Generator().manual_seed(0)
    chosen = torch.multinomial(policy.exp(), 400 * 8, replacement=True, generator=generator).view(400, 8)

    def spread(estimator: str) -> float:
        objective = BRAIn(reward_temperature=0.5, estimator=estimator)
        return float(torch.stack(list(gradients(objective, chosen))).var(dim=0).sum())

    def gradients(objective: BRAIn, groups: Tensor) -> Sequence[Tensor]:
        found = []
        for group in groups:
            logits = policy.clone().requires_grad_()
            objective.loss(drawn(logits.log_softmax(0), prior, policy.exp(), reward, group[None]))[0].backward()
            assert logits.grad is not None
            found.append(logits.grad)
        return found

    assert spread("brain") < spread("dpg")
