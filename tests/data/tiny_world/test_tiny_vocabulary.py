"""The vocabulary is closed, and the tokenizer is exact over it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.tiny_world import FAMILIES, demonstrations, prompt_text, sample_prompts
from tasks.data.tiny_world.copying import copy_rows
from tasks.data.tiny_world.tokenizer import build_tokenizer
from tasks.data.tiny_world.vocabulary import SPECIAL_TOKENS, token_ids, words

VOCABULARY = set(words())


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_no_text_of_a_family_leaves_the_vocabulary_or_its_length(name):
    family = FAMILIES[name]
    for row in demonstrations(sample_prompts(name, "train", 2000, 21), 21):
        text = prompt_text(row)
        answers = (row["response"], family.solve(text))
        assert VOCABULARY.issuperset(" ".join((text, *answers)).split())
        assert max(len(answer.split()) for answer in answers) < family.max_response_tokens
        assert len(text.split()) <= 60


def test_every_word_of_a_family_is_one_that_it_uses():
    for name, family in FAMILIES.items():
        rows = demonstrations(sample_prompts(name, "train", 4000, 0), 0)
        used = {word for row in rows for word in f"{prompt_text(row)} {row['response']}".split()}
        assert used == set(family.words)


def test_ids_are_dense_sorted_and_begin_with_the_special_tokens():
    ids = token_ids()
    assert SPECIAL_TOKENS == ("<pad>", "<bos>", "<eos>", "<unk>", "<user>", "<assistant>", "<system>")
    assert list(ids.values()) == list(range(len(ids)))
    assert list(ids) == [*SPECIAL_TOKENS, *words()]
    assert words() == sorted(VOCABULARY)
    assert all(word.isdigit() is (len(word) == 1 and word in "0123456789") for word in words())


def test_copies_of_random_words_stay_inside():
    for row in copy_rows(500, 0):
        assert VOCABULARY.issuperset(f"{prompt_text(row)} {row['response']}".split())


@given(texts=st.lists(st.sampled_from(words()), max_size=30))
@settings(deadline=None, max_examples=60)
def test_text_survives_encoding_and_decoding(texts, tokenizer):
    text = " ".join(texts)
    ids = tokenizer(text)["input_ids"]
    assert len(ids) == len(texts)
    assert tokenizer.decode(ids) == text


def test_special_ids_and_unknown_words(tokenizer):
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    assert tokenizer.unk_token_id == 3
    assert tokenizer("post : zebra")["input_ids"][-1] == 3
    assert len(tokenizer) == len(token_ids())
    assert tokenizer.decode([7, len(token_ids()) + 4, 8]) == " ".join(words()[:2])


def test_chat_template_frames_turns(tokenizer):
    user = [{"role": "user", "content": "sort : 3 1 2 ."}]
    prompt = tokenizer.apply_chat_template(user, tokenize=False, add_generation_prompt=True)
    assert prompt == "<bos> <user> sort : 3 1 2 . <assistant>"
    ids = tokenizer.apply_chat_template(user, add_generation_prompt=True)["input_ids"]
    assert tokenizer.decode(ids) == prompt
    assert ids[:2] + ids[-1:] == [1, 4, 5]
    both = [{"role": "system", "content": "please"}, *user, {"role": "assistant", "content": "1 2 3 ."}]
    whole = tokenizer.apply_chat_template(both, tokenize=False)
    assert whole == "<bos> <system> please <user> sort : 3 1 2 . <assistant> 1 2 3 . <eos>"
    assert tokenizer.decode(tokenizer(whole)["input_ids"], skip_special_tokens=True) == (
        "please sort : 3 1 2 . 1 2 3 ."
    )


def test_an_unknown_role_is_refused(tokenizer):
    with pytest.raises(Exception, match="role must be system, user or assistant"):
        tokenizer.apply_chat_template([{"role": "critic", "content": "no"}], tokenize=False)


def test_a_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "<bos> <user> sure ! 1 2 . <assistant>"
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert loaded.decode(loaded(text)["input_ids"]) == text
    assert loaded.chat_template == tokenizer.chat_template
