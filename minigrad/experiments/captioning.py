"""Saying what is in a picture, and where.   Escalera, *Image Captioning*; Chemnitz, *One to Many: image caption
generation (1)* to *(3)*; Télécom, *Image captioning*; KTH, *Recurrent Neural Networks - Vector-to-Sequence*.

Five models learn captions such as "small red circle left of blue square" of generated pictures (data/shapes.py). The
one that sees no picture is the bar: it writes good captions of other pictures. Escalera's captioner gets the picture's
vector at every step, Show and Tell as its first word. A third gets the mean of all places: it names things well, but it
has forgotten where they were, so of a relation and its opposite it finds the true one more likely in one half of cases.
The two vectors do hold relations, and after as many updates their captioners are at one half, too. Show, Attend and
Tell looks at one place after another and learns them. The decks show captions and print no numbers; a caption here is
true or false, for `is_true` reads it and looks at the scene.

The decks' encoders are trained before. So is this one, on names of things alone; it then learns on with each model. As
its first word the picture is hard to make use of: Show and Tell goes on from the vector of Escalera's captioner.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import nn, viz
from minigrad.data.captions import is_true, kind_of, names_things
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._images import captioned_pictures, naming, relations_told, same, train_captioner
from minigrad.models import translating
from minigrad.models.image_encoder import ImageVector
from minigrad.models.show_and_tell import ShowAndTell
from minigrad.models.show_attend_tell import ShowAttendTell
from minigrad.viz.over_image import captioned, over_image

ROWS = {"blind": "No picture", "mean": "LSTM, mean of places at every step",
        "every": "Escalera: RNN, vector at every step", "first": "Show and Tell: LSTM, vector first",
        "attend": "Show, Attend and Tell"}
MEASURES = {"true": "captions that are true", "things": "captions whose things are there",
            "relation": "true relation before its opposite"}
LABELS = {f"{name}_{what}": f"{row}: {words}" for what, words in MEASURES.items() for name, row in ROWS.items()}
LABELS["attend_other"] = "Show, Attend and Tell, of another picture: captions that are true"

captioning = Experiment(
    "captioning", ids="C34 C35 C36 C37 E13 E14 E15 E16 E17 E18 K21 T64", slide="Escalera, *Image Captioning*",
    seconds=40, unit="share", labels=LABELS, targets=[
        Target("blind_true", at_most=0.08), Target("attend_true", at_least=0.65, slide="pictures"),
        Target("attend_other", at_most=0.08), Target("attend_relation", at_least=0.8),
        *[Target(f"{name}_relation", at_most=0.62) for name in ("blind", "mean")],
        Target("every model that sees the picture names things that are there twice as often as the blind one",
               holds=lambda r: min(r[f"{n}_things"] for n in ROWS if n != "blind") > 2 * r["blind_things"]),
        Target("attention tells most truths, and most relations",
               holds=lambda r: all(r[f"attend_{what}"] > max(r[f"{n}_{what}"] for n in ROWS if n != "attend")
                                   for what in ("true", "relation")))])


@captioning.run
def run(ctx: Context) -> None:
    """Train the five captioners, let them speak about new pictures, and show where the last one looks."""
    learned, asked = captioned_pictures(ctx.part("data"), *((150, 20) if ctx.quick else (3000, 400)))
    words, places = learned.words, naming(ctx, learned.scenes, learned.images)
    ends: dict[str, Any] = {"vocabulary_size": len(words), "bos": words.bos, "eos": words.eos}
    makes: dict[str, tuple[Callable[[], nn.Module], int, float]] = {                # with updates, and Adam's rate
        "blind": (lambda: ShowAndTell(None, **ends), 300, 1e-2),
        "mean": (lambda: ShowAndTell(ImageVector(places(), pool="mean"), image="every", **ends), 700, 5e-3),
        "every": (lambda: ShowAndTell(ImageVector(places()), image="every", cell="rnn", **ends), 900, 5e-3),
        "first": (lambda: ShowAndTell(same(models["every"].encoder, ImageVector(places())), forget_bias=4.0, **ends),
                  800, 5e-3),
        "attend": (lambda: ShowAttendTell(places(), forget_bias=1.0, **ends), 1100, 1e-2)}
    models, said, results = dict[str, Any](), dict[str, list[list[str]]](), dict[str, float]()

    def share(test: Callable[..., bool], texts: Sequence[Sequence[str]]) -> float:
        return float(np.mean([test(text, scene) for text, scene in zip(texts, asked.scenes, strict=True)]))
    for name, (make, updates, rate) in makes.items():
        ctx.part(name)
        models[name] = train_captioner(ctx, name, make(), learned, updates, rate)
        said[name] = [words.decode(ids) for ids in translating.greedy(models[name], asked.images, most=10)]
        results |= {f"{name}_true": share(is_true, said[name]), f"{name}_things": share(names_things, said[name]),
                    f"{name}_relation": relations_told(models[name], asked)}
    results["attend_other"] = share(is_true, [*said["attend"][1:], said["attend"][0]])    # of the next picture
    ctx.result(**{name: results[name] for name in LABELS})

    ctx.figure("models", viz.heatmap, np.array([[results[f"{name}_{what}"] for what in MEASURES] for name in ROWS]),
               list(ROWS.values()), ["true", "things", "relations"], label="share",
               title=f"With the mean of all places the things are right in {results['mean_things']:.0%}; what is where "
                     "takes attention")
    texts = said["attend"]
    ctx.figure("captions", captioned, [(asked.images[k], " ".join(texts[k]), is_true(texts[k], asked.scenes[k]))
                                       for k in range(8)],
               title=f"Captions of eight new pictures: {results['attend_true']:.0%} of {len(texts)} are true, "
                     f"without a picture {results['blind_true']:.0%}")
    shown = sorted(range(len(texts)), key=lambda k: (kind_of(texts[k]) != "relation", not is_true(texts[k],
                                                                                              asked.scenes[k])))[:3]
    ctx.figure("looks", over_image, [
        (asked.images[k], [*texts[k], "(end)"], models["attend"].attention(
            asked.images[k:k + 1], [[words.bos, *words.encode(texts[k]), words.eos]])[0]) for k in shown],
        title=f"Where it looks for each word: of a relation and its opposite it finds the true one more "
              f"likely in {results['attend_relation']:.0%} of cases, with the mean of all places in "
              f"{results['mean_relation']:.0%}")
