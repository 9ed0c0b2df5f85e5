"""Gold of summaries term by term, and the statistics of the demonstrator."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.tiny_world import FAMILIES, demonstrations, sample_prompts, score
from tasks.data.tiny_world.tldr import read_post
from tasks.engine.schema import UserError

TLDR = FAMILIES["tldr"]
POST = (
    "post : also my roommate borrowed the wallet . worst part : my uncle broke the book . "
    "sadly my mother lost the camera . sadly my boss sold the car . tldr :"
)
MAIN, LOST, SOLD, TRIVIA = (
    "uncle broke book",
    "mother lost camera",
    "boss sold car",
    "roommate borrowed wallet",
)


@pytest.mark.parametrize(
    ("facts", "reward"),
    [
        ([MAIN], 2.0),
        ([LOST], 1.0),
        ([TRIVIA], -0.4),
        ([MAIN, LOST, SOLD], 4.0),
        ([SOLD, LOST, MAIN], 4.0),
        ([MAIN, MAIN], 1.0),
        ([MAIN, MAIN, MAIN], 0.0),
        ([MAIN, "uncle broke camera"], 1.0),
        (["uncle broke camera", "uncle broke camera"], -2.0),
        ([MAIN, ""], 1.0),
        ([MAIN, "uncle broke"], 1.0),
        ([""], -1.0),
        ([MAIN, LOST, SOLD, TRIVIA], 4.0 - 0.4 - 0.05 * 4),
    ],
)
def test_gold_counts_each_kind_of_fact(facts, reward):
    response = " ; ".join(facts)
    assert TLDR.gold(POST, response, True).reward == pytest.approx(reward)
    assert TLDR.gold(POST, response, False).reward == pytest.approx(reward - 1)


def test_parts_hold_the_counts():
    parts = TLDR.gold(POST, f"{MAIN} ; {MAIN} ; {TRIVIA} ; x y z", True).parts
    assert parts == {
        "main": 1,
        "important": 0,
        "trivia": 1,
        "hallucinated": 1,
        "duplicated": 1,
        "excess_tokens": 4,
    }


def test_demonstrator_includes_facts_at_its_rates_and_corrupts_some():
    prompts = sample_prompts("tldr", "train", 3000, 0)
    golds = score(prompts, [row["response"] for row in demonstrations(prompts, 0)], [True] * len(prompts))
    mean = {part: sum(gold.parts[part] for gold in golds) / len(golds) for part in golds[0].parts}
    assert 0.55 < mean["main"] < 0.65, "0.70 included, 15 % of them corrupted"
    assert 0.67 < mean["important"] < 0.78
    assert 0.30 < mean["hallucinated"] < 0.42
    assert 0.03 < mean["duplicated"] < 0.08


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=60)
def test_no_answer_made_from_the_post_beats_the_solution(seed):
    rng = random.Random(seed)
    prompt = TLDR.make_prompt(rng)
    facts = [" ".join(fact) for fact, _ in read_post(prompt)]
    other = " ; ".join(rng.choices(facts, k=rng.randint(1, 7)))
    assert TLDR.gold(prompt, TLDR.solve(prompt), True).reward == 4.0
    assert TLDR.gold(prompt, other, True).reward <= 4.0


def test_a_prompt_of_another_family_is_refused():
    with pytest.raises(UserError, match="not a prompt of family 'tldr'"):
        TLDR.gold("sort : 3 1 2 .", "1 2 3 .", True)
