"""One training step of every layer and every model, small: what `test_budgets.py` counts on device "strict".

A case is a function of its `Inputs`, which lie on the device before the step, as a loop that is captured has them; it
returns the module and the loss of a step. Sizes are such that every kernel takes part: hidden 32. There are 12 steps,
since CuPy's own way to join more than 8 arrays uploads a table of their addresses.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import models, nn
from minigrad.models import translating
from minigrad.models.tagging import Letters
from minigrad.nn import functional as F
from minigrad.tensor import Tensor

B, T, H, V, K = 4, 12, 32, 20, 5               # batch, steps, width, vocabulary, classes
Step = tuple[nn.Module, Callable[[], Tensor]]


class Inputs:
    """Random inputs in the memory of a device."""

    def __init__(self, device: str) -> None:
        self.device, self.rng = device, np.random.default_rng(0)

    def place(self, array: Any) -> Tensor:
        """Host data on the device."""
        return mg.tensor(array, device=self.device)

    def floats(self, *shape: int) -> Tensor:
        """Standard normal, float32."""
        return self.place(self.rng.standard_normal(shape).astype("f4"))

    def ids(self, n: int, *shape: int, low: int = 0) -> Tensor:
        """Integers from `low` to n - 1."""
        return self.place(self.rng.integers(low, n, shape))

    def sources(self) -> Tensor:
        """Sentences of ids, the first of each <bos>: (B, T)"""
        ids = self.rng.integers(4, V, (B, T))
        ids[:, 0] = 2
        return self.place(ids)

    def module(self, module: nn.Module) -> Any:
        """The module on the device."""
        return module.to(self.device)


def squares(y: Any) -> Tensor:
    """A loss of any output: the mean square of its first tensor."""
    y = y[0] if isinstance(y, tuple) else y
    return (y * y).mean()


# ---------------------------------------------------------------------------------------------- layers

def layer(make: Callable[[], nn.Module], *shapes: tuple[int, ...], **kw: Any) -> Callable[[Inputs], Step]:
    """A layer on inputs of these shapes."""
    def case(i: Inputs) -> Step:
        module, inputs = i.module(make()), [i.floats(*shape) for shape in shapes]
        for x in inputs:
            x.requires_grad_(True)

        def loss() -> Tensor:
            for x in inputs:
                x.grad = None
            return squares(module(*inputs, **kw))
        return module, loss
    return case


def of_ids(make: Callable[[], nn.Module], *shape: int) -> Callable[[Inputs], Step]:
    """A layer that reads ids."""
    def case(i: Inputs) -> Step:
        module, ids = i.module(make()), i.ids(V, *shape)
        return module, lambda: squares(module(ids))
    return case


SEQUENCE, STEP, PICTURE, WORDS = (T, B, H), (B, H), (B, 3, 8, 8), (B, T, H)
LAYERS: dict[str, Callable[[Inputs], Step]] = {
    "AdditiveScore": layer(lambda: nn.AdditiveScore(H, H, H), STEP, WORDS),
    "AvgPool2d": layer(lambda: nn.AvgPool2d(2), PICTURE),
    "BatchNorm1d": layer(lambda: nn.BatchNorm1d(H), STEP),
    "BatchNorm2d": layer(lambda: nn.BatchNorm2d(3), PICTURE),
    "Bilinear": layer(lambda: nn.Bilinear(H, H, K), STEP, STEP),
    "ConcatScore": layer(lambda: nn.ConcatScore(H, H, H), STEP, WORDS),
    "Conv1d": layer(lambda: nn.Conv1d(H, 8, 3, padding=1), (B, H, T)),
    "Conv2d": layer(lambda: nn.Conv2d(3, 8, 3, padding=1), PICTURE),
    "ConvLSTM": layer(lambda: nn.ConvLSTM(3, 4, 3), (T, B, 3, 8, 8)),
    "ConvLSTMCell": layer(lambda: nn.ConvLSTMCell(3, 4, 3), PICTURE),
    "DotScore": layer(lambda: nn.DotScore(), STEP, WORDS),
    "Dropout": layer(lambda: nn.Dropout(0.5), STEP),
    "Embedding": of_ids(lambda: nn.Embedding(V, H), T, B),
    "EmbeddingLSTM": of_ids(lambda: nn.EmbeddingLSTM(V, H, H), T, B),
    "Flatten": layer(lambda: nn.Flatten(), WORDS),
    "GELU": layer(lambda: nn.GELU(), STEP),
    "GRU": layer(lambda: nn.GRU(H, H), SEQUENCE),
    "GRU, 2 layers, both ways": layer(lambda: nn.GRU(H, H, 2, bidirectional=True), SEQUENCE),
    "GRU, reset before": layer(lambda: nn.GRU(H, H, reset="before"), SEQUENCE),
    "GRUCell": layer(lambda: nn.GRUCell(H, H), STEP, STEP),
    "GeneralScore": layer(lambda: nn.GeneralScore(H, H), STEP, WORDS),
    "LSTM": layer(lambda: nn.LSTM(H, H), SEQUENCE),
    "LSTM, 2 layers, both ways": layer(lambda: nn.LSTM(H, H, 2, bidirectional=True), SEQUENCE),
    "LSTM, peephole": layer(lambda: nn.LSTM(H, H, peephole="diagonal"), SEQUENCE),
    "LSTM, full peephole": layer(lambda: nn.LSTM(H, H, peephole="full"), SEQUENCE),
    "LSTM, coupled": layer(lambda: nn.LSTM(H, H, coupled=True), SEQUENCE),
    "LSTM, projected": layer(lambda: nn.LSTM(H, H, proj_size=8), SEQUENCE),
    "LSTM, width 40": layer(lambda: nn.LSTM(H, 40), SEQUENCE),
    "LSTM, readable": layer(lambda: nn.LSTM(H, H, fused=False), SEQUENCE),
    "LSTMCell": layer(lambda: nn.LSTMCell(H, H), STEP),
    "LayerNorm": layer(lambda: nn.LayerNorm(H), STEP),
    "LeakyReLU": layer(lambda: nn.LeakyReLU(), STEP),
    "Linear": layer(lambda: nn.Linear(H, K), STEP),
    "LogSoftmax": layer(lambda: nn.LogSoftmax(), STEP),
    "MaxPool2d": layer(lambda: nn.MaxPool2d(2), PICTURE),
    "MultiheadAttention": layer(lambda: nn.MultiheadAttention(H, 4, batch_first=True), WORDS, WORDS, WORDS),
    "PositionalEncoding": layer(lambda: nn.PositionalEncoding(H, T), WORDS),
    "RNN": layer(lambda: nn.RNN(H, H), SEQUENCE),
    "RNN, 2 layers, both ways": layer(lambda: nn.RNN(H, H, 2, bidirectional=True), SEQUENCE),
    "RNN, skip": layer(lambda: nn.RNN(H, H, skip=2), SEQUENCE),
    "RNNCell": layer(lambda: nn.RNNCell(H, H), STEP, STEP),
    "ReLU": layer(lambda: nn.ReLU(), STEP),
    "Sequential": layer(lambda: nn.Sequential(nn.Linear(H, H), nn.ReLU(), nn.Linear(H, K)), STEP),
    "SiLU": layer(lambda: nn.SiLU(), STEP),
    "Sigmoid": layer(lambda: nn.Sigmoid(), STEP),
    "Softmax": layer(lambda: nn.Softmax(), STEP),
    "Softplus": layer(lambda: nn.Softplus(), STEP),
    "Tanh": layer(lambda: nn.Tanh(), STEP),
    "Transformer": layer(lambda: nn.Transformer(H, 4, 1, 1, 64, batch_first=True), WORDS, WORDS, tgt_is_causal=True),
    "TransformerDecoder": layer(lambda: nn.TransformerDecoder(
        nn.TransformerDecoderLayer(H, 4, 64, batch_first=True), 2), WORDS, WORDS),
    "TransformerDecoderLayer": layer(lambda: nn.TransformerDecoderLayer(H, 4, 64, batch_first=True), WORDS, WORDS,
                                     tgt_is_causal=True),
    "TransformerEncoder": layer(lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(H, 4, 64, batch_first=True), 2), WORDS),
    "TransformerEncoderLayer": layer(lambda: nn.TransformerEncoderLayer(H, 4, 64, batch_first=True), WORDS),
}


# ---------------------------------------------------------------------------------------------- models

def classes(model: Callable[[], nn.Module], *inputs: Callable[[Inputs], Any]) -> Callable[[Inputs], Step]:
    """Cross-entropy of classes, (B, K) or of every step (B, T, K)."""
    def case(i: Inputs) -> Step:
        module, given = i.module(model()), [make(i) for make in inputs]
        shape = module(*given).shape[:-1]
        target = i.ids(2, *shape)
        return module, lambda: F.cross_entropy(_flat(module(*given)), target.reshape(-1))
    return case


def _flat(scores: Tensor) -> Tensor:
    return scores.reshape(-1, scores.shape[-1])


def nexts(model: Callable[[], nn.Module], images: bool = False) -> Callable[[Inputs], Step]:
    """A translator, or a captioner: the loss of a sentence after a source."""
    def case(i: Inputs) -> Step:
        module, target = i.module(model()), i.sources()
        source = pictures(i) if images else i.sources()
        return module, lambda: translating.loss(module, source, None, target)
    return case


def told(model: Callable[[], nn.Module], *inputs: Callable[[Inputs], Any]) -> Callable[[Inputs], Step]:
    """A model whose loss is its own: `model.loss(...)`, or the model itself."""
    def case(i: Inputs) -> Step:
        module, given = i.module(model()), [make(i) for make in inputs]
        loss = getattr(module, "loss", module)

        def value() -> Tensor:
            found = loss(*given)
            return found[0] if isinstance(found, tuple) else found
        return module, value
    return case


def texts(i: Inputs) -> Tensor:
    """Ids (B, T)."""
    return i.ids(V, B, T)


def time_first(i: Inputs) -> Tensor:
    """Ids (T, B)."""
    return i.ids(V, T, B)


def none(i: Inputs) -> None:
    """All as long as the longest."""
    return None


def lengths(i: Inputs) -> Tensor:
    """Lengths in the memory of the device: nobody looks at them."""
    return i.ids(T + 1, B, low=1)


def series(i: Inputs) -> Tensor:
    """A window of one number a step: (B, T, 1)"""
    return i.floats(B, T, 1)


def films(i: Inputs) -> Tensor:
    """(B, T, 8, 8)"""
    return i.floats(B, T, 8, 8)


def pictures(i: Inputs) -> Tensor:
    """(B, 3, 24, 24)"""
    return i.floats(B, 3, 24, 24)


def words(i: Inputs) -> Tensor:
    """Ids (B,)."""
    return i.ids(V, B)


def forecasts(model: Callable[[], nn.Module]) -> Callable[[Inputs], Step]:
    """The mean squared error of a forecast (B, 1)."""
    def case(i: Inputs) -> Step:
        module, x, y = i.module(model()), series(i), i.floats(B, 1)
        return module, lambda: F.mse_loss(module(x), y)
    return case


def character(model: Callable[[], nn.Module]) -> Callable[[Inputs], Step]:
    """The next letter of one-hot letters."""
    def case(i: Inputs) -> Step:
        module, x, y = i.module(model()), i.place(np.eye(V, dtype="f4")[i.rng.integers(0, V, (B, T))]), texts(i)
        return module, lambda: F.cross_entropy(_flat(module(x)[0]), y.reshape(-1))
    return case


def letters(i: Inputs) -> Letters:
    """The words of a batch as letters."""
    return Letters(i.ids(V, 6, 5), None, i.ids(6, B, T))             # type: ignore[arg-type]


def hidden_words(i: Inputs) -> Step:
    """BERT's first task: one word in four is asked about."""
    model, ids = i.module(models.BERT(V, d_model=H)), texts(i)
    targets = i.place(np.where(i.rng.random((B, T)) < 0.25, 3, translating.IGNORE))
    return model, lambda: model.masked_loss(ids, None, targets)


