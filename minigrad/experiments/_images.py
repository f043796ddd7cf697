"""What `captioning` and `vqa` share: an encoder that has learned to name things, and training in rounds."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad import Tensor, nn, optim
from minigrad.data.captions import captions, kind_of, opposite
from minigrad.data.shapes import Scene, pictures, scenes
from minigrad.data.streams import padded
from minigrad.data.vocabulary import Vocabulary
from minigrad.experiments.harness import Context
from minigrad.models import translating
from minigrad.models._judging import judging
from minigrad.models.image_encoder import Names, Places, kinds_in
from minigrad.nn import functional as F

UPDATES = 25                                   # a round


def fit(ctx: Context, part: str, model: nn.Module, loss: Callable[[np.random.Generator], Tensor], updates: int,
        rate: float = 1e-2) -> None:
    """Adam in rounds of 25 updates, the rate falling to 0 as a cosine, gradients clipped to 5 together.

    loss: of a batch that it draws.  With quick 3 rounds of 8 updates on one batch: over others a loss that has almost
    nothing to learn, such as the picture's alone, would rise or fall with what is drawn.
    """
    ctx.part(part)
    rounds, size = (3, 8) if ctx.quick else (math.ceil(updates / UPDATES), UPDATES)
    one_batch = int(ctx.rng.integers(2**32)) if ctx.quick else 0
    adam = optim.Adam(model.parameters(), lr=rate)
    for k in ctx.rounds(rounds, model=model, optimizer=adam):
        adam.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * k / rounds)) / 2
        losses = []
        for _ in range(size):
            now = loss(np.random.default_rng(one_batch) if ctx.quick else ctx.rng)
            adam.zero_grad()
            now.backward()
            optim.clip_grad_norm_(model.parameters(), 5.0)
            adam.step()
            losses.append(now.item())
        ctx.log((k + 1) * size, loss=np.mean(losses))


def naming(ctx: Context, scenes: Sequence[Scene], images: np.ndarray, updates: int = 1500) -> Callable[[], Places]:
    """Places that have learned to name what is in the pictures: each call gives a copy, on the run's device."""
    ctx.part("naming")
    names, there = ctx.to_device(Names(Places())), kinds_in(scenes)

    def loss(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(len(images), size=32)
        return names.loss(ctx.tensor(images[rows]), ctx.tensor(there[rows]))
    fit(ctx, "naming", names, loss, updates)

    return lambda: same(names.places, Places())


def same(of: Any, new: Any) -> Any:
    """The new module with the values of the other one, from which it then learns away."""
    new.load_state_dict(of.state_dict())
    return new


# ---------------------------------------------------------------------------------------------- pictures and captions

class Captioned(NamedTuple):
    """Scenes (N), their pictures (N, 3, 24, 24), five captions each as words, and as ids (N, 5, T), <bos> to <eos>."""

    scenes: list[Scene]
    images: np.ndarray
    captions: list[list[list[str]]]
    ids: np.ndarray
    words: Vocabulary


def captioned_pictures(rng: np.random.Generator, learned: int, asked: int) -> tuple[Captioned, Captioned]:
    """Pictures to learn from and others to be asked about; the vocabulary is that of the first."""
    found = scenes(rng, learned + asked)
    texts = [captions(rng, scene) for scene in found]
    words = Vocabulary.build(word for of in texts[:learned] for text in of for word in text)
    ids = padded([[words["<bos>"], *words.encode(text), words["<eos>"]] for of in texts for text in of])[0]
    ids = ids.reshape(len(found), -1, ids.shape[1])

    def part(at: slice) -> Captioned:
        return Captioned(found[at], pictures(found[at]), texts[at], ids[at], words)
    return part(slice(learned)), part(slice(learned, None))


def train_captioner(ctx: Context, name: str, model: Any, data: Captioned, updates: int, rate: float) -> Any:
    """A captioner after Adam on the captions of 40 pictures a batch, two of the five of each."""
    model = ctx.to_device(model)

    def loss(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(len(data.images), size=40)
        ids = data.ids[rows][:, rng.permutation(data.ids.shape[1])[:2]].reshape(80, -1)
        return translating.loss(model, ctx.tensor(data.images[rows]), None, ctx.tensor(ids))
    fit(ctx, name, model, loss, updates, rate)
    return model


def relations_told(model: Any, data: Captioned) -> float:
    """The share of true captions with a relation that have a larger probability than with the opposite relation."""
    cases = [(k, text) for k, of in enumerate(data.captions) for text in of if kind_of(text) == "relation"]
    at = [k for k, _ in cases]
    true, false = (log_p(model, data.images[at], [data.words.encode(words) for words in texts])
                   for texts in ([text for _, text in cases], [opposite(text) for _, text in cases]))
    return float((true > false).mean())


def log_p(model: Any, images: np.ndarray, texts: Sequence[np.ndarray]) -> np.ndarray:
    """ln P of each caption, ids without <bos> and <eos>, given its picture -> (N,)."""
    ids, _ = padded([[model.bos, *text, model.eos] for text in texts])
    with judging(model):
        scores = model(translating.ids_of(model, images), None, translating.ids_of(model, ids[:, :-1]))
        log_p = F.log_softmax(scores, -1).cpu().numpy()
    due = ids[:, 1:]
    return np.asarray((np.take_along_axis(log_p, due[..., None], -1)[..., 0] * (due != 0)).sum(1))
