import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.models.encoding import encode_prompt, encode_response
from tasks.models.log_probs import response_log_probs
from tasks.models.packing import EncodedGroup
from tasks.models.reference import score_groups, score_rows


def test_rows_are_scored_with_template_and_eos(make_llama, tokenizer):
    rows = [(user_prompt("w1 w2 w3"), ["w4", "w5 w6"]), (user_prompt("w7"), ["w8 w9 w10", ""])]
    scores = score_rows(make_llama(0), tokenizer, rows)
    for (prompt, texts), row in zip(rows, scores, strict=True):
        for text, score in zip(texts, row, strict=True):
            group = EncodedGroup(encode_prompt(tokenizer, prompt), [encode_response(tokenizer, text)])
            assert score == pytest.approx(response_log_probs(make_llama(0), [group]).sums().item(), abs=1e-4)


token_lists = st.lists(st.integers(3, 20), min_size=1, max_size=12)
group_lists = st.lists(
    st.builds(EncodedGroup, token_lists, st.lists(token_lists, min_size=1, max_size=3)),
    min_size=1,
    max_size=9,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(group_lists, st.integers(1, 120))
def test_scores_do_not_depend_on_the_batches(make_llama, groups, max_tokens):
    model = make_llama(0)
    alone = [score_groups(model, [group])[0] for group in groups]
    together = score_groups(model, groups, max_tokens)
    assert [len(row) for row in together] == [len(group.responses) for group in groups]
    for one, other in zip(alone, together, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_too_long_row_is_named_before_any_work(make_llama, tokenizer):
    rows = [(user_prompt("w1"), ["w2"]), (user_prompt("w1 " * 70), ["w2"])]
    with pytest.raises(UserError, match=r"row 1: .* the model reads 64"):
        score_rows(make_llama(0), tokenizer, rows)