def next_frame(i: Inputs) -> Step:
    """The lit pixel of the frame after each."""
    model, x, y = i.module(models.NextFrame()), films(i), i.ids(64, B * T)
    return model, lambda: F.cross_entropy(model(x).reshape(B * T, 64), y)


COUNTS = np.arange(1, V + 1)
WORDS_OF = {name: [words, words] for name in ("softmax", "hierarchical")} | {
    "negative": [words, words, lambda i: i.ids(V, B, 5)]}
MODELS: dict[str, Callable[[Inputs], Step]] = {
    "AgreementReader": classes(lambda: models.AgreementReader(nn.LSTM(H, H, batch_first=True)),
                               lambda i: i.ids(K, B, T)),
    "AllAtOnce": told(lambda: models.AllAtOnce(models.SequenceReader(nn.LSTM(1, H, batch_first=True), 3), 3), series),
    "AttentionReader": classes(lambda: models.AttentionReader(V, K), texts, lengths, lambda i: i.ids(T, B)),
    "AttentiveVQA": classes(lambda: models.AttentiveVQA(models.Places(), V, K, hidden=H), pictures, texts, none),
    "BERT": classes(lambda: models.BERT(V, d_model=H), texts, lengths),
    "BERT, hidden words": hidden_words,
    "BagOfWords": classes(lambda: models.BagOfWords(V, K), texts, lengths),
    "Bahdanau": nexts(lambda: models.Bahdanau(V, V, embedding=H, hidden=H)),
    "Bahdanau, Luong's general": nexts(lambda: models.Bahdanau(V, V, embedding=H, hidden=H, score="general",
                                                               query="current")),
    "BiRNNTagger": classes(lambda: models.BiRNNTagger(V, K), texts, none),
    "CBOW": told(lambda: models.CBOW(COUNTS, H), lambda i: i.ids(V, B, 4), lambda i: i.place(np.ones((B, 4), "f4")),
                 words, lambda i: i.ids(V, B, 5)),
    "CharRNN": character(lambda: models.CharRNN(V, H)),
    "CharWordTagger": classes(lambda: models.CharWordTagger(V, V, K), texts, none, letters),
    "CollobertWeston": told(lambda: models.CollobertWeston(V), lambda i: i.ids(V, B, 5), lambda i: i.ids(V, B, 5)),
    "Conv1dNet": classes(lambda: models.Conv1dNet(H, outputs=K), lambda i: i.floats(B, T, H), lengths),
    "ConvOverTime": classes(lambda: models.ConvOverTime(H, K), lambda i: i.floats(B, T, H), lengths),
    "DeepRNN": forecasts(lambda: models.DeepRNN(H)),
    "DeepRNNDense": forecasts(lambda: models.DeepRNNDense(H)),
    "DenseForecaster": forecasts(lambda: models.DenseForecaster(T)),
    "EveryStep": told(lambda: models.EveryStep(nn.GRU(1, H, batch_first=True), 3), series),
    "FilmReader": classes(lambda: models.FilmReader(8, K), films),
    "FrameEncoder": classes(lambda: models.FrameEncoder(8), films),
    "FramesAlone": classes(lambda: models.FramesAlone(8, K, back=2), films),
    "GPT": told(lambda: models.GPT(V, d_model=H, context=T), texts, texts),
    "GRUForecaster": forecasts(lambda: models.GRUForecaster(H)),
    "GloVe": told(lambda: models.GloVe(V, H), words, words, lambda i: i.place(np.full(B, 3, "f4"))),
    "ImageVector": classes(lambda: models.ImageVector(models.Places()), pictures),
    "LSTMForecaster": forecasts(lambda: models.LSTMForecaster(H)),
    "MemorylessChar": character(lambda: models.MemorylessChar(V)),
    "NextFrame": next_frame,
    "OneByOne": told(lambda: models.OneByOne(nn.RNN(1, H, batch_first=True), 3), series),
    "Places": classes(lambda: models.Places(), pictures),
    "RNNLM": told(lambda: models.RNNLM(V, embedding=H, hidden=H), time_first, time_first),
    "RNNLM, Zaremba's": told(lambda: models.RNNLM(V, embedding=H, hidden=H, layers=2, dropout=0.5, tied=True),
                             time_first, time_first),
    "RNNTagger": classes(lambda: models.RNNTagger(V, K), texts, none),
    "RowReader": classes(lambda: models.RowReader(8, H), lambda i: i.floats(B, T, 8)),
    "SentimentAverage": classes(lambda: models.SentimentAverage(V), texts, lengths),
    "SentimentConv": classes(lambda: models.SentimentConv(V), texts, lengths),
    "SentimentConvBiLSTM": classes(lambda: models.SentimentConvBiLSTM(V), texts),
    "SentimentRNN": classes(lambda: models.SentimentRNN(V), texts),
    "Seq2Seq": nexts(lambda: models.Seq2Seq(V, V, embedding=H, hidden=H, reverse=True)),
    "SequenceReader": classes(lambda: models.SequenceReader(nn.GRU(1, H, batch_first=True), K), series),
    "ShowAndTell": nexts(lambda: models.ShowAndTell(models.ImageVector(models.Places()), V, bos=2, eos=3, hidden=H),
                         images=True),
    "ShowAttendTell": nexts(lambda: models.ShowAttendTell(models.Places(), V, bos=2, eos=3, hidden=H), images=True),
    "SimpleRNN": forecasts(lambda: models.SimpleRNN()),
    **{f"SkipGram, {name}": told(lambda name=name: models.SkipGram(COUNTS, H, name), *given)
       for name, given in WORDS_OF.items()},
    "TransformerTranslator": nexts(lambda: models.TransformerTranslator(V, V, d_model=H)),
    "VQA": classes(lambda: models.VQA(models.ImageVector(models.Places()), V, K, hidden=H), pictures, texts, none),
    "WholePicture": classes(lambda: models.WholePicture(), lambda i: i.floats(B, 8, 8)),
    "WindowMLPLM": classes(lambda: models.WindowMLPLM(V), lambda i: i.ids(V, B, 4)),
    "WindowTagger": classes(lambda: models.WindowTagger(V, K), texts, lengths),
    "WordEncoder": classes(lambda: models.WordEncoder(V), texts, lengths),
}
