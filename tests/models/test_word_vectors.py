"""What a table of vectors answers, on tables whose answers are known."""
from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import minigrad as mg
from minigrad.data import words
from minigrad.data.telecom_table import telecom_table
from minigrad.models.text_vectors import train_on_text
from minigrad.models.word_vectors import WordVectors, answered

SQUARE = WordVectors(["man", "woman", "king", "queen", "stone"],
                     np.array([[0, 0], [1, 0], [0, 3], [1, 3], [9, -9]]) + 1.0)


def test_the_slides_analogies_come_out_exactly_by_both_metrics():
    """Télécom: king - man + woman = queen, uncle - man + woman = aunt, and the same back."""
    table = WordVectors(*telecom_table())
    for metric, exact in (("euclidean", 0.0), ("cosine", 1.0)):
        for asked, answer in ((("king", "man", "woman"), "queen"), (("uncle", "man", "woman"), "aunt"),
                              (("queen", "woman", "man"), "king"), (("aunt", "woman", "man"), "uncle")):
            (word, closeness), = table.analogy(*asked, metric=metric)
            assert word == answer and abs(closeness - exact) < 1e-15


def test_the_president_of_germany_is_the_chancellor_by_euclid_and_the_king_by_the_cosine():
    """France and Germany are one point, so the sum is the president; LECTURES gives 0.50 and 0.963."""
    table = WordVectors(*telecom_table())
    asked = "president", "France", "Germany"
    assert np.array_equal(table["president"] - table["France"] + table["Germany"], table["president"])
    (near, distance), = table.analogy(*asked, metric="euclidean")
    (like, cosine), = table.analogy(*asked)
    assert (near, round(-distance, 2), like, round(cosine, 3)) == ("chancellor", 0.5, "king", 0.963)


def test_the_three_words_of_a_question_are_left_out():
    """Without that the nearest to king - man + woman may be king itself."""
    vectors = WordVectors(["man", "woman", "king", "queen"], np.array([[0, 0.0], [0.1, 0], [0, 3], [0.5, 3]]))
    assert vectors.analogy("king", "man", "woman", metric="euclidean")[0][0] == "queen"
    assert vectors.nearest(np.array([0.1, 3]), 1, metric="euclidean")[0][0] == "king"


def test_many_questions_at_once_are_answered_as_one_by_one(rng):
    vectors = WordVectors([str(k) for k in range(30)], rng.normal(size=(30, 4)))
    questions = np.array([rng.permutation(30)[:4] for _ in range(200)])
    for metric in ("cosine", "euclidean"):
        one = [vectors.analogy(str(b), str(a), str(c), metric=metric)[0][0] == str(d) for a, b, c, d in questions]
        assert np.array_equal(vectors.analogies_right(questions, metric), one) and 0 < sum(one) < 60


def test_accuracy_is_the_share_of_right_answers_and_can_be_low():
    ids = SQUARE.ids
    right = np.array([[ids[w] for w in "man king woman queen".split()]])
    wrong = np.array([[ids[w] for w in "man king woman stone".split()]])
    assert answered(SQUARE, {"a": np.r_[right, right, right, wrong], "b": wrong}, "euclidean") == {
        "a": 0.75, "b": 0.0, "all": 0.6}


def test_a_words_neighbours_are_sorted_without_itself_and_only_as_many_as_there_are():
    near = SQUARE.nearest("man", 9, metric="euclidean")
    assert [w for w, _ in near] == ["woman", "king", "queen", "stone"]
    assert np.allclose([-d for _, d in near], [1, 3, 10 ** 0.5, 162 ** 0.5])
    fewer = SQUARE.nearest("man", 9, leave_out=["king"], metric="euclidean")
    assert [w for w, _ in fewer] == ["woman", "queen", "stone"]
    assert SQUARE.similarity("man", "woman", "euclidean") == -1


def test_unit_vectors_have_length_1_and_a_zero_row_stays_zero():
    unit = WordVectors(["a", "b"], np.array([[3.0, 4], [0, 0]])).unit()
    assert np.array_equal(unit.vectors, [[0.6, 0.8], [0, 0]]) and unit.similarity("a", "b") == 0


def test_own_group_is_1_for_groups_apart_and_chance_for_random_vectors(rng):
    group = np.repeat(np.arange(10), 30)
    apart = np.eye(10)[group] + 0.01 * rng.normal(size=(300, 10))
    names = [str(k) for k in range(300)]
    assert WordVectors(names, apart).own_group(group) == 1
    assert abs(WordVectors(names, rng.normal(size=(300, 10))).own_group(group) - 29 / 299) < 0.02
    assert WordVectors(names, apart).own_group(np.zeros(300), words=np.arange(50)) == 1


