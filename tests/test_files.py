"""save and load: PyTorch's names both ways, nothing lost, nothing run, and a clear word about a bad file."""
from __future__ import annotations

import json
import os
import struct
import zipfile

import numpy as np
import pytest

import minigrad as mg
from minigrad import files, nn, optim

ENDINGS = [".npz", ".safetensors"]


class Both:
    """A layer of ours and the same of PyTorch's, and how to call them."""

    def __init__(self, ours, theirs, shape, ids=False):
        self.ours, self.theirs, self.shape, self.ids = ours, theirs, shape, ids

    def outputs(self, rng, torch):
        x = rng.integers(0, 5, self.shape) if self.ids else rng.standard_normal(self.shape).astype("f4")
        mine, theirs = self.ours(mg.tensor(x)), self.theirs(torch.tensor(x))
        return [first(y) for y in (mine, theirs)]


def first(y):
    y = y[0] if isinstance(y, tuple) else y
    return y.detach().numpy()


def pairs(torch):
    """Layers with PyTorch's twins; a Transformer joins when there is one."""
    t = torch.nn
    out = {"rnn": Both(nn.RNN(3, 4), t.RNN(3, 4), (5, 2, 3)),
           "lstm": Both(nn.LSTM(3, 4, 2, bidirectional=True), t.LSTM(3, 4, 2, bidirectional=True), (5, 2, 3)),
           "gru": Both(nn.GRU(3, 4), t.GRU(3, 4), (5, 2, 3)), "linear": Both(nn.Linear(3, 4), t.Linear(3, 4), (2, 3)),
           "embedding": Both(nn.Embedding(5, 3), t.Embedding(5, 3), (2, 3), ids=True)}
    if hasattr(nn, "LayerNorm"):
        out["layer_norm"] = Both(nn.LayerNorm(3), t.LayerNorm(3), (2, 3))
    if hasattr(nn, "BatchNorm1d"):
        out["batch_norm"] = Both(nn.BatchNorm1d(3), t.BatchNorm1d(3), (4, 3))
    return out


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "linear", "embedding", "layer_norm", "batch_norm"])
def test_weights_go_to_pytorch_and_back_and_give_the_same_outputs(name, tmp_path, rng):
    """The promise of the file format, held with safetensors' own reader and writer."""
    torch = pytest.importorskip("torch")
    st = pytest.importorskip("safetensors.torch")
    if name not in pairs(torch):
        pytest.skip(f"there is no {name} yet")
    pair, path = pairs(torch)[name], tmp_path / "w.safetensors"
    st.save_file(pair.theirs.state_dict(), path)
    pair.ours.load_state_dict(mg.load(path))
    a, b = pair.outputs(rng, torch)
    np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)     # float32, sums in another order

    fresh = pairs(torch)[name]
    mg.save(fresh.ours, path)
    fresh.theirs.load_state_dict(st.load_file(path))
    a, b = fresh.outputs(rng, torch)
    np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_safetensors_own_library_reads_every_dtype_and_shape_that_is_written(tmp_path):
    """The header is theirs: 0-d, empty, transposed and every type."""
    st = pytest.importorskip("safetensors.numpy")
    state = {c: np.arange(6).reshape(2, 3).astype(t) for c, t in files._NAMES.items()}
    state |= {"0-d": np.array(2, "f4"), "empty": np.zeros((0, 3)), "turned": np.arange(6.0).reshape(2, 3).T,
              "name with é and \"": np.ones(1), "big-endian": np.arange(3, dtype=">f4")}
    mg.save(state, tmp_path / "w.safetensors")
    for read in (st.load_file(tmp_path / "w.safetensors"), mg.load(tmp_path / "w.safetensors")):
        assert set(read) == set(state)
        for name, value in state.items():
            got = np.asarray(read[name])
            assert got.shape == value.shape and got.dtype == value.dtype.newbyteorder("=") and (got == value).all()


def test_bfloat16_of_pytorch_becomes_float32_without_loss(tmp_path):
    """Published weights are often bfloat16, which NumPy lacks."""
    torch = pytest.importorskip("torch")
    st = pytest.importorskip("safetensors.torch")
    x = torch.randn(3, 4).bfloat16()
    st.save_file({"x": x}, tmp_path / "w.safetensors")
    assert mg.load(tmp_path / "w.safetensors")["x"].tolist() == x.float().tolist()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_state_comes_back_bit_for_bit_on_its_device(ending, tmp_path, device):
    """NaN and infinities included; NumPy reads the npz too."""
    state = {"a.weight": mg.tensor([[np.nan, np.inf], [-0.0, 1e-45]], device=device), "file": mg.tensor([1, 2])}
    path = tmp_path / ("w" + ending)
    mg.save(state, path)
    back = mg.load(path, device=device)
    assert list(back) == list(state)
    for name, value in state.items():
        host = [t.device.numpy(t.data) for t in (value, back[name])]
        assert back[name].device == device and host[0].tobytes() == host[1].tobytes() and host[0].dtype == host[1].dtype
        assert not back[name].requires_grad
    if ending == ".npz":
        assert set(np.load(path).files) == {"a.weight", "file"}


