"""Byte-pair encoding: the paper's example, a second implementation, and every text comes back."""
from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.data import BytePairs
from minigrad.data.byte_pairs import _PIECE
from minigrad.errors import IndexRangeError
from tests.data import quiet
from tests.texts import expect, message

any_text = st.text(st.characters(exclude_categories=()))            # half surrogate pairs too
small_text = st.text(st.sampled_from("ab c\n"), max_size=60)
PAPER = " low" * 5 + " lower" * 2 + " newest" * 6 + " widest" * 3


def spelled_out(text: str, merges: int) -> tuple[list[tuple[int, int]], dict[str, list[int]]]:
    """The definition: count all pairs anew for each merge. -> merges, and the words of the text as ids"""
    times = Counter(_PIECE.findall(text))
    split = {piece: list(piece.encode()) for piece in times}
    found = []
    for _ in range(merges):
        counts: Counter = Counter()
        for piece, ids in split.items():
            for pair in zip(ids, ids[1:], strict=False):
                counts[pair] += times[piece]
        if not counts or max(counts.values()) < 2:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        for ids in split.values():
            k = 0
            while k < len(ids) - 1:
                if (ids[k], ids[k + 1]) == best:
                    ids[k:k + 2] = [256 + len(found)]
                k += 1
        found.append(best)
    return found, split


def test_the_papers_corpus_merges_es_then_est():
    """Sennrich et al. 2016: low 5, lower 2, newest 6, widest 3. Here a word's space is its first symbol."""
    pairs = BytePairs.train(PAPER, 10)
    assert [pairs.tokens[k] for k in range(256, 262)] == [b"es", b"est", b" l", b"ow", b" low", b" n"]
    assert [pairs.tokens[i] for i in pairs.encode(" lowest")] == [b" low", b"est"]      # no word of the corpus


@quiet
@given(small_text, st.integers(0, 12))
def test_training_is_what_counting_all_pairs_anew_gives(text, merges):
    """Updating counts of affected pairs only is where an implementation goes wrong: 'aaa' holds 'aa' twice."""
    pairs = BytePairs.train(text, merges)
    found, split = spelled_out(text, merges)
    assert pairs.merges == found and len(pairs) == 256 + len(found)
    assert pairs.encode(text).tolist() == [i for piece in _PIECE.findall(text) for i in split[piece]]


def test_training_is_the_same_on_a_text_of_many_words(rng):
    text = " ".join("".join(rng.choice(list("abcde"), 1 + rng.integers(6))) for _ in range(600))
    assert BytePairs.train(text, 120).merges == spelled_out(text, 120)[0]


TRAINED = BytePairs.train(PAPER + " é è été 你好 你好\n\n", 40)


@quiet
@given(any_text)
def test_every_text_comes_back(text):
    ids = TRAINED.encode(text)
    assert ids.dtype == np.int64 and ids.ndim == 1 and TRAINED.decode(ids) == text
    assert all(len(TRAINED.tokens[i]) for i in ids)


@quiet
@given(any_text)
def test_pieces_are_the_text(text):
    assert "".join(_PIECE.findall(text)) == text


@quiet
@given(st.lists(st.integers(0, len(TRAINED) - 1), max_size=20))
def test_any_ids_are_some_text(ids):
    """A model may say half a character: it is shown as U+FFFD, not an error."""
    assert isinstance(TRAINED.decode(ids), str)


def test_half_a_character_is_shown_as_such():
    assert BytePairs([]).decode([0x61, 0xE9]) == "a\ufffd"


def test_training_stops_where_no_pair_comes_twice():
    assert BytePairs.train("ab", 10).merges == [] and BytePairs.train("", 10).merges == []
    assert BytePairs.train("abab", 10).merges == [(97, 98)]                    # then (ab, ab) stands once
    assert repr(BytePairs.train("abab", 10)) == "BytePairs(1 merges)"


def test_a_text_becomes_shorter_with_more_merges():
    lengths = [len(BytePairs.train(PAPER, merges).encode(PAPER)) for merges in (0, 2, 5, 10, 20)]
    assert lengths[0] == len(PAPER) and lengths == sorted(lengths, reverse=True) and lengths[-1] == 16     # words


def test_a_long_text_without_a_space_is_encoded():
    """Merging all places of a pair at once: place by place would take minutes here."""
    text = "ab" * 20000
    pairs = BytePairs.train(text, 12)
    assert len(pairs.encode(text)) == 12 and pairs.decode(pairs.encode(text)) == text


def test_a_file_brings_the_encoding_back(tmp_path):
    TRAINED.save(tmp_path / "pairs.json")
    again = BytePairs.load(tmp_path / "pairs.json")
    assert again.merges == TRAINED.merges and again.tokens == TRAINED.tokens


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"merges": 1}', '{"merges": [1]}', '{"merges": [[1]]}'])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "pairs.json").write_text(content)
    with pytest.raises(ValueError):
        BytePairs.load(tmp_path / "pairs.json")


def test_a_merge_of_what_does_not_exist_yet_is_refused():
    with pytest.raises(ValueError, match="merge 1 joins 257 and 97: ids below 257 exist then"):
        BytePairs([(97, 98), (257, 97)])
    with pytest.raises(ValueError, match="0 merges or more, not -1"):
        BytePairs.train("abc", -1)


@pytest.mark.parametrize("bad", [-1, 257])
def test_an_id_of_another_encoding_is_refused(bad):
    assert message(IndexRangeError, lambda: BytePairs([(97, 98)]).decode([97, bad])) == expect(f"""
        no token has the id {bad}: this encoding has 0 to 256.
          fix: decode with the encoding that encoded the text.""")
