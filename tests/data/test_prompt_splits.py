"""Prompt identities and the held-out split."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.rows import Message, user_prompt
from tasks.data.splits import is_held_out, prompt_id


def test_identity_is_a_fixed_digest_of_roles_and_texts():
    assert prompt_id(user_prompt("hello")) == "df099f6a7ef2805d"
    other_role = [Message(role="system", content="hello")]
    two_turns = [*user_prompt("hel"), *user_prompt("lo")]
    assert len({prompt_id(user_prompt("hello")), prompt_id(other_role), prompt_id(two_turns)}) == 3


@settings(deadline=None)
@given(st.text(max_size=20), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_larger_share_contains_a_smaller_one(text, one, other):
    smaller, larger = sorted((one, other))
    identity = prompt_id(user_prompt(text))
    assert is_held_out(identity, larger) or not is_held_out(identity, smaller)
    assert not is_held_out(identity, 0.0)


def test_the_share_is_kept():
    held_out = sum(is_held_out(prompt_id(user_prompt(str(number))), 0.1) for number in range(5000))
    assert 420 <= held_out <= 580  # 500 +- 3.8 standard deviations
