"""MT-Bench (Zheng et al. 2023, 2306.05685): 80 two-turn questions, graded from 1 to 10 or compared with a baseline."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from tasks.engine.schema import UserError
from tasks.evaluation.judges.both_orders import order_effect, pair_verdicts
from tasks.evaluation.judges.judge import Judge
from tasks.evaluation.judges.no_judge import require_judge
from tasks.evaluation.score_identity import Conventions, digest_of
from tasks.evaluation.subjects.outputs import OutputsFile, answers_in
from tasks.evaluation.suites.answering import unanswered
from tasks.evaluation.suites.arena_hard_style import count_pieces
from tasks.evaluation.suites.fields import read_rows, require_distinct
from tasks.evaluation.suites.locating import PublicFile, locate
from tasks.evaluation.suites.mt_bench_conversations import (
    TURNS,
    Conversation,
    Resampling,
    comparisons_of,
    grade_table,
    gradings_of,
    report,
    require_both_turns,
    turn_id,
    turn_prompt,
    turn_questions,
    winner_table,
)
from tasks.evaluation.suites.mt_bench_prompts import PROMPTS
from tasks.evaluation.suites.mt_bench_templates import GradingTemplate, WinnerTemplate
from tasks.evaluation.suites.suite import Aggregate, Answers, Evaluated, Question, SuiteSettings

ORIGIN = "github.com/lm-sys/FastChat, fastchat/llm_judge/data/mt_bench"
SPACE = "lmsys/mt-bench"
QUESTIONS = PublicFile(
    ("question.jsonl", "data/mt_bench/question.jsonl"),
    SPACE,
    "data/mt_bench/question.jsonl",
    f"{ORIGIN}/question.jsonl",
    "space",
)
REFERENCES = PublicFile(
    ("reference_answer/gpt-4.jsonl", "reference_answer_gpt4.jsonl", "data/mt_bench/reference_answer/gpt-4.jsonl"),
    SPACE,
    "data/mt_bench/reference_answer/gpt-4.jsonl",
    f"{ORIGIN}/reference_answer/gpt-4.jsonl",
    "space",
)
WITH_REFERENCES = ("math", "reasoning", "coding")
TEMPERATURES: Mapping[str, float] = {
    "writing": 0.7,
    "roleplay": 0.7,
    "extraction": 0.0,
    "math": 0.0,
    "coding": 0.0,
    "reasoning": 0.0,
    "stem": 0.1,
    "humanities": 0.1,
}
"""Of sampling, by category (lm-sys/FastChat ``llm_judge/common.py``)."""
OTHER_TEMPERATURE = 0.7


class MTBench(SuiteSettings):
    """Graded one by one (``single``, the leaderboard's), or compared with a baseline in both orders (``pairwise``).

    Published grades are GPT-4's. A grade outside 1 to 10 counts as unreadable, where FastChat averages it in.
    """

    name: ClassVar[str] = "mt_bench"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "grades"
    mode: Literal["single", "pairwise"] = Field("single", description="Grades from 1 to 10, or wins over a baseline")
    baseline_file: str = Field(
        "", max_length=4000, description="pairwise: file with the baseline's answers to both turns (FastChat's form)"
    )
    max_new_tokens: int = Field(
        1024, ge=0, le=1_000_000, description="Longest response (FastChat: 1024); 0: as the evaluation decodes"
    )
    bootstrap_rounds: int = Field(1000, ge=10, le=100_000, description="Resamples of the questions")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of the resamples")

    def files(self) -> list[Path]:
        """See ``Suite``: questions, reference answers, and for ``pairwise`` the baseline's answers."""
        given = Path(self.data).expanduser()
        folder = str(given.parent) if given.is_file() else self.data
        found = [locate(self.name, self.data, QUESTIONS), locate(self.name, folder, REFERENCES)]
        return [*found, self.baseline_path()] if self.mode == "pairwise" else found

    def baseline_path(self) -> Path:
        """The baseline's file. Raises UserError if there is none."""
        path = Path(self.baseline_file).expanduser()
        if not self.baseline_file or not path.is_file():
            raise UserError(f"{self.name}: mode pairwise wants baseline_file, the baseline's answers to both turns; "
                            f"{f'no file {path}' if self.baseline_file else 'none is given'}")  # fmt: skip
        return path

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        return Conventions(
            suite=self.name,
            version=f"lm-sys/FastChat 0e6d3e4, {self.mode}",
            split=f"first {self.limit} questions" if self.limit else "80 questions",
            template_digest=digest_of({name: list(prompt) for name, prompt in PROMPTS.items()}),
            aggregation="mean over both turns of all questions; temperatures by category, at most "
            f"{self.max_new_tokens} tokens",
            tie_rule="unreadable judgments are left out; pairwise: a win in one order only is a tie",
        )

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``: first turns, and once they are answered second turns."""
        return unanswered(self.asked(self.conversations(), answers), answers)

    def asked(self, conversations: list[Conversation], answers: Answers) -> list[Question]:
        """The turns that can be asked."""
        return turn_questions(
            conversations,
            answers,
            lambda one: TEMPERATURES.get(one.category, OTHER_TEMPERATURE),
            self.max_new_tokens or None,
        )

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        require_judge(judge, self.name)
        conversations = self.conversations()
        require_both_turns(self.name, conversations, answers)
        return {"single": self.graded, "pairwise": self.compared}[self.mode](conversations, answers, judge)

    def graded(self, conversations: list[Conversation], answers: Answers, judge: Judge) -> Evaluated:
        """Mean grades."""
        grades = judge.grade(gradings_of(conversations, answers), GradingTemplate(references_of(conversations)))
        table = grade_table(conversations, answers, grades)
        return report(self.name, "mt_bench_grade", table, lengths_of(answers), self.resampling())

    def compared(self, conversations: list[Conversation], answers: Answers, judge: Judge) -> Evaluated:
        """Win rate over the baseline, with what the order of the answers did."""
        baselines = self.baselines(conversations)
        verdicts = judge.compare(
            comparisons_of(conversations, answers, baselines), WinnerTemplate(references_of(conversations))
        )
        table = winner_table(conversations, answers, baselines, verdicts)
        found = report(self.name, "win_rate", table, lengths_of(answers), self.resampling())
        half = len(verdicts) // 2
        effect = order_effect(pair_verdicts(verdicts[:half], verdicts[half:]))
        found.aggregates.extend(
            Aggregate(metric, getattr(effect, metric), n=effect.pairs, method="both orders of every turn")
            for metric in ("position_flip_rate", "first_position_share")
        )
        counts = table["value"].value_counts()
        wins, ties, losses = (int(counts.get(value, 0)) for value in (1.0, 0.5, 0.0))
        found.notes.append(f"{wins} wins, {ties} ties and {losses} losses over both turns; a tie counts half")
        return found

    def resampling(self) -> Resampling:
        """How intervals are made."""
        return Resampling(self.bootstrap_rounds, self.seed)

    def conversations(self) -> list[Conversation]:
        """The questions with their references. Raises UserError if one that wants a reference has none."""
        path, reference_path = self.files()[:2]
        references = {
            str(row["question_id"]): two_turns(self.name, reference_path, number, row["choices"][0].get("turns"))
            for number, row in enumerate(read_rows(self.name, reference_path, ("question_id", "choices")), start=1)
        }
        rows = read_rows(self.name, path, ("question_id", "category", "turns"))
        require_distinct(self.name, path, rows, "question_id")
        found = []
        for number, row in enumerate(rows[: self.limit or None], start=1):
            name, category = str(row["question_id"]), str(row["category"])
            if category in WITH_REFERENCES and name not in references:
                raise UserError(
                    f"{self.name}: {reference_path} has no reference answer to question {name} ({category})"
                )
            told = references[name] if category in WITH_REFERENCES else ()
            turns = two_turns(self.name, path, number, row["turns"])
            found.append(Conversation(name, category, turns, references=told))
        return found

    def baselines(self, conversations: list[Conversation]) -> Answers:
        """The baseline's answers to both turns. Raises UserError if it has not answered one."""
        outputs = OutputsFile(path=str(self.baseline_path()), digest="")
        questions = [Question(turn_id(one, turn), turn_prompt(one, turn)) for one in conversations for turn in TURNS]
        answers = {answer.prompt_id: answer for answer in answers_in(outputs, questions)}
        require_both_turns(f"{self.name}: baseline {outputs.path}", conversations, answers)
        return answers


def two_turns(suite: str, path: Path, number: int, turns: Any) -> tuple[str, str]:
    """The two turns of a row. Raises UserError if they are anything else than two texts."""
    if not isinstance(turns, list) or len(turns) != 2 or not all(isinstance(turn, str) for turn in turns):
        raise UserError(f"{suite}: {path} row {number}: 'turns' is {turns!r:.80}; wanted are two texts")
    return turns[0], turns[1]


def references_of(conversations: list[Conversation]) -> dict[str, tuple[str, ...]]:
    """Reference answers by question, of those that have them."""
    return {one.question_id: one.references for one in conversations if one.references}


def lengths_of(answers: Answers) -> dict[str, float]:
    """Tokens of each first response; where they are not known, words and signs."""
    return {
        name: float(answer.tokens[0]) if answer.tokens else float(count_pieces(answer.responses[0]))
        for name, answer in answers.items()
    }
