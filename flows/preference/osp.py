"""OSP (arXiv 2405.14103): flow. The paper's text was not at hand; what is ours is said where it is chosen."""

from dataclasses import dataclass
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture

from flows.claims_asked import claims_on_arms
from flows.matched import Rows, Shared, policy_prompts, share_inputs
from flows.paper import Paper
from flows.preference.dpo_ppo import as_reinforcement
from flows.preference.online import OnlineArm, fit_rewards, train_online
from flows.preference.osp_claims import ARMS, JUDGE, claims_on_proxy, claims_with_gold
from flows.preference.osp_config import ONLINE, OSPConfig
from flows.preference.rounds import finetune_in_rounds, fit_judge, measure_arm, measure_start, train_offline
from flows.reinforcement.matched import GOLD, PolicyArm, Reward, train_policies
from flows.report import Report, publish
from tasks.data.half_stages import take_half
from tasks.data.label_stages import flip_labels
from tasks.data.stages import take_portion
from tasks.engine.session import arm, paper_run
from tasks.evaluation.claims import Claim
from tasks.evaluation.collecting import Pending, collect
from tasks.evaluation.judge_stages import measure_judge
from tasks.policy.calibration_stages import calibrate_judge
from tasks.policy.fresh.choices import BestWorst, RankedPairs
from tasks.policy.fresh.labellers import PairwiseLabels, RewardLabels
from tasks.policy.fresh.settings import FreshPairs
from tasks.reward.sources import GoldReward

Trained = dict[str, PrefectFuture[Any]]
COMMON = "judge"
OWN_JUDGE = {"osp_corrupted": "judge_corrupted", "osp_few": "judge_few"}
"""Arms whose judge is not the common one."""


@dataclass(frozen=True)
class OwnJudge:
    """A judge and the labels that it gives, pending."""

    model: Reward
    labels: Any
    """A ``PairwiseLabels``, calibrated where that is asked for."""


@flow(name="osp", flow_run_name="osp-{config.scale}")
def osp(config: OSPConfig = OSPConfig()) -> Report:
    """Online Self-Preferring Language Models (arXiv 2405.14103).

    Every online arm gets the same SFT model, prompts and steps, and as many pairs: rules that make several pairs of a
    group take fewer responses, best against worst takes as many. The judge is a frozen copy of the SFT model, fitted on
    the offline pairs to say which of two responses is better and read in both orders; its probability is a pair's
    strength. A live judge, whose weights go on as the policy's do, is not run.
    """
    scenario = config.data.path or config.world.family
    tags = {"family": "preference", "scale": config.scale, "scenario": scenario}
    with paper_run("osp", config, tags, f"osp-{config.scale}") as session:
        pending = [scores for shared in share_inputs(config) for scores in compare_arms(config, shared)]
        return publish(session, collect("osp", pending), claims_of(config), [GOLD, JUDGE, *config.benchmarks.suites])


def compare_arms(config: OSPConfig, shared: Shared) -> list[Pending]:
    """Train and measure every arm of one seed; all are measured by one reward model of the offline pairs."""
    fitted = fit_rewards(config, shared)
    prompts = policy_prompts(config, shared)
    judges = fit_judges(config, shared)
    trained: Trained = {
        name: train_online(config, shared, prompts, name, one).series for name, one in arms_of(config, judges).items()
    }
    if "offline_dpo" in config.arms:
        trained["offline_dpo"] = train_offline(
            config, shared, "offline_dpo", config.dpo, config.pairs_of_a_run, config.training.snapshots
        )
    trained |= train_on_rewards(config, shared, prompts, fitted)
    return [
        *measure_judges(config, shared, judges),
        *measure_start(config, shared, fitted),
        *(score for name, policy in trained.items() for score in measure_arm(config, shared, name, policy, fitted)),
    ]


def fit_judges(config: OSPConfig, shared: Shared) -> dict[str, OwnJudge]:
    """The judges that the arms ask for, by name: the common one, one of few pairs, one of corrupted pairs.

    They are calibrated on one half of the held-out pairs; the judge of few pairs on the last quarter of these, so that
    no more labels are spent on it, and the one of corrupted pairs on labels corrupted alike.
    """
    asked = judges_asked(config)
    judges: dict[str, OwnJudge] = {}
    with arm("pairs", shared.seed):
        half = take_half.submit(shared.held_out, "train")
    if COMMON in asked:
        judges[COMMON] = judge_of(config, shared, COMMON, shared.pairs, half)
    if "judge_few" in asked:
        spared = config.few_pairs // 4 if config.calibrate else 0
        with arm("pairs", shared.seed):
            few = take_portion.submit(shared.pairs, 0, config.few_pairs - spared)
            rest = take_portion.submit(shared.pairs, config.few_pairs - spared, spared) if spared else half
        judges["judge_few"] = judge_of(config, shared, "judge_few", few, rest)
    if "judge_corrupted" in asked:
        with arm("pairs", shared.seed):
            pairs = flip_labels.submit(shared.pairs, config.corruption, shared.seed)
            flipped = flip_labels.submit(half, config.corruption, shared.seed)
        judges["judge_corrupted"] = judge_of(config, shared, "judge_corrupted", pairs, flipped)
    return judges


