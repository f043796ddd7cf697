"""The generated languages: rules of both, one translation for each sentence, lengths, and why word by word fails."""
from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from minigrad.data.bleu import bleu, bleu_counts
from minigrad.data.french_english import (
    AFTER,
    ARTICLES,
    BEFORE,
    INTRANSITIVE,
    NOUNS,
    OBJECTS,
    SUBJECTS,
    TRANSITIVE,
    Phrase,
    Predicate,
    Pronoun,
    Sentence,
    Tail,
)
from minigrad.data.translation import GLOSSES, translation_pairs, word_by_word

NOUN = {noun.french[0]: noun for noun in NOUNS}
VERB = {verb.french[0]: verb for verb in TRANSITIVE + INTRANSITIVE}
ADJECTIVE = {adjective.french[0]: adjective for adjective in BEFORE + AFTER}


def phrase(noun, article="the", plural=False, **more):
    return Phrase(article, NOUN[noun], plural, 0, **more)


def said(subject, predicate):
    """French and English of one clause, as text."""
    sentence = Sentence([("", subject, predicate)])
    return " ".join(sentence.french()), " ".join(sentence.english())


@pytest.fixture(scope="module")
def pairs():
    return translation_pairs(np.random.default_rng(0), 4000)


def test_adjectives_agree_in_french_and_stand_before_the_noun_in_english():
    small, black = ADJECTIVE["petit"], ADJECTIVE["noir"]
    forms = [said(phrase(noun, plural=plural, before=small, after=black), Predicate(VERB["dort"]))
             for noun in ("chat", "porte") for plural in (False, True)]
    assert forms == [("le petit chat noir dort .", "the small black cat sleeps ."),
                     ("les petits chats noirs dorment .", "the small black cats sleep ."),
                     ("la petite porte noire dort .", "the small black door sleeps ."),
                     ("les petites portes noires dorment .", "the small black doors sleep .")]


@pytest.mark.parametrize("predicate, french, english", [
    (Predicate(VERB["chante"], negated=True), "le roi ne chante pas .", "the king does not sing ."),
    (Predicate(VERB["voit"], True, phrase("chat"), negated=True), "le roi n' a pas vu le chat .",
     "the king did not see the cat ."),
    (Predicate(VERB["voit"], object=OBJECTS[1]), "le roi la voit .", "the king sees her ."),
    (Predicate(VERB["suit"], object=OBJECTS[0], negated=True), "le roi ne le suit pas .",
     "the king does not follow him ."),
    (Predicate(VERB["chante"], adverb="souvent"), "le roi chante souvent .", "the king often sings ."),
    (Predicate(VERB["chante"], True, adverb="souvent"), "le roi a souvent chanté .", "the king often sang ."),
    (Predicate(VERB["aime"], negated=True, object=phrase("arbre")), "le roi n' aime pas l' arbre .",
     "the king does not like the tree ."),
    (Predicate(VERB["cherche"], object=phrase("chat", "a", True)), "le roi cherche des chats .",
     "the king looks for some cats ."),
    (Predicate(VERB["dort"], place=Tail(("près de", "near"), phrase("pont"))), "le roi dort près du pont .",
     "the king sleeps near the bridge ."),
    (Predicate(VERB["dort"], place=Tail(("devant", "in front of"), phrase("école", "my"))),
     "le roi dort devant mon école .", "the king sleeps in front of my school ."),
], ids=lambda p: p if isinstance(p, str) else "")
def test_what_stands_around_a_verb_has_another_order_in_each_language(predicate, french, english):
    assert said(phrase("roi"), predicate) == (french, english)


def test_de_and_its_article_are_one_word_or_two():
    tails = [("roi", False, "du roi", "of the king"), ("reine", False, "de la reine", "of the queen"),
             ("ami", False, "de l' ami", "of the friend"), ("ami", True, "des amis", "of the friends")]
    for noun, plural, french, english in tails:
        head = phrase("chat", tail=Tail(("de", "of"), phrase(noun, plural=plural)))
        assert said(head, Predicate(VERB["dort"])) == (f"le chat {french} dort .", f"the cat {english} sleeps .")


def test_relative_clauses_ask_for_who_or_that_and_agree_with_their_own_subject():
    sleeps = Tail(("qui", "who"), None, Predicate(VERB["dort"]))
    assert said(phrase("roi", plural=True, tail=sleeps), Predicate(VERB["rit"])) == (
        "les rois qui dorment rient .", "the kings who sleep laugh .")
    assert said(phrase("chat", tail=sleeps), Predicate(VERB["rit"])) == (
        "le chat qui dort rit .", "the cat that sleeps laughs .")
    seen = Tail(("que", "that"), phrase("ami", "a", True), Predicate(VERB["voit"]))
    assert said(phrase("chat", tail=seen), Predicate(VERB["rit"])) == (
        "le chat que des amis voient rit .", "the cat that some friends see laughs .")
    seen = Tail(("que", "that"), phrase("ami", "a"), Predicate(VERB["voit"]))
    assert said(phrase("chat", tail=seen), Predicate(VERB["rit"]))[0] == "le chat qu' un ami voit rit ."


