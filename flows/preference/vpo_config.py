"""VPO (arXiv 2405.19320): configuration."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from flows.preference.online import OnlineConfig
from tasks.data.world import TinyWorld
from tasks.evaluation.settings import Evaluation
from tasks.policy.fresh.choices import FirstTwo
from tasks.policy.fresh.settings import FreshPairs
from tasks.policy.objectives.dpo import DPO
from tasks.policy.objectives.ipo import IPO
from tasks.policy.objectives.vpo import VPO
from tasks.policy.objectives.xpo import XPO
from tasks.policy.optimisation import PreferenceTraining

Alphas = list[Annotated[float, Field(ge=0.0, le=100.0)]]


class VPOConfig(OnlineConfig):
    """Everything that a run of the VPO comparison depends on: a study on fixed pairs and one on fresh ones."""

    arms: list[
        Literal[
            "sft", "dpo", "ipo", "vpo", "vpo_chosen", "vpo_wrong_sign", "online_dpo", "online_vpo", "xpo",
            "online_vpo_wrong_sign", "online_dpo_plain", "online_vpo_plain",
        ]
    ] = Field(
        ["sft", "dpo", "ipo", "vpo", "vpo_chosen", "vpo_wrong_sign", "online_dpo", "online_vpo", "xpo",
         "online_vpo_wrong_sign"],
        min_length=1,
        description="Arms to compare",
    )  # fmt: skip
    world: TinyWorld = Field(
        TinyWorld(pairs=800, label_noise=0.2),
        description="The scenario, where no real data is given: few pairs with flipped labels, easy to over-fit",
    )
    policy: VPO = Field(
        VPO(sign="pessimistic"), description="VPO on fixed pairs, calibrated by samples of the SFT model"
    )
    online_policy: VPO = Field(
        VPO(alpha=0.01), description="VPO on fresh pairs (0.01 is ours: without bound, optimism must be weak)"
    )
    sweep_alphas: Alphas = Field([0.01, 1.0], max_length=20, description="Further alphas of vpo, a sweep of the arm")
    dpo: DPO = Field(DPO(), description="DPO, offline and online: VPO without its value term")
    ipo: IPO = Field(IPO(), description="IPO on the fixed pairs")
    xpo: XPO = Field(XPO(), description="XPO, whose pairs are of one response of the policy and one of the SFT model")
    training: PreferenceTraining = Field(
        PreferenceTraining(epochs=8, snapshots=8),
        description="Budget of the arms on fixed pairs: many passes, so that over-training shows (paper: figure 2)",
    )
    online_training: PreferenceTraining = Field(
        PreferenceTraining(max_steps=100, snapshots=5), description="Budget of the arms on fresh pairs"
    )
    fresh: FreshPairs = Field(
        FreshPairs(refresh_every_steps=10, rounds_replayed=-1),
        description="How online arms draw pairs; all pairs so far stay in use, as in the paper",
    )
    oracle: Literal["gold", "reward_model"] = Field(
        "gold",
        description="Who labels fresh pairs: the true reward, drawn with the temperature and noise of the fixed pairs' "
        "labels, or a reward model fitted on those",
    )
    evaluation: Evaluation = Field(Evaluation(temperatures=[]), description="What every arm is measured by")

    @model_validator(mode="after")
    def _signs_are_the_paper_s(self) -> Self:
        for name, wanted in {"policy": "pessimistic", "online_policy": "optimistic"}.items():
            one: VPO = getattr(self, name)
            if one.sign != wanted:
                raise ValueError(
                    f"{name}.sign {one.sign}: fixed pairs want pessimism, fresh ones optimism; the other way round are "
                    "the arms vpo_wrong_sign and online_vpo_wrong_sign"
                )
            if one.calibration != "samples":
                raise ValueError(f"{name}.calibration {one.calibration}: leave it at samples; see the arm vpo_chosen")
        return self

    @model_validator(mode="after")
    def _arms_draw_alike(self) -> Self:
        if self.fresh.choice != FirstTwo() or self.fresh.per_prompt != 2 or self.fresh.behaviour != "current":
            raise ValueError(
                "fresh: online arms compare two responses of the current policy; leave choice at first_two, per_prompt "
                "at 2 and behaviour at current"
            )
        if self.fresh.rounds_replayed == 0 or self.fresh.calibration:
            raise ValueError(
                "fresh.rounds_replayed and fresh.calibration differ between arms: leave the first above 0 or at -1 "
                "(the arms online_dpo_plain and online_vpo_plain replay nothing) and the second off"
            )
        if not self.online_training.max_steps:
            raise ValueError("online_training.max_steps 0: fresh pairs do not end by themselves; say how many steps")
        return self
