"""A tiny model as the one who answers; the fixtures are those of tests/models."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tasks.data.byte_pair import train_tokenizer
from tasks.engine.schema import UserError
from tasks.evaluation.answering import ask
from tasks.evaluation.subjects.policy import Policy
from tasks.evaluation.suites.suite import Question
from tasks.models.decoding import Decoding
from tasks.models.encoding import encode_text

TEXTS = ["The colour of the sky is blue.", "Question: two and two?\nAnswer: four", "User: hi\n\nAssistant: hello"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 300)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=128, initializer_range=0.6, pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


@pytest.fixture
def policy(model, tokenizer, tmp_path):
    return Policy(model, tokenizer, Decoding(max_new_tokens=24), seed=0)


def chat(text):
    return [{"role": "user", "content": text}]


@pytest.fixture(autouse=True)
def a_stage(tmp_path):
    from tasks.engine.tracking import stage_tracker

    with stage_tracker(tmp_path / "spool.jsonl", tmp_path) as tracker:
        yield tracker


def test_every_question_has_its_answer_in_order(policy):
    questions = [
        Question("scored", "Question: two and two?\nAnswer:", candidates=[" four", " five"]),
        Question("greedy", chat("hi"), temperature=0.0, max_new_tokens=5),
        Question("sampled", chat("hi"), samples=3),
    ]
    answers = policy.answer(questions)
    assert [answer.prompt_id for answer in answers] == ["scored", "greedy", "sampled"]
    assert (len(answers[0].scores), len(answers[1].responses), len(answers[2].responses)) == (2, 1, 3)
    assert len(set(answers[2].responses)) > 1
    assert max(answers[1].tokens) <= 5


def test_answers_do_not_depend_on_the_company(policy):
    questions = [Question(str(number), chat(f"hi {number}")) for number in range(4)]
    together = {answer.prompt_id: answer.responses for answer in policy.answer(questions)}
    assert policy.answer([questions[2]])[0].responses == together["2"]


def test_scores_are_log_probabilities_of_the_candidate_alone(policy, model, tokenizer):
    prompt, candidate = (
        encode_text(tokenizer, "The colour"),
        tokenizer(" of the sky", add_special_tokens=False).input_ids,
    )
    logits = model(torch.tensor([[*prompt, *candidate]])).logits[0].log_softmax(-1)
    expected = sum(logits[len(prompt) + place - 1, token].item() for place, token in enumerate(candidate))
    (answer,) = policy.answer([Question("q", "The colour", candidates=[" of the sky"])])
    assert answer.scores[0] == pytest.approx(expected, abs=1e-4)
    assert answer.tokens == [len(candidate)]


def test_a_reward_is_the_log_ratio_to_the_reference(policy, model, tokenizer):
    against_itself = Policy(model, tokenizer, policy.decoding, 0, reference=model)
    pair = {"prompt": chat("hi"), "candidates": ["hello", "no"]}
    ranked, plain = against_itself.answer([Question("r", **pair, by_reward=True), Question("p", **pair)])
    assert ranked.scores == pytest.approx([0.0, 0.0], abs=1e-5)
    assert all(score < 0 for score in plain.scores)


def test_a_response_ends_before_its_stop_string(policy):
    free = policy.answer([Question("q", chat("hi"))])[0].responses[0]
    stop = free[3:5]
    (answer,) = policy.answer([Question("q", chat("hi"), stop=[stop])])
    assert answer.responses[0] == free[: free.index(stop)]
    assert answer.finished == [True]


def test_a_prompt_that_fills_the_context_is_refused(policy):
    with pytest.raises(UserError, match="question 'long': its prompt of"):
        policy.answer([Question("long", "word " * 200)])


def test_questions_that_follow_from_answers_are_asked_once():
    class TwoTurns:
        def questions(self, answers):
            first = [Question("1", "one")]
            return [*first, Question("2", f"two after {answers['1'].responses[0]}")] if "1" in answers else first

    asked = []

    def respond(questions):
        from tasks.evaluation.suites.suite import Answer

        asked.extend(question.prompt for question in questions)
        return [Answer(question.prompt_id, responses=[question.prompt.upper()]) for question in questions]

    assert list(ask(TwoTurns(), respond)) == ["1", "2"]
    assert asked == ["one", "two after ONE"]