def test_english_articles_see_the_word_behind_them():
    empty, big = ADJECTIVE["vide"], ADJECTIVE["grand"]
    assert said(phrase("chat", "a", after=empty), Predicate(VERB["dort"])) == (
        "un chat vide dort .", "an empty cat sleeps .")
    assert said(phrase("chat", "a", before=big, after=empty), Predicate(VERB["dort"]))[1] == "a big empty cat sleeps ."


def test_lengths_are_uniform_and_no_sentence_occurs_twice(pairs):
    lengths = Counter(len(french) for french, _ in pairs)
    assert set(lengths) == set(range(4, 41)) and max(lengths.values()) < 2 * min(lengths.values())
    assert len({tuple(french) for french, _ in pairs}) == len(pairs)
    assert {len(french) for french, _ in translation_pairs(np.random.default_rng(1), 50, (7, 9))} == {7, 8, 9}


def test_a_french_sentence_has_one_translation():
    """Else no translator could be right each time: short sentences are drawn often enough to meet again."""
    found: dict[tuple, tuple] = {}
    again = 0
    for seed in range(12):
        for french, english in translation_pairs(np.random.default_rng(seed), 900, (4, 6)):
            again += tuple(french) in found
            assert found.setdefault(tuple(french), tuple(english)) == tuple(english)
    assert again > 1000


def test_the_same_generator_gives_the_same_pairs():
    drawn = [translation_pairs(np.random.default_rng(5), 30) for _ in range(2)]
    assert drawn[0] == drawn[1] != translation_pairs(np.random.default_rng(6), 30)


def test_french_is_elided_and_contracted_everywhere(pairs):
    for french, english in pairs:
        for word, after in zip(french, french[1:], strict=False):
            assert not (word in ("le", "la", "ne", "que", "de", "ma", "ce") and after[0] in "aeiouéê"), french
            assert not (word == "de" and after in ("le", "les", "des")), french
            assert not (word.endswith("'") and after[0] not in "aeiouéê"), french
        for word, after in zip(english, english[1:], strict=False):
            assert (word == "an") == (word in ("a", "an") and after[0] in "aeiou"), english
        assert french[-1] == english[-1] == "."


def test_an_article_tells_the_gender_and_number_of_its_noun(pairs):
    """Le porte would be a mistake, and so would un chats."""
    forms = {form: (plural, noun.feminine) for noun in NOUNS for plural, form in enumerate(noun.french)}
    genders = {word: (k == 2, None if k == 2 else k == 1)
               for row in ARTICLES.values() for k, word in enumerate(row[:3])}
    seen = Counter()
    for french, _ in pairs:
        for word, after in zip(french, french[1:], strict=False):
            if word in genders and after in forms and word != "mon":          # mon école: before a vowel
                plural, feminine = genders[word]
                assert forms[after][0] == plural and feminine in (None, forms[after][1]), french
                seen[word] += 1
    assert set(seen) == set(genders) - {"mon"}


def test_every_form_of_the_lexicon_occurs(pairs):
    words = {word for french, _ in pairs for word in french}
    assert {form for entry in (*BEFORE, *AFTER, *TRANSITIVE, *INTRANSITIVE, *NOUNS) for form in entry.french} <= words
    assert {p.word[0] for p in SUBJECTS + OBJECTS} <= words and words <= set(GLOSSES)
    assert isinstance(SUBJECTS[0], Pronoun)


def test_word_by_word_has_the_words_and_not_their_order(pairs):
    """Nine words of ten are right, a sentence of 20 words hardly ever: what is missing is order and agreement."""
    guesses, references = [word_by_word(french) for french, _ in pairs], [english for _, english in pairs]
    assert bleu_counts(guesses, references).precisions[0] > 0.85
    assert bleu(guesses, references) < 55
    long = [k for k, (french, _) in enumerate(pairs) if len(french) > 20]
    assert np.mean([guesses[k] == references[k] for k in long]) < 0.01
    bag = [sorted(g) == sorted(r) for g, r in zip(guesses, references, strict=True)]
    right = [g == r for g, r in zip(guesses, references, strict=True)]
    assert sum(bag) > 2 * sum(right)           # of those with all words right, over half are in disorder


@pytest.mark.parametrize("count, lengths, text", [
    (10, (2, 9), r"from 3 words up, not \(2, 9\)"), (10, (9, 4), r"not \(9, 4\)"), (-1, (4, 9), "no -1 pairs"),
    (500, (3, 3), "French sentences of 3 to 3 words: no new one after 20 of 500")])
def test_lengths_that_cannot_be_are_refused(count, lengths, text):
    with pytest.raises(ValueError, match=text):
        translation_pairs(np.random.default_rng(0), count, lengths)
