"""HH-RLHF dialogues split at the last assistant turn."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.hh_transcript import looks_like_transcript, split_transcript
from tasks.data.quality import RowProblem

turn_text = st.text(max_size=40).map(str.strip).filter(lambda text: "Human:" not in text and "Assistant:" not in text)
said = turn_text.filter(bool)


@settings(deadline=None)
@given(st.lists(st.tuples(said, turn_text), min_size=1, max_size=4))
def test_written_dialogues_are_read_back(exchanges):
    text = "".join(f"\n\nHuman: {human}\n\nAssistant: {assistant}" for human, assistant in exchanges)
    prompt, answer = split_transcript(text)
    assert answer == exchanges[-1][1]
    assert [message["role"] for message in prompt] == (["user", "assistant"] * len(exchanges))[:-1]
    turns = [content for exchange in exchanges for content in exchange]
    assert [message["content"] for message in prompt] == turns[:-1]


def test_the_split_is_at_the_last_assistant_turn():
    prompt, answer = split_transcript("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d\n\ne")
    assert [message["content"] for message in prompt] == ["a", "b", "c"]
    assert answer == "d\n\ne"


def test_neighbouring_turns_of_one_role_are_joined():
    prompt, answer = split_transcript("\n\nHuman: a\n\nHuman: b\n\nAssistant:\n\nHuman: c\n\nAssistant: d")
    assert [(message["role"], message["content"]) for message in prompt] == [
        ("user", "a\n\nb"), ("assistant", ""), ("user", "c"),
    ]  # fmt: skip
    assert answer == "d"


def test_an_assistant_that_goes_on_leaves_a_prompt_without_a_user_at_its_end():
    prompt, answer = split_transcript("\n\nHuman: a\n\nAssistant: b\n\nAssistant: c")
    assert prompt[-1]["role"] == "assistant"
    assert answer == "c"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a transcript"),
        ("hello", "not a transcript"),
        ("note\n\nHuman: a\n\nAssistant: b", "not a transcript"),
        ("\n\nHuman: a", "no assistant turn at the end"),
        ("\n\nHuman: a\n\nAssistant: b\n\nHuman: c", "no assistant turn at the end"),
    ],
)
def test_other_text_is_refused(text, reason):
    with pytest.raises(RowProblem) as problem:
        split_transcript(text)
    assert problem.value.reason == reason


def test_recognition():
    assert looks_like_transcript("\n\nHuman: a\n\nAssistant: b")
    assert not looks_like_transcript("a human: b")
    assert not looks_like_transcript([{"role": "user", "content": "a"}])
