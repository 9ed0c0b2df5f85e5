"""Policy-gradient methods of a tournament: PPO, and what others change of it."""

from typing import Any

from flows.matched import MatchedConfig, policy_prompts
from flows.reinforcement.matched import PolicyArm, ReinforcementConfig, train_policy
from flows.studies.tournament_config import TournamentConfig
from flows.studies.tournament_entry import Entry, Policy, source_of
from flows.tuning import Settings
from tasks.engine.session import arm
from tasks.models.stages import sample_responses
from tasks.policy.policy_gradient import PolicyGradient
from tasks.policy.steps.advantages import GroupNormalised, LeaveOneOut
from tasks.reward.stages import score_samples


def train_gradient(entry: Entry) -> Policy:
    """As many updates as the common steps, each on as many responses as a batch of pairs holds."""
    config, shared, settings = entry.config, entry.shared, entry.settings
    budget = {
        "iterations": config.training.max_steps,
        "rollouts": 2 * config.training.batch_size,
        "snapshots": config.training.snapshots,
        "learning_rate": settings.get("learning_rate", config.reinforcement.learning_rate),
    }
    same = {name: getattr(config, name) for name in MatchedConfig.model_fields}
    gradient = ReinforcementConfig(
        **same,
        reward=config.reward,
        method=gradient_of(config, entry.method, settings),
        training=config.reinforcement.model_copy(update=budget),
    )
    resets = entry.method == "dr_po"
    prompts = shared.demonstrations if resets else policy_prompts(config, shared)
    anchors = []
    if entry.method == "par":
        with arm(entry.label, shared.seed, mode="online"):
            samples = sample_responses.submit(
                shared.sft, prompts, config.reinforcement.decoding, config.variants.par.references, config.model,
                shared.seed,
            )  # fmt: skip
            anchors = [score_samples.submit(samples, source_of(config), list(entry.fitted), config.model)]
    one = PolicyArm(gradient.method, entry.fitted, source_of(config), anchors)
    return train_policy(gradient, shared, prompts, entry.label, one)


def gradient_of(config: TournamentConfig, method: str, settings: Settings) -> PolicyGradient:
    """PPO as configured, or with the one step that a method changes; RLOO and GRPO have no value model either."""
    common, variants = config.gradient, config.variants
    none = common.value.model_copy(update={"trunk": "none"})
    changed: dict[str, dict[str, Any]] = {
        "ppo": {},
        "rloo": {"advantage": LeaveOneOut(), "value": none},
        "grpo": {"advantage": GroupNormalised(), "value": none},
        "par": {"shaping": variants.par},
        "pf_ppo": {"filter": variants.pf_ppo},
        "ma_ppo": {"actions": variants.ma_ppo},
        "dr_po": {"start": variants.dr_po},
    }
    kl = {"kl": common.kl.model_copy(update={"coefficient": settings["kl"]})} if "kl" in settings else {}
    return common.model_copy(update=changed[method] | kl)
