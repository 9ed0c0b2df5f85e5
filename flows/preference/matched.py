"""What the arms of a preference paper share beyond data and SFT: its budget and the frozen model's scores."""

from dataclasses import dataclass

from prefect.futures import PrefectFuture
from pydantic import Field

from flows.matched import MatchedConfig, Shared
from flows.matched import share_inputs as share_data
from tasks.engine.refs import LogProbs
from tasks.engine.session import arm
from tasks.models.stages import score_pairs
from tasks.policy.optimisation import PreferenceTraining


class PreferenceConfig(MatchedConfig):
    """The settings that every preference paper has."""

    training: PreferenceTraining = Field(PreferenceTraining(), description="Budget of every preference arm")


@dataclass(frozen=True)
class Matched(Shared):
    """The same, with the SFT model's scores of the pairs: the reference of every preference arm."""

    reference: PrefectFuture[LogProbs]
    held_out_reference: PrefectFuture[LogProbs]


def share_inputs(config: PreferenceConfig) -> list[Matched]:
    """Prepare, once a seed, what the arms share. Raises UserError before any training if something cannot be read."""
    return [with_reference(config, shared) for shared in share_data(config)]


def with_reference(config: MatchedConfig, shared: Shared) -> Matched:
    """Score training and held-out pairs under the SFT model."""
    with arm("pairs", shared.seed):
        reference = score_pairs.submit(shared.sft, shared.pairs, config.model)
        held_out_reference = score_pairs.submit(shared.sft, shared.held_out, config.model)
    return Matched(**vars(shared), reference=reference, held_out_reference=held_out_reference)
