"""Every suite with its settings: the part of the form that says what a model is put through."""

from collections.abc import Sequence
from typing import Literal, cast

from pydantic import Field

from tasks.engine.schema import Frozen, UserError
from tasks.evaluation.suites.alpaca_eval import AlpacaEval
from tasks.evaluation.suites.arena_hard import ArenaHard
from tasks.evaluation.suites.calibration import Calibration
from tasks.evaluation.suites.diversity import Diversity
from tasks.evaluation.suites.gsm8k import GSM8K
from tasks.evaluation.suites.human_eval import HumanEval
from tasks.evaluation.suites.mbpp import MBPP
from tasks.evaluation.suites.mt_bench import MTBench
from tasks.evaluation.suites.perplexity import Perplexity
from tasks.evaluation.suites.refusal import Refusal
from tasks.evaluation.suites.reward_bench import RewardBench
from tasks.evaluation.suites.suite import Suite
from tasks.evaluation.suites.tiny import TinyGSM8K, TinyHumanEval
from tasks.evaluation.suites.tiny_choices import TinyRewardBench, TinyTruthfulQA
from tasks.evaluation.suites.tiny_comparisons import TinyAlpacaEval, TinyArenaHard
from tasks.evaluation.suites.tiny_gold import TinyGold
from tasks.evaluation.suites.tiny_mt_bench import TinyMTBench
from tasks.evaluation.suites.truthful_qa import TruthfulQA

SuiteName = Literal[
    "alpaca_eval",
    "arena_hard",
    "mt_bench",
    "gsm8k",
    "human_eval",
    "mbpp",
    "truthful_qa",
    "reward_bench",
    "diversity",
    "calibration",
    "refusal",
    "perplexity",
    "tiny_gold",
    "tiny_alpaca_eval",
    "tiny_arena_hard",
    "tiny_mt_bench",
    "tiny_gsm8k",
    "tiny_human_eval",
    "tiny_truthful_qa",
    "tiny_reward_bench",
]


class Suites(Frozen):
    """The settings of every suite; those of suites that are not asked for do not count."""

    alpaca_eval: AlpacaEval = Field(AlpacaEval(), description="AlpacaEval 2: (length-controlled) win rate")
    arena_hard: ArenaHard = Field(ArenaHard(), description="Arena-Hard-Auto v0.1 and v2.0")
    mt_bench: MTBench = Field(MTBench(), description="MT-Bench: two turns, graded or compared")
    gsm8k: GSM8K = Field(GSM8K(), description="GSM8K: exact match")
    human_eval: HumanEval = Field(HumanEval(), description="HumanEval: pass@k in the sandbox")
    mbpp: MBPP = Field(MBPP(), description="MBPP: pass@k in the sandbox")
    truthful_qa: TruthfulQA = Field(TruthfulQA(), description="TruthfulQA: MC1, MC2, MC3, two options")
    reward_bench: RewardBench = Field(RewardBench(), description="RewardBench: pairs ranked by a reward")
    diversity: Diversity = Field(Diversity(), description="Diversity among the samples of a prompt")
    calibration: Calibration = Field(Calibration(), description="Calibration of answers to multiple choice")
    refusal: Refusal = Field(Refusal(), description="Refusal rate")
    perplexity: Perplexity = Field(Perplexity(), description="Perplexity of given texts")
    tiny_gold: TinyGold = Field(TinyGold(), description="Gold reward of a family of the tiny world")
    tiny_alpaca_eval: TinyAlpacaEval = Field(TinyAlpacaEval(), description="Styled instructions against demonstrations")
    tiny_arena_hard: TinyArenaHard = Field(TinyArenaHard(), description="Hard prompts against demonstrations")
    tiny_mt_bench: TinyMTBench = Field(TinyMTBench(), description="Two turns of five families, graded")
    tiny_gsm8k: TinyGSM8K = Field(TinyGSM8K(), description="Word problems: exact match")
    tiny_human_eval: TinyHumanEval = Field(TinyHumanEval(), description="One-line programs: pass@k")
    tiny_truthful_qa: TinyTruthfulQA = Field(TinyTruthfulQA(), description="Right answers against usual mistakes")
    tiny_reward_bench: TinyRewardBench = Field(TinyRewardBench(), description="Pairs of five families")


def chosen_suites(settings: Suites, names: Sequence[str], data: str, limit: int) -> list[Suite]:
    """The suites ``names``, each once; ``data`` and ``limit`` count where a suite has none of its own.

    Raises UserError for a name that no suite has.
    """
    suites: list[Suite] = []
    for name in dict.fromkeys(names):
        if name not in Suites.model_fields:
            raise UserError(f"there is no suite '{name}'; there are {', '.join(Suites.model_fields)}")
        suite = getattr(settings, name)
        changes = {"data": suite.data or data, "limit": suite.limit or limit}
        suites.append(cast("Suite", suite.model_copy(update=changes)))
    return suites
