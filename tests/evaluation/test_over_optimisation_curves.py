"""Courses and their fitted curves: known curves come back, a drop is told, and a start is always the arm's own."""

import json

import numpy as np
import pandas as pd
import pytest
from over_optimised import COUNTS, GOLD_BY_COUNT, GOLD_BY_TRAINING, over_optimised_scores

from tasks.engine.spool import read_events
from tasks.engine.tracking import stage_tracker
from tasks.evaluation.courses import courses_of
from tasks.evaluation.evidence_over_training import Drop
from tasks.evaluation.over_optimisation_curves import (
    fit_course,
    fit_over_optimisation,
    log_over_optimisation,
    resampled_means,
)
from tasks.evaluation.statistics.best_of_n import best_of_n_kl


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return over_optimised_scores()


def row(table: pd.DataFrame, **wanted) -> pd.Series:
    for name, value in wanted.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_courses_run_from_their_own_start_in_order(scores):
    (by_count,) = courses_of(scores, "best_of_n", "gold_reward")
    assert by_count.points == [f"mean@n{n}" for n in COUNTS]
    assert by_count.distances == pytest.approx(np.sqrt(best_of_n_kl(COUNTS)))
    assert (by_count.gain[0] == 0.0).all()
    (trained,) = courses_of(scores, "gold", "proxy_reward")
    assert trained.points == ["ppo@0%", "ppo@25%", "ppo@50%", "ppo@75%", "ppo"]
    assert trained.at == [0.0, 25.0, 50.0, 75.0, 100.0]
    assert trained.gain.mean(axis=(1, 2)) == pytest.approx([0.0, 2.0, 4.0, 6.0, 8.0], abs=0.1)


def test_without_a_point_of_its_own_a_run_starts_at_sft_and_without_that_nowhere(scores):
    started = scores[scores["arm"] == "ppo@0%"].assign(arm="sft")
    rest = scores[scores["arm"] != "ppo@0%"]
    (course,) = courses_of(pd.concat([rest, started]), "gold", "gold_reward")
    assert course.points[0] == "sft"
    assert courses_of(rest, "gold", "gold_reward") == []
    assert courses_of(scores, "gold", "no_metric") == []


def test_known_curves_come_back_with_their_peaks_and_drops(scores):
    fits = fit_over_optimisation(scores, "best_of_n").fits
    found = row(fits, metric="gold_reward", form="best_of_n")
    assert found["usual"]
    assert (found["a"], found["b"]) == (
        pytest.approx(GOLD_BY_COUNT.a, abs=0.1),
        pytest.approx(GOLD_BY_COUNT.b, abs=0.1),
    )
    assert found["peak_distance_low"] <= GOLD_BY_COUNT.peak_distance <= found["peak_distance_high"]
    assert found["peak_low"] <= found["peak"] <= found["peak_high"]
    last = float(np.sqrt(best_of_n_kl(COUNTS[-1])))
    true = GOLD_BY_COUNT.peak_gold - float(GOLD_BY_COUNT.gold(last))
    assert found["fitted_drop"] == pytest.approx(true, abs=0.15)
    assert found["drop_low"] <= true <= found["drop_high"]
    assert (found["n_seeds"], found["n_prompts"]) == (3, 120)
    proxy = row(fits, metric="proxy_reward", form="best_of_n")
    assert proxy["drop_high"] < 0.0
    assert proxy["fitted_drop"] == pytest.approx(0.0, abs=0.05)


def test_the_usual_form_of_training_fits_training_better(scores):
    fits = fit_over_optimisation(scores, "gold").fits
    usual, other = (row(fits, metric="gold_reward", form=form) for form in ("reinforcement", "best_of_n"))
    assert usual["usual"]
    assert not other["usual"]
    assert usual["residual"] < other["residual"]
    assert usual["peak_distance"] == pytest.approx(GOLD_BY_TRAINING.peak_distance, abs=0.2)
    assert usual["drop"] == pytest.approx(other["drop"])
    drop = Drop(metric="gold_reward", points=("ppo@0%", "ppo@25%", "ppo@50%", "ppo@75%", "ppo"), suite="gold")
    assert usual["drop"] == pytest.approx(drop.measure(scores).values.mean())


def test_bands_hold_the_true_curve_and_points_lie_on_it(scores):
    found = fit_over_optimisation(scores, "best_of_n", level=0.99)
    band = found.bands[(found.bands["metric"] == "gold_reward") & found.bands["usual"]]
    true = GOLD_BY_COUNT.gold(band["distance"])
    assert (band["low"] - 1e-9 <= true).all()
    assert (true <= band["high"] + 1e-9).all()
    points = found.points[found.points["metric"] == "gold_reward"]
    assert points["value"].tolist() == pytest.approx(GOLD_BY_COUNT.gold(points["distance"]).tolist(), abs=0.1)
    assert (points["low"] <= points["value"]).all()
    assert points["point"].tolist() == [f"mean@n{n}" for n in COUNTS]


def test_seeds_that_differ_widen_the_band(scores):
    (course,) = courses_of(scores, "best_of_n", "gold_reward")
    shift = np.array([-1.0, 0.0, 1.0])[None, :, None] * np.linspace(0, 1, len(course.points))[:, None, None]
    apart = course.__class__(**vars(course) | {"gain": course.gain + shift})
    narrow, wide = (fit_course(one, "best_of_n", resampled_means(one, 200, 0), 0.95)[1] for one in (course, apart))
    assert (wide["high"] - wide["low"]).iloc[-1] > 3 * (narrow["high"] - narrow["low"]).iloc[-1]


def test_resampled_means_are_those_of_the_rows_drawn(scores):
    (course,) = courses_of(scores, "gold", "gold_reward")
    distances, gains = resampled_means(course, 5, 7)
    generator = np.random.default_rng(7)
    seeds = generator.multinomial(3, np.full(3, 1 / 3), size=5)
    prompts = generator.multinomial(120, np.full(120, 1 / 120), size=5)
    for draw in range(5):
        rows = np.repeat(np.arange(3), seeds[draw])
        columns = np.repeat(np.arange(120), prompts[draw])
        assert gains[draw] == pytest.approx(course.gain[:, rows][:, :, columns].mean(axis=(1, 2)))
        kl = course.divergence[:, rows][:, :, columns].mean(axis=(1, 2))
        assert distances[draw] == pytest.approx(np.sqrt(kl))


def test_a_course_that_does_not_determine_a_curve_says_so(scores):
    two = scores[scores["arm"].isin(["mean@n1", "mean@n2"])]
    found = fit_over_optimisation(two, "best_of_n")
    assert found.fits["note"].str.contains("two or more different distances").all()
    assert len(found.points) == 4
    assert found.bands.empty


def test_tables_are_logged_once_and_only_where_there_is_a_proxy(tmp_path, scores):
    with stage_tracker(tmp_path / "run.jsonl", tmp_path / "work") as tracker:
        found = log_over_optimisation(tracker, scores, ["gold", "best_of_n", "pairs"])
        plain = log_over_optimisation(tracker, scores[scores["metric"] != "proxy_reward"], ["gold", "best_of_n"])
    assert set(found.fits["suite"]) == {"gold", "best_of_n"}
    assert all(table.empty for table in plain)
    events = [event for event, _ in read_events(tmp_path / "run.jsonl") if event["event"] == "artifact"]
    assert [event["name"] for event in events] == [
        "over_optimisation.json", "over_optimisation_points.json", "over_optimisation_bands.json",
    ]  # fmt: skip
    logged = json.loads((tmp_path / "files" / tracker.key / "over_optimisation.json").read_text())
    assert len(logged["data"]) == len(found.fits)
