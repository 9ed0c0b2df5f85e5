"""The test sets that explicit and implicit rewards are measured on."""

from collections.abc import Mapping

from flows.matched import Rows, Shared
from flows.studies.implicit_rm_generalization_settings import ImplicitRMConfig, Shift
from flows.studies.sizes import base_of
from tasks.data.half_stages import take_half
from tasks.data.identity import identify_source
from tasks.data.shift_stages import compare_demonstrations, held_out_of, leave_out_ties
from tasks.data.stages import (
    draw_evaluation,
    draw_validation,
    label_preferences,
    prepare_preferences,
    take_portion,
)
from tasks.data.world import TinyWorld
from tasks.engine.session import arm
from tasks.models.stages import sample_responses

ID, TRAIN, REAL = "id", "train", "real"
TestSets = Mapping[str, Rows]


def validation_of(config: ImplicitRMConfig, shared: Shared) -> Rows:
    """Pairs of the training distribution that rates, betas and steps are chosen on: never among the tests."""
    if not config.data.path:
        return shared.held_out
    with arm("pairs", shared.seed):
        return take_half.submit(shared.held_out, "train")


def test_sets_of(config: ImplicitRMConfig, shared: Shared) -> TestSets:
    """Suite → pairs: as many training pairs as test pairs, the training distribution's test set, the shifted ones.

    In the tiny world labels of tests are the order of the true reward, without noise, and pairs of equal reward are
    left out. Test prompts are those that evaluation is drawn from: of the eval split, or of the validation split.
    """
    with arm("pairs", shared.seed):
        trained = take_portion.submit(shared.pairs, 0, config.test_pairs)
        if config.data.path:
            return {TRAIN: trained, ID: take_half.submit(shared.held_out, "test"), **real_shift(config, shared)}
        tests = [Shift(name=ID, generator="sft"), *config.shifts]
        found = {test.name: leave_out_ties.submit(answered(config, shared, test)) for test in tests}
    return {TRAIN: trained, **found}


def answered(config: ImplicitRMConfig, shared: Shared, shift: Shift) -> Rows:
    """Two answers a test prompt by the shift's generator, in the order of the true reward."""
    family = config.world.family if shift.prompts == "same" else shift.prompts
    world = config.world.model_copy(update={"family": family, "label_temperature": 0.0, "label_noise": 0.0})
    world = world.model_copy(update={"evaluation_prompts": config.test_pairs, "label_by": "gold"})
    prompts = prompts_of(config, world)
    if shift.generator == "demonstrators":
        return compare_demonstrations.submit(prompts, world, shared.seed)
    policy = shared.sft if shift.generator == "sft" else base_of(config, config.model)
    decoding = config.evaluation.decoding.model_copy(update={"temperature": shift.temperature, "top_p": 1.0})
    samples = sample_responses.submit(policy, prompts, decoding, 2, config.model, shared.seed)
    return label_preferences.submit(samples, world, shared.seed)


def prompts_of(config: ImplicitRMConfig, world: TinyWorld) -> Rows:
    """Test prompts of a family, the same for every seed."""
    draw = draw_evaluation if config.evaluation.prompts == "test" else draw_validation
    return draw.submit(world)


def real_shift(config: ImplicitRMConfig, shared: Shared) -> TestSets:
    """Held-out pairs of the other real data, if any is given. Raises UserError at once if it cannot be found."""
    source = config.shifted_data
    if not source.path:
        return {}
    other = prepare_preferences.submit(source, identify_source(source), shared.sft, config.test_pairs)
    return {REAL: held_out_of.submit(other)}
