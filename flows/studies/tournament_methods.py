"""The methods that can enter a tournament, and who trains each within the common budget."""

from collections.abc import Mapping

from flows.studies.tournament_config import GRADIENT, OFFLINE, ONLINE
from flows.studies.tournament_entry import Entry, Policy
from flows.studies.tournament_gradient import train_gradient
from flows.studies.tournament_likelihood import train_likelihood
from flows.studies.tournament_offline import train_offline
from flows.studies.tournament_online import train_fresh

METHODS: Mapping[str, str] = {
    "sft": "Supervised fine-tuning; where every method starts, and the reference policy",
    "preferred_ft": "Likelihood of the preferred responses",
    "dpo": "DPO on the fixed pairs",
    "cdpo": "Conservative DPO on the fixed pairs",
    "ipo": "IPO on the fixed pairs",
    "slic": "SLiC hinge on the fixed pairs",
    "kto": "KTO on the fixed pairs",
    "simpo": "SimPO on the fixed pairs",
    "ln_dpo": "Length-normalised DPO on the fixed pairs",
    "r_dpo": "Length-regularised DPO on the fixed pairs",
    "cpo": "CPO on the fixed pairs",
    "orpo": "ORPO on the fixed pairs",
    "rrhf": "RRHF on the fixed pairs",
    "bo2": "Likelihood of the preferred responses, the loss of an online twin",
    "vpo": "VPO on the fixed pairs: DPO and pessimism, on SFT samples as calibration",
    "a_lol": "A-LoL: likelihood of the preferred responses, weighted by their advantage by the reward model",
    "online_dpo": "DPO on two fresh responses at every step, labelled by the reward model",
    "online_ipo": "IPO on two fresh responses at every step, labelled by the reward model",
    "online_simpo": "SimPO on two fresh responses at every step, labelled by the reward model",
    "online_vpo": "VPO on two fresh responses at every step: online DPO and optimism",
    "xpo": "XPO: one fresh response against one of the SFT model at every step, and optimism",
    "osp": "OSP: DPO on soft labels of ranked fresh responses; a pairwise judge of the fixed pairs compares them",
    "brain": "BRAIn on groups of fresh responses at every step, rewarded by the reward model",
    "iterative_dpo": "DPO in rounds: best and worst of several responses by the reward model",
    "inpo": "INPO in rounds, on the pairs that iterative_dpo would choose",
    "sppo": "SPPO in rounds, on the pairs that iterative_dpo would choose",
    "ppo": "PPO on the reward model",
    "rloo": "RLOO on the reward model",
    "grpo": "GRPO on the reward model",
    "par": "PAR: PPO on the probability of beating SFT responses by the reward model",
    "pf_ppo": "PF-PPO: PPO on the responses to a prompt that a filter keeps",
    "ma_ppo": "MA-PPO: PPO whose actions are several tokens",
    "dr_po": "DR-PO: PPO whose rollouts start inside demonstrations",
    "superhf": "SuperHF: the best of several fresh responses at every step, and a KL prior",
    "raft": "Supervised fine-tuning on the best of several responses by the reward model",
    "best_of_n": "The best of several SFT responses by the reward model, chosen at evaluation",
}


def train_method(entry: Entry) -> Policy:
    """Train a method from the SFT model under its tracked arm."""
    if entry.method in OFFLINE:
        return train_offline(entry)
    if entry.method in ONLINE:
        return train_fresh(entry)
    if entry.method in GRADIENT:
        return train_gradient(entry)
    return train_likelihood(entry)
