"""Real data as the project's rows: read, judged row by row, split by prompt."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Generic, TypeVar

from tasks.data.conversations import Fields, check_prompt
from tasks.data.detection import ANSWERED, COMPARED, shape_of
from tasks.data.located import LocatedRow
from tasks.data.quality import OVER_LONG_PROMPT, OVER_LONG_RESPONSE, Quality, RowProblem, TokenCounter, check
from tasks.data.reading import is_hub_id, read_rows
from tasks.data.rows import DemonstrationRow, Message, PairRow, PromptRow
from tasks.data.shapes import READERS, Ranking, Reader, best_answer, pairs_of
from tasks.data.source import DataSource, Shape
from tasks.data.splits import is_held_out, prompt_id

Row = TypeVar("Row", bound=PromptRow)
ROWS_TO_DETECT = 32


@dataclass(frozen=True)
class Loaded(Generic[Row]):
    """Rows of a source; no prompt is in both parts. ``quality`` tells what was left out."""

    train: list[Row]
    held_out: list[Row]
    quality: Quality


def load_pairs(source: DataSource, count_tokens: TokenCounter) -> Loaded[PairRow]:
    """Preference pairs; ranked and rated rows are paired as ``source.pairing`` says.

    Raises:
        UserError: unreadable source, unknown columns, rows without two answers, or more bad rows than
            ``source.max_bad_share``.
    """

    def rows_of(ranking: Ranking, known: PromptRow) -> list[PairRow]:
        pairs = pairs_of(ranking, source.pairing)
        return [pair_row(known, chosen, rejected) for chosen, rejected in pairs]

    return load(source, COMPARED, count_tokens, rows_of)


def pair_row(known: PromptRow, chosen: str, rejected: str) -> PairRow:
    """A prompt's fields with two answers; real data knows no gold reward."""
    return PairRow(
        prompt_id=known["prompt_id"],
        prompt=known["prompt"],
        family=known["family"],
        chosen=chosen,
        rejected=rejected,
    )


def load_demonstrations(source: DataSource, count_tokens: TokenCounter) -> Loaded[DemonstrationRow]:
    """Answers to imitate: demonstrations, or the best answer of every pair or ranking.

    Raises:
        UserError: as ``load_pairs``.
    """

    def rows_of(ranking: Ranking, known: PromptRow) -> list[DemonstrationRow]:
        return [DemonstrationRow(**known, response=best_answer(ranking))]

    return load(source, ANSWERED, count_tokens, rows_of)


def load_prompts(source: DataSource, count_tokens: TokenCounter) -> Loaded[PromptRow]:
    """Prompts of any source, each once, at its first place.

    Raises:
        UserError: as ``load_pairs``.
    """
    seen: set[str] = set()

    def rows_of(ranking: Ranking, known: PromptRow) -> list[PromptRow]:
        new = known["prompt_id"] not in seen
        seen.add(known["prompt_id"])
        return [known] if new else []

    return load(source, tuple(READERS), count_tokens, rows_of)


def load(
    source: DataSource,
    shapes: tuple[Shape, ...],
    count_tokens: TokenCounter,
    rows_of: Callable[[Ranking, PromptRow], list[Row]],
) -> Loaded[Row]:
    """Read a source of one of ``shapes``, convert and split it; bad rows are set aside with their reason."""
    loaded: Loaded[Row] = Loaded([], [], Quality(source.path))
    family = family_of(source)
    for located, read in readable_rows(source, shapes, loaded.quality):
        try:
            ranking = read(located.fields, source)
            check_prompt(ranking.prompt)
            known = PromptRow(prompt_id=prompt_id(ranking.prompt), prompt=ranking.prompt, family=family)
            rows = rows_of(ranking, known)
            check_lengths(ranking.prompt, answers_of(rows), source, count_tokens)
        except RowProblem as problem:
            loaded.quality.reject(located, problem)
            continue
        part = loaded.held_out if is_held_out(known["prompt_id"], source.held_out_share) else loaded.train
        part.extend(rows)
    check(loaded.quality, source.max_bad_share)
    return loaded


def readable_rows(
    source: DataSource, shapes: tuple[Shape, ...], quality: Quality
) -> Iterator[tuple[LocatedRow, Reader]]:
    """Every row that holds fields, with the reader of the source's shape; the others go to ``quality``."""
    rows = read_rows(source)
    first = list(islice(rows, ROWS_TO_DETECT))
    fields = [row.fields for row in first if not row.problem]
    reader = READERS[shape_of(fields, source, shapes)] if fields else read_nothing
    for located in chain(first, rows):
        quality.rows_read += 1
        if located.problem:
            quality.reject(located, RowProblem(located.problem, located.detail))
        else:
            yield located, reader


def read_nothing(fields: Fields, source: DataSource) -> Ranking:
    """Reader of a source whose first rows tell no shape, for none could be read."""
    raise RowProblem("shape unknown", f"none of the first {ROWS_TO_DETECT} rows could be read")


def family_of(source: DataSource) -> str:
    """A short name for a source: the Hub id, or the name of the file, folder or globbed folder."""
    if is_hub_id(source.path):
        return source.path
    path = Path(source.path)
    while "*" in path.name or "?" in path.name:
        path = path.parent
    return path.name.split(".")[0] or "data"


def answers_of(rows: Sequence[PromptRow]) -> list[str]:
    """The distinct answers that a row of the source contributes."""
    values: list[Mapping[str, object]] = [*rows]
    names = ("response", "chosen", "rejected")
    return list(dict.fromkeys(str(row[name]) for row in values for name in names if name in row))


def texts_of(rows: Sequence[PromptRow]) -> Iterator[str]:
    """Every text of loaded rows, prompts' turns and answers: what a tokenizer is trained on."""
    for row in rows:
        yield from (message["content"] for message in row["prompt"])
        yield from answers_of([row])


def check_lengths(prompt: list[Message], answers: list[str], source: DataSource, count_tokens: TokenCounter) -> None:
    """RowProblem where the prompt or an answer takes more tokens than the source allows."""
    if not source.max_prompt_tokens and not source.max_response_tokens:
        return
    tokens = count_tokens(prompt)
    if source.max_prompt_tokens and tokens > source.max_prompt_tokens:
        raise RowProblem(OVER_LONG_PROMPT, f"{tokens} tokens > max_prompt_tokens {source.max_prompt_tokens}")
    for answer in answers if source.max_response_tokens else ():
        longer = count_tokens([*prompt, Message(role="assistant", content=answer)]) - tokens
        if longer > source.max_response_tokens:
            raise RowProblem(OVER_LONG_RESPONSE, f"{longer} tokens > max_response_tokens {source.max_response_tokens}")
