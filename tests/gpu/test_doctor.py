"""`minigrad doctor` on machines that are not here: each way in which a GPU cannot be used, and its repair."""
from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad as mg
from minigrad import cli, doctor
from minigrad.install import install_line

H200 = ("NVIDIA H200", (9, 0), 139 * 2 ** 30)
T4 = ("Tesla T4", (7, 5), 15 * 2 ** 30)
V100 = ("Tesla V100", (7, 0), 16 * 2 ** 30)


class Library:
    """NVIDIA's driver library with these answers; it writes through pointers, as the real one does."""

    def __init__(self, cuda=13000, chips=(H200,), error=0):
        self.cuda, self.chips, self.error = cuda, chips, error

    def cuDriverGetVersion(self, out):                       # noqa: N802  (NVIDIA's names)
        out._obj.value = self.cuda

    def cuInit(self, flags):                                 # noqa: N802
        return self.error

    def cuDeviceGetCount(self, out):                         # noqa: N802
        out._obj.value = len(self.chips)

    def cuDeviceGet(self, out, number):                      # noqa: N802
        out._obj.value = number

    def cuDeviceGetName(self, name, size, chip):             # noqa: N802
        name.value = self.chips[chip][0].encode()

    def cuDeviceGetAttribute(self, out, which, chip):        # noqa: N802
        out._obj.value = self.chips[chip][1][{75: 0, 76: 1}[which]]

    def cuDeviceTotalMem_v2(self, out, chip):                # noqa: N802
        out._obj.value = self.chips[chip][2]


def cupy(fails: str = "", available: bool = True):
    """A module that stands for CuPy: its first kernel works, or raises this text."""
    def arange(*args, **kw):
        if fails:
            raise RuntimeError(fails)
        return np.arange(*args, **kw)
    return SimpleNamespace(is_available=lambda: available, arange=arange)


