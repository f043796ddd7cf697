"""Questions whose answers neither the question nor the picture gives away."""
from __future__ import annotations

import re

import numpy as np
import pytest

from minigrad.data.questions import ANSWERS, CHANCE, KINDS, PLURAL, WORDS, answer_of, group, questions
from minigrad.data.shapes import SHAPES
from minigrad.models.vqa import best_of


def due(text, scene):
    """The answer to a question, by a reader of its own."""
    if match := re.fullmatch(r"is the (\w+) (left of|right of|above|below) the (\w+)", text):
        one, two = (next(it for it in scene if it.shape == match[k]) for k in (1, 3))
        return "yes" if one.stands(match[2], two) else "no"
    if match := re.fullmatch(r"how many (\w+) are there", text):
        return answer_of("count", scene, next(s for s in SHAPES if PLURAL[s] == match[1]))
    if match := re.fullmatch(r"what colour is the (\w+)", text):
        (it,) = [it for it in scene if it.shape == match[1]]
        return it.colour
    (it,) = [it for it in scene if it.colour == re.fullmatch(r"what shape is the (\w+) one", text)[1]]
    return it.shape


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_is_a_latin_square_of_true_answers(kind, rng):
    """Each answer once in each row (picture) and in each column (question): nothing is left to guess from one side."""
    for _ in range(60):
        scenes, texts, answers = group(rng, kind)
        m = len(scenes)
        assert len(texts) == m == round(1 / CHANCE[kind]) and len(set(texts)) == m
        for line in (*answers, *zip(*answers, strict=True)):
            assert len(set(line)) == m
        assert answers == [[due(text, scene) for text in texts] for scene in scenes]


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_a_group_share_all_that_is_not_asked_for(kind, rng):
    for _ in range(30):
        scenes, *_ = group(rng, kind)
        for scene in scenes[1:]:
            for part in ("row", "column", "colour", "size") if kind == "count" else ("row", "column", "colour", "shape",
                                                                                     "size"):
                assert sorted(str(getattr(it, part)) for it in scene) == sorted(str(getattr(it, part))
                                                                                for it in scenes[0])


def test_whoever_knows_one_side_alone_is_right_by_chance_at_most(rng):
    """The best answers that the text, or the picture, allows, chosen with the answers in hand."""
    for part in questions(rng, 3, 2):
        text = np.unique(part.texts, return_inverse=True)[1]
        for known in (part.picture, text):
            right = best_of(known, part.answers) == part.answers
            for k, kind in enumerate(KINDS):
                assert right[part.kinds == k].mean() <= CHANCE[kind] + 1e-9
        both = best_of(part.picture * 1000 + text, part.answers)
        assert (both == part.answers).all()


def test_no_picture_is_in_two_sets_or_twice_in_one(rng):
    found = questions(rng, 4, 3)
    images = [image.tobytes() for part in found for image in part.images]
    assert len(set(images)) == len(images)


def test_ids_lengths_and_kinds_belong_to_the_texts(rng):
    (part,) = questions(rng, 1)
    assert [part.kinds.tolist().count(k) for k in range(len(KINDS))] == [36] * 4
    for text, ids, length, answer, at in zip(part.texts, part.ids, part.lengths, part.answers, part.picture,
                                             strict=True):
        assert WORDS.decode(ids[:length]) == text.split() and (ids[length:] == WORDS.pad).all()
        assert ANSWERS[answer] == due(text, part.scenes[at])
    assert WORDS.unk not in part.ids


def test_another_kind_is_refused(rng):
    with pytest.raises(ValueError, match="a question is of colour, shape, count, relation, not 'size'"):
        group(rng, "size")
