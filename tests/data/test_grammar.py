"""The grammars are what they say: the deck's numbers, entropies that sampling finds, words that sound alike."""
from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from minigrad.data import HOMOPHONES, PHRASES, Grammar, homophone_pairs
from minigrad.data.grammar import LIKELIER, SOUND_ALIKE
from tests.texts import expect, message

OPENED = ("students", "opened", "their")
GRAMMARS = pytest.mark.parametrize("grammar", [PHRASES, HOMOPHONES], ids=["phrases", "homophones"])


def walk(grammar: Grammar, rng: np.random.Generator, symbol: str) -> list[str]:
    """One sentence by the table itself: a choice for every symbol, from left to right."""
    if symbol not in grammar.rules:
        return [symbol]
    choices = grammar.rules[symbol]
    text = choices[rng.choice(len(choices), p=[p for p, _ in choices])][1]
    return [word for part in text.split() for word in walk(grammar, rng, part)]


def test_after_students_opened_their_come_the_decks_probabilities():
    """KTH: 400 and 100 of 1000. The other four words share one half."""
    after = PHRASES.after(OPENED)
    assert math.isclose(after["books"], 0.4) and math.isclose(after["exams"], 0.1)
    assert set(after) == {"books", "exams", "laptops", "notebooks", "minds", "windows"}
    assert math.isclose(sum(after.values()), 1) and list(after)[0] == "books"


def test_a_proctor_changes_them_and_only_seven_words_reach_back_so_far():
    """The deck: a 4-gram discards "as the proctor started the clock , the"."""
    started = ("clock", ",", "the", *OPENED)
    assert math.isclose(PHRASES.after(("proctor", "started", "the", *started))["exams"], 0.46)
    assert math.isclose(PHRASES.after(started)["exams"], 0.46)
    assert math.isclose(PHRASES.after(started[1:])["exams"], 0.4 * 0.46 + 0.6 * 0.01)       # 2 openings of 5 are exams
    assert PHRASES.limit(7) < PHRASES.limit(6) < PHRASES.limit(4) < PHRASES.limit(3)


@GRAMMARS
def test_probabilities_of_all_sentences_add_up_to_one(grammar):
    assert math.isclose(math.fsum(grammar.sentences.values()), 1) and min(grammar.sentences.values()) > 0
    sentence = next(iter(grammar.sentences))
    assert grammar.probability(list(sentence)) == grammar.sentences[sentence]
    assert grammar.probability(sentence[:-1]) == 0 == grammar.probability([])
    assert grammar.words == sorted(set(grammar.words)) and set(sentence) <= set(grammar.words)


@GRAMMARS
def test_sampling_finds_the_entropy(grammar, rng):
    """Sentences made by walking the table, not from the list: mean of -ln P over the mean length. 4 standard errors."""
    walked = [walk(grammar, rng, grammar.start) for _ in range(4000)]
    loss = np.array([-math.log(grammar.probability(s)) for s in walked])
    length = np.array([len(s) + 1 for s in walked])
    error = np.std(loss - grammar.entropy * length) / np.sqrt(len(walked)) / length.mean()
    assert abs(loss.sum() / length.sum() - grammar.entropy) < 4 * error < 0.03
    assert abs(length.mean() - grammar.length) < 4 * length.std() / np.sqrt(len(walked))
    assert math.isclose(grammar.perplexity, math.exp(grammar.entropy))


@GRAMMARS
def test_the_chain_rule_gives_the_same_entropy(grammar):
    """The entropy of each next word given all before it, added up: the limit of an order longer than all sentences."""
    longest = max(map(len, grammar.sentences))
    assert math.isclose(grammar.limit(longest + 1), grammar.entropy, rel_tol=1e-12)
    limits = [grammar.limit(n) for n in range(1, longest + 2)]
    assert all(a >= b - 1e-12 for a, b in zip(limits, limits[1:], strict=False)) and limits[0] > 4 * limits[-1]


