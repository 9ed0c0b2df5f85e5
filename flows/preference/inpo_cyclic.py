"""INPO (arXiv 2407.00617) where it should matter: preferences that go in a circle, by a program and not a model."""

from collections.abc import Collection

from pydantic import Field

from flows.matched import Rows, Shared
from flows.preference.online import OnlineArm, OnlineConfig, Series, train_in_rounds
from flows.reinforcement.matched import points_of
from tasks.engine.schema import Frozen
from tasks.engine.session import arm
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending
from tasks.evaluation.evidence import Difference, Trend
from tasks.evaluation.style_stages import measure_styles
from tasks.policy.fresh.choices import FirstTwo
from tasks.policy.fresh.labellers import CyclicLabels
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.inpo import INPO
from tasks.policy.objectives.objective import Objective

STYLES = "styles"
"""The suite of how exploitable a policy's mixture of styles is."""
EXPLOITABILITY = "style_exploitability"
ARMS = {
    "cyclic_dpo": "Rounds of DPO on two responses a prompt, labelled by preferences that go in a circle",
    "cyclic_inpo": "INPO on the same",
}


class CyclicStudy(Frozen):
    """Rounds on preferences that go in a circle: independent pairs with sampled labels, as INPO's theory has them."""

    rounds: int = Field(10, ge=2, le=1000, description="Rounds, each against the policy that the last one left (ours)")
    steps_a_round: int = Field(20, ge=1, le=10_000_000, description="Optimiser steps of a round (ours)")
    labels: CyclicLabels = Field(CyclicLabels(decide="sampled"), description="The preferences")
    inpo: INPO = Field(
        INPO(eta=0.5, tau_eta_ratio=0.1), description="Small steps (large eta), so that play approaches the Nash policy"
    )
    dpo: DPO = Field(DPO(beta=0.2), description="As near to the reference as INPO's tau 0.05: logit(P) is 4 (P - 1/2)")


def train_cyclic(
    config: OnlineConfig, study: CyclicStudy, shared: Shared, prompts: Rows, asked: Collection[str]
) -> dict[str, Series]:
    """The arms of the study among ``asked``: same samples, labels and budget, another objective."""
    objectives: dict[str, Objective] = {"cyclic_dpo": study.dpo, "cyclic_inpo": study.inpo}
    fresh = config.fresh.model_copy(
        update={"choice": FirstTwo(), "per_prompt": 2, "temperatures": [1.0], "passes": 1, "reference": "fixed"}
    )
    budget = config.training.model_copy(update={"max_steps": study.steps_a_round})
    return {
        name: train_in_rounds(
            config, shared, prompts, name, OnlineArm(objective, study.labels, [], fresh, budget), study.rounds
        ).series
        for name, objective in objectives.items()
        if name in asked
    }


def measure_cyclic(config: OnlineConfig, study: CyclicStudy, shared: Shared, name: str, series: Series) -> Pending:
    """The styles of an arm's policies, from the SFT model on."""
    with arm(name, shared.seed):
        scores = measure_styles.submit(
            series,
            shared.sft,
            shared.evaluation,
            config.evaluation.decoding,
            study.labels,
            config.model,
            shared.seed,
        )
    return Pending(name, shared.seed, STYLES, scores, series)


def claims_on_circles(rounds: int) -> tuple[Claim, ...]:
    """What is claimed of preferences that no reward explains."""
    return (
        Claim(
            key="less_exploitable",
            statement="Where preferences go in a circle INPO ends less exploitable than iterative DPO",
            source="Section 3 (general preferences) and its theorems on the Nash policy",
            paper_value="average policy's duality gap O(1/sqrt(T)); no such experiment in the paper",
            evidence=Difference(metric=EXPLOITABILITY, arm="cyclic_inpo", baseline="cyclic_dpo", suite=STYLES),
            direction="below",
        ),
        Claim(
            key="exploitability_falls",
            statement="Where preferences go in a circle INPO becomes less exploitable with the rounds",
            source="Section 3 (last-iterate convergence)",
            paper_value="KL(Nash || policy) is O(1/T)",
            evidence=Trend(metric=EXPLOITABILITY, arms=points_of("cyclic_inpo", rounds), suite=STYLES),
            direction="below",
        ),
    )
