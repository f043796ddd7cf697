"""From one device to another and back: tensors, modules, optimisers, checkpoints, runs."""
from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import minigrad as mg
from minigrad import models, nn, optim
from minigrad.experiments import Experiment
from minigrad.experiments._console import Console

from ..conftest import DEVICES

GPUS = [d for d in DEVICES if d != "cpu"]
MODELS = {"lstm": lambda: models.RNNLM(12, embedding=8, hidden=32, layers=2, dropout=0.3),
          "transformer": lambda: models.GPT(12, d_model=16, heads=2, layers=1, context=9),
          "norms": lambda: Normed()}


class Normed(nn.Module):
    """Buffers that a step changes, and one that is not saved."""

    def __init__(self) -> None:
        self.embedding, self.positions = nn.Embedding(12, 8), nn.PositionalEncoding(8, 9)
        self.norm, self.read = nn.BatchNorm1d(8), nn.Linear(8, 12)

    def loss(self, x, y):
        h = self.positions(self.embedding(x)).reshape(-1, 8)
        return nn.functional.cross_entropy(self.read(self.norm(h)), y.reshape(-1))


@pytest.fixture(params=GPUS)
def gpu(request) -> str:
    """Every device but the host."""
    return request.param


def trained(model, device: str, steps: int, adam=None, first: int = 0):
    """`steps` steps of Adam on batches that are the same everywhere -> the optimiser and the losses.

    eps: the gradient of a bias of keys is 0, so what stands there is rounding; Adam's usual 1e-8 would blow it up.
    """
    adam = adam or optim.Adam(model.parameters(), lr=0.01, eps=1e-3)
    losses = []
    for k in range(first, first + steps):
        mg.manual_seed(k)                                    # of dropout
        ids = np.random.default_rng(k).integers(0, 12, (9, 4))
        x, y = (mg.tensor(ids[part], device=device) for part in (slice(0, -1), slice(1, None)))
        loss = model.loss(x, y)
        loss = loss[0] if isinstance(loss, tuple) else loss
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return adam, losses


def made(name: str):
    """The same model each time."""
    mg.manual_seed(1)
    return MODELS[name]()


