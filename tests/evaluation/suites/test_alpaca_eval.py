import csv
import json
import math
import shutil

import pytest

from tasks.data.records import read_records
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Verdict
from tasks.evaluation.judges.recorded import RecordedJudge
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.suites.alpaca_eval import AlpacaEval
from tasks.evaluation.suites.alpaca_eval_data import has_official_order
from tasks.evaluation.suites.alpaca_eval_template import is_swapped
from tasks.evaluation.suites.suite import Answer

MODELS = [
    "NullModel",
    "FuseChat-Gemma-2-9B-Instruct",
    "claude",
    "gpt4_0613_concise",
    "gpt35_turbo_instruct",
    "falcon-7b-instruct",
]
ABSENT = "409"
"""The instruction that gpt35_turbo_instruct has no annotation of."""


class LongerIsBetter:
    """Prefers the longer response, surely."""

    name, version, kind = "longer", "1", "reward"

    def compare(self, comparisons, template):
        return [Verdict(c.comparison_id, float(len(c.second) > len(c.first))) for c in comparisons]

    def grade(self, gradings, template):
        raise NotImplementedError


def annotations(shared_data, model):
    return read_records(shared_data / "alpaca_eval" / "annotations" / f"{model}.jsonl.gz")


def evaluated(shared_data, model, **settings):
    return AlpacaEval(data=str(shared_data), **settings).evaluate({}, RecordedJudge(annotations(shared_data, model)))


def whole(found):
    return {aggregate.metric: aggregate for aggregate in found.aggregates if not aggregate.group}


@pytest.fixture(scope="session")
def leaderboard(shared_data):
    with (shared_data / "alpaca_eval" / "leaderboard_weighted_gpt4_turbo.csv").open() as stream:
        return {row["model"]: row for row in csv.DictReader(stream)}


@pytest.mark.parametrize("model", MODELS)
def test_the_leaderboard_comes_out(shared_data, leaderboard, model):
    found = whole(evaluated(shared_data, model, difficulty_join="positional"))
    listed = leaderboard[model]
    assert next(iter(found)) == "lc_win_rate"
    assert 100.0 * found["win_rate"].value == pytest.approx(float(listed["win_rate"]), abs=1e-6)
    assert 100.0 * found["win_rate"].standard_error == pytest.approx(float(listed["standard_error"]), abs=1e-6)
    assert 100.0 * found["discrete_win_rate"].value == pytest.approx(float(listed["discrete_win_rate"]), abs=1e-9)
    assert 100.0 * found["lc_win_rate"].value == pytest.approx(float(listed["length_controlled_winrate"]), abs=0.2)
    assert found["win_rate"].n == int(listed["n_total"])
    if listed["lc_standard_error"]:
        assert 100.0 * found["lc_win_rate"].standard_error == pytest.approx(
            float(listed["lc_standard_error"]), abs=1e-4
        )
    if found["avg_length"].n == 805:
        assert found["avg_length"].value == float(listed["avg_length"])


def test_claude_has_the_published_coefficients(shared_data):
    found = whole(evaluated(shared_data, "claude"))
    fitted = [found[name].value for name in ("lc_length", "lc_difficulty", "lc_intercept")]
    assert fitted == pytest.approx([-1.857016, 0.976154, -1.234932], abs=1e-3)
    assert 100.0 * found["lc_win_rate"].value == pytest.approx(27.290, abs=1e-3)


def test_a_missing_row_shifts_the_difficulties_of_the_positional_join_alone(shared_data):
    right = evaluated(shared_data, "gpt35_turbo_instruct")
    shifted = evaluated(shared_data, "gpt35_turbo_instruct", difficulty_join="positional")
    assert 100.0 * whole(right)["lc_win_rate"].value == pytest.approx(14.965, abs=2e-3)
    assert 100.0 * whole(shifted)["lc_win_rate"].value == pytest.approx(17.728, abs=2e-3)
    assert any(f"1 of 805 prompts have no row in the annotations: {ABSENT}" in note for note in right.notes)
    assert any("row number" in note for note in shifted.notes)
    assert not any("row number" in note for note in right.notes)
    assert len(right.samples) == 804
    assert ABSENT not in set(right.samples["prompt_id"])
    assert right.samples["lc_prediction"].mean() == pytest.approx(whole(right)["lc_win_rate"].value)


