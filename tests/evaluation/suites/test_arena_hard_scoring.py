from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Comparison, Completion, Verdict
from tasks.evaluation.metrics import find_metric
from tasks.evaluation.suites.arena_hard_battles import (
    Pair,
    both_orders,
    bradley_terry_elo,
    bradley_terry_score,
    first_position_shares,
    games_of,
    position_flips,
    prompt_win_rates,
    valid_games,
)
from tasks.evaluation.suites.arena_hard_report import Rules, report
from tasks.evaluation.suites.arena_hard_style import (
    count_pieces,
    density_differences,
    ratio_differences,
    style_controlled_score,
    style_of,
)
from tasks.evaluation.suites.arena_hard_templates import (
    SYSTEM,
    SYSTEM_CREATIVE,
    USER,
    read_label,
    template_of,
)

CARD = [("B>>A", "A>B"), ("A=B", "B>A"), ("A>>B", "A=B"), ("B>A", "A>>B")]


def card_pairs():
    return [Pair(f"q{i}", user_prompt(f"question {i}"), f"answer {i}", f"baseline {i}", 2.0) for i in range(len(CARD))]


def verdicts_of(labels, version="v0.1"):
    template = template_of(version)
    return [
        template.read(comparison, Completion(f"I think so. [[{label}]]" if label else "I cannot tell."))
        for comparison, label in zip(both_orders(card_pairs()), [one for two in labels for one in two], strict=True)
    ]


def rules(version="v0.1", control="off", rounds=50):
    return Rules("arena_hard", version, control, "equal", rounds, 0)


def test_the_texts_are_the_published_ones():
    digests = [sha256(text.encode()).hexdigest()[:16] for text in (SYSTEM, SYSTEM_CREATIVE)]
    assert digests == ["03f68010febd7a64", "171489efbca7f19f"]
    assert USER.count("{") == 3
    assert SYSTEM.endswith('Example output: "My final verdict is tie: [[A=B]]".')
    assert "your own answer" not in SYSTEM_CREATIVE


def test_card_wins_ties_losses_score_and_gap():
    games = valid_games(games_of(card_pairs(), verdicts_of(CARD)), "drop_game")
    totals = games.groupby("outcome")["weight"].sum()
    assert totals.to_dict() == {1.0: 8, 0.5: 2, 0.0: 4}
    assert 100 * bradley_terry_score(games, 20, 0).value == pytest.approx(64.285714, abs=1e-5)
    assert bradley_terry_elo(games, 20, 0).value - 1000 == pytest.approx(102.109002, abs=1e-4)


def test_the_standard_error_is_that_of_the_share_of_battles():
    pairs, verdicts = card_pairs(), verdicts_of(CARD)
    games = games_of(pairs, verdicts)
    won = (games["outcome"] * games["weight"]).groupby(games["prompt_id"]).sum().to_numpy()
    total = games["weight"].groupby(games["prompt_id"]).sum().to_numpy()
    left_out = np.array([(won.sum() - w) / (total.sum() - t) for w, t in zip(won, total, strict=True)])
    jackknife = np.sqrt(3 / 4 * np.square(left_out - left_out.mean()).sum())
    assert report(pairs, verdicts, rules()).aggregates[0].standard_error == pytest.approx(jackknife, rel=0.3)
    assert np.isnan(report(pairs[:1], verdicts[:2], rules()).aggregates[0].standard_error)


def test_card_as_a_report():
    found = report(card_pairs(), verdicts_of(CARD), rules(rounds=200))
    headline = found.aggregates[0]
    assert (headline.metric, headline.n) == ("win_rate", 4)
    assert headline.value == pytest.approx(9 / 14, abs=1e-5)
    assert 0.3 < headline.low < headline.value < headline.high < 0.95
    per_prompt = found.scores[found.scores["metric"] == "win_rate"].set_index("prompt_id")["value"].to_dict()
    assert per_prompt == {"q0": 1.0, "q1": pytest.approx(0.25), "q2": pytest.approx(0.125), "q3": 1.0}
    assert {one.metric for one in found.aggregates} >= {"arena_hard_elo", "position_flip_rate", "response_tokens"}
    assert all(find_metric(one.metric) for one in found.aggregates)
    assert all(find_metric(metric) for metric in found.scores["metric"].unique())
    assert list(found.samples["verdict_baseline_first"]) == [1.0, 0.5, 0.0, 1.0]


def test_flips_and_the_share_of_the_first_position():
    games = games_of(card_pairs(), verdicts_of(CARD))
    assert position_flips(games) == {"q0": 0.0, "q1": 1.0, "q2": 1.0, "q3": 0.0}
    always_first = games_of(card_pairs(), verdicts_of([("A>B", "A>B")] * 4))
    assert set(first_position_shares(always_first).values()) == {1.0}
    assert set(position_flips(always_first).values()) == {1.0}
    assert prompt_win_rates(valid_games(always_first, "drop_game")) == dict.fromkeys(("q0", "q1", "q2", "q3"), 0.5)


