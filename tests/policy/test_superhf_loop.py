"""SuperHF's loop on a tiny policy: it learns, the prior holds it back, and SIGKILL changes nothing."""

import math
from statistics import mean
from typing import Any

import pytest
import torch
from dying_run import Moment
from dying_superhf import Job, meet_fate, run
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from reinforced import DENSE, MODEL, Ran, answered_prompts, base_policy, reward_model

from tasks.data.tables import store_rows
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.engine.schema import UserError
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.metrics import find_metric
from tasks.models.decoding import Decoding
from tasks.models.divergence import token_kl
from tasks.models.encoding import decode_response, encode_response
from tasks.models.log_probs import response_log_probs
from tasks.models.opening import open_frozen
from tasks.models.packing import EncodedGroup
from tasks.models.sampling import Sampled
from tasks.policy.loop import NonFiniteLoss
from tasks.policy.objectives.superhf import SuperHF
from tasks.policy.reward_step import RewardFailed
from tasks.policy.rollouts import Rollout
from tasks.policy.superhf import Run, completion_loss, optimise_superhf, plan_groups
from tasks.policy.superhf_choice import Completion, best_of_prompts, first_turn
from tasks.policy.superhf_settings import SuperHFMethod, SuperHFTraining
from tasks.reward.sources import FittedReward, RewardSource

METHOD = SuperHFMethod(superbatch=4)
TRAINING = SuperHFTraining(
    prompts=24, learning_rate=3e-3, warmup_steps=0, snapshots=2, decoding=Decoding(max_new_tokens=10),
    checkpoint_every_steps=2,
)  # fmt: skip
LEARNING = TRAINING.model_copy(
    update={"prompts": 192, "minibatch": 8, "learning_rate": 1e-2, "decoding": Decoding(max_new_tokens=8)}
)
GROUPS = SuperHFMethod(superbatch=8, prompts_a_group=8, objective=SuperHF(kl_weight=0.0))


def optimise(
    bench: Any,
    method: SuperHFMethod = METHOD,
    training: SuperHFTraining = TRAINING,
    source: RewardSource = DENSE,
    fitted: Any = (),
    **changes: Any,
) -> Ran:
    bench.runs += 1
    folder = bench.folder / f"superhf-{bench.runs}"
    given_ = {"start": bench.base, "prior": bench.base, "prompts": bench.prompts, "model": MODEL, "seed": 0}
    with stage_tracker(folder / "run.jsonl", folder / "work"):
        series = optimise_superhf(
            source=source, fitted=list(fitted), method=method, training=training, **(given_ | changes)
        )
    return Ran(series, folder / "run.jsonl")


@pytest.fixture
def many(bench):
    """The bench with more prompts, each of which is taken once."""
    bench.prompts = store_rows(answered_prompts(192, "hh"), "prompts")
    return bench


def test_it_raises_the_reward_and_the_prior_holds_it_back(many):
    member = reward_model(many.base)
    free = optimise(many, GROUPS, LEARNING, FittedReward(), [member])
    scores = free.column("train/score")
    assert mean(scores[-4:]) > mean(scores[:4]) + 3.0
    heavy = GROUPS.model_copy(update={"objective": SuperHF(kl_weight=5.0)})
    held = optimise(many, heavy, LEARNING, FittedReward(), [member])
    assert mean(held.column("train/prior_kl")[-4:]) < mean(free.column("train/prior_kl")[-4:]) / 10
    assert mean(held.column("train/score")[-4:]) < mean(scores[-4:])


def test_the_best_is_what_is_learned_from_and_everything_logged_is_known(bench):
    ran = optimise(bench)
    assert len(ran.logged) == 12
    assert ran.series.steps == [6, 12]
    for values in ran.logged:
        assert values["train/chosen_score"] >= values["train/score"]
        assert all(find_metric(name) and math.isfinite(value) for name, value in values.items())
    assert ran.logged[0]["train/prior_kl"] == pytest.approx(0.0, abs=1e-3)
    expected = {"score", "chosen_score", "cross_entropy", "prior_kl", "loss", "grad_norm", "gold_reward", "finished"}
    assert {f"train/{name}" for name in expected} <= ran.logged[0].keys()


def test_one_sample_a_prompt_is_fitting_one_s_own_samples(bench):
    ran = optimise(bench, SuperHFMethod(superbatch=1))
    assert ran.column("train/chosen_score") == pytest.approx(ran.column("train/score"))


def test_the_schedule_moves_once_a_group(bench):
    single = optimise(bench, METHOD.model_copy(update={"prompts_a_group": 0}))
    assert len(single.logged) == 1
    assert single.column("train/learning_rate") == [TRAINING.learning_rate]
    warm = optimise(bench, METHOD, TRAINING.model_copy(update={"warmup_steps": 32}))
    rates = warm.column("train/learning_rate")
    assert rates[:3] == pytest.approx([TRAINING.learning_rate * part / 3 for part in (1, 2, 3)])


def test_killed_at_every_kind_of_moment_it_ends_in_the_same_bits(bench):
    deaths = [
        Moment(file="models/sampling.py", function="draw_tokens", call=35),
        Moment(file="policy/superhf.py", function="completion_loss", call=2),
        Moment(file="engine/checkpoint.py", function="_rng_states", call=2),
        Moment(file="engine/files.py", function="fsync_tree", call=1),
        Moment(file="models/loading.py", function="save_model", call=1),
    ]
    job = Job(
        folder=bench.folder / "killed", start=bench.base, prompts=bench.prompts, method=METHOD, training=TRAINING,
        deaths=deaths,
    )  # fmt: skip
    fate = meet_fate(job, bench.folder / "output.txt")
    assert fate.statuses == [-9] * len(deaths) + [0]
    steps = [int(names[0].removeprefix("step-")) if names else 0 for names in fate.newest]
    assert steps[:-1] == sorted(steps[:-1])
    assert steps[-2] >= 4, "later attempts must have gone on from a checkpoint"
    whole = run(job, bench.folder / "whole.jsonl", bench.folder / "whole")
    assert [one.digest for one in fate.series.checkpoints] == [one.digest for one in whole.checkpoints]
    attempts = Ran(fate.series, job.folder / f"attempt-{len(deaths)}.jsonl")
    assert attempts.logged == Ran(whole, bench.folder / "whole.jsonl").logged


