"""A policy in this process as the one who answers: generation on every core, log-probabilities in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from transformers import PreTrainedTokenizerBase

from tasks.engine.locks import core_count
from tasks.engine.schema import UserError
from tasks.engine.tracking import current_tracker
from tasks.evaluation.subjects.stop_strings import cut
from tasks.evaluation.suites.suite import Answer, Question
from tasks.models.decoding import Decoding
from tasks.models.encoding import decode_response, encode_prompt, encode_response, encode_text
from tasks.models.packing import EncodedGroup
from tasks.models.parallel_sampling import ParallelSampler
from tasks.models.parts import Scorable, context_length
from tasks.models.reference import score_groups
from tasks.models.sampling import InProcessSampler, Sampled, row_seeds


@dataclass(frozen=True)
class Policy:
    """A model that answers questions, decoded as ``decoding`` says where a question does not say it itself."""

    model: Scorable
    tokenizer: PreTrainedTokenizerBase
    decoding: Decoding
    seed: int
    reference: Scorable | None = None
    """Same tokenizer; rewards of candidates are log-ratios to it."""

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer a question, in their order.

        Raises UserError if a prompt leaves no room for a response, or a candidate is longer than the context.
        """
        scored = {one.prompt_id: one for one in self.score([q for q in questions if q.candidates])}
        generated = {one.prompt_id: one for one in self.generate([q for q in questions if not q.candidates])}
        return [(scored | generated)[question.prompt_id] for question in questions]

    def score(self, questions: Sequence[Question]) -> list[Answer]:
        """log pi of every candidate, or its log-ratio to the reference where a reward is asked for."""
        if not questions:
            return []
        groups = [self._group(question) for question in questions]
        scores = score_groups(self.model, groups)
        if self.reference is not None:
            anchors = score_groups(self.reference, groups)
            scores = [
                [a - b for a, b in zip(mine, theirs, strict=True)] if question.by_reward else mine
                for question, mine, theirs in zip(questions, scores, anchors, strict=True)
            ]
        return [
            Answer(question.prompt_id, scores=own, tokens=[len(ids) for ids in group.responses])
            for question, group, own in zip(questions, groups, scores, strict=True)
        ]

    def generate(self, questions: Sequence[Question]) -> list[Answer]:
        """Sample responses; questions that are decoded in the same way run together."""
        ways = [(self._decoding(question), tuple(question.stop)) for question in questions]
        order = sorted(range(len(questions)), key=lambda place: (ways[place][0].model_dump_json(), ways[place][1]))
        found: dict[int, Answer] = {}
        for (_, stop), group in groupby(order, key=lambda place: (ways[place][0].model_dump_json(), ways[place][1])):
            places = list(group)
            answers = self._sample([questions[place] for place in places], ways[places[0]][0], stop)
            found |= zip(places, answers, strict=True)
            current_tracker().progress(len(found), len(questions), "questions")
        return [found[place] for place in range(len(questions))]

    def _decoding(self, question: Question) -> Decoding:
        changed = {"temperature": question.temperature, "max_new_tokens": question.max_new_tokens}
        return self.decoding.model_copy(update={name: value for name, value in changed.items() if value is not None})

    def _sample(self, questions: Sequence[Question], decoding: Decoding, stop: tuple[str, ...]) -> list[Answer]:
        prompts = [self._prompt(question) for question in questions]
        rows = [place for place, question in enumerate(questions) for _ in range(question.samples)]
        names = [f"{question.prompt_id}/{number}" for question in questions for number in range(question.samples)]
        sampler = ParallelSampler(InProcessSampler(self.model, self.tokenizer, decoding.batch_rows), core_count())
        drawn = sampler.sample(
            [prompts[row] for row in rows],
            row_seeds(self.seed, names),
            self._room(questions, prompts, decoding.max_new_tokens),
            decoding.temperature,
            decoding.top_p,
            stop,
        )
        own: list[list[Sampled]] = [[] for _ in questions]
        for row, one in zip(rows, drawn, strict=True):
            own[row].append(one)
        return [self._answer(question, samples, stop) for question, samples in zip(questions, own, strict=True)]

    def _answer(self, question: Question, samples: Sequence[Sampled], stop: Sequence[str]) -> Answer:
        texts = [decode_response(self.tokenizer, one.ids) for one in samples]
        responses = [cut(text, stop) for text in texts]
        return Answer(
            question.prompt_id,
            responses=responses,
            finished=[one.finished or own != text for one, own, text in zip(samples, responses, texts, strict=True)],
            tokens=[len(one.ids) for one in samples],
        )

    def _prompt(self, question: Question) -> list[int]:
        if isinstance(question.prompt, str):
            return encode_text(self.tokenizer, question.prompt)
        return encode_prompt(self.tokenizer, question.prompt)

    def _group(self, question: Question) -> EncodedGroup:
        closed = not isinstance(question.prompt, str)
        responses = [encode_response(self.tokenizer, text, eos=closed) for text in question.candidates]
        return EncodedGroup(self._prompt(question), responses)

    def _room(self, questions: Sequence[Question], prompts: Sequence[list[int]], wanted: int) -> int:
        """Tokens that every response may have: as many as wanted, or what the context leaves the longest prompt."""
        longest = max(range(len(prompts)), key=lambda place: len(prompts[place]))
        limit = context_length(self.model)
        room = min(wanted, limit - len(prompts[longest]))
        if room < 1:
            raise UserError(
                f"question '{questions[longest].prompt_id}': its prompt of {len(prompts[longest])} tokens fills the "
                f"model's context of {limit}; evaluate a model with a longer context, or leave the suite out"
            )
        if room < wanted:
            current_tracker().tags({"max_new_tokens": f"{room} of the {wanted} wanted: the model's context is {limit}"})
        return room
