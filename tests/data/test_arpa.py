"""ARPA files: what SRILM and KenLM write is read, and what is written is read back."""
from __future__ import annotations

import gzip

import numpy as np
import pytest

from minigrad.data.arpa import ArpaLevel, read_arpa, write_arpa

BY_HAND = """\
anything may stand here

\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-99\t<s>\t-0.30103
-0.60206\t</s>
-0.60206\t<unk>
-0.30103\tbooks\t-0.1

\\2-grams:
-0.2\t<s> books
-0.3 books  </s>

\\end\\
what follows is not read
"""


@pytest.fixture
def by_hand(tmp_path):
    path = tmp_path / "hand.arpa"
    path.write_text(BY_HAND)
    return path


def test_a_file_written_by_hand_is_read(by_hand):
    """Tabs or spaces, a weight or none, a comment before: SRILM and KenLM differ in these."""
    one, two = read_arpa(by_hand)
    assert one.grams == [("<s>",), ("</s>",), ("<unk>",), ("books",)]
    assert one.log_prob.tolist() == [-np.inf, -0.60206, -0.60206, -0.30103]
    assert one.log_weight.tolist() == [-0.30103, 0, 0, -0.1]
    assert two.grams == [("<s>", "books"), ("books", "</s>")] and two.log_prob.tolist() == [-0.2, -0.3]


@pytest.mark.parametrize("name", ["m.arpa", "m.arpa.gz"])
def test_what_is_written_is_read_back_bit_for_bit(name, tmp_path, rng):
    """17 digits are enough for every float64; the last level has no weights."""
    words = [("a",), ("<s>",), ("\u00e9t\u00e9",)]
    levels = [ArpaLevel(words, np.append(-rng.random(2), -np.inf), -rng.random(3)),
              ArpaLevel([("<s>", "a"), ("a", "a")], -rng.random(2), np.zeros(2))]
    write_arpa(tmp_path / name, levels, digits=17)
    for ours, theirs in zip(levels, read_arpa(tmp_path / name), strict=True):
        assert ours.grams == theirs.grams
        assert np.array_equal(ours.log_prob, theirs.log_prob) and np.array_equal(ours.log_weight, theirs.log_weight)


def test_the_file_is_laid_out_as_srilm_does(tmp_path):
    levels = [ArpaLevel([("<s>",), ("a",)], np.array([-np.inf, 0]), np.array([-0.5, 0])),
              ArpaLevel([("<s>", "a")], np.array([-0.25]), np.array([0]))]
    write_arpa(tmp_path / "m.arpa.gz", levels)
    assert gzip.open(tmp_path / "m.arpa.gz", "rt").read() == (
        "\\data\\\nngram 1=2\nngram 2=1\n\n"
        "\\1-grams:\n-99\t<s>\t-0.5\n0\ta\t0\n\n\\2-grams:\n-0.25\t<s> a\n\n\\end\\\n")


@pytest.mark.parametrize("word", ["two words", "", "\n", "\u00a0", "tab\t"])
def test_a_word_with_a_space_is_not_written(word, tmp_path):
    with pytest.raises(ValueError, match="separates words by spaces"):
        write_arpa(tmp_path / "m.arpa", [ArpaLevel([("a",), (word,)], np.zeros(2), np.zeros(2))])
    assert not (tmp_path / "m.arpa").exists()


@pytest.mark.parametrize("old, new, words", [
    ("\\data\\", "", "no line .data., so this is no ARPA file"),
    ("ngram 2=2", "ngram 3=2", "line 5: expected 'ngram 2=COUNT'"),
    ("ngram 2=2", "many n-grams", "line 5: .* not 'many n-grams'"),
    ("ngram 1=4", "ngram 1=5", "line 13: 4 n-grams of length 1, where the head says 5"),
    ("-0.60206\t<unk>", "<unk>", "line 10: expected a number, 1 word and perhaps a weight, not '<unk>'"),
    ("-0.60206\t<unk>", "much\t<unk>", "line 10"),
    ("-0.60206\t<unk>", "-1\t<unk>\tx", "line 10"),
    ("-0.2\t<s> books", "-0.2\t<s> the books too", "line 14: expected a number, 2 words"),
    ("\\end\\\nwhat follows is not read\n", "", "the end: no line .end."),
    ("\\2-grams:", "", "line 14"),
    ("\\1-grams:", "", "line 8"),
])
def test_a_broken_file_is_refused_with_its_line(old, new, words, by_hand):
    by_hand.write_text(BY_HAND.replace(old, new))
    with pytest.raises(ValueError, match=words) as caught:
        read_arpa(by_hand)
    assert "hand.arpa" in str(caught.value)
