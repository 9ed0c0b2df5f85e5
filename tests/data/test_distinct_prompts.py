"""Prompts that come several times are taken once, as they first came."""

import pytest

from tasks.data.distinct_prompts import take_each_prompt_once
from tasks.data.rows import DemonstrationRow, user_prompt
from tasks.data.tables import read_rows_of, store_rows


@pytest.mark.usefixtures("rlhf_home")
def test_the_first_row_of_every_prompt_is_kept_in_order():
    rows = [
        DemonstrationRow(prompt_id=name, prompt=user_prompt(name), family="real", response=f"{place}")
        for place, name in enumerate("baacab")
    ]
    kept = read_rows_of(take_each_prompt_once(store_rows(rows, "twice")), DemonstrationRow)
    assert [(row["prompt_id"], row["response"]) for row in kept] == [("b", "0"), ("a", "1"), ("c", "3")]
