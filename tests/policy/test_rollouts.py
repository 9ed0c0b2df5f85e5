"""Rollouts: what is forced, what is drawn, and what a row's response depends on."""

from dataclasses import replace

import pytest
from reinforced import MODEL, answered_prompts, base_policy

from tasks.data.rows import PromptRow
from tasks.engine.schema import UserError
from tasks.models.decoding import Decoding
from tasks.models.encoding import decode_response, encode_prompt, encode_response
from tasks.models.opening import open_frozen
from tasks.models.sampling import InProcessSampler, row_seeds
from tasks.policy.rollouts import Collector
from tasks.policy.steps.starts import DatasetReset, FromPrompt, PolicyRollIn

ROWS = answered_prompts(12, "tldr")
LONGEST = 9


@pytest.fixture
def collector(rlhf_home) -> Collector:
    """Two rollouts a prompt from an untrained policy; another untrained policy is the reference."""
    policy, tokenizer = open_frozen(base_policy(), MODEL)
    reference, _ = open_frozen(base_policy(seed=1), MODEL)
    samplers = (InProcessSampler(model, tokenizer) for model in (policy, reference))
    return Collector(*samplers, tokenizer, FromPrompt(), Decoding(max_new_tokens=LONGEST), per_prompt=2, seed=0)


def resets(share: float = 1.0) -> list[DatasetReset | PolicyRollIn]:
    return [DatasetReset(share=share), PolicyRollIn(share=share)]


def test_from_the_prompt_nothing_is_forced(collector):
    rollouts = collector.collect(ROWS, 0)
    assert [one.row["prompt_id"] for one in rollouts] == [row["prompt_id"] for row in ROWS for _ in range(2)]
    end = collector.tokenizer.eos_token_id
    for one in rollouts:
        assert one.prompt == encode_prompt(collector.tokenizer, one.row["prompt"])
        assert one.forced == 0
        assert 1 <= len(one.ids) <= LONGEST
        assert one.finished == (one.ids[-1] == end)
        assert end not in one.ids[:-1]
        assert one.finished or len(one.ids) == LONGEST
        assert one.text == decode_response(collector.tokenizer, one.ids)


def test_responses_are_those_of_the_sampler(collector):
    rollouts = collector.collect(ROWS[:3], 4)
    seeds = row_seeds(0, [f"4/{row['prompt_id']}/{number}" for row in ROWS[:3] for number in range(2)])
    found = collector.sampler.sample([one.prompt for one in rollouts], seeds, LONGEST, 1.0, 1.0)
    assert [one.ids for one in rollouts] == [one.ids for one in found]


def test_the_datas_prefix_is_forced_and_never_ends_the_response(collector):
    rollouts = replace(collector, start=DatasetReset(share=1.0)).collect(ROWS, 0)
    assert len({one.forced for one in rollouts}) > 3
    for one in rollouts:
        answer = encode_response(collector.tokenizer, one.row["response"])
        assert 1 <= one.forced <= min(len(answer) - 1, LONGEST - 1)
        assert one.ids[: one.forced] == answer[: one.forced]
        assert collector.tokenizer.eos_token_id not in one.ids[: one.forced]
        assert one.forced < len(one.ids) <= LONGEST
        assert one.text == decode_response(collector.tokenizer, one.ids)
        assert one.finished == (one.ids[-1] == collector.tokenizer.eos_token_id)


def test_a_policy_roll_in_forces_what_the_reference_says(collector):
    start = PolicyRollIn(share=1.0, top_p=1.0)
    rollouts = replace(collector, start=start).collect(ROWS, 2)
    names = [f"2/{row['prompt_id']}/{number}/roll-in" for row in ROWS for number in range(2)]
    said = collector.reference.sample([one.prompt for one in rollouts], row_seeds(0, names), LONGEST, 1.0, 1.0)
    forced = 0
    for one, reference in zip(rollouts, said, strict=True):
        assert one.ids[: one.forced] == reference.ids[: one.forced]
        assert one.forced <= max(0, len(reference.ids) - 1)
        assert collector.tokenizer.eos_token_id not in one.ids[: one.forced]
        forced += one.forced
    assert forced > len(rollouts)


def test_a_smaller_share_forces_fewer_rows(collector):
    forced = [[one.forced for one in replace(collector, start=DatasetReset(share=share)).collect(ROWS, 0)]
              for share in (0.0, 0.5, 1.0)]  # fmt: skip
    assert sum(forced[0]) == 0
    assert 0 < sum(length > 0 for length in forced[1]) < len(forced[1])
    assert all(half in (0, whole) for half, whole in zip(forced[1], forced[2], strict=True))


@pytest.mark.parametrize("start", [FromPrompt(), *resets(), *resets(0.5)])
def test_a_row_depends_on_its_prompt_number_iteration_and_seed_alone(collector, start):
    collector = replace(collector, start=start)
    found = {one.row["prompt_id"]: [] for one in collector.collect(ROWS, 1)}
    for one in collector.collect(ROWS, 1):
        found[one.row["prompt_id"]].append((one.ids, one.forced))
    backwards: dict[str, list[tuple[list[int], int]]] = {}
    for one in collector.collect(ROWS[7:2:-1], 1):
        backwards.setdefault(one.row["prompt_id"], []).append((one.ids, one.forced))
    assert len(backwards) == 5
    assert all(found[prompt_id] == responses for prompt_id, responses in backwards.items())
    more = [(one.ids, one.forced) for one in replace(collector, per_prompt=3).collect(ROWS[:1], 1)]
    assert more[:2] == found[ROWS[0]["prompt_id"]]
    assert len({tuple(ids) for ids, _ in more}) == 3
    for other in (replace(collector, seed=1).collect(ROWS, 1), collector.collect(ROWS, 2)):
        assert [one.ids for one in other] != [ids for row in ROWS for ids, _ in found[row["prompt_id"]]]


@pytest.mark.parametrize("response", ["absent", None])
def test_a_reset_to_a_missing_response_names_the_prompt(collector, response):
    bare = PromptRow(prompt_id="naked", prompt=ROWS[0]["prompt"], family="tldr")
    row = bare if response == "absent" else bare | {"response": None}
    with pytest.raises(UserError, match="prompt naked has no reference response to reset to"):
        replace(collector, start=DatasetReset()).collect([ROWS[0], row], 0)
    assert len(replace(collector, start=PolicyRollIn()).collect([ROWS[0], row], 0)) == 4


def test_a_response_longer_than_the_budget_is_reset_within_it(collector):
    rollouts = replace(collector, start=DatasetReset(share=1.0), decoding=Decoding(max_new_tokens=2)).collect(ROWS, 0)
    assert {one.forced for one in rollouts} == {1}
    assert {len(one.ids) for one in rollouts} == {2}


def test_an_answer_of_one_token_is_never_used(collector):
    row = ROWS[0] | {"response": ""}
    assert {one.forced for one in replace(collector, start=DatasetReset(share=1.0)).collect([row], 0)} == {0}
