"""The from-scratch tokenizer: exact, deterministic, and deaf to special tokens typed as text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tasks.data.byte_pair import (
    ASSISTANT,
    BOS,
    EOS,
    RESERVED,
    SPECIAL_TOKENS,
    USER,
    token_counter,
    train_tokenizer,
)
from tasks.data.rows import Message, user_prompt
from tasks.engine.schema import UserError

TEXTS = [
    "the quick brown fox jumps over the lazy dog\n" * 20,
    "naïve café, 東京 и Москва\n\n\tindented  twice\r\n",
    "<eos> <user> are words",
]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 320)


text = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters=RESERVED), max_size=60)
awkward = st.sampled_from(["<eos>", "<pad>", "<assistant>", "\n\n", "  ", "\x00", "👩‍👩‍👧", "don't ."])
mixed = st.lists(text | awkward, max_size=6).map("".join)


@given(mixed)
@settings(max_examples=200, deadline=None)
def test_any_text_comes_back_exactly(tokenizer, content):
    ids = tokenizer(content)["input_ids"]
    assert tokenizer.decode(ids) == content
    assert not set(ids) & set(tokenizer.all_special_ids)


@given(st.lists(mixed, min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_a_chat_has_exactly_the_templates_special_tokens(tokenizer, contents):
    roles = ["user", "assistant"] * 3
    messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    specials = [tokenizer.convert_ids_to_tokens(token) for token in ids if token in tokenizer.all_special_ids]
    role_tokens = [USER if message["role"] == "user" else ASSISTANT for message in messages]
    assert specials == [BOS, *role_tokens, ASSISTANT]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "".join(contents)


def test_the_template_spelled_out(tokenizer):
    messages = [
        Message(role="system", content="be brief"), Message(role="user", content="hi"),
    ]  # fmt: skip
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert rendered.replace(RESERVED, "") == "<bos><system>be brief<user>hi<assistant>"
    with pytest.raises(Exception, match="unknown role tool"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


def test_special_tokens_come_first_and_are_known_by_role(tokenizer):
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == [0, 1, 2, 3, 4, 5]
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    assert tokenizer.eos_token == EOS


def test_equal_texts_give_equal_tokenizers(tokenizer):
    again = train_tokenizer(iter(TEXTS), 320)
    assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


def test_merges_are_learnt_and_the_size_is_kept(tokenizer):
    assert len(tokenizer) == 320
    assert len(tokenizer("the quick brown fox")["input_ids"]) < len("the quick brown fox") / 2
    assert len(train_tokenizer(["ab"], 10_000)) < 300
    with pytest.raises(UserError, match=r"vocabulary_size 100 is too small.*at least 262"):
        train_tokenizer(TEXTS, 100)


def test_a_saved_tokenizer_is_the_same_one(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    messages = user_prompt("say <eos> \n twice")
    ids = loaded.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert ids == tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert ids.count(loaded.eos_token_id) == 0


def test_counting_tokens_of_prompts_and_answered_prompts(tokenizer):
    count = token_counter(tokenizer)
    prompt = user_prompt("é")  # two bytes, merged or not
    content = len(tokenizer("é")["input_ids"])
    assert count(prompt) == content + 3
    answered = [*prompt, Message(role="assistant", content="é")]
    assert count(answered) - count(prompt) == content