def test_samples_have_the_grammars_probabilities(rng):
    """Chi-square of the 5 commonest sentences: below 24 with all but 1 in 5000 seeds."""
    n = 20000
    found = Counter(map(tuple, PHRASES.sample(rng, n)))
    assert sum(found.values()) == n and set(found) <= set(PHRASES.sentences)
    commonest = sorted(PHRASES.sentences, key=PHRASES.sentences.__getitem__)[-5:]
    assert sum((found[s] - n * PHRASES.probability(s)) ** 2 / (n * PHRASES.probability(s)) for s in commonest) < 24
    opened = [s[k + 3] for s in found.elements() for k in range(len(s) - 3) if s[k:k + 3] == OPENED]
    assert abs(opened.count("books") / len(opened) - 0.4) < 4 * math.sqrt(0.4 * 0.6 / len(opened))


def test_expected_n_grams_are_those_of_long_samples(rng):
    n = 20000
    found = Counter(gram for s in PHRASES.sample(rng, n)
                    for gram in zip(["<bos>", *s], [*s, "<eos>"], strict=True))
    expected = PHRASES.expected(2)
    assert set(found) == set(expected)
    for gram, p in expected.items():                       # at most three times in a sentence: variance below 3 p
        assert abs(found[gram] / n - p) < 5 * math.sqrt(3 * p / n), gram
    assert math.isclose(math.fsum(PHRASES.expected(1).values()), PHRASES.length)


def test_two_ways_to_a_sentence_add_up():
    """Entropy of the sentences, not of the choices: ln 2 for two equal sentences, of 2 tokens with their end."""
    g = Grammar({"S": [(0.25, "A"), (0.25, "a"), (0.5, "b")], "A": [(1.0, "a")]}, start="S")
    assert g.sentences == {("a",): 0.5, ("b",): 0.5} and math.isclose(g.entropy, math.log(2) / 2)
    assert g.after(["<bos>"]) == {"a": 0.5, "b": 0.5} and g.after(["a"]) == {"<eos>": 1.0}


def test_tables_that_make_no_grammar_are_refused():
    with pytest.raises(ValueError, match="S needs positive probabilities that add up to 1, not to 0.9"):
        Grammar({"S": [(0.5, "a"), (0.4, "b")]}, start="S")
    with pytest.raises(ValueError, match="add up to 1"):
        Grammar({"S": [(1.5, "a"), (-0.5, "b")]}, start="S")
    with pytest.raises(ValueError, match="S leads back to itself: S -> A -> S"):
        _ = Grammar({"S": [(0.5, "a"), (0.5, "A")], "A": [(1.0, "b S")]}, start="S").sentences
    with pytest.raises(ValueError, match="at least 1 word, not 0"):
        PHRASES.limit(0)


def test_words_that_never_stand_so_are_refused():
    assert message(ValueError, lambda: PHRASES.after(["opened", "students"])) == expect("""
        'opened students' stands in no sentence of this grammar.
          fix: words from grammar.words, in an order of grammar.sentences.""")


def test_homophones_are_meant_1781_times_as_often_as_misheard():
    """Télécom: 5.7e-10 for "example", 3.2e-13 for "egg-sample"."""
    assert LIKELIER == round(5.7e-10 / 3.2e-13)
    pairs = homophone_pairs()
    assert "this is an example of a homophone".split() in [meant for meant, _ in pairs] and len(pairs) == 18
    for meant, heard in pairs:
        differing = [(a, b) for a, b in zip(meant, heard, strict=True) if a != b]
        assert len(differing) == 1 and (differing[0] in SOUND_ALIKE or differing[0][::-1] in SOUND_ALIKE)
        assert math.isclose(HOMOPHONES.probability(meant) / HOMOPHONES.probability(heard), LIKELIER)


def test_no_count_of_words_alone_tells_homophones_apart():
    """Both of a pair are equally frequent, so the commoner word is no answer; what stands around them is."""
    counts = HOMOPHONES.expected(1)
    for a, b in SOUND_ALIKE:
        assert math.isclose(counts[(a,)], counts[(b,)])
