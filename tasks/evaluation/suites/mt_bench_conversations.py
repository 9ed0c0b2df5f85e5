"""Two-turn conversations: what is asked, what is judged, and what the grades amount to; also for the tiny world."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.data.rows import Message
from tasks.engine.schema import UserError
from tasks.evaluation.judges.both_orders import pair_verdicts, swap
from tasks.evaluation.judges.judge import Comparison, Grade, Grading, Verdict
from tasks.evaluation.statistics.bootstrap import Resampled, bootstrap_rows
from tasks.evaluation.suites.answering import equal_limits, mean_aggregate, require_answers, score_frame
from tasks.evaluation.suites.suite import Aggregate, Answers, Evaluated, Question

TURNS = (1, 2)


@dataclass(frozen=True)
class Conversation:
    """Two user turns, the second of which follows the answer to the first."""

    question_id: str
    category: str
    turns: tuple[str, str]
    family: str = ""
    """For a gold judge of the tiny world."""
    references: tuple[str, ...] = ()
    """Reference answers, one a turn; empty where the benchmark has none."""


@dataclass(frozen=True)
class Resampling:
    """How intervals are made."""

    rounds: int
    seed: int


def turn_id(conversation: Conversation, turn: int) -> str:
    """``81/1``: the prompt id of a turn (from 1)."""
    return f"{conversation.question_id}/{turn}"


def turn_questions(
    conversations: Sequence[Conversation],
    answers: Answers,
    temperature: Callable[[Conversation], float | None],
    max_new_tokens: int | None,
) -> list[Question]:
    """Every first turn, and the second of each conversation whose first is answered."""
    asked = []
    for one in conversations:
        text, then = one.turns
        first = turn_id(one, 1)
        asked.append((first, [Message(role="user", content=text)], one))
        if first in answers and answers[first].responses:
            said = Message(role="assistant", content=answers[first].responses[0])
            follow = [Message(role="user", content=text), said, Message(role="user", content=then)]
            asked.append((turn_id(one, 2), follow, one))
    return [
        Question(name, prompt, temperature=temperature(one), max_new_tokens=max_new_tokens)
        for name, prompt, one in sorted(asked, key=lambda entry: entry[0].endswith("/2"))
    ]


def require_both_turns(suite: str, conversations: Sequence[Conversation], answers: Answers) -> None:
    """Raises UserError naming the first turns that are not answered, if any is not."""
    questions = [
        Question(turn_id(one, turn), [Message(role="user", content=one.turns[turn - 1])])
        for turn in TURNS
        for one in conversations
    ]
    require_answers(suite, questions, answers)


def said(conversation: Conversation, turn: int, answers: Answers) -> str:
    """The first response to a turn."""
    return answers[turn_id(conversation, turn)].responses[0]


def turn_prompt(conversation: Conversation, turn: int) -> list[Message]:
    """The user's turns up to this one."""
    return [Message(role="user", content=text) for text in conversation.turns[:turn]]


def gradings_of(conversations: Sequence[Conversation], answers: Answers) -> list[Grading]:
    """Two gradings a conversation, turn 1 and turn 2."""
    return [
        Grading(
            turn_id(one, turn), turn_prompt(one, turn), said(one, turn, answers), one.family,
            reference=one.references[turn - 1] if one.references else "",
            earlier=[said(one, earlier, answers) for earlier in range(1, turn)],
            finished=all(answers[turn_id(one, turn)].finished[:1]),
        )
        for one in conversations
        for turn in TURNS
    ]  # fmt: skip


def comparisons_of(conversations: Sequence[Conversation], answers: Answers, baselines: Answers) -> list[Comparison]:
    """Both turns of every conversation with the model shown first, then the same with the baseline shown first."""
    given = [
        Comparison(
            turn_id(one, turn), turn_prompt(one, turn), said(one, turn, answers), said(one, turn, baselines),
            one.family,
            reference=one.references[turn - 1] if one.references else "",
            first_turns=[said(one, earlier, answers) for earlier in range(1, turn)],
            second_turns=[said(one, earlier, baselines) for earlier in range(1, turn)],
            first_finished=all(answers[turn_id(one, turn)].finished[:1]),
        )
        for one in conversations
        for turn in TURNS
    ]  # fmt: skip
    return [*given, *(swap(one) for one in given)]


def grade_table(conversations: Sequence[Conversation], answers: Answers, grades: Sequence[Grade]) -> pd.DataFrame:
    """One row a turn with its ``value``, the grade (NaN where none could be read), and the judge's words."""
    table = turn_table(conversations, answers)
    values = [float("nan") if grade.value is None else grade.value for grade in grades]
    return table.assign(value=values, judge=[grade.text for grade in grades])