def test_an_unreadable_verdict_costs_a_game_or_a_prompt():
    labels = [("B>>A", ""), *CARD[1:]]
    games = games_of(card_pairs(), verdicts_of(labels))
    assert len(valid_games(games, "drop_game")) == 7
    assert set(valid_games(games, "drop_prompt")["prompt_id"]) == {"q1", "q2", "q3"}
    old, new = (report(card_pairs(), verdicts_of(labels), rules(version)) for version in ("v0.1", "v2.0"))
    assert old.aggregates[0].n == 4
    assert new.aggregates[0].n == 3
    assert "1 of 8 verdicts could not be read, and 1 games do not count" in old.notes[0]
    assert "and 2 games do not count" in new.notes[0]
    with pytest.raises(UserError, match="no verdict on the 4 prompts could be read"):
        report(card_pairs(), verdicts_of([("", "")] * 4), rules())


def test_v2_is_the_mean_over_bootstraps():
    found = report(card_pairs(), verdicts_of(CARD, "v2.0"), rules("v2.0", rounds=4000)).aggregates[0]
    assert found.value == pytest.approx(9 / 14, abs=0.01)
    assert found.high - found.low == pytest.approx(2 * 1.645 * np.sqrt(0.194 / 14), rel=0.25)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("so [[A>>B]]", "A>>B", "A>>B"),
        ("[[A>B]] or rather [[A>B]]", "A>B", "A>B"),
        ("[[A>B]] or rather [[B>A]]", "", "B>A"),
        ("my verdict: [B>A]", "", "B>A"),
        ("my verdict: [[b>>a]]", "", "B>>A"),
        ("[[A<B]]", "A<B", "A<B"),
        ("no verdict", "", ""),
    ],
)
def test_reading_a_label(text, old, new):
    assert read_label("v0.1", text) == old
    assert read_label("v2.0", text) == new


def test_mirrored_labels_count_in_v2_only():
    comparison = Comparison("q/game1", user_prompt("q"), "a", "b")
    completion = Completion("[[A<<B]]")
    assert template_of("v0.1").read(comparison, completion).preference is None
    assert template_of("v2.0").read(comparison, completion) == Verdict("q/game1", 1.0, 3, "[[A<<B]]")


def test_counting_style():
    text = "# Head\n## Two\n\n1. one\n2. two\n- three\n* four\n\n**bold** and __too__\n```\n# no\n- no\n**no**\n```\n"
    style = style_of(text)
    assert (style.headers, style.lists, style.bold) == (2, 4, 2)
    assert count_pieces("Hello, world! It's 12345 things.") == 11
    own, other = np.array([[9.0, 1, 0, 0], [0.0, 0, 0, 0]]), np.array([[4.0, 0, 0, 2], [0.0, 0, 0, 0]])
    assert ratio_differences(own, other)[0] == pytest.approx([5 / 14, 1 / 2, 0, -2 / 3])
    assert density_differences(own, other)[0] == pytest.approx([5 / 13, 0.1 / 1.1, 0, -0.4 / 1.4])
    assert not density_differences(own, other)[1].any()


def biased_games(length_effect, prompts=1500, seed=0):
    """Verdicts of a judge that likes length and nothing else, of a model that is longer most of the time."""
    rng = np.random.default_rng(seed)
    length = rng.normal(0.3, 0.3, prompts)
    won = rng.random(prompts) < 1 / (1 + np.exp(-length_effect * length))
    games = pd.DataFrame({"prompt_id": [f"q{i}" for i in range(prompts)], "outcome": won.astype(float), "weight": 1})
    return games, np.hstack([length[:, None], np.zeros((prompts, 3))])


@pytest.mark.parametrize("version", ["v0.1", "v2.0"])
@pytest.mark.parametrize("control", ["length", "style"])
def test_style_control_takes_a_length_bias_away(version, control):
    games, differences = biased_games(4.0)
    raw = games["outcome"].mean()
    controlled, coefficients = style_controlled_score(version, games, differences, control, "equal", 20, 0)
    assert raw > 0.7
    assert controlled.value == pytest.approx(0.5, abs=0.05)
    assert coefficients["tokens"] > 0.8
    pooled, _ = style_controlled_score(version, games, differences, control, "pool", 20, 0)
    assert pooled.value == pytest.approx(raw, abs=0.05)


def test_controlling_markdown_alone_leaves_a_length_bias_alone():
    games, differences = biased_games(4.0)
    controlled, coefficients = style_controlled_score("v2.0", games, differences, "markdown", "equal", 20, 0)
    assert controlled.value == pytest.approx(games["outcome"].mean(), abs=0.03)
    assert coefficients == {"headers": 0.0, "lists": 0.0, "bold": 0.0}


@given(st.permutations(range(4)))
@settings(max_examples=10)
def test_the_order_of_prompts_changes_no_number(order):
    pairs, verdicts = card_pairs(), verdicts_of(CARD)
    shuffled = [pairs[i] for i in order], [verdicts[2 * i + game] for i in order for game in (0, 1)]
    one, other = report(pairs, verdicts, rules(rounds=10)), report(*shuffled, rules(rounds=10))
    assert [a.value for a in one.aggregates] == pytest.approx([a.value for a in other.aggregates], abs=1e-6)
