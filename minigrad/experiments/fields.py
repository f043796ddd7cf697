"""A house advert into a template of seven fields.   Riveill, *Extract information from text*.

The deck: "Vente Villa 4 pièces", and out of its text Reference, Price, Surface, Year Built, Rooms, Owner, Telephone.
Here adverts are generated with their fields in random order, beside as many decoys (bathrooms, the year of renovation,
the architect, a fax), and all numbers are drawn alike. So a rule that goes by a number's size, or by its place, finds
one in seven, as drawing lots does. A tagger goes by the words beside it (*Machine Learning approach*: a tag a word,
BIO), on the left or on the right; the spans of its best legal tags fill the template.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import viz
from minigrad.data.adverts import FIELDS, TAGS, TITLES, adverts, by_rule, exact, numbers, template
from minigrad.data.tagged_sentences import TagCoder, stems
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._tagging import Answers, makers, train
from minigrad.viz.strips import strips

ROWS = {"window": "Window of 5", "rnn": "RNN", "birnn": "BiRNN", "stacked": "Stacked BiRNN"}
A_LINE = 17                                    # words of an advert in a row of the figure

LABELS = {"lots": "Drawing lots among the numbers", "size": "Rule: a number's size", "place": "Rule: a number's place"}
LABELS |= {f"f1_{name}": f"{row}: F1 of the fields" for name, row in ROWS.items()}
LABELS |= {f"whole_{name}": f"{row}: whole template right" for name, row in ROWS.items()}

fields = Experiment(
    "fields", ids="R34 R35", slide="Riveill, *Extract information from text*", seconds=10, unit="share", labels=LABELS,
    targets=[Target("by size as by lots, within 0.05", holds=lambda r: r["size"] <= r["lots"] + 0.05),
             Target("by place as by lots, within 0.06", holds=lambda r: r["place"] <= r["lots"] + 0.06),
             Target("f1_rnn", at_most=0.85), Target("f1_window", at_most=0.9), Target("f1_stacked", at_least=0.97),
             Target("whole_stacked", at_least=0.8, slide="all 7 fields")])


@fields.run
def run(ctx: Context) -> None:
    """Two rules and four taggers on the same adverts; the share of fields that each fills exactly."""
    rng, sizes = ctx.part("data"), (40, 20) if ctx.quick else (600, 200)
    known, new = (part.tolist() for part in np.array_split(stems(rng, 200), 2))
    learn, tests = (adverts(rng, n, names) for n, names in zip(sizes, (known, new), strict=True))
    results = {"lots": float(np.mean([1 / len(numbers(s)) for s in tests])),
               **{rule: by_rule(learn, tests, rule) for rule in ("size", "place")}}
    coder = TagCoder(learn, TAGS)
    data, filled, said = coder(learn), dict[str, dict[str, float]](), dict[str, Answers]()
    make = makers(coder, 24)
    for name in ROWS:
        said[name] = Answers(train(ctx, name, make[name], data, coder, 12), coder, tests)
        filled[name] = exact(tests, said[name].legal)
        whole = [template(s.words, s.tags) == template(s.words, tags)
                 for s, tags in zip(tests, said[name].legal, strict=True)]
        results |= {f"f1_{name}": said[name].spans().f1, f"whole_{name}": float(np.mean(whole))}
    ctx.result(**results)

    first = tests[0]
    words, mine = first.words, {ROWS[name]: tags.legal[0] for name, tags in said.items()}
    columns = [template(words, tags) for tags in (first.tags, *mine.values())]
    ctx.table("REAL ESTATE TEMPLATE of the first advert", ["", "the advert", *mine],
              [[TITLES[f], *(c[f] or "-" for c in columns)] for f in FIELDS])
    rows: dict[str, Any] = {"the advert": first.tags, **{ROWS[name]: mine[ROWS[name]] for name in ("rnn", "stacked")}}
    lines = [slice(k, k + A_LINE) for k in range(0, len(words), A_LINE)]
    ctx.figure("advert", strips, {f"line {k + 1}": (words[part], {row: tags[part] for row, tags in rows.items()})
                                  for k, part in enumerate(lines)}, truth="the advert",
               title=f"An advert, tagged: the stacked BiRNN fills {results['whole_stacked']:.0%} of the templates "
                     "without a mistake")
    ctx.figure("template", viz.heatmap, np.array([[filled[name][f] for f in FIELDS] for name in ROWS]),
               list(ROWS.values()), [TITLES[f] for f in FIELDS], label="filled exactly", title="Fields that are filled "
               f"exactly: a number's size finds {results['size']:.0%}, words on both sides far more")