def test_the_loss_reads_the_predictor_of_every_completion_token(bench):
    """No shift and no prompt: CE is minus the mean log-probability of the completions, KL that of the same places."""
    policy, tokenizer = open_frozen(base_policy(seed=1), MODEL)
    prior, _ = open_frozen(bench.base, MODEL)
    whole = Run([], [], policy, prior, tokenizer, None, METHOD, TRAINING, 0)
    groups = [EncodedGroup([5, 6, 7], [[9, 8]]), EncodedGroup([5], [[11, 12, 13, 14, 15]])]
    loss, metrics = completion_loss(whole, groups)
    scores = response_log_probs(policy, groups)
    assert metrics["cross_entropy"].item() == pytest.approx(-scores.values.sum().item() / 7, abs=1e-5)
    backwards = token_kl(prior, policy, groups) / scores.lengths
    assert metrics["prior_kl"].item() == pytest.approx(backwards.mean().item(), abs=1e-5)
    assert loss.item() == pytest.approx(metrics["cross_entropy"].item() + 0.35 * backwards.sum().item(), abs=1e-4)
    alone = [completion_loss(whole, [group])[1]["prior_kl"].item() for group in groups]
    assert alone == pytest.approx(backwards.tolist(), abs=1e-5), "a neighbour's padding changes nothing"


def completion(prompt_id: str, score: float, text: str = "yes") -> Completion:
    row = {"prompt_id": prompt_id, "prompt": [], "family": "x"}
    return Completion(Rollout(row, [1], [2], 0, True, text), score)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-5, 5)), min_size=1, max_size=20), st.integers(1, 3))
def test_the_best_of_every_prompt_are_kept(drawn, kept):
    drawn = sorted(drawn, key=lambda one: one[0])
    completions = [completion(str(prompt), score) for prompt, score in drawn]
    best = best_of_prompts(completions, kept, 0.0)
    for prompt in {prompt for prompt, _ in drawn}:
        scores = sorted((score for other, score in drawn if other == prompt), reverse=True)
        assert [one.score for one in best if one.rollout.row["prompt_id"] == str(prompt)] == scores[:kept]


def test_empty_completions_are_dropped_and_length_may_cost():
    found = best_of_prompts([completion("a", 9.0, "  "), completion("a", 1.0), completion("b", 3.0, "")], 1, 0.0)
    assert [one.score for one in found] == [1.0]
    long, short = completion("a", 1.0, "y" * 100), completion("a", 0.9, "y")
    assert best_of_prompts([long, short], 1, 0.0) == [long]
    assert best_of_prompts([long, short], 1, 0.1) == [short]
    first, second = completion("a", 1.0), completion("a", 1.0)
    assert best_of_prompts([first, second], 1, 0.0)[0] is first


def test_a_completion_that_goes_on_into_another_turn_is_cut_and_ends_there():
    tokenizer = build_tokenizer()
    ids = encode_response(tokenizer, "red , blue . list 2 colors", eos=False)
    text = decode_response(tokenizer, ids)
    assert first_turn(tokenizer, Sampled(ids, False, 0.0), ["list 3"]) == (ids, False, text)
    cut, finished, turn = first_turn(tokenizer, Sampled(ids, False, 0.0), ["list 2"])
    assert (finished, turn) == (True, "red , blue .")
    assert cut == encode_response(tokenizer, "red , blue .")


def test_prompts_are_taken_once_each_and_too_few_are_refused(bench):
    plan = plan_groups(48, SuperHFMethod(prompts_a_group=5), TRAINING, seed=0)
    assert [len(group) for group in plan] == [5, 5, 5, 5, 4]
    taken = [row for group in plan for row in group]
    assert len(set(taken)) == len(taken) == 24
    doubled = store_rows([*bench.rows[:20], *bench.rows[:20]], "doubled")
    with pytest.raises(UserError, match="24 prompts are to be taken once each and there are 20"):
        optimise(bench, prompts=doubled)


def test_what_goes_wrong_is_named_with_its_group(bench):
    broken = reward_model(bench.base, fill=math.nan)
    with pytest.raises(RewardFailed, match=r"^group 1: reward is nan for prompt \w+"):
        optimise(bench, source=FittedReward(), fitted=[broken])
    with pytest.raises(NonFiniteLoss, match=r"^group 1: train/loss became nan with learning_rate 0\.003"):
        optimise(bench, start=base_policy(fill=math.nan))


def test_the_same_seed_gives_the_same_weights(bench):
    first, again, other = optimise(bench), optimise(bench), optimise(bench, seed=1)
    assert first.series.final.digest == again.series.final.digest != other.series.final.digest
    weights = first.weights()
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ValidationError, match="kept 5 of superbatch 4"):
        SuperHFMethod(superbatch=4, kept=5)
    with pytest.raises(ValidationError, match="micro_batch_size 2: a minibatch is held whole"):
        SuperHFTraining(micro_batch_size=2)
    with pytest.raises(ValidationError, match="temperature 0 is greedy"):
        SuperHFTraining(decoding=Decoding(temperature=0.0))
