"""A language model with its vocabulary, in one file: what `minigrad sample` reads, and what writes text from text."""
from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import files
from ..data.tokenise import characters, words
from ..data.vocabulary import UnknownTokenError, Vocabulary
from ..errors import MinigradError, StateError, describe
from .rnn_lm import RNNLM

CUTS = {"character": (characters, ""), "word": (words, " ")}   # unit -> how a text is cut, what stands between tokens


class PromptError(MinigradError):
    """A beginning of a text that the model's vocabulary cannot spell."""


class TextModel:
    """An RNNLM over the tokens of a vocabulary.

    tokens: a Vocabulary, or its list by id.  unit: "character" or "word".  settings: of the RNNLM (hidden=..., ...).
    model: the RNNLM; train it as such.
    """

    def __init__(self, tokens: Vocabulary | Sequence[str], unit: str = "character", **settings: Any) -> None:
        if unit not in CUTS:
            raise ValueError(f"unit is one of {', '.join(CUTS)}, not {unit!r}")
        self.vocabulary = tokens if isinstance(tokens, Vocabulary) else Vocabulary(tokens)
        self.unit, self.settings = unit, settings
        self.model = RNNLM(len(self.vocabulary), **settings)

    def encode(self, text: str) -> np.ndarray:
        """A text as ids (L,). Raises PromptError that names a token outside of the vocabulary."""
        tokens = CUTS[self.unit][0](text)
        try:
            return self.vocabulary.encode(tokens)
        except UnknownTokenError:
            unknown = next(t for t in tokens if t not in self.vocabulary)
            raise PromptError(f"the model knows no {self.unit} {unknown!r}: its text had none") from None

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """Ids (L,) as a text."""
        return CUTS[self.unit][1].join(self.vocabulary.decode(ids))

    def write(self, rng: np.random.Generator, length: int, prompt: str = "", *, beam: int = 0, **options: Any) -> str:
        """A prompt and `length` tokens after it, drawn (temperature, top_k, top_p), or with `beam` the best ones found.

        Without a prompt the text begins after a line end, or where there is none in the vocabulary, after token 0; that
        one is not part of the result. The same generator gives the same text. Raises PromptError.
        """
        start = self.encode(prompt)
        if not len(start):
            start = np.array([self.vocabulary["\n"] if "\n" in self.vocabulary else 0])
        found = self.model.search(start, length, beam=beam)[0].ids if beam else self.model.sample(
            start, length, rng, **options)
        return CUTS[self.unit][1].join(([prompt] if prompt else []) + [self.decode(found)])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write model and vocabulary, `.npz` or `.safetensors`."""
        files.save({"minigrad": "TextModel", "unit": self.unit, "tokens": self.vocabulary.tokens,
                    "settings": self.settings, "weights": self.model.state_dict()}, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TextModel:
        """The model that `save` wrote. Raises StateError for another file, FileNotFoundError."""
        saved = files.load(path)
        if not isinstance(saved, dict) or saved.get("minigrad") != "TextModel":
            raise StateError(describe(f"{Path(path).name} holds no language model with its vocabulary.",
                                      fix="a file that TextModel.save wrote, such as model.npz of a run of charlm"))
        made = cls(saved["tokens"], saved["unit"], **saved["settings"])
        made.model.load_state_dict(saved["weights"])
        return made