def test_outputs_that_are_not_annotated_count_for_the_length(shared_data):
    rows = annotations(shared_data, "gpt35_turbo_instruct")
    given = {ABSENT: Answer(ABSENT, ["x" * 100_000])}
    found = AlpacaEval(data=str(shared_data)).evaluate(given, RecordedJudge(rows))
    total = sum(len(row["output_2"]) for row in rows) + 100_000
    assert (whole(found)["avg_length"].value, whole(found)["avg_length"].n) == (total // 805, 805)


def test_a_judge_that_gave_no_preference_is_counted_and_still_predicted(shared_data):
    rows = annotations(shared_data, "claude")
    for row in rows[:20]:
        row["preference"] = None
    rows[20]["preference"] = 0
    found = AlpacaEval(data=str(shared_data)).evaluate({}, RecordedJudge(rows))
    numbers = whole(found)
    known = [(row["preference"] or 1.5) - 1.0 for row in rows[20:]]
    assert numbers["win_rate"].value == pytest.approx(sum(known) / 785)
    assert (numbers["win_rate"].n, numbers["missing_annotations"].value) == (785, 20.0)
    assert found.samples["lc_prediction"].notna().sum() == 805
    assert "lc_win_rate" not in set(found.scores["metric"]), "predictions of one fit are no sample of prompts"
    assert (found.scores["metric"] == "win_rate").sum() == 785
    assert any("20 of 805 comparisons have no preference" in note for note in found.notes)
    assert found.samples["preference"].isna().sum() == 20
    with pytest.raises(UserError, match="none of 805 comparisons has a preference"):
        AlpacaEval(data=str(shared_data)).evaluate({}, RecordedJudge([row | {"preference": None} for row in rows]))


def test_the_baseline_itself_wins_half(shared_data):
    rows = [row | {"output_2": row["output_1"], "preference": 1.5} for row in annotations(shared_data, "claude")]
    found = whole(AlpacaEval(data=str(shared_data)).evaluate({}, RecordedJudge(rows)))
    assert (found["lc_win_rate"].value, found["win_rate"].value, found["discrete_win_rate"].value) == (0.5, 0.5, 0.5)
    assert found["lc_length"].value == 0.0
    assert math.isnan(found["lc_win_rate"].low)


def test_the_unregularised_form_moves_the_concise_model(shared_data):
    full = whole(evaluated(shared_data, "gpt4_0613_concise"))["lc_win_rate"]
    alone = whole(evaluated(shared_data, "gpt4_0613_concise", length_control="noreg"))["lc_win_rate"]
    assert abs(full.value - alone.value) > 0.01
    assert "noreg" in alone.method


def test_annotations_against_another_baseline_are_refused(shared_data):
    rows = [row | {"output_1": row["output_1"][:200] + "..."} for row in annotations(shared_data, "claude")[:100]]
    with pytest.raises(UserError, match=r"100 of 100 baseline outputs .* as baseline_outputs"):
        AlpacaEval(data=str(shared_data)).evaluate({}, RecordedJudge(rows))
    rows[30:] = annotations(shared_data, "claude")[30:100]
    found = AlpacaEval(data=str(shared_data)).evaluate({}, RecordedJudge(rows))
    assert any("30 of 100 baseline outputs" in note for note in found.notes)


def test_the_interval_holds_the_noise_of_the_coefficients(shared_data):
    found = whole(evaluated(shared_data, "claude"))["lc_win_rate"]
    assert (found.high - found.low) / 3.92 == pytest.approx(0.0158, rel=0.15), "sd of 60 bootstraps over prompts"
    assert found.standard_error == pytest.approx(0.0086, abs=1e-4), "AlpacaEval's, of the predictions alone"


def test_the_first_prompts_get_the_minimal_form_with_an_interval(shared_data):
    found = evaluated(shared_data, "FuseChat-Gemma-2-9B-Instruct", limit=100)
    headline = found.aggregates[0]
    assert headline.n == 100
    assert "C = 1" in headline.method
    assert 0.0 <= headline.low < headline.value < headline.high <= 1.0
    assert "lc_difficulty" not in whole(found)
    assert any("'minimal' and not 'full'" in note for note in found.notes)


def test_every_metric_is_registered_and_in_its_range(shared_data):
    found = evaluated(shared_data, "NullModel")
    for aggregate in found.aggregates:
        metric = find_metric(aggregate.metric)
        assert metric is not None
        assert metric.lowest <= aggregate.value <= metric.highest
    for name, scored in found.scores.groupby("metric"):
        metric = find_metric(name)
        assert metric is not None
        assert scored["value"].between(metric.lowest, metric.highest).all()
    assert not found.scores.duplicated(["prompt_id", "metric"]).any()


def test_questions_are_the_official_805(shared_data):
    suite = AlpacaEval(data=str(shared_data))
    questions = suite.questions({})
    assert len({question.prompt_id for question in questions}) == 805
    assert has_official_order(suite.instructions())
    assert questions[0].aliases == ("What are the names of some famous actors that started their careers on Broadway?",)
    assert [one.prompt_id for one in suite.questions({"0": Answer("0", ["a"])})[:2]] == ["1", "2"]
    names = [path.name for path in suite.files()]
    assert names[1:] == ["instruction_difficulty.csv", "gamed_rows_reconstructed.csv.gz"]
    one = shared_data / "alpaca_eval" / "annotations" / "claude.jsonl.gz"
    assert AlpacaEval(data=str(one)).files()[0] == one
    assert len(AlpacaEval(data=str(one)).files()) == 3


def test_what_a_number_holds_for_depends_on_every_setting(shared_data):
    suites = [
        AlpacaEval(),
        AlpacaEval(length_control="noreg"),
        AlpacaEval(difficulty_join="positional"),
        AlpacaEval(limit=10),
        AlpacaEval(baseline_outputs="sft.jsonl"),
    ]
    assert len({suite.conventions().model_dump_json() for suite in suites}) == len(suites)


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "sft.jsonl"
    rows = [
        {"instruction": f"Say {n} words", "output": "word " * (n % 7 + 1), "dataset": "ab"[n % 2]} for n in range(40)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_own_prompts_with_a_live_judge(own):
    suite = AlpacaEval(baseline_outputs=str(own))
    questions = suite.questions({})
    answers = {q.prompt_id: Answer(q.prompt_id, ["word " * (n % 5 + 1)]) for n, q in enumerate(questions)}
    found = suite.evaluate(answers, LongerIsBetter())
    expected = [float(n % 5 > n % 7) for n in range(40)]
    swapped = {n for n in range(40) if is_swapped(f"Say {n} words")}
    ties = {n for n in range(40) if n % 5 == n % 7}
    expected = [1.0 if n in ties & swapped else value for n, value in enumerate(expected)]
    scored = found.scores[found.scores["metric"] == "win_rate"].set_index("prompt_id")["value"]
    assert [scored[str(n)] for n in range(40)] == expected
    assert whole(found)["win_rate"].value == pytest.approx(sum(expected) / 40)
    assert {aggregate.group for aggregate in found.aggregates if aggregate.metric == "win_rate"} == {"", "a", "b"}
    assert whole(found)["lc_length"].value < 0.0
    assert any("not gpt-4-1106-preview" in note for note in found.notes)
    del answers["3"]
    with pytest.raises(UserError, match=r"alpaca_eval: 1 of 40 .* 3 "):
        suite.evaluate(answers, LongerIsBetter())


def test_annotations_of_own_prompts_bring_their_baseline(tmp_path):
    rows = [
        {"instruction": f"i{n}", "output_1": "a" * n, "output_2": "b" * (2 * n), "preference": 1.0 + (n % 3) / 2}
        for n in range(1, 31)
    ]
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(rows))
    found = AlpacaEval(baseline_outputs=str(path)).evaluate({}, RecordedJudge(rows))
    assert whole(found)["win_rate"].value == pytest.approx(0.5)
    assert whole(found)["avg_length"].value == 31.0


def test_foreign_or_doubled_annotations_are_refused(shared_data):
    suite = AlpacaEval(data=str(shared_data))
    rows = annotations(shared_data, "claude")
    with pytest.raises(UserError, match="baseline_outputs"):
        suite.evaluate({}, RecordedJudge([rows[0] | {"instruction": "another"}]))
    with pytest.raises(UserError, match="two rows"):
        suite.evaluate({}, RecordedJudge([rows[0], rows[0]]))
    with pytest.raises(UserError, match="not among the 805 recorded"):
        suite.evaluate({"7": Answer("7", ["not what was judged"])}, RecordedJudge(rows))


def test_unusable_files_are_named(tmp_path, shared_data, own):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no file .*nope\.json \(baseline_outputs\)"):
        AlpacaEval(baseline_outputs=str(tmp_path / "nope.json")).files()
    with pytest.raises(UserError, match=r"alpaca_eval_gpt4_baseline\.json"):
        AlpacaEval(data=str(tmp_path / "empty")).files()
    with pytest.raises(UserError, match="40 instructions and not the set's 805"):
        AlpacaEval(data=str(own)).questions({})
    own.write_text(own.read_text() + own.read_text().splitlines()[4] + "\n")
    with pytest.raises(UserError, match="row 41 has the instruction of row 5"):
        AlpacaEval(baseline_outputs=str(own)).questions({})
    source = shared_data / "alpaca_eval"
    for name in ("instruction_difficulty.csv", "gamed_rows_reconstructed.csv.gz"):
        shutil.copy(source / name, tmp_path / name)
    (tmp_path / "annotations").mkdir()
    shutil.copy(source / "annotations" / "claude.jsonl.gz", tmp_path / "annotations")
    difficulty = tmp_path / "instruction_difficulty.csv"
    difficulty.write_text(difficulty.read_text().replace("\n3,", "\n4,"))
    with pytest.raises(UserError, match="804 different indices"):
        AlpacaEval(data=str(tmp_path)).evaluate({}, RecordedJudge(annotations(shared_data, "claude")))


def test_the_hubs_layout_of_the_length_control_files_is_read_too(tmp_path, shared_data):
    source = shared_data / "alpaca_eval"
    difficulty = [row["instruction_difficulty"] for row in read_records(source / "instruction_difficulty.csv")]
    lines = [",instruction_difficulty", *(f"{number},{value}" for number, value in enumerate(difficulty))]
    (tmp_path / "instruction_difficulty.csv").write_text("\n".join(lines))
    gamed = ["model,index,std_delta_len,preference,instruction_difficulty,not_gamed_baseline"]
    for row in read_records(source / "gamed_rows_reconstructed.csv.gz"):
        own = difficulty[int(row["index"])]
        gamed.append(f"{row['model']},{row['index']},{row['std_delta_len']},{row['preference']},{own},False")
    (tmp_path / "df_gamed.csv").write_text("\n".join(gamed))
    rows = annotations(shared_data, "claude")
    baseline = [
        {"instruction": r["instruction"], "output": r["output_1"], "generator": "x", "dataset": ""} for r in rows
    ]
    (tmp_path / "alpaca_eval_gpt4_baseline.json").write_text(json.dumps(baseline))
    found = AlpacaEval(data=str(tmp_path)).evaluate({}, RecordedJudge(rows))
    assert whole(found)["lc_win_rate"] == whole(evaluated(shared_data, "claude"))["lc_win_rate"]


def test_about_half_of_the_pairs_are_swapped(shared_data):
    swapped = [is_swapped(one.text) for one in AlpacaEval(data=str(shared_data)).instructions()]
    assert 370 < sum(swapped) < 435
    assert swapped[0]
