"""Arena-Hard-Auto (Li et al. 2024, 2406.11939): hard user prompts, each answer compared with a baseline's, twice."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from tasks.data.rows import user_prompt
from tasks.engine.schema import UserError
from tasks.evaluation.judges.judge import Judge, Verdict
from tasks.evaluation.judges.no_judge import require_judge
from tasks.evaluation.score_identity import Conventions, digest_of
from tasks.evaluation.suites.answering import require_answers, unanswered
from tasks.evaluation.suites.arena_hard_battles import PROTOCOLS, Pair, both_orders
from tasks.evaluation.suites.arena_hard_data import (
    BASELINES,
    CREATIVE,
    ArenaQuestion,
    answers_file,
    questions_file,
    read_baseline,
    read_questions,
)
from tasks.evaluation.suites.arena_hard_report import Rules, report
from tasks.evaluation.suites.arena_hard_style import count_pieces
from tasks.evaluation.suites.arena_hard_templates import USER, template_of
from tasks.evaluation.suites.locating import locate
from tasks.evaluation.suites.suite import Answer, Answers, Evaluated, Question, SuiteSettings


class ArenaHard(SuiteSettings):
    """500 prompts against gpt-4-0314 (v0.1), or 750 against o3-mini and, in creative writing, Gemini 2.0 Flash (v2.0).

    v0.1's ``win_rate`` is a Bradley-Terry score; v2.0's is a mean over bootstraps, one a category. The published
    leaderboards were judged by gpt-4-1106-preview (v0.1), and by GPT-4.1 and Gemini 2.5 (v2.0).
    """

    name: ClassVar[str] = "arena_hard"
    needs_judge: ClassVar[Literal["no", "compares", "grades"]] = "compares"
    version: Literal["v0.1", "v2.0"] = Field("v0.1", description="Which prompts, baselines and scoring")
    category: Literal["all", "hard_prompt", "creative_writing"] = Field(
        "all", description="Which prompts of v2.0; v0.1 has no categories"
    )
    baseline: str = Field(
        "", max_length=200, description="Model whose published answers to compare with; empty: the version's own"
    )
    baseline_file: str = Field(
        "", max_length=4000, description="File with the baseline's answers to all prompts; empty: found by its name"
    )
    style_control: Literal["off", "length", "markdown", "style"] = Field(
        "style", description="What of style the controlled win rate accounts for: length, markdown, or both (style)"
    )
    style_centre: Literal["equal", "pool"] = Field(
        "equal", description="Controlled win rate at equal style; pool: at the battles' mean style, as the leaderboard "
        "of many models does it, which for one model controls nothing",
    )  # fmt: skip
    bootstrap_rounds: int = Field(100, ge=10, le=100_000, description="Resamples of the battles")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of the resamples")

    def files(self) -> list[Path]:
        """See ``Suite``: the questions, then one file a baseline."""
        path = self.questions_path()
        return [path, *self.baseline_paths(self.asked(path)).values()]

    def conventions(self) -> Conventions:
        """See ``Suite``."""
        creative = template_of(self.version, creative=True)
        prompts = self.category if self.version == "v2.0" else "all"
        return Conventions(
            suite=self.name,
            version=f"arena-hard-{self.version} against {self.against()}",
            split=f"{prompts}, first {self.limit}" if self.limit else prompts,
            template_digest=digest_of([template_of(self.version).system, creative.system, USER]),
            aggregation=f"{self.version} score of two games a prompt, strong verdicts count 3, {self.bootstrap_rounds} "
            f"bootstraps; style control {self.style_control}, {self.style_centre}",
            tie_rule=f"a tie counts half; unreadable: {PROTOCOLS[self.version].invalid}",
        )

    def against(self) -> str:
        """What is compared with; the content of a file counts by its digest, and not its place."""
        return "a file's answers" if self.baseline_file else self.baseline or "its own baselines"

    def questions(self, answers: Answers) -> list[Question]:
        """See ``Suite``. Raises UserError if the baseline lacks an answer, before anything is sampled."""
        questions = self.asked(self.questions_path())
        self.baseline_answers(questions)
        return unanswered(asked_of(questions), answers)

    def evaluate(self, answers: Answers, judge: Judge) -> Evaluated:
        """See ``Suite``."""
        require_judge(judge, self.name)
        questions = self.asked(self.questions_path())
        found = require_answers(self.name, asked_of(questions), answers)
        pairs = self.pairs(questions, found)
        rules = Rules(self.name, self.version, self.style_control, self.style_centre, self.bootstrap_rounds, self.seed)
        return report(pairs, self.verdicts(pairs, judge), rules)

    def questions_path(self) -> Path:
        """The file of questions."""
        return locate(self.name, self.data, questions_file(self.version))

    def asked(self, path: Path) -> list[ArenaQuestion]:
        """The questions of the category, first ``limit``. Raises UserError if the file is of another version."""
        questions = read_questions(self.name, path)
        known = {one.category for one in questions} <= BASELINES.keys()
        if not known or (questions[0].category == "arena-hard-v0.1") != (self.version == "v0.1"):
            raise UserError(f"{self.name}: {path} holds '{questions[0].category}' prompts and not {self.version}'s; "
                            "set the suite's version, or give the other file")  # fmt: skip
        if self.version == "v2.0" and self.category != "all":
            questions = [one for one in questions if (one.category == CREATIVE) == (self.category == CREATIVE)]
        return questions[: self.limit or None]

    def baseline_paths(self, questions: Sequence[ArenaQuestion]) -> dict[str, Path]:
        """The file of each baseline that the questions need, by its name."""
        if self.baseline_file:
            path = Path(self.baseline_file).expanduser()
            if not path.is_file():
                raise UserError(f"{self.name}: no file {path} (baseline_file); give the baseline's answers")
            return dict.fromkeys(self.baselines(questions), path)
        given = Path(self.data).expanduser()
        folder = str(given.parent) if given.is_file() else self.data
        return {name: locate(self.name, folder, answers_file(self.version, name)) for name in self.baselines(questions)}

    def baselines(self, questions: Sequence[ArenaQuestion]) -> list[str]:
        """The baselines that the questions need."""
        return list(dict.fromkeys(self.baseline or BASELINES[question.category] for question in questions))

    def baseline_answers(self, questions: Sequence[ArenaQuestion]) -> dict[str, str]:
        """The answer of each question's baseline, by uid."""
        by_name: dict[str, list[ArenaQuestion]] = {}
        for question in questions:
            by_name.setdefault(self.baseline or BASELINES[question.category], []).append(question)
        baselines: dict[str, str] = {}
        for name, path in self.baseline_paths(questions).items():
            told = read_baseline(self.name, path, by_name[name])
            baselines |= {question.uid: told[question.uid] for question in by_name[name]}
        return baselines

    def pairs(self, questions: Sequence[ArenaQuestion], found: Sequence[Answer]) -> list[Pair]:
        """Every answer beside the baseline's."""
        baselines = self.baseline_answers(questions)
        return [
            Pair(question.uid, user_prompt(question.prompt), answer.responses[0], baselines[question.uid],
                 length_of(answer), self.group(question), finished=all(answer.finished[:1]))
            for question, answer in zip(questions, found, strict=True)
        ]  # fmt: skip

    def group(self, question: ArenaQuestion) -> str:
        """v2.0's two halves, each with a score of its own; v0.1 is one whole."""
        if self.version == "v0.1":
            return ""
        return CREATIVE if question.category == CREATIVE else "hard_prompt"

    def verdicts(self, pairs: Sequence[Pair], judge: Judge) -> list[Verdict]:
        """Both games of every pair, each half of v2.0 by its own template."""
        found: dict[str, Verdict] = {}
        comparisons = both_orders(pairs)
        for creative in (False, True):
            wanted = [comparisons[2 * index + game] for index, pair in enumerate(pairs) for game in (0, 1)
                      if (pair.category == CREATIVE) == creative]  # fmt: skip
            if wanted:
                said = judge.compare(wanted, template_of(self.version, creative))
                found |= {comparison.comparison_id: verdict for comparison, verdict in zip(wanted, said, strict=True)}
        return [found[comparison.comparison_id] for comparison in comparisons]


def asked_of(questions: Sequence[ArenaQuestion]) -> list[Question]:
    """What the model is asked: one user turn a prompt."""
    return [Question(question.uid, user_prompt(question.prompt), aliases=(question.prompt,)) for question in questions]


def length_of(answer: Answer) -> float:
    """Tokens of the first response as its own tokenizer counts them; where they are not known, words and signs."""
    return float(answer.tokens[0]) if answer.tokens else float(count_pieces(answer.responses[0]))
