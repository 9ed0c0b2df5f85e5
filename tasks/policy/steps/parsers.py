"""Who parses responses into constituents: the tiny world's own grammar, or a Stanford CoreNLP server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tasks.engine.schema import Frozen, UserError

if TYPE_CHECKING:
    from nltk import Tree

SEPARATORS = frozenset({";", ",", "."})


class TinyWorldGrammar(Frozen):
    """Clauses between ``;``, ``,`` and ``.``; a clause that is a fact has a subject and a predicate. Needs nothing."""

    kind: Literal["tiny_world"] = "tiny_world"

    def trees(self, words: Sequence[str]) -> list[Tree]:
        """One tree over ``words``, whatever they are: what is no fact is a flat piece."""
        from nltk import Tree

        children: list[Tree] = []
        clause: list[str] = []
        for word in words:
            if word not in SEPARATORS:
                clause.append(word)
                continue
            children += [_clause(clause)] if clause else []
            children.append(Tree("SEPARATOR", [word]))
            clause = []
        children += [_clause(clause)] if clause else []
        return [Tree("RESPONSE", children)] if children else []


class CoreNLPServer(Frozen):
    """English or any other language of Stanford CoreNLP, over HTTP; nltk speaks to it, so no package is missing.

    benepar, stanza and spaCy all need model files that no package index has; so does CoreNLP, but outside of Python.
    """

    kind: Literal["corenlp"] = "corenlp"
    url: str = Field(
        "http://localhost:9000", max_length=2000, pattern=r"^https?://[^\s@?#]+$", description="Address of the server"
    )

    def trees(self, words: Sequence[str]) -> list[Tree]:
        """A tree a sentence over ``words``. Raises UserError if the server does not answer or cannot parse."""
        from nltk.parse.corenlp import CoreNLPParser

        if not words:
            return []
        properties = {"tokenize.whitespace": "true"}
        try:
            return list(CoreNLPParser(url=self.url).parse_text(" ".join(words), properties=properties))
        except Exception as error:
            raise UserError(
                f"no parse from a Stanford CoreNLP server at {self.url} ({type(error).__name__}): download CoreNLP and "
                "the models jar of the responses' language from stanfordnlp.github.io/CoreNLP and run in its folder: "
                "java -mx4g -cp '*' edu.stanford.nlp.pipeline.StanfordCoreNLPServer -port 9000; or choose tiny_world"
            ) from error


Parser = Annotated[TinyWorldGrammar | CoreNLPServer, Field(discriminator="kind")]


def _clause(words: list[str]) -> Tree:
    from nltk import Tree

    from tasks.data.tiny_world.tldr import VERBS
    from tasks.data.tiny_world.words import PEOPLE, THINGS

    if len(words) == 3 and words[0] in PEOPLE and words[1] in VERBS and words[2] in THINGS:
        return Tree("FACT", [Tree("SUBJECT", words[:1]), Tree("PREDICATE", words[1:])])
    return Tree("PIECE", words)