@pytest.mark.parametrize("ending", ENDINGS)
def test_training_resumes_from_a_file_bit_for_bit(ending, tmp_path):
    """Model, optimiser and counter in one file: an optimiser's integer keys, tuples and None come back as they were."""
    def make():
        mg.manual_seed(3)
        model = nn.Linear(3, 2)
        return model, optim.Adam(model.parameters(), lr=0.1)

    def train(model, opt, steps):
        for i in range(steps):
            opt.zero_grad()
            (model(mg.ones(4, 3) * (i + 1)) ** 2).mean().backward()
            opt.step()
    model, opt = make()
    train(model, opt, 3)
    path = tmp_path / ("c" + ending)
    mg.save({"model": model.state_dict(), "optim": opt.state_dict(), "epoch": 3, "best": None, "sizes": (3, 2)}, path)
    train(model, opt, 2)
    other, other_opt = make()
    back = mg.load(path)
    assert back["epoch"] == 3 and back["best"] is None and back["sizes"] == (3, 2)
    other.load_state_dict(back["model"])
    other_opt.load_state_dict(back["optim"])
    train(other, other_opt, 2)
    assert [p.tolist() for p in model.parameters()] == [p.tolist() for p in other.parameters()]


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_state_gives_the_same_bytes(ending, tmp_path):
    """No date in the file: a checksum says whether weights changed."""
    for name in ("a", "b"):
        mg.save({"x": mg.ones(3)}, tmp_path / (name + ending))
    assert (tmp_path / ("a" + ending)).read_bytes() == (tmp_path / ("b" + ending)).read_bytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failed_save_leaves_the_file_before_and_nothing_else(ending, tmp_path, monkeypatch):
    """A full disk in the middle of writing must not cost the last checkpoint."""
    path = tmp_path / ("w" + ending)
    mg.save({"x": mg.ones(3)}, path)
    before = path.read_bytes()
    with pytest.raises(mg.StateError, match="b.c is a object"):
        mg.save({"x": mg.zeros(3), "b": {"c": object()}}, path)

    def full(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        mg.save({"x": mg.zeros(3)}, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_cut_and_every_flipped_byte_of_the_head_is_a_clear_error_or_a_whole_state(ending, tmp_path, rng):
    """No other exception may come out of a damaged file, and no half of a state."""
    path = tmp_path / ("w" + ending)
    mg.save({"weight": mg.ones(3, 2), "n": {"k": 1}}, path)
    whole = path.read_bytes()
    damaged = [whole[:n] for n in range(len(whole))]
    for i in range(min(len(whole), 400)):
        flipped = bytearray(whole)
        flipped[i] ^= int(rng.integers(1, 256))
        damaged.append(bytes(flipped))
    refused = 0
    for data in damaged:
        path.write_bytes(data)
        try:
            state = mg.load(path)
        except mg.StateError as error:
            refused += 1
            assert path.name in str(error) and "fix" in str(error)
        else:
            assert isinstance(state, (dict, list, str, int, float, type(None), tuple, mg.Tensor))
    assert refused >= len(whole)               # every cut at least


def header(entries: dict, data: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


BAD = {
    "a header longer than the file": struct.pack("<Q", 2 ** 62) + b"{}",
    "bytes behind the end": header({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"1234"),
    "a shape that is not the bytes'": header({"x": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, bytes(8)),
    "a negative place": header({"x": {"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}}, b"12345678"),
    "a negative shape": header({"x": {"dtype": "F32", "shape": [-1, -2], "data_offsets": [0, 8]}}, b"12345678"),
    "an unknown dtype": header({"x": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]}}, b"1"),
    "a list for a header": header([1, 2]),
    "no dtype": header({"x": {"shape": []}}),
    "text": b"hello",
    "nothing": b"",
}


@pytest.mark.parametrize("what", BAD)
def test_a_hostile_safetensors_file_is_refused(what, tmp_path):
    """Each lie of a header that a reader could believe."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(BAD[what])
    with pytest.raises(mg.StateError, match="w.safetensors is no .safetensors file that can be read"):
        mg.load(path)


def test_loading_runs_no_code(tmp_path):
    """An npz with pickled objects is refused, not unpickled."""
    path = tmp_path / "w.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(mg.StateError, match="w.npz is no .npz file"):
        mg.load(path)
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("x.npy", b"no array")
    with pytest.raises(mg.StateError, match="x.npy is no array"):
        mg.load(path)


def test_an_unknown_ending_and_a_wrong_value_are_named():
    """The two mistakes that everybody makes once."""
    with pytest.raises(mg.StateError, match=r"(?s)w.pt ends in '.pt'.*\.npz or \.safetensors"):
        mg.save({}, "w.pt")
    with pytest.raises(mg.StateError, match=r"optim.f is a function"):
        mg.save({"optim": {"f": header}}, "w.npz")
    with pytest.raises(mg.StateError, match=r"words is an array of <U1"):
        mg.save({"words": np.array(["a"])}, "w.npz")
    with pytest.raises(FileNotFoundError):
        mg.load("there-is-none.npz")
