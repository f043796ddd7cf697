"""Answering questions about a picture.   Chemnitz, *Many to Many: Question answering / Scene understanding*.

The deck has a convolutional network for the picture, an LSTM for the question, an answer, and no numbers. Here each
group of questions is a Latin square (data/questions.py): the question alone is right in a third of cases at most, and
so is the picture alone; for relations in one half. Two models that are given one of the two learn that and no more.
The full model looks at the places of the picture once for each word. Beside it stands the slide's own form with one
vector for the picture: as no answer is likelier than another to whoever has one side, it has nothing to begin with, and
after about as many updates it is still far behind. Its row is shown and not judged.

Relations are learned in two steps, and with more questions than the other kinds. To answer them, a word, a thing and
another thing have to be put together, and any two of the three tell nothing: shown all at once, most starts never get
away from one half. So the full model first reads, of the relations, "left of" alone, where the two things tell, and
then all (Bengio et al. 2009, *Curriculum Learning*).
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import Tensor, nn, viz
from minigrad.data.questions import ANSWERS, CHANCE, KINDS, WORDS, Questions, questions
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._images import fit, naming
from minigrad.models.image_encoder import ImageVector
from minigrad.models.vqa import VQA, AttentiveVQA, answers_of, looks_at_named
from minigrad.nn import functional as F
from minigrad.viz.over_image import captioned, over_image

ROWS = {"question": "Question alone", "picture": "Picture alone", "vector": "Picture as one vector, question",
        "full": "A look for each word"}
LABELS = {f"{name}_{kind}": f"{row}: {kind}" for name, row in ROWS.items() for kind in (*KINDS, "all")}
LABELS["full_looks"] = "A look for each word: at the named thing"
ALL = sum(CHANCE.values()) / len(CHANCE)       # right of all questions by chance: there are as many of each kind

vqa = Experiment(
    "vqa", ids="C41", slide="Chemnitz, *Many to Many: Question answering*", seconds=40, unit="share", labels=LABELS,
    targets=[Target("full_all", at_least=0.97), *[Target(f"full_{kind}", at_least=0.9) for kind in KINDS],
             *[Target(f"{name}_{kind}", at_most=CHANCE[kind] + 1e-6) for name in ("question", "picture")
               for kind in KINDS]])


def train(ctx: Context, name: str, model: Any, data: Questions, updates: int, rate: float, leave_out: str = "") -> Any:
    """A reader after Adam on the cross-entropy of its answers, 64 questions a batch, about 0.4 of them of relations.

    leave_out: words, with a space between; no question that has one of them is read.
    """
    model = ctx.to_device(model)
    read = np.array([k for k, text in enumerate(data.texts) if not {*text.split()} & {*leave_out.split()}])
    relation = data.kinds[read] == KINDS.index("relation")
    often = np.where(relation, 0.4 / relation.sum(), 0.6 / (~relation).sum())

    def loss(rng: np.random.Generator) -> Tensor:
        rows = rng.choice(read, size=64, p=often)
        scores = model(ctx.tensor(data.images[data.picture[rows]]), ctx.tensor(data.ids[rows]), data.lengths[rows])
        return F.cross_entropy(scores, ctx.tensor(data.answers[rows]))
    fit(ctx, name, model, loss, updates, rate)
    return model


@vqa.run
def run(ctx: Context) -> None:
    """Train four readers, ask them about new pictures, and show answers and looks of the last one."""
    learned, asked = questions(ctx.part("data"), *((2, 1) if ctx.quick else (70, 12)))
    places, sizes = naming(ctx, learned.scenes, learned.images), (len(WORDS), len(ANSWERS))
    makes: dict[str, tuple[Callable[[], nn.Module], int, float]] = {           # with updates, and Adam's rate
        "question": (lambda: VQA(None, *sizes), 300, 5e-3),
        "picture": (lambda: VQA(ImageVector(places()), *sizes, reads=False), 300, 5e-3),
        "vector": (lambda: VQA(ImageVector(places()), *sizes), 2000, 2e-3),
        "full": (lambda: train(ctx, "full, left of", AttentiveVQA(places(), *sizes), learned, 900, 5e-3,
                               "right above below"), 1400, 5e-3)}
    said, results = dict[str, np.ndarray](), dict[str, float]()
    model: Any = None
    for name, (make, updates, rate) in makes.items():
        ctx.part(name)
        model = train(ctx, name, make(), learned, updates, rate)
        said[name] = answers_of(model, asked)
        right = said[name] == asked.answers
        results |= {f"{name}_{kind}": float(right[asked.kinds == k].mean()) for k, kind in enumerate(KINDS)}
        results[f"{name}_all"] = float(right.mean())
    looks = model.attention(asked.images[asked.picture], asked.ids)            # of the last one, the full model
    results["full_looks"] = looks_at_named(looks, asked)
    ctx.result(**results)

    kinds = [*KINDS, "all"]
    chance = [*CHANCE.values(), ALL]
    ctx.figure("kinds", viz.heatmap, np.array([*([results[f"{name}_{kind}"] for kind in kinds] for name in ROWS),
                                               chance]), [*ROWS.values(), "By chance"], kinds, label="answers right",
               title="Question or picture alone are no better than chance; a look for each word answers "
                     f"{results['full_all']:.0%}")
    first = [int(np.flatnonzero(asked.kinds == k)[j]) for j in (0, 5) for k in range(len(KINDS))]
    ctx.figure("answers", captioned, [
        (asked.images[asked.picture[k]], f"{asked.texts[k]}? {ANSWERS[said['full'][k]]}",
         bool(said["full"][k] == asked.answers[k])) for k in first],
        title=f"Questions about new pictures, and the answers: {results['full_all']:.0%} of {len(asked.ids)} are "
              "right", marks=("right", "WRONG"))
    ctx.figure("looks", over_image, [
        (asked.images[asked.picture[k]], asked.texts[k].split(), looks[k, :asked.lengths[k]]) for k in first[:4]],
        notes=[f"it says: {ANSWERS[said['full'][k]]}" for k in first[:4]],
        title=f"Where it looks at each word: in {results['full_looks']:.0%} of cases at the shape that is named last")
