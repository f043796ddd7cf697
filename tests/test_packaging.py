"""What an installation brings and needs: a wheel built from this checkout, in an environment with nothing else."""
from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel that `pip wheel` makes of a clean copy of the tracked files."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(out), str(source)], check=True)
    return next(out.glob("minigrad_course-*.whl"))


def test_the_wheel_holds_no_solution_check_or_test(wheel):
    """A student who unzips it must find exercises and code, nothing that answers or grades them."""
    names = zipfile.ZipFile(wheel).namelist()
    packages = {n.split("/")[0] for n in names if not n.split("/")[0].endswith(".dist-info")}
    assert packages == {"minigrad", "autograder"}
    assert not [n for n in names if "solution" in n or n.endswith("/checks.py") or "test_" in n or "notebook.py" in n]
    with zipfile.ZipFile(wheel) as z:
        for n in names:
            if n.endswith(".ipynb"):
                text = z.read(n).decode()
                assert "BEGIN SOLUTION" not in text and "BEGIN HIDDEN TESTS" not in text, n


def test_the_wheel_holds_the_page_of_the_player(wheel):
    """`viz.step` reads it from the package; a checkout has it even if the wheel has not."""
    assert "minigrad/viz/player.html" in zipfile.ZipFile(wheel).namelist()


def test_the_wheel_holds_every_release_notebook(wheel):
    """`minigrad exercises DIR` copies them out of the package."""
    held = {Path(n).name for n in zipfile.ZipFile(wheel).namelist() if n.startswith("minigrad/_exercises/")}
    assert held == {p.name for p in ROOT.glob("exercises/*/*.ipynb")} and held


def test_an_empty_environment_needs_numpy_alone(wheel, tmp_path):
    """Students never install what grading needs; `autograder` there says what to install and exits with 2."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    python = next(p for p in (tmp_path / "env/bin/python", tmp_path / "env/Scripts/python.exe") if p.exists())
    subprocess.run([python, "-m", "pip", "install", "-q", str(wheel)], check=True)
    listed = subprocess.check_output([python, "-m", "pip", "list", "--format=freeze"], text=True)
    names = {line.split("==")[0].lower() for line in listed.split()}
    assert names <= {"minigrad-course", "numpy", "pip", "setuptools"}, names
    code = "import minigrad as mg; x = mg.ones(2, requires_grad=True); (x * x).sum().backward(); print(x.grad.tolist())"
    out = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert out.stdout.strip() == "[2.0, 2.0]"
    subprocess.run([python, "-m", "minigrad", "exercises", str(tmp_path / "mine")], check=True, cwd=tmp_path)
    assert list((tmp_path / "mine").rglob("*.ipynb"))
    graded = subprocess.run([python, "-m", "autograder", "doctor"], capture_output=True, text=True, cwd=tmp_path)
    assert graded.returncode == 2 and "grading" in graded.stderr and "Traceback" not in graded.stderr


@pytest.mark.parametrize(("noted", "found"), [
    ({"url": ROOT.as_uri(), "dir_info": {}}, ROOT), ({"url": "https://example.org/x.whl", "archive_info": {}}, None),
    ({"url": (ROOT / "docs").as_uri(), "dir_info": {}}, None), (None, None)],
    ids=["checkout", "web", "elsewhere", "none"])
def test_after_an_installation_from_a_checkout_the_install_line_names_it(noted, found, monkeypatch):
    """`pip install .` copies the package: the line to add an extra must name the folder, not a wheel nobody has."""
    from minigrad import install

    class Distribution:
        def read_text(self, name):
            return json.dumps(noted) if noted else None
    monkeypatch.setattr(install.metadata, "distribution", lambda name: Distribution())
    assert install.source_folder() == found