def test_the_map_of_flat_points_keeps_their_distances(rng):
    flat = rng.normal(size=(8, 2)) * [5, 1]
    turned = flat @ np.linalg.qr(rng.normal(size=(7, 7)))[0][:2] + rng.normal(size=7)
    vectors = WordVectors([str(k) for k in range(8)], turned)
    places = vectors.map()

    def distances(a):
        return np.linalg.norm(a[:, None] - a, axis=-1)
    assert np.allclose(distances(places), distances(flat), atol=1e-12)
    assert places[:, 0].var() > places[:, 1].var()
    assert vectors.map(["3", "1"]).shape == (2, 2) and np.abs(vectors.map(["3", "1"])[:, 1]).max() < 1e-12
    assert WordVectors(["a", "b"], np.array([[1.0], [3]])).map().shape == (2, 2)


def test_what_was_saved_is_loaded_and_gensim_reads_it_too(tmp_path, rng):
    vectors = WordVectors(["the", "naïve", "queen"], rng.normal(size=(3, 5)).astype(np.float32))
    vectors.save(tmp_path / "v.txt")
    back = WordVectors.load(tmp_path / "v.txt")
    assert back.words == vectors.words and np.array_equal(back.vectors, vectors.vectors)
    (tmp_path / "glove.txt").write_text((tmp_path / "v.txt").read_text().partition("\n")[2])     # no first line
    assert np.array_equal(WordVectors.load(tmp_path / "glove.txt").vectors, vectors.vectors)
    KeyedVectors = pytest.importorskip("gensim.models").KeyedVectors
    theirs = KeyedVectors.load_word2vec_format(str(tmp_path / "v.txt"))
    assert theirs.index_to_key == vectors.words and np.array_equal(theirs.vectors, vectors.vectors)


@pytest.mark.parametrize("call, why", [
    (lambda tmp: WordVectors(["a"], np.zeros((2, 3))), "1 words, 1 of them different, do not fit"),
    (lambda tmp: WordVectors(["a", "a"], np.zeros((2, 3))), "2 words, 1 of them different"),
    (lambda tmp: SQUARE.nearest("man", metric="manhattan"), "'cosine' or 'euclidean', not 'manhattan'"),
    (lambda tmp: WordVectors(["a b"], np.zeros((1, 3))).save(tmp / "v"), "cannot hold the word 'a b'"),
    (lambda tmp: (tmp.joinpath("v").write_text("2 2\na 1 2\nb 1 x\n"), WordVectors.load(tmp / "v")), "not convert"),
    (lambda tmp: (tmp.joinpath("v").write_text("2 2\na 1 2\nb 1\n"), WordVectors.load(tmp / "v")), "does not hold"),
    (lambda tmp: train_on_text("a b", model="elmo"), "not 'elmo'"),
    (lambda tmp: train_on_text("a b c"), "no word of these sentences"),
])
def test_what_cannot_be_is_refused(call, why, tmp_path):
    with pytest.raises(ValueError, match=why):
        call(tmp_path)


@pytest.mark.parametrize("model", ["skipgram", "cbow", "glove"])
def test_any_text_goes_through_and_words_of_one_kind_end_up_close(model):
    """Cats and dogs do one thing, suns and moons another; marks and rare words are left out."""
    rng = np.random.default_rng(0)
    animals, lights = ["cat", "dog", "cow"], ["sun", "moon", "lamp"]
    frames = ["The {} eats, then it sleeps.", "A {} runs home!", "My {} sleeps and eats."], [
        "The {} shines; it glows.", "A {} glows brightly!", "This {} shines and burns."]
    text = "Rarely. " + " ".join(rng.choice(frames[k % 2]).format(rng.choice((animals, lights)[k % 2]))
                                 for k in range(1200))
    seen = []
    mg.manual_seed(0)
    vectors = train_on_text(text, model=model, dim=10, subsampling=None, window=4, epochs=20, report=seen.append)
    assert "rarely" not in vectors and "," not in vectors
    assert vectors.words[0] == Counter(word for word in words(text) if word.isalpha()).most_common(1)[0][0]
    nouns = [w for w, _ in vectors.nearest("cat", 99) if w in animals + lights]
    assert set(nouns[:2]) == {"dog", "cow"} and set(nouns[2:]) == set(lights)
    assert seen[-1].loss < seen[0].loss and seen[-1].share == 1 and 10 <= len(seen) <= 20
