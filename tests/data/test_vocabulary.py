"""Words to numbers and back: order, counts, what is unknown, files, and errors that say what to do."""
from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.data import Vocabulary
from minigrad.data.vocabulary import SPECIALS, UnknownTokenError
from minigrad.errors import IndexRangeError
from tests.data import quiet
from tests.texts import expect, message

TEXT = "the cat saw the dog and the dog saw a bird".split()
tokens_lists = st.lists(st.text(max_size=4), max_size=30)


def test_special_tokens_come_first_then_the_commonest_then_the_alphabet():
    v = Vocabulary.build(TEXT)
    assert v.tokens == ["<pad>", "<unk>", "<bos>", "<eos>", "the", "dog", "saw", "a", "and", "bird", "cat"]
    assert (v.pad, v.unk, v.bos, v.eos) == (0, 1, 2, 3)
    assert v["the"] == 4 and v["whale"] == 1 and "bird" in v and "whale" not in v and len(v) == 11 == len(list(v))


def test_the_order_of_sentences_does_not_change_the_ids(rng):
    assert Vocabulary.build(rng.permutation(TEXT).tolist()).tokens == Vocabulary.build(TEXT).tokens


def test_minimum_count_and_size_leave_out_the_rarest():
    assert Vocabulary.build(TEXT, min_count=2).tokens[4:] == ["the", "dog", "saw"]
    assert Vocabulary.build(TEXT, max_size=6).tokens[4:] == ["the", "dog"]            # special tokens count
    assert Vocabulary.build(TEXT, max_size=4).tokens == list(SPECIALS)


@quiet
@given(tokens_lists, st.integers(1, 3), st.none() | st.integers(4, 12))
def test_counts_are_those_of_the_encoded_corpus(tokens, min_count, max_size):
    """What is not kept is counted as <unk>, so the counts are a unigram model of the ids."""
    v = Vocabulary.build(tokens, min_count=min_count, max_size=max_size)
    assert v.counts.dtype == np.int64 and v.counts.tolist() == np.bincount(v.encode(tokens), minlength=len(v)).tolist()
    assert len(v) <= (max_size or len(v)) and all(n >= min_count for n in v.counts[4:])


@quiet
@given(tokens_lists)
def test_decode_undoes_encode_where_every_token_is_known(tokens):
    v = Vocabulary.build(tokens)
    ids = v.encode(tokens)
    assert ids.dtype == np.int64 and ids.shape == (len(tokens),) and v.decode(ids) == tokens
    assert Vocabulary.build(tokens, specials=()).tokens == sorted(set(tokens), key=lambda t: (-Counter(tokens)[t], t))


def test_special_tokens_that_stand_in_the_corpus_are_counted_as_themselves():
    v = Vocabulary.build(["a", "<eos>", "<unk>", "b", "<eos>"], max_size=5)
    assert v.counts[v.eos] == 2 and v.counts[v.unk] == 2 and v.counts[v["a"]] == 1      # <unk> and b


def test_a_text_is_its_characters():
    v = Vocabulary.build("hello", specials=())
    assert v.tokens == ["l", "e", "h", "o"] and v.encode("hello").tolist() == [2, 1, 0, 0, 3]
    assert (v.pad, v.unk, v.bos, v.eos) == (None, None, None, None)


def test_a_ready_list_keeps_its_order_and_finds_its_special_tokens():
    v = Vocabulary(["b", "<eos>", "a"])
    assert v["a"] == 2 and v.eos == 1 and v.pad is None and v.counts.tolist() == [0, 0, 0]
    assert repr(v) == "Vocabulary(3 tokens, with <eos>)" and repr(Vocabulary(["a"])) == "Vocabulary(1 tokens)"


@quiet
@given(tokens_lists)
def test_a_file_brings_back_tokens_and_counts(tmp_path_factory, tokens):
    path = tmp_path_factory.mktemp("vocabulary") / "v.json"
    v = Vocabulary.build(tokens)
    v.save(path)
    w = Vocabulary.load(path)
    assert w.tokens == v.tokens and (w.counts == v.counts).all() and w.eos == v.eos


@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b'{"tokens": 1, "counts": 2}', b"\xff\x00"])
def test_another_file_is_refused_by_its_name(tmp_path, content):
    path = tmp_path / "v.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="v.json is no file of Vocabulary.save"):
        Vocabulary.load(path)


def test_an_unknown_token_without_unk_is_an_error_that_names_what_is_near():
    v = Vocabulary.build(["cats", "dog"], specials=())
    assert message(UnknownTokenError, lambda: v["cat"]) == expect("""
        'cat' is none of the 2 tokens, and there is no <unk>.
          near: 'cats'
          fix : Vocabulary.build(tokens, specials=('<unk>',)) has an id for it.""")
    assert message(KeyError, lambda: v.encode(["dog", "whale"])) == expect("""
        'whale' is none of the 2 tokens, and there is no <unk>.
          fix : Vocabulary.build(tokens, specials=('<unk>',)) has an id for it.""").replace("fix :", "fix:")


@pytest.mark.parametrize("token", [3, np.int64(0), None, ["a"], ("a",)])
def test_a_number_is_no_token_even_where_there_is_unk(token):
    """With a silent <unk> here, `for token in vocabulary` by position would never end."""
    v = Vocabulary.build(TEXT)
    with pytest.raises(TypeError, match="wants a token, not"):
        v[token]


def test_a_token_that_stands_twice_is_refused():
    assert message(ValueError, lambda: Vocabulary(["a", "b", "a"])) == expect("""
        a vocabulary names each token once, and 'a' stands in it 2 times.
          fix: Vocabulary.build(tokens) counts the tokens of a text.""")
    with pytest.raises(ValueError, match=r"2 tokens need 2 counts, not \(1,\)"):
        Vocabulary(["a", "b"], counts=[1])


def test_a_size_without_room_for_the_special_tokens_is_refused():
    assert message(ValueError, lambda: Vocabulary.build(TEXT, max_size=3)) == expect("""
        max_size 3 has no room for 4 special tokens.
          fix: max_size of 5 or more, or fewer specials.""")


@pytest.mark.parametrize("bad", [-1, 11])
def test_an_id_that_no_token_has_is_refused(bad):
    """A negative one would be read from the end in silence."""
    v = Vocabulary.build(TEXT)
    assert message(IndexRangeError, lambda: v.decode([4, bad])) == expect(f"""
        no token has the id {bad}: the vocabulary's ids are 0 to 10.
          fix: decode with the vocabulary that encoded the text.""")


def test_decode_refuses_what_is_no_row_of_ids():
    v = Vocabulary.build(TEXT)
    assert message(ValueError, lambda: v.decode(np.zeros((2, 3), np.int64))) == expect("""
        decode takes whole numbers (N,), not int64 (2, 3).
          fix: [vocabulary.decode(row) for row in ids] for a batch.""")
    with pytest.raises(ValueError, match="float64"):
        v.decode([0.5])
    assert v.decode([]) == [] and v.decode(i for i in (4, 5)) == ["the", "dog"]