@pytest.fixture
def machine(monkeypatch):
    """machine(library, wheels, cupy): a machine with this driver, these distributions and this CuPy."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")

    def imitate(library, wheels, module=None):
        monkeypatch.setattr(doctor, "library", lambda: library)
        monkeypatch.setattr(doctor, "wheels", lambda: dict(wheels))
        monkeypatch.setitem(sys.modules, "cupy", module)     # None: `import cupy` raises ModuleNotFoundError
    return imitate


TWELVE, THIRTEEN = {"cupy-cuda12x": "14.2.0"}, {"cupy-cuda13x": "14.2.0"}
OLD = "CUDARuntimeError: cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version"
HEADERS = "Failed to find CUDA headers. Please install them.\nA second line."
NVRTC = "DynamicLibNotFoundError: Failure finding \"libnvrtc.so\""

# driver, distributions, CuPy: what `cuda_status` says, and what to do
UNUSABLE = {
    "no driver, no CuPy": ((None, {}, None), "there is no NVIDIA driver, and no CuPy", install_line("cuda13")),
    "CuPy without a driver": ((None, THIRTEEN, cupy(available=False)), "there is no NVIDIA driver",
                              "install NVIDIA's driver"),
    "no CuPy, new driver": ((Library(), {}, None), "CuPy is not installed", install_line("cuda13")),
    "no CuPy, driver of CUDA 12": ((Library(12040), {}, None), "CuPy is not installed", install_line("cuda12")),
    "no CuPy, a chip that CUDA 13 left behind": ((Library(chips=(V100,)), {}, None), "CuPy is not installed",
                                                 install_line("cuda12")),
    "driver too old for CuPy 14": ((Library(11040), TWELVE, cupy(OLD)),
                                   "the driver is too old: it runs CUDA 11.4, and CuPy 14 needs 12.0", "525 or newer"),
    "driver too old for this wheel": ((Library(12040), THIRTEEN, cupy(OLD, available=False)),
                                      "the driver is too old for cupy-cuda13x: it runs CUDA 12.4",
                                      f"pip uninstall -y cupy-cuda13x, then {install_line('cuda12')}"),
    "chip too old for this wheel": ((Library(chips=(V100,)), THIRTEEN, cupy("no kernel image")),
                                    "Tesla V100 has compute capability 7.0, too old for cupy-cuda13x",
                                    f"pip uninstall -y cupy-cuda13x; then {install_line('cuda12')}"),
    "headers are missing": ((Library(12040), TWELVE, cupy(HEADERS)),
                            "cupy-cuda12x is there, but CUDA's headers, compiler (NVRTC) or cuBLAS are not: "
                            "RuntimeError: Failed to find CUDA headers. Please install them.", install_line("cuda12")),
    "NVRTC is missing": ((Library(), THIRTEEN, cupy(NVRTC)), "cupy-cuda13x is there, but CUDA's headers, compiler "
                         f"(NVRTC) or cuBLAS are not: RuntimeError: {NVRTC}", install_line("cuda13")),
    "no device": ((Library(chips=()), THIRTEEN, cupy(available=False)), "the driver shows no GPU", "--gpus all"),
    "no device, says cuInit": ((Library(error=100), THIRTEEN, cupy(available=False)), "the driver shows no GPU",
                               "nvidia-smi"),
    "the driver does not start": ((Library(error=803), THIRTEEN, cupy(available=False)),
                                  "the driver does not start: cuInit gives error 803", "restart the machine"),
    "two wheels": ((Library(), TWELVE | THIRTEEN, cupy("something broke")),
                   "2 CuPy wheels overwrite each other: cupy-cuda12x 14.2.0, cupy-cuda13x 14.2.0",
                   f"pip uninstall -y cupy-cuda12x cupy-cuda13x; then {install_line('cuda13')}"),
    "an old CuPy": ((Library(), {"cupy-cuda12x": "13.6.0"}, cupy("something broke")),
                    "CuPy 13.6.0 is too old: minigrad needs 14",
                    f"pip uninstall -y cupy-cuda12x; then {install_line('cuda13')}"),
    "anything else": ((Library(), THIRTEEN, cupy("an illegal memory access was encountered")),
                      "RuntimeError: an illegal memory access was encountered", "cupy.show_config()"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_gpu_that_cannot_be_used_gets_its_reason_and_its_repair(case, machine, capsys):
    """The same words from `cuda_status`, `minigrad doctor`, and the error of device "cuda"."""
    imitated, reason, fix = UNUSABLE[case]
    machine(*imitated)
    assert mg.cuda_status() == (False, reason)
    assert fix in doctor.why(reason)[1]
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr()
    assert f"\ngpu         not usable: {reason}\n" in said.out and said.err == f"for the GPU: {doctor.why(reason)[1]}\n"
    assert cli.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["gpu"], report["gpu_reason"], report["cuda"]) == (False, reason, None) and fix in report["gpu_fix"]


def test_the_error_of_device_cuda_says_why_and_what_to_do(machine):
    """A student who types --device cuda reads this."""
    machine(Library(12040), {})
    with pytest.raises(mg.DeviceError) as caught:
        mg.device("cuda")
    assert str(caught.value) == f"""device 'cuda' cannot be used.
  reason: CuPy is not installed
  fix   : {install_line('cuda12')}"""


def test_devices_hidden_by_the_environment_are_named(machine, monkeypatch):
    """An empty CUDA_VISIBLE_DEVICES is what a job without a GPU gets from a cluster."""
    machine(Library(error=100), THIRTEEN, cupy(available=False))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    reason, fix = doctor.why("")
    assert reason == "the driver shows no GPU, and CUDA_VISIBLE_DEVICES is ''" and fix.startswith("unset CUDA_VIS")


def test_a_mac_is_told_that_there_is_no_cuda(machine, monkeypatch):
    """No driver to look for."""
    machine(None, {})
    monkeypatch.setattr(doctor.platform, "system", lambda: "Darwin")
    assert doctor.why("")[0] == "macOS has no CUDA" and "pip" not in doctor.why("")[1]


@pytest.mark.parametrize("chips, wheels, shown", [
    ((H200,), THIRTEEN, ["NVIDIA H200, compute capability 9.0, 139.0 GiB",
                         "the driver runs CUDA up to 13.0; CuPy 14.2.0 (cupy-cuda13x)", "cluster kernels: yes"]),
    ((T4, H200), TWELVE, ["Tesla T4, compute capability 7.5, 15.0 GiB, the first of 2 GPUs",
                          "the driver runs CUDA up to 13.0; CuPy 14.2.0 (cupy-cuda12x)",
                          "cluster kernels: no (compute capability 9.0 or newer has them); fused cells instead"]),
    ((H200,), TWELVE | THIRTEEN, ["2 CuPy wheels overwrite each other: pip uninstall -y cupy-cuda12x cupy-cuda13x, "
                                  "then install one extra"]),
    ((H200,), {}, ["the driver runs CUDA up to 13.0; CuPy of unknown origin"])], ids=["new", "old", "two", "conda"])
def test_a_gpu_that_can_be_used_is_described(chips, wheels, shown, machine, capsys):
    """Name, compute capability, memory, CUDA, CuPy, cluster kernels; nothing on stderr."""
    machine(Library(chips=chips), wheels, cupy())
    assert mg.cuda_status() == (True, "usable")
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr()
    assert "gpu         usable: --device cuda\n" in said.out and said.err == ""
    assert all(f"            {line}\n" in said.out for line in shown), said.out
    assert cli.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["gpu"] is True and report["gpu_fix"] is None and report["cuda"]["devices"] == len(chips)


def test_the_distributions_of_cupy_are_found_by_their_names(tmp_path, monkeypatch):
    """As pip leaves them on disk; `import cupy` would show one of the two at most."""
    for name in ("cupy_cuda12x-14.2.0", "cupy_cuda13x-14.1.0"):
        (tmp_path / f"{name}.dist-info").mkdir()
        project, _, version = name.partition("-")
        (tmp_path / f"{name}.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project.replace('_', '-')}\nVersion: {version}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert doctor.wheels() == {"cupy-cuda12x": "14.2.0", "cupy-cuda13x": "14.1.0"}


def test_an_extra_exists_for_each_line_that_is_printed():
    """The table of drivers speaks of extras that pyproject.toml has, with the CuPy that is asked for."""
    import tomllib
    from pathlib import Path
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for extra in doctor.EXTRAS:
        needs, = project["optional-dependencies"][extra]
        assert needs.startswith(f"cupy-{extra}x[ctk]>={doctor.OLDEST_CUPY[0]},") and f"cupy-{extra}x" in doctor.NAMES
