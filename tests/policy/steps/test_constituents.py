import json
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nltk import Tree

from tasks.engine.schema import UserError
from tasks.policy.steps.constituents import action_starts, words_of_tokens
from tasks.policy.steps.parsers import CoreNLPServer, TinyWorldGrammar
from tasks.policy.steps.termination_rules import ParseRule

SENTENCE = "(ROOT (S (NP (DT the) (JJ old) (NN cat)) (VP (VBD sat) (PP (IN on) (NP (DT the) (NN mat)))) (. .)))"


def starts(bracketed, cutoff=5, widths=None):
    tree = Tree.fromstring(bracketed)
    return action_starts([tree], widths or [1] * len(tree.leaves()), cutoff)


@pytest.mark.parametrize(
    ("cutoff", "expected"),
    [
        (5, [0, 3]),  # the old cat | sat on the mat .
        (4, [0, 4]),  # the old cat sat | on the mat .
        (3, [0, 5]),  # the old cat sat on | the mat .
        (9, [0]),
    ],
)
def test_nodes_below_the_cutoff_are_actions_and_single_words_join_the_one_before(cutoff, expected):
    assert starts(SENTENCE, cutoff) == expected


def test_the_cutoff_counts_tokens_and_not_words():
    assert starts("(S (NP (DT the) (NN cat)) (VP (VBD sat) (RB down)))", 5) == [0]
    assert starts("(S (NP (DT the) (NN cat)) (VP (VBD sat) (RB down)))", 5, [1, 3, 2, 1]) == [0, 4]


def test_single_words_at_the_beginning_open_an_action():
    assert starts("(S (A a) (B b) (NP (C c) (D d)) (E e) (F f))", 3) == [0, 2]


def test_every_sentence_starts_an_action():
    trees = [Tree.fromstring("(S (A a) (NP (B b) (C c)))"), Tree.fromstring("(S (D d) (NP (E e) (F f)))")]
    assert action_starts(trees, [1] * 6, 3) == [0, 1, 3, 4]
    assert action_starts(trees, [1] * 6, 9) == [0, 3]
    assert action_starts([], [], 5) == [0]


def test_trees_of_other_words_are_refused():
    with pytest.raises(ValueError, match="different numbers"):
        action_starts([Tree.fromstring("(S (A a) (B b))")], [1], 5)


@pytest.mark.parametrize(
    ("tokens", "words", "widths"),
    [
        (["uncle", "broke", ";", "<eos>"], ["uncle", "broke", ";"], [1, 1, 1]),
        (["The", "Ġun", "cle", "Ġsat", ".", "</s>"], ["The", "uncle", "sat", "."], [1, 2, 1, 1]),
        (["▁The", "▁mat", "s", ",", "▁too", "<pad>", "<pad>"], ["The", "mats", ",", "too"], [1, 2, 1, 1]),
        (["Ġa", "Ċ", "Ġb"], ["a", "b"], [2, 1]),
        (["<eos>"], [], []),
        ([], [], []),
    ],
)
def test_words_of_word_level_byte_level_and_sentence_piece_tokens(tokens, words, widths):
    assert words_of_tokens(tokens) == (words, widths)


def test_facts_of_the_tiny_world_are_actions():
    summary = "uncle broke lamp ; nurse sold the piano ; boss hid phone"
    tree = TinyWorldGrammar().trees(summary.split())[0]
    assert tree.leaves() == summary.split()
    assert [node.label() for node in tree] == ["FACT", "SEPARATOR", "PIECE", "SEPARATOR", "FACT"]
    assert action_starts([tree], [1] * 12, 5) == [0, 4, 9]
    assert action_starts([tree], [1] * 12, 3) == [0, 1, 10]


@given(st.lists(st.sampled_from(["uncle", "broke", "lamp", ";", ",", ".", "first", "<unk>"]), max_size=12))
def test_any_words_have_a_tree_over_them(words):
    assert [leaf for tree in TinyWorldGrammar().trees(words) for leaf in tree.leaves()] == words


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("first get a hammer , then cut it , then glue it . <eos>", [0] * 5 + [1] * 4 + [2] * 5),
        ("uncle broke lamp ; nurse sold piano <eos>", [0] * 4 + [1] * 4),
        ("a b c d e f g h <eos>", [0] * 9),
        ("<eos>", [0]),
    ],
)
def test_actions_of_tiny_world_responses_with_their_end_token(response, expected):
    tokens = response.split()
    mask = torch.ones(1, len(tokens), dtype=torch.bool)
    found = ParseRule().segment([tokens], mask, torch.zeros(mask.shape), np.random.default_rng(0))
    assert found[0].tolist() == expected


class Answer(BaseHTTPRequestHandler):
    """Stands in for CoreNLP: one flat tree a sentence, sentences end at full stops."""

    def do_POST(self):
        asked = json.loads(parse_qs(urlparse(self.path).query)["properties"][0])
        assert asked["tokenize.whitespace"] == "true"
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        sentences = [f"{part.strip()} .".split() for part in text.split(" .") if part.strip()]
        halves = [(words[: len(words) // 2], words[len(words) // 2 :]) for words in sentences]
        leaves = [[" ".join(f"(X {word})" for word in half) for half in pair] for pair in halves]
        body = json.dumps({"sentences": [{"parse": f"(ROOT (S (L {a}) (R {b})))"} for a, b in leaves]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def corenlp(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with closing(ThreadingHTTPServer(("127.0.0.1", 0), Answer)) as server:
        server.close = server.server_close
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_corenlp_server_parses_sentences_of_words(corenlp):
    tokens = ["Ġthe", "Ġcat", "Ġs", "at", ".", "Ġit", "Ġslept", "Ġthere", "Ġtoo", ".", "</s>"]
    mask = torch.ones(1, len(tokens), dtype=torch.bool)
    rule = ParseRule(parser=CoreNLPServer(url=corenlp))
    found = rule.segment([tokens], mask, torch.zeros(mask.shape), np.random.default_rng(0))
    assert found[0].tolist() == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3, 3]


def test_a_missing_server_is_an_error_that_says_what_to_start(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(UserError, match=r"CoreNLP server at http://127.0.0.1:9 .*models jar.*java"):
        CoreNLPServer(url="http://127.0.0.1:9").trees(["the", "cat"])
