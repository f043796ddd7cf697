"""A model and its vocabulary in one file: what is read is what was written; a prompt that cannot be spelled says so."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.data.vocabulary import Vocabulary
from minigrad.models.text_model import PromptError, TextModel


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
@pytest.mark.parametrize("settings", [{}, {"embedding": 6, "cell": "gru", "layers": 2, "tied": True, "dropout": 0.1}],
                         ids=str)
def test_a_file_gives_the_same_model_back(tmp_path, ending, settings):
    made = TextModel("ab c\n", hidden=5, **settings)
    made.save(tmp_path / f"m.{ending}")
    read = TextModel.load(tmp_path / f"m.{ending}")
    assert read.vocabulary.tokens == list("ab c\n") and read.unit == "character"
    assert np.array_equal(read.model.nats([0, 1, 2, 3]), made.model.nats([0, 1, 2, 3]))
    assert read.write(np.random.default_rng(1), 30) == made.write(np.random.default_rng(1), 30)


def test_a_text_begins_with_its_prompt_and_has_so_many_characters_more():
    writer = TextModel("ab c\n", hidden=5)
    text = writer.write(np.random.default_rng(0), 30, "cab ")
    assert text.startswith("cab ") and len(text) == 34 and set(text) <= set("ab c\n")
    assert len(writer.write(np.random.default_rng(0), 30)) == 30
    assert writer.write(np.random.default_rng(0), 9, "a", temperature=0) == writer.write(
        np.random.default_rng(1), 9, "a", top_k=1)
    assert writer.write(np.random.default_rng(0), 9, "a", beam=1) == writer.write(
        np.random.default_rng(1), 9, "a", temperature=0)


def test_words_are_joined_by_spaces_and_unknown_ones_are_unk():
    writer = TextModel(Vocabulary(["<unk>", "the", "cat", "sat"]), "word", hidden=4)
    assert writer.encode("The dog sat").tolist() == [1, 0, 3]
    text = writer.write(np.random.default_rng(0), 3, "the cat")
    assert text.startswith("the cat ") and len(text.split()) == 5
    with pytest.raises(ValueError, match="unit is one of character, word, not 'letter'"):
        TextModel("ab", "letter")


def test_a_prompt_that_cannot_be_spelled_names_the_character():
    with pytest.raises(PromptError, match="the model knows no character 'é': its text had none"):
        TextModel("ab", hidden=3).write(np.random.default_rng(0), 3, "aé")


def test_another_file_is_refused(tmp_path):
    mg.save({"w": mg.ones(3)}, tmp_path / "w.npz")
    with pytest.raises(mg.StateError, match="w.npz holds no language model with its vocabulary"):
        TextModel.load(tmp_path / "w.npz")
    mg.save(mg.ones(3), tmp_path / "w.npz")
    with pytest.raises(mg.StateError, match="holds no language model"):
        TextModel.load(tmp_path / "w.npz")
