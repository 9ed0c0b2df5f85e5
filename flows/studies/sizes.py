"""A comparison repeated on models of other sizes, with the same demonstrations, pairs and prompts."""

from prefect.futures import PrefectFuture
from pydantic import Field

from flows.matched import BASE_SEED, MatchedConfig, Shared
from tasks.data.identity import identify_model, identify_source
from tasks.engine.refs import Checkpoint
from tasks.engine.schema import Frozen
from tasks.engine.session import arm
from tasks.models.config import ModelConfig
from tasks.policy.stages import finetune_supervised, import_model, initialise_for, pretrain


class ModelSize(Frozen):
    """A further model that a study is repeated on."""

    name: str = Field(
        "small", pattern="^[a-z0-9][a-z0-9_.]{0,30}$", description="Ends the names of its arms: dpo-beta-0.1-small"
    )
    model: ModelConfig = Field(ModelConfig(), description="Its architecture or weights")


def sized(name: str, size: ModelSize | None) -> str:
    """The arm ``name`` at a size; the study's own model has no suffix."""
    return f"{name}-{size.name}" if size else name


def share_at_size(config: MatchedConfig, shared: Shared, size: ModelSize) -> Shared:
    """What ``shared`` holds, with the SFT model of another size: its own base, the same demonstrations and steps.

    The pairs stay those that the study's own SFT model sampled, as a paper's sizes share one set of comparisons.
    """
    base = base_of(config, size.model)
    with arm(sized("sft", size), shared.seed):
        sft = finetune_supervised.submit(base, shared.demonstrations, config.sft, size.model, shared.seed)
    return Shared(shared.seed, sft, shared.pairs, shared.held_out, shared.evaluation, shared.demonstrations)


def base_of(config: MatchedConfig, model: ModelConfig) -> PrefectFuture[Checkpoint] | Checkpoint:
    """What SFT of ``model`` starts from: weights of its path, the tiny world's base, or an untrained model of the data.

    Raises UserError, before anything is trained, if the weights or the data cannot be read.
    """
    if model.path:
        return import_model.submit(model, identify_model(model.path))
    if not config.data.path:
        return pretrain.submit(config.pretraining, model.scratch, BASE_SEED)
    content = identify_source(config.data)
    return initialise_for.submit(config.data, content, config.vocabulary, model.scratch, BASE_SEED)
