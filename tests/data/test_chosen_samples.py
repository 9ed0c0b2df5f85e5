import pytest

from tasks.data.chosen_samples import samples_as_demonstrations
from tasks.data.portions import take_portion
from tasks.data.rows import DemonstrationRow, PromptRow
from tasks.data.tables import read_rows_of, store_rows
from tasks.data.tiny_world import demonstrations, sample_prompts
from tasks.models.generation import SampleRow, store_samples


def test_samples_become_demonstrations_of_their_prompts(rlhf_home):
    prompts = sample_prompts("tldr", "train", 3, seed=0)
    samples = store_samples(
        [
            SampleRow(**row, sample=number, response=f"answer {number}", ids=[5], finished=number != 1, log_prob=-1.0)
            for number, row in enumerate(prompts)
        ]
    )
    found = samples_as_demonstrations(samples)
    rows = read_rows_of(found, DemonstrationRow)
    assert [row["response"] for row in rows] == ["answer 0", "answer 1", "answer 2"]
    assert [{**row, "response": None} for row in rows] == [{**row, "response": None} for row in prompts]


@pytest.mark.parametrize(
    ("first", "count", "places"),
    [(0, 2, [0, 1]), (3, 3, [3, 4, 0]), (7, 2, [2, 3]), (2, 99, [2, 3, 4, 0, 1])],
)
def test_a_portion_begins_again_after_the_last_row_and_holds_none_twice(rlhf_home, first, count, places):
    rows = demonstrations(sample_prompts("tldr", "train", 5, seed=0), seed=0)
    found = take_portion(store_rows(rows, "prompts"), first, count)
    assert [row["prompt_id"] for row in read_rows_of(found, PromptRow)] == [
        rows[place]["prompt_id"] for place in places
    ]
    assert read_rows_of(found, DemonstrationRow)[0]["response"] == rows[places[0]]["response"]
