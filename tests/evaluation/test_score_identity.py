import pytest

from tasks.engine.schema import UserError
from tasks.evaluation.score_identity import ScoreIdentity, differences, require_comparable

ONE = ScoreIdentity(
    suite="gsm8k", version="lm-eval v3", split="test", aggregation="mean", questions_digest="ab", decoding="greedy"
)


@pytest.mark.parametrize("field", list(ScoreIdentity.model_fields))
def test_every_field_tells_numbers_apart(field):
    other = ONE.model_copy(update={field: "something else"})
    assert other.key() != ONE.key()
    assert list(differences(ONE, other)) == [field]
    with pytest.raises(UserError, match=f"not comparable: {field}: "):
        require_comparable(ONE, other)


def test_the_same_measurement_is_comparable():
    require_comparable(ONE, ONE.model_copy())
    assert ONE.key() == ONE.model_copy().key()
