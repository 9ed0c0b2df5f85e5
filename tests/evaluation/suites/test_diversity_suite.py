import json

import pytest

from tasks.engine.schema import UserError
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.suites.diversity import Diversity
from tasks.evaluation.suites.suite import Answer


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps({"instruction": text}) + "\n" for text in ("Tell a joke.", "Sing.", "Draw.")))
    return str(path)


def answered(suite, *samples):
    return {
        question.prompt_id: Answer(question.prompt_id, list(own))
        for question, own in zip(suite.questions({}), samples, strict=True)
    }


def test_samples_are_asked_for_at_temperature_1(prompts):
    questions = Diversity(data=prompts, samples=4, limit=2).questions({})
    assert [(q.samples, q.temperature, q.aliases[1]) for q in questions] == [
        (4, 1.0, "Tell a joke."),
        (4, 1.0, "Sing."),
    ]


def test_one_text_is_alike_and_different_texts_are_not(prompts):
    suite = Diversity(data=prompts, samples=2, limit=2)
    same, other = ("a b c d e", "a b c d e"), ("a b c d e", "v w x y z")
    found = suite.evaluate(answered(suite, same, other), judge=None)
    values = found.scores.set_index(["metric", "prompt_id"])["value"]
    assert values["distinct_1", "diversity/0"] == 0.5
    assert values["distinct_1", "diversity/1"] == values["distinct_2", "diversity/1"] == 1.0
    assert values["self_bleu", "diversity/0"] == pytest.approx(1.0)
    assert values["self_bleu", "diversity/1"] < 0.1
    assert values["meteor_similarity", "diversity/0"] == pytest.approx(1 - 0.5 / 125)
    assert values["meteor_similarity", "diversity/1"] == 0.0
    assert found.notes == ["all samples of 1 prompts are one text"]
    assert found.aggregates[0].value == pytest.approx(0.75)
    assert 0.0 <= found.aggregates[0].low <= found.aggregates[0].high <= 1.0
    assert all(find_metric(one.metric) for one in found.aggregates)


def test_diversity_between_prompts_does_not_count(prompts):
    suite = Diversity(data=prompts, samples=2)
    found = suite.evaluate(answered(suite, ("a a", "a a"), ("b b", "b b"), ("c c", "c c")), judge=None)
    assert found.aggregates[0].value == pytest.approx(0.25)


def test_fewer_responses_are_refused_and_more_do_not_count(prompts):
    suite = Diversity(data=prompts, samples=2)
    with pytest.raises(UserError, match="1 of 3 prompts have fewer than 2 responses, first diversity/2 with 1;"):
        suite.evaluate(answered(suite, ("a", "b"), ("a", "b"), ("a",)), judge=None)
    with pytest.raises(UserError, match="diversity: 3 of 3 questions are not answered"):
        suite.evaluate({}, judge=None)
    found = suite.evaluate(answered(suite, ("a", "b", "a"), ("a", "b"), ("a", "b")), judge=None)
    assert found.notes == ["1 of 3 prompts have more than 2 samples: the first 2 count"]
    assert found.aggregates[0].value == 1.0


def test_conversations_and_unusable_rows(tmp_path):
    path = tmp_path / "prompts.jsonl"
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    path.write_text(json.dumps({"prompt": [*turns, {"role": "user", "content": "Sing."}]}) + "\n")
    assert Diversity(data=str(tmp_path)).questions({})[0].aliases == ("0", "Sing.")
    path.write_text(json.dumps({"prompt": turns}) + "\n")
    with pytest.raises(UserError, match=r"prompts\.jsonl row 1: 'prompt' is no conversation"):
        Diversity(data=str(tmp_path)).questions({})
    path.write_text('{"title": "x"}\n')
    with pytest.raises(UserError, match="wanted is one of prompt, instruction, question, goal, text"):
        Diversity(data=str(tmp_path)).questions({})


def test_number_of_samples_and_temperature_are_part_of_the_identity():
    suites = [Diversity(), Diversity(samples=4), Diversity(temperature=0.7), Diversity(limit=5)]
    assert len({suite.conventions().model_dump_json() for suite in suites}) == 4
