from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.data.rows import Message, user_prompt
from tasks.engine.schema import UserError
from tasks.models.encoding import decode_response, encode_prompt, encode_response


def test_prompt_follows_the_chat_template(tokenizer):
    ids = encode_prompt(tokenizer, user_prompt("w0 w1"))
    assert tokenizer.convert_ids_to_tokens(ids) == ["<bos>", "<user>", "w0", "w1", "<assistant>"]


def test_tokenizer_without_template_gets_the_plain_one(tokenizer):
    tokenizer = deepcopy(tokenizer)
    tokenizer.chat_template = None
    messages = [Message(role="user", content="w0"), Message(role="assistant", content="w1")]
    words = tokenizer.convert_ids_to_tokens(encode_prompt(tokenizer, messages))
    assert words == ["<bos>", "<unk>", "w0", "<unk>", "w1", "<unk>"]
    tokenizer.bos_token = None
    assert encode_prompt(tokenizer, messages)[0] == tokenizer.unk_token_id


def test_response_ends_in_a_scored_eos(tokenizer):
    assert encode_response(tokenizer, "w3 w4") == [9, 10, tokenizer.eos_token_id]
    assert encode_response(tokenizer, "w3 w4", eos=False) == [9, 10]
    assert encode_response(tokenizer, "") == [tokenizer.eos_token_id]


def test_tokenizer_without_eos_is_refused(tokenizer):
    tokenizer = deepcopy(tokenizer)
    tokenizer.eos_token = None
    with pytest.raises(UserError, match="eos_token"):
        encode_response(tokenizer, "w1")


def test_template_that_refuses_a_role_is_a_user_error(tokenizer, monkeypatch):
    monkeypatch.setattr(tokenizer, "chat_template", "{{ raise_exception('no system turns') }}")
    with pytest.raises(UserError, match=r"refuses turns \(system, user\): no system turns"):
        encode_prompt(tokenizer, [Message(role="system", content="w0"), *user_prompt("w1")])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 14).map(lambda i: f"w{i}")))
def test_words_survive_the_round_trip(tokenizer, words):
    assert decode_response(tokenizer, encode_response(tokenizer, " ".join(words))) == " ".join(words)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(-5, 40)))
def test_decoding_never_fails(tokenizer, ids):
    known = [token for token in ids if 6 <= token < len(tokenizer) or token == 3]
    assert decode_response(tokenizer, ids) == decode_response(tokenizer, known)
