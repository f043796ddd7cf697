"""What `captioning` and `vqa` share: training in rounds, the copies of the encoder, and the relations that are told."""
from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad.data.captions import is_true
from minigrad.experiments import harness
from minigrad.experiments._console import Console
from minigrad.experiments._images import captioned_pictures, log_p, naming, relations_told, train_captioner
from minigrad.models import translating
from minigrad.models.image_encoder import ImageVector, Places
from minigrad.models.show_and_tell import ShowAndTell
from minigrad.models.show_attend_tell import ShowAttendTell


def context(folder, device="cpu"):
    return harness.Context(folder, 0, True, device, False, Console(quiet=True))


def test_ids_are_the_captions_between_bos_and_eos_and_no_picture_is_in_both_sets(rng):
    learned, asked = captioned_pictures(rng, 60, 20)
    assert learned.ids.shape[:2] == (60, 5) and asked.ids.shape[:2] == (20, 5)
    for scene, texts, rows in zip(learned.scenes, learned.captions, learned.ids, strict=True):
        for text, row in zip(texts, rows, strict=True):
            ids = row[row != learned.words.pad]
            assert learned.words.decode(ids) == ["<bos>", *text, "<eos>"] and is_true(text, scene)
    assert not {image.tobytes() for image in learned.images} & {image.tobytes() for image in asked.images}


def test_each_model_gets_a_copy_of_the_encoder_with_the_same_values(tmp_path, rng):
    learned, _ = captioned_pictures(rng, 40, 1)
    places = naming(context(tmp_path), learned.scenes, learned.images)
    one, two = places(), places()
    assert one is not two
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert a is not b and np.array_equal(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("kind", ["blind", "attend"])
def test_training_gives_the_same_losses_on_every_device(kind, device, tmp_path):
    """The same start and order; sums of float32 in another order differ in the last digits."""
    losses = []
    for where in ("cpu", device):
        learned, _ = captioned_pictures(np.random.default_rng(2), 30, 1)
        ctx = context(tmp_path / where, where)
        places = naming(ctx, learned.scenes, learned.images)
        ends = {"vocabulary_size": len(learned.words), "bos": learned.words.bos, "eos": learned.words.eos}
        ctx.part(kind)
        model = ShowAndTell(None, **ends) if kind == "blind" else ShowAttendTell(places(), **ends)
        train_captioner(ctx, kind, model, learned, 50, 1e-2)
        losses.append([v for _, v in ctx.history[f"{kind} loss"]])
    assert np.allclose(*losses, rtol=1e-3) and losses[0][-1] < losses[0][0]


def test_log_p_is_the_sum_over_the_words_and_padding_counts_nothing(rng):
    learned, _ = captioned_pictures(rng, 6, 1)
    words = learned.words
    model = ShowAndTell(ImageVector(Places(6), 5), len(words), bos=words.bos, eos=words.eos, hidden=6)
    texts = [words.encode(of[0]) for of in learned.captions]
    together = log_p(model, learned.images, texts)
    for k, text in enumerate(texts):
        ids = np.array([[words.bos, *text, words.eos]])
        alone = translating.loss(model, mg.tensor(learned.images[k:k + 1]), None, ids, reduction="sum").item()
        assert abs(together[k] + alone) < 1e-4                                 # float32, up to eight words


class Knows:
    """A captioner that gives every caption a probability by whether it is true, or by whether it is not."""

    def __init__(self, data, sign):
        self.data, self.sign = data, sign

    def __call__(self, at, texts):
        return np.array([self.sign * is_true(self.data.words.decode(text), self.data.scenes[k])
                         for k, text in zip(at, texts, strict=True)], float)


@pytest.mark.parametrize("sign, share", [(1, 1.0), (-1, 0.0), (0, 0.0)])
def test_relations_told_is_1_for_whoever_knows_and_0_for_whoever_has_it_the_wrong_way_round(sign, share, rng,
                                                                                           monkeypatch):
    _, asked = captioned_pictures(rng, 200, 60)
    knows = Knows(asked, sign)
    at = {image.tobytes(): k for k, image in enumerate(asked.images)}
    monkeypatch.setattr("minigrad.experiments._images.log_p", lambda model, images, texts: model(
        [at[image.tobytes()] for image in images], texts))
    assert relations_told(knows, asked) == share