def same(one, other, rtol: float = 1e-4) -> None:
    """Two models have the same values: both devices compute in float32, and sum in another order."""
    theirs = other.state_dict()
    for key, value in one.state_dict().items():
        np.testing.assert_allclose(value.cpu().numpy(), theirs[key].cpu().numpy(), rtol=rtol, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_trains_on_one_device_has_the_losses_and_weights_of_the_other(name, gpu):
    """Initial weights, data and dropout masks come from the host's generator, so a curve is the same everywhere."""
    here, there = made(name), made(name).to(gpu)
    _, losses = trained(here, "cpu", 4)
    adam, found = trained(there, gpu, 4)
    np.testing.assert_allclose(found, losses, rtol=1e-5)
    same(here, there)
    assert all(t.device == gpu for t in (*there.parameters(), *there.buffers(), *(p.grad for p in there.parameters())))
    assert all(isinstance(v, (int, np.ndarray)) for s in adam.state_dict()["state"].values() for v in s.values())


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
@pytest.mark.parametrize("way", ["to the host", "to the device"])
@pytest.mark.parametrize("name", MODELS)
def test_training_goes_on_from_a_checkpoint_of_another_device(name, way, ending, gpu, tmp_path):
    """Weights, buffers and moments: train here, save, load there, and end where a run without the stop ends."""
    start, end = (gpu, "cpu") if way == "to the host" else ("cpu", gpu)
    first = made(name).to(start)
    adam, _ = trained(first, start, 3)
    path = tmp_path / f"checkpoint{ending}"
    mg.save({"model": first.state_dict(), "optimizer": adam.state_dict()}, path)

    mg.manual_seed(99)                                       # other weights, which the checkpoint overwrites
    second = MODELS[name]().to(end)
    second_adam = optim.Adam(second.parameters(), lr=0.5)
    saved = mg.load(path)
    second.load_state_dict(saved["model"])
    second_adam.load_state_dict(saved["optimizer"])
    assert all(t.device == end for t in (*second.parameters(), *second.buffers()))
    trained(second, end, 3, second_adam, first=3)
    whole = made(name)
    trained(whole, "cpu", 6)
    same(whole, second)


@pytest.mark.parametrize("name", MODELS)
def test_a_state_is_saved_from_a_device_bit_for_bit(name, gpu, tmp_path):
    """A file holds no device: what was saved there is loaded on either."""
    model = made(name).to(gpu)
    mg.save(model.state_dict(), tmp_path / "a.npz")
    for home in ("cpu", gpu):
        for key, value in mg.load(tmp_path / "a.npz", device=home).items():
            assert value.device == home
            assert value.cpu().numpy().tobytes() == model.state_dict()[key].cpu().numpy().tobytes()


@pytest.mark.parametrize("where", ["before", "between"])
def test_an_optimiser_follows_its_model_to_a_device_and_back(where, gpu):
    """Made before the move, or in the middle of training: moments go along."""
    here, there = made("lstm"), made("lstm")
    one, _ = trained(here, "cpu", 4)
    adam = optim.Adam(there.parameters(), lr=0.01, eps=1e-3)
    if where == "between":
        trained(there, "cpu", 2, adam)
    there.to(gpu)
    trained(there, gpu, 1, adam, first=2 * (where == "between"))
    there.to("cpu")
    trained(there, "cpu", 1 if where == "between" else 3, adam, first=3 if where == "between" else 1)
    same(here, there)
    assert [s["step"] for s in adam.state_dict()["state"].values()] == [4] * len(list(there.parameters()))


def test_a_tensor_goes_there_and_comes_back_with_its_gradient(gpu):
    """`to` is an operation: the gradient crosses back, and a move to where it is costs nothing."""
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = x.to(gpu)
    assert y.device == gpu and y.to(gpu) is y and x.to("cpu") is x
    assert y.cpu().device == "cpu" and y.tolist() == x.tolist()
    (y * y).sum().to("cpu").backward()
    assert x.grad.device == "cpu" and x.grad.tolist() == [[2.0, 4.0], [6.0, 8.0]]
    kinds = [mg.tensor(np.array(v), device=gpu) for v in (True, 3, np.float32(0.5), np.float64(0.5))]
    assert [k.cpu().dtype.name for k in kinds] == ["bool", "int64", "float32", "float64"]


def test_copies_and_pickles_stay_on_their_device(gpu):
    """A worker that unpickles a model gets it where it was."""
    model = made("norms").to(gpu)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert all(p.device == gpu for p in other.parameters())
        same(model, other, rtol=0)
    x = copy.deepcopy(mg.ones(2, device=gpu))
    assert x.device == gpu and x.tolist() == [1.0, 1.0]


def test_what_lies_on_two_devices_is_refused_with_the_move_that_repairs_it(gpu):
    """A batch that was forgotten on the host is the commonest slip."""
    with pytest.raises(mg.DeviceError, match=rf"(?s){gpu}.*fix.*\.to\("):
        nn.Linear(2, 2).to(gpu)(mg.ones(1, 2))
    with pytest.raises(mg.DeviceError, match=rf"(?s){gpu}.*fix"):
        nn.Embedding(3, 2)(mg.tensor([1], device=gpu))
    with pytest.raises(mg.DeviceError, match=rf"(?s)lies on '{gpu}', and x on 'cpu'.*fix"):
        nn.LSTM(2, 2).to(gpu)(mg.ones(3, 1, 2))


def test_a_run_that_was_stopped_on_a_device_is_resumed_on_the_host(gpu, tmp_path):
    """`minigrad run NAME --device cuda`, Ctrl-C, `--resume` on a machine without a GPU."""
    stop = [True]
    experiment = Experiment("line", slide="Deck, *Slide*", seconds=0)

    @experiment.run
    def run(ctx):
        model = ctx.to_device(nn.Linear(1, 1))
        adam = optim.Adam(model.parameters(), lr=0.1)
        for i in ctx.rounds(6, model=model, optimizer=adam):
            if i == 3 and stop[0]:
                raise KeyboardInterrupt
            x = ctx.tensor(ctx.rng.random((8, 1)).astype("f4"))
            loss = ((model(x) - x * 2) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            ctx._saved = 0.0                                 # a checkpoint after each round
            ctx.log(i, loss=loss)
        ctx.result(weight=model.weight, place=float(model.weight.device == ctx.device))

    quiet = Console(quiet=True)
    with pytest.raises(KeyboardInterrupt):
        experiment.execute(device=gpu, out=tmp_path / "cut", console=quiet)
    stop[0] = False
    resumed = experiment.execute(device="cpu", out=tmp_path / "cut", resume=True, console=quiet)
    whole = experiment.execute(device="cpu", out=tmp_path / "whole", console=quiet)
    assert resumed["device"] == "cpu" and resumed["results"]["place"] == 1
    assert resumed["results"]["weight"] == pytest.approx(whole["results"]["weight"], rel=1e-5)


LENGTHS = {
    "last": lambda: models.Conv1dNet(6, outputs=3, pooling="last"), "max": lambda: models.Conv1dNet(6, outputs=3),
    "mean": lambda: models.Conv1dNet(6, outputs=3, pooling="mean"), "attention": lambda: models.WordEncoder(9),
    "bag": lambda: models.BagOfWords(9, 3), "bert": lambda: models.BERT(9), "window": lambda: models.WindowTagger(9, 3),
    "translator": lambda: Translated(models.TransformerTranslator(9, 9, d_model=8, heads=2, dropout=0.0)),
    "recurrent": lambda: models.SentimentRNN(9, reading="mean"),
    "reversed": lambda: Translated(models.Seq2Seq(9, 9, hidden=8, embedding=8, reverse=True)),
    "aligned": lambda: Translated(models.Bahdanau(9, 9, hidden=8, embedding=8))}


class Translated(nn.Module):
    """A translator that is given the same words for each source."""

    def __init__(self, model) -> None:
        self.model = model

    def forward(self, ids, lengths):
        return self.model(ids, lengths, mg.tensor(np.full((len(ids), 5), 2), device=ids.device))


@pytest.mark.parametrize("name", LENGTHS)
def test_lengths_on_the_device_give_what_lengths_on_the_host_give(name, gpu, rng):
    """A graph has them there. Padding changes nothing in either case."""
    mg.manual_seed(0)
    model, lengths = LENGTHS[name]().to(gpu), np.array([3, 7, 1, 5])
    floats = isinstance(model, models.Conv1dNet)
    x = rng.standard_normal((4, 7, 6)).astype("f4") if floats else rng.integers(1, 9, (4, 7))
    on_host = model(mg.tensor(x, device=gpu), lengths).detach().cpu().numpy()
    for k, n in enumerate(lengths):
        x[k, n:] = 5 if floats else 3
    on_device = model(mg.tensor(x, device=gpu), mg.tensor(lengths, device=gpu)).detach().cpu().numpy()
    for one, other, n in zip(on_device, on_host, lengths, strict=True):
        part = slice(n) if name in ("attention", "window") else slice(None)    # states of padding mean nothing
        np.testing.assert_allclose(one[part], other[part], rtol=1e-5, atol=1e-6)


def test_what_a_model_is_asked_may_lie_on_the_device(gpu, rng):
    """Places, targets and noise: as tensors nobody looks at them, and the loss is that of arrays on the host."""
    mg.manual_seed(0)
    ids, lengths, at = rng.integers(1, 9, (4, 7)), np.array([3, 7, 1, 5]), np.array([2, 0, 0, 4])
    targets = np.where(rng.random((4, 7)) < 0.4, rng.integers(0, 9, (4, 7)), -100)
    counts, noise = np.arange(1, 10), rng.integers(0, 9, (4, 5))

    def there(array):
        return mg.tensor(array, device=gpu)
    reader, bert = models.AttentionReader(9, 3).to(gpu), models.BERT(9, d_model=8, heads=2).to(gpu)
    cbow, tree = models.CBOW(counts, 32).to(gpu), models.SkipGram(counts, 32, "hierarchical")
    for p in (*cbow.parameters(), *tree.parameters()):       # the second table starts at 0, where all is alike
        p.data[...] = p.device.asarray(rng.normal(0, 1, p.shape).astype("f4"))
    x, n, words, ones = there(ids), there(lengths), there(ids[:, 0]), there(np.ones((4, 7), "f4"))
    pairs = [(reader(x, lengths, at).sum(), reader(x, n, there(at)).sum()),
             (bert.masked_loss(x, lengths, targets), bert.masked_loss(x, n, there(targets))),
             (cbow(x, ones, words, noise), cbow(x, ones, words, there(noise))),
             (tree(mg.tensor(ids[:, 0]), mg.tensor(ids[:, 1])), tree.to(gpu)(words, there(ids[:, 1])))]
    for on_host, on_device in pairs:
        assert on_device.device == gpu and on_device.item() == pytest.approx(on_host.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["cuda:0", "gpu"])
@pytest.mark.parametrize("move", [lambda name: mg.ones(2).to(name), lambda name: nn.Linear(1, 1).to(name),
                                  lambda name: mg.ones(2, device=name)], ids=["tensor", "module", "a new tensor"])
def test_a_device_of_another_library_is_an_error_that_names_ours(move, name):
    """PyTorch counts its devices; here a process has one."""
    with pytest.raises(mg.DeviceError, match=f"there is no device '{name}'"):
        move(name)