def winner_table(
    conversations: Sequence[Conversation], answers: Answers, baselines: Answers, verdicts: Sequence[Verdict]
) -> pd.DataFrame:
    """One row a turn with its ``value``: 1 if the model wins in both orders, 0 if the baseline does, else 0.5.

    NaN where one of the two verdicts (as of ``comparisons_of``) could not be read.
    """
    half = len(verdicts) // 2
    outcomes = []
    for two in pair_verdicts(verdicts[:half], verdicts[half:]):
        ends = [None if one is None else np.sign(0.5 - one) for one in (two.as_given, two.swapped)]
        agreed = 0.5 + 0.5 * ends[0] if ends[0] is not None and ends[0] == ends[1] else 0.5
        outcomes.append(float("nan") if None in ends else agreed)
    table = turn_table(conversations, answers).assign(value=outcomes)
    table["reference"] = [said(one, turn, baselines) for one in conversations for turn in TURNS]
    table["judge"] = [verdict.text for verdict in verdicts[:half]]
    return table.assign(judge_swapped=[verdict.text for verdict in verdicts[half:]])


def turn_table(conversations: Sequence[Conversation], answers: Answers) -> pd.DataFrame:
    """One row a turn: question_id, prompt_id, category, turn, prompt, response, reference."""
    return pd.DataFrame(
        [
            (one.question_id, turn_id(one, turn), one.category, turn, one.turns[turn - 1], said(one, turn, answers),
             one.references[turn - 1] if one.references else "")
            for one in conversations
            for turn in TURNS
        ],
        columns=["question_id", "prompt_id", "category", "turn", "prompt", "response", "reference"],
    )  # fmt: skip


def report(suite: str, metric: str, table: pd.DataFrame, lengths: Mapping[str, float], how: Resampling) -> Evaluated:
    """Both turns, each turn and each category; a turn without a value is dropped, and its share is reported.

    Scores are by question, so that its two turns are not taken as independent: ``metric`` is the mean of its turns,
    ``<metric>_turn_1`` and ``_turn_2`` are the turns. Raises UserError if no turn has a value.
    """
    read = table.dropna(subset=["value"])
    if read.empty:
        raise UserError(f"{suite}: not one of {len(table)} judgments could be read; look at what the judge says, or "
                        "take another judge")  # fmt: skip
    unread = table["value"].isna()
    values = {metric: by_question(read)}
    values |= {f"{metric}_turn_{turn}": by_question(read[read["turn"] == turn]) for turn in TURNS}
    values["invalid_judgments"] = by_question(table.assign(value=unread.astype(float)))
    values["response_tokens"] = by_question(table.assign(value=[lengths[name] for name in table["prompt_id"]]))
    aggregates = [
        *parts(metric, read, how),
        *(mean_aggregate(name, list(values[name].values())) for name in ("invalid_judgments", "response_tokens")),
    ]
    notes = [f"{int(unread.sum())} of {len(table)} judgments could not be read and are left out"]
    return Evaluated(score_frame(values), aggregates, table.drop(columns="question_id"), notes)


def parts(metric: str, read: pd.DataFrame, how: Resampling) -> Iterator[Aggregate]:
    """The mean over all turns, over each turn, and over each category."""
    groups = {"": read}
    groups |= {f"turn {turn}": read[read["turn"] == turn] for turn in TURNS}
    groups |= {str(category): rows for category, rows in read.groupby("category", sort=False)}
    for group, rows in groups.items():
        if not rows.empty:
            found = question_bootstrap(rows, how)
            questions = rows["question_id"].nunique()
            value, alike = rows["value"].iloc[0], rows["value"].nunique() == 1
            same = equal_limits(metric, np.full(questions, value)) if alike else None
            low, high = same or (found.low, found.high)
            noise = "Clopper-Pearson (all values equal) 95 %" if same else f"95 % of {how.rounds} bootstraps"
            yield Aggregate(metric, found.value, found.standard_error, low, high, questions,
                            f"mean of {len(rows)} turns, {noise} over questions", group)  # fmt: skip


def question_bootstrap(rows: pd.DataFrame, how: Resampling) -> Resampled:
    """The mean of all values; questions are resampled with both of their turns."""
    grouped = rows.groupby("question_id")["value"]

    def mean(totals: np.ndarray, counts: np.ndarray) -> float:
        return float(totals.sum() / counts.sum())

    return bootstrap_rows(
        mean, [grouped.sum().to_numpy(), grouped.size().to_numpy()], resamples=how.rounds, seed=how.seed
    )


def by_question(rows: pd.DataFrame) -> dict[str, float]:
    """Mean value of each question."""
    means = rows.groupby("question_id", sort=False)["value"].mean()
    return {str(name): float(value) for name, value in means.items()}
