"""A sequence classifier with one label as a judge."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from judging_templates import Checksum, ChecksumGrade
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, LlamaForSequenceClassification

from tasks.data.rows import Message, user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Comparison, Grading
from tasks.evaluation.judges.opening import open_judge
from tasks.evaluation.judges.reward_model import RewardModel, encode
from tasks.evaluation.judges.settings import JudgeSettings

PROMPT = user_prompt("what is the answer ?")
RESPONSES = ["one", "two , maybe", "hello hello hello hello", "the first answer is one"]


@pytest.fixture(scope="session")
def save_classifier(chat_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A tiny classifier with a number of labels, as a folder."""

    def save(labels: int) -> Path:
        folder = tmp_path_factory.mktemp(f"classifier-{labels}")
        tokenizer = AutoTokenizer.from_pretrained(chat_folder)
        config = AutoConfig.from_pretrained(chat_folder, num_labels=labels, max_position_embeddings=48)
        config.architectures = ["LlamaForSequenceClassification"]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            LlamaForSequenceClassification(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def reward_folder(save_classifier: Callable[[int], Path]) -> Path:
    return save_classifier(1)


def settings(folder: Path, **changed: object) -> JudgeSettings:
    return JudgeSettings(kind="reward_model", model=str(folder), **changed)  # type: ignore[arg-type]


def test_rewards_are_the_models_one_by_one(reward_folder: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(reward_folder)
    tokenizer = AutoTokenizer.from_pretrained(reward_folder)
    pairs = [(PROMPT, response) for response in RESPONSES]
    for rows in (1, 16):
        rewards = RewardModel(settings(reward_folder, batch_rows=rows)).rewards(pairs)
        for response, reward in zip(RESPONSES, rewards, strict=True):
            ids = torch.tensor([encode(tokenizer, PROMPT, response)])
            assert reward == pytest.approx(model(ids).logits.item(), abs=1e-5)
    assert len(set(rewards)) == len(RESPONSES)


def test_verdicts_and_grades_follow_the_rewards(reward_folder: Path) -> None:
    judge = open_judge(JudgeSettings(model=str(reward_folder)))
    assert isinstance(judge, RewardModel)
    rewards = judge.rewards([(PROMPT, response) for response in RESPONSES])
    asked = [Comparison(f"{i}{j}", PROMPT, a, b) for i, a in enumerate(RESPONSES) for j, b in enumerate(RESPONSES)]
    for comparison, verdict in zip(asked, judge.compare(asked, Checksum()), strict=True):
        first, second = (rewards[int(digit)] for digit in comparison.comparison_id)
        assert verdict.preference == (0.5 if comparison.first == comparison.second else float(second > first))
    grades = judge.grade([Grading("g", PROMPT, response) for response in RESPONSES], ChecksumGrade())
    assert [grade.value for grade in grades] == pytest.approx([1 + 9 / (1 + math.exp(-r)) for r in rewards], abs=1e-4)


def test_earlier_responses_belong_to_the_conversation(reward_folder: Path) -> None:
    judge = RewardModel(settings(reward_folder))
    asked = [*user_prompt("what ?"), *user_prompt("which ?")]
    told = [Message(role="user", content="what ?"), Message(role="assistant", content="hello"), asked[1]]
    reward = judge.rewards([(told, "one")])[0]
    grade = judge.grade([Grading("g", asked, "one", earlier=("hello",))], ChecksumGrade())[0].value
    assert grade == pytest.approx(1 + 9 / (1 + math.exp(-reward)), abs=1e-4)


def test_of_a_long_conversation_the_end_is_read_and_it_is_counted(reward_folder: Path) -> None:
    judge = RewardModel(settings(reward_folder))
    long, longer = user_prompt("hello " * 60), user_prompt("what " + "hello " * 60)
    first, second = judge.rewards([(long, "one"), (longer, "one")])
    assert judge.truncated_rows == 2
    assert first == pytest.approx(second, abs=1e-5)


def test_what_is_no_reward_model_is_refused(
    chat_folder: Path, save_classifier: Callable[[int], Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"lacks weights of a reward model \(score.weight\)"):
        RewardModel(settings(chat_folder)).rewards([(PROMPT, "one")])
    with pytest.raises(UserError, match="3 labels"):
        RewardModel(settings(save_classifier(3))).rewards([(PROMPT, "one")])
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(UserError, match="holds no safetensors"):
        RewardModel(settings(tmp_path))
