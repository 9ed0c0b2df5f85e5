"""The one list of papers. Looking a paper up here imports nothing; opening it imports its flow."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from tasks.engine.schema import UserError

if TYPE_CHECKING:
    from prefect import Flow

    from flows.paper import Paper


@dataclass(frozen=True)
class Entry:
    """A paper as a list of papers shows it; its module exports the whole as ``PAPER``."""

    module: str
    title: str
    arxiv: str
    minutes: Mapping[str, float]
    """Scale → rough wall-clock minutes of a first run."""

    @property
    def family(self) -> str:
        """The part of the field that the paper belongs to: the folder its flow is in."""
        return self.module.split(".")[-2]


PAPERS: Mapping[str, Entry] = {
    "dpo": Entry(
        module="flows.preference.dpo",
        title="Direct Preference Optimization: Your Language Model is Secretly a Reward Model",
        arxiv="2305.18290",
        minutes={"smoke": 0.5, "laptop": 9.0, "gpu": 120.0},
    ),
    "dr_po": Entry(
        module="flows.reinforcement.dr_po",
        title="Dataset Reset Policy Optimization for RLHF",
        arxiv="2404.08495",
        minutes={"smoke": 0.7, "laptop": 14.0, "gpu": 2400.0},
    ),
    "ma_rlhf": Entry(
        module="flows.reinforcement.ma_rlhf",
        title="MA-RLHF: Reinforcement Learning from Human Feedback with Macro Actions",
        arxiv="2410.02743",
        minutes={"smoke": 1.0, "laptop": 25.0, "gpu": 2000.0},
    ),
    "par": Entry(
        module="flows.reinforcement.par",
        title="Reward Shaping to Mitigate Reward Hacking in RLHF",
        arxiv="2502.18770",
        minutes={"smoke": 1.0, "laptop": 22.0, "gpu": 6000.0},
    ),
    "rm_ensembles": Entry(
        module="flows.reward.rm_ensembles",
        title="Reward Model Ensembles Help Mitigate Overoptimization",
        arxiv="2310.02743",
        minutes={"smoke": 1.0, "laptop": 18.0, "gpu": 2400.0},
    ),
    "online_offline_gap": Entry(
        module="flows.studies.online_offline_gap",
        title="Understanding the performance gap between online and offline alignment algorithms",
        arxiv="2405.08448",
        minutes={"smoke": 1.0, "laptop": 40.0, "gpu": 2400.0},
    ),
    "simpo": Entry(
        module="flows.preference.simpo",
        title="SimPO: Simple Preference Optimization with a Reference-Free Reward",
        arxiv="2405.14734",
        minutes={"smoke": 0.7, "laptop": 15.0, "gpu": 600.0},
    ),
    "a_lol": Entry(
        module="flows.preference.a_lol",
        title="Improving Language Models with Advantage-based Offline Policy Gradients",
        arxiv="2305.14718",
        minutes={"smoke": 0.8, "laptop": 11.0, "gpu": 900.0},
    ),
    "superhf": Entry(
        module="flows.preference.superhf",
        title="SuperHF: Supervised Iterative Learning from Human Feedback",
        arxiv="2310.16763",
        minutes={"smoke": 0.8, "laptop": 18.0, "gpu": 1800.0},
    ),
    "tournament": Entry(
        module="flows.studies.tournament",
        title="Tournament: any methods, any scenario, one budget, one ranking",
        arxiv="",
        minutes={"smoke": 1.0, "laptop": 20.0, "gpu": 2400.0},
    ),
    "daa_scaling_laws": Entry(
        module="flows.studies.daa_scaling_laws",
        title="Scaling Laws for Reward Model Overoptimization in Direct Alignment Algorithms",
        arxiv="2406.02900",
        minutes={"smoke": 1.0, "laptop": 20.0, "gpu": 2400.0},
    ),
    "implicit_rm_generalization": Entry(
        module="flows.studies.implicit_rm_generalization",
        title="On the Limited Generalization Capability of the Implicit Reward Model Induced by DPO",
        arxiv="2409.03650",
        minutes={"smoke": 1.0, "laptop": 20.0, "gpu": 1200.0},
    ),
    "rlhf_workflow": Entry(
        module="flows.preference.rlhf_workflow",
        title="RLHF Workflow: From Reward Modeling to Online RLHF",
        arxiv="2405.07863",
        minutes={"smoke": 0.8, "laptop": 15.0, "gpu": 3000.0},
    ),
    "inpo": Entry(
        module="flows.preference.inpo",
        title="Iterative Nash Policy Optimization: Aligning LLMs with General Preferences via No-Regret Learning",
        arxiv="2407.00617",
        minutes={"smoke": 0.8, "laptop": 22.0, "gpu": 3600.0},
    ),
    "osp": Entry(
        module="flows.preference.osp",
        title="Online Self-Preferring Language Models",
        arxiv="2405.14103",
        minutes={"smoke": 0.9, "laptop": 23.0, "gpu": 1500.0},
    ),
    "vpo": Entry(
        module="flows.preference.vpo",
        title="Value-Incentivized Preference Optimization: A Unified Approach to Online and Offline RLHF",
        arxiv="2405.19320",
        minutes={"smoke": 0.9, "laptop": 18.0, "gpu": 1200.0},
    ),
    "brain": Entry(
        module="flows.preference.brain",
        title="BRAIn: Bayesian Reward-conditioned Amortized Inference for natural language generation from feedback",
        arxiv="2402.02479",
        minutes={"smoke": 0.8, "laptop": 17.0, "gpu": 1500.0},
    ),
    "srpo": Entry(
        module="flows.preference.srpo",
        title="Self-Improving Robust Preference Optimization",
        arxiv="2406.01660",
        minutes={"smoke": 0.9, "laptop": 19.0, "gpu": 900.0},
    ),
    "pf_ppo": Entry(
        module="flows.reinforcement.pf_ppo",
        title="Policy Filtration for RLHF to Mitigate Noise in Reward Models",
        arxiv="2409.06957",
        minutes={"smoke": 1.0, "laptop": 16.0, "gpu": 2400.0},
    ),
}


def find_entry(key: str) -> Entry:
    """The entry of ``key``. Raises UserError naming the papers that are spelled alike."""
    if key in PAPERS:
        return PAPERS[key]
    small = key.lower()
    close = [small] if small in PAPERS else get_close_matches(small, PAPERS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "`rlhf list` names them all"
    raise UserError(f"there is no paper '{key}'; {hint}")


def open_paper(key: str) -> "Paper":
    """The paper itself: configuration model, claims, arms and flow. Raises UserError if there is none."""
    paper: Paper = importlib.import_module(find_entry(key).module).PAPER
    return paper


def open_flow(paper: "Paper") -> "Flow[..., Any]":
    """The Prefect flow of ``paper``; its one parameter is ``config``."""
    module, _, function = paper.flow.partition(":")
    found: Flow[..., Any] = getattr(importlib.import_module(module), function)
    return found
