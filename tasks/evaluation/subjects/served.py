"""A model behind an OpenAI-compatible endpoint as the one who answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.engine.schema import UserError
from tasks.evaluation.judges.chat import ChatModel
from tasks.evaluation.judges.judge import ChatRequest
from tasks.evaluation.subjects.stop_strings import cut
from tasks.evaluation.suites.suite import Answer, Question
from tasks.models.decoding import Decoding

SEED_STRIDE = 1_000_000
"""Samples of one question at one seed: another seed's requests are other requests."""


@dataclass(frozen=True)
class Served:
    """A chat model that answers conversations; what it has answered once is in the cache, per sample and seed."""

    model: ChatModel
    decoding: Decoding
    seed: int

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer a question, in their order.

        Raises:
            UserError: a question wants log-probabilities or continues raw text, or some requests could not be
                answered; those that could are kept.
        """
        for question in questions:
            self._require_chat(question)
        requests = [self._request(question, sample) for question in questions for sample in range(question.samples)]
        texts = iter([completion.text for completion in self.model.complete(requests)])
        return [
            Answer(
                question.prompt_id, responses=[cut(next(texts), question.stop) for _ in range(question.samples)]
            )
            for question in questions
        ]  # fmt: skip

    def _request(self, question: Question, sample: int) -> ChatRequest:
        own, usual = question.temperature, self.decoding.temperature
        return ChatRequest(
            messages=[] if isinstance(question.prompt, str) else list(question.prompt),
            max_tokens=question.max_new_tokens or self.decoding.max_new_tokens,
            temperature=usual if own is None else own,
            attempt=self.seed * SEED_STRIDE + sample,
        )

    def _require_chat(self, question: Question) -> None:
        if question.candidates:
            raise UserError(
                f"question '{question.prompt_id}' wants log-probabilities of given answers, which a chat endpoint does "
                "not give; evaluate the weights themselves, or leave the suite out"
            )
        if isinstance(question.prompt, str):
            raise UserError(
                f"question '{question.prompt_id}' is raw text to continue, and a chat endpoint wants a conversation; "
                "set the suite's style to chat, or evaluate the weights themselves"
            )