def judges_asked(config: OSPConfig) -> set[str]:
    """Names of the judges that the arms read."""
    return {OWN_JUDGE.get(name, COMMON) for name in config.arms if name in ONLINE and name != "osp_gold"}


def judge_of(config: OSPConfig, shared: Shared, name: str, pairs: Rows, calibration: Rows) -> OwnJudge:
    """A judge fitted on ``pairs`` and, if asked for, calibrated on ``calibration``."""
    model = fit_judge(config, shared, config.judge, pairs, name)
    labels: Any = PairwiseLabels()
    if config.calibrate:
        with arm(name, shared.seed):
            labels = calibrate_judge.submit(labels, model, calibration, config.model)
    return OwnJudge(model, labels)


def measure_judges(config: OSPConfig, shared: Shared, judges: dict[str, OwnJudge]) -> list[Pending]:
    """Every judge on the half of the held-out pairs, as they were labelled, that calibrated none."""
    pending = []
    for name, judge in judges.items():
        with arm(name, shared.seed):
            half = take_half.submit(shared.held_out, "test")
            scores = measure_judge.submit(judge.labels, judge.model, half, config.model)
        pending.append(Pending(name, shared.seed, JUDGE, scores))
    return pending


def arms_of(config: OSPConfig, judges: dict[str, OwnJudge]) -> dict[str, OnlineArm]:
    """The online arms that were asked for; each changes one thing of OSP."""
    asked = [name for name in config.arms if name in ONLINE]
    found: dict[str, OnlineArm] = {}
    for name in asked:
        fresh = pairing_of(config, name)
        if name == "osp_gold":
            world = config.world
            true = RewardLabels(source=GoldReward(label_by=world.label_by), temperature=world.label_temperature)
            found[name] = OnlineArm(config.policy, true, [], fresh, config.training)
            continue
        judge = judges[OWN_JUDGE.get(name, COMMON)]
        objective = config.dpo if name == "online_dpo_hard" else config.policy
        found[name] = OnlineArm(objective, judge.labels, [judge.model], fresh, config.training)
    return found


def pairing_of(config: OSPConfig, name: str) -> FreshPairs:
    """How an arm pairs the responses; best and worst go through their fewer pairs more often, for equal responses."""
    fresh = config.fresh
    passes = fresh.passes * fresh.choice.rows(fresh.per_prompt)
    changed: dict[str, dict[str, Any]] = {
        "osp_adjacent": {"choice": RankedPairs(rule="adjacent")},
        "osp_all": {"choice": RankedPairs(rule="all")},
        "osp_best_worst": {"choice": BestWorst(), "passes": passes},
    }
    return fresh.model_copy(update=changed.get(name, {}))


def train_on_rewards(config: OSPConfig, shared: Shared, prompts: Rows, fitted: list[Reward]) -> Trained:
    """The arms that maximise a reward model: best-of-n with supervised fine-tuning, and PPO."""
    trained: Trained = {}
    if "rm_best_of_n" in config.arms:
        rounds = config.best_of_n_rounds
        trained["rm_best_of_n"] = finetune_in_rounds(
            config, shared, prompts, "rm_best_of_n", fitted, config.best_of_n, rounds,
            -(-config.prompts_of_a_run // rounds),
        )  # fmt: skip
    settings = as_reinforcement(config, config.ppo)
    planned = {"rm_ppo": PolicyArm(settings.method, fitted)} if "rm_ppo" in config.arms else {}
    if "rm_ppo_few" in config.arms:
        with arm("pairs", shared.seed):
            few = take_portion.submit(shared.pairs, 0, config.few_pairs)
        planned["rm_ppo_few"] = PolicyArm(settings.method, fit_rewards(config, shared, pairs=few))
    return trained | train_policies(settings, shared, prompts, planned)


def claims_of(config: OSPConfig) -> tuple[Claim, ...]:
    """The claims that this configuration can settle: those on its arms; on the true reward in the tiny world alone."""
    snapshots = config.training.snapshots
    claims = claims_on_proxy(snapshots) if config.data.path else claims_with_gold(snapshots)
    return claims_on_arms(claims, {"sft", *config.arms, *judges_asked(config)})


PAPER = Paper(
    key="osp",
    title="Online Self-Preferring Language Models",
    arxiv="2405.14103",
    family="preference",
    summary=(
        "The language model compares its own responses, and how sure it is of a verdict is the strength of the "
        "preference. Many pairs of ranked responses with their strengths train it online by DPO on soft labels: no "
        "reward model, and near-ties are not over-fitted."
    ),
    flow="flows.preference.osp:osp",
    config=OSPConfig,
    arms=ARMS,
    claims=claims_of(OSPConfig()),
    minutes={"smoke": 0.9, "laptop": 23.0, "gpu": 1500.0},
)
