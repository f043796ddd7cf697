"""What an honest notebook finds in the sandbox, and what the grader gets from it."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from autograder import sandbox as module
from autograder import view, wire
from autograder.sandbox import LAYERS, Limits, NoSandbox, Sandbox, SandboxError, available_layers
from autograder.student import MissingName, StudentDied, StudentError, StudentTimeout, Untransferable
from tests.autograder.sandbox_help import LIMITS, sandbox


@pytest.fixture(params=LAYERS)
def session(request):
    with sandbox(request.param).session() as s:
        yield s


@pytest.fixture
def one():
    """A session in the strongest layer of this machine."""
    with sandbox("auto").session() as s:
        yield s


def shown(run):
    return "".join(o.get("text", "") + o.get("data", {}).get("text/plain", "") for o in run.outputs)


# ----- Cells

def test_a_notebook_runs_as_in_jupyter(session):
    """Prints in order, the last value shown, NumPy and minigrad.course there."""
    run = session.run_cell("import numpy as np\nfrom minigrad import course\nprint('a')\nnp.arange(3) @ np.arange(3)")
    assert run.ok and run.error is None
    assert run.outputs == [{"output_type": "stream", "name": "stdout", "text": "a\n"},
                           {"output_type": "display_data", "data": {"text/plain": "np.int64(5)"}, "metadata": {}}]
    assert session.run_cell("x = 3;\nx;").outputs == []
    assert shown(session.run_cell("display(x, 'two')")) == "3'two'"


def test_linear_algebra_and_threads_work_under_the_filter(session):
    """The allow-list of system calls must not cost an honest student a point."""
    run = session.run_cell("""
import numpy as np, threading, tempfile, time, dataclasses, typing, json, collections, decimal
import statistics, unittest, timeit
rng = np.random.default_rng(0)
a = rng.normal(size=(300, 300))
u, s, v = np.linalg.svd(a)
np.linalg.inv(a); np.linalg.eigh(a @ a.T); np.fft.fft(a); np.einsum("ij,jk->ik", a, a); np.sort(a)
np.testing.assert_allclose(u * s @ v, a, atol=1e-9)
t = threading.Thread(target=lambda: time.sleep(0.01)); t.start(); t.join()
np.save("weights.npy", a); assert np.load("weights.npy").shape == (300, 300)
with open("log.txt", "w") as f: f.write("x")
@dataclasses.dataclass
class P:
    x: int
typing.get_type_hints(P)
print(P(1), timeit.timeit(lambda: 1, number=2) > 0)
""")
    assert run.ok, run.error
    assert shown(run) == "P(x=1) True\n"


def test_stdout_and_stderr_keep_their_order_and_c_code_s_prints_are_caught(session):
    run = session.run_cell("import os, sys, warnings\nprint('a')\nwarnings.warn('careful')\nprint('b')\n"
                           "os.write(1, b'raw')\n"
                           "os.write(2, b'err')\n'value'")
    assert [o.get("name", "shown") for o in run.outputs] == ["stdout", "stderr", "stdout", "stderr", "shown"]
    assert "<cell 1>:3: UserWarning: careful" in run.outputs[1]["text"]
    assert run.outputs[2]["text"] == "b\nraw" and run.outputs[3]["text"] == "err"


def test_an_exception_leaves_what_was_defined_and_shows_the_student_s_frames_alone(session):
    run = session.run_cell("y = 5\ndef f():\n    return 1 / 0\nf()\nz = 6", name="rnn-step")
    assert not run.ok and run.error["ename"] == "ZeroDivisionError" and run.error["evalue"] == "division by zero"
    text = "\n".join(run.error["traceback"])
    assert 'File "<cell rnn-step>", line 4, in <module>' in text and "return 1 / 0" in text
    assert "worker" not in text and "exec" not in text
    assert run.outputs[-1] == {"output_type": "error", **run.error}
    assert shown(session.run_cell("y, 'z' in globals()")) == "(5, False)"
    assert session.run_cell("def").error["ename"] == "SyntaxError"
    assert session.run_cell("import sys; sys.exit()").error["ename"] == "SystemExit"
    assert session.run_cell("raise KeyboardInterrupt").error["ename"] == "KeyboardInterrupt"


def test_an_exception_whose_text_raises_is_an_answer_all_the_same(one):
    run = one.run_cell("class E(Exception):\n    def __str__(self): raise SystemExit\nraise E")
    assert run.error["ename"] == "E"


def test_magics_are_dropped_with_a_note_and_the_lines_keep_their_numbers(one):
    run = one.run_cell("%matplotlib inline\n!pip install torch\nif True:\n    %timeit 1\nnp?\nfiles = !ls\n1 / 0")
    assert run.notes == ["5 line(s) of IPython's magics were not run"] and "line 7" in run.error["traceback"][1]
    assert one.run_cell("%%time\nx = 4").ok and shown(one.run_cell("x")) == "4"
    assert one.run_cell("%%bash\nrm -rf /").notes and one.run_cell("%%html\n<b>").ok
    run = one.run_cell("s = '''\n%d\n!x''' \\\n  % 3\ns")
    assert not run.notes and shown(run) == repr("\n3\n!x")


def test_drawing_is_swallowed(one):
    run = one.run_cell("""
import matplotlib
import matplotlib.pyplot as plt
from matplotlib import pyplot, cm
from mpl_toolkits.axes_grid1 import make_axes_locatable
from IPython.display import clear_output, display as show
matplotlib.use("Agg")
fig, ax = plt.subplots()
fig, axes = plt.subplots(2, 3, figsize=(4, 3))
for a in axes.flat:
    line, = a.plot([1, 2], label="x")
    a.set(title="t"); a.legend()
axes[0, 1].imshow([[1]])
fig, (top, bottom) = pyplot.subplots(2)
n, bins, patches = plt.hist([1])
with plt.style.context("ggplot"):
    plt.savefig("x.png")
plt.show()
clear_output(); show(fig)
""")
    assert run.ok, run.error
    assert run.outputs == []


@pytest.mark.parametrize("statement", ["import minigrad.nn", "from minigrad import Tensor",
                                       "from minigrad.nn import LSTM",
                                       "import minigrad; minigrad.tensor([1])"])
def test_the_engine_cannot_be_imported_and_the_message_says_why(one, statement):
    """Half the answers would be one import."""
    error = one.run_cell(statement).error
    assert (error["ename"], error["evalue"]) == ("ImportError", "graded code may import numpy only")


def test_other_libraries_of_this_environment_are_not_there(one):
    for name in ("nbgrader", "pytest", "autograder", "pip", "jupyter_core"):
        assert one.run_cell(f"import {name}").error["ename"] == "ModuleNotFoundError", name


def test_a_picture_is_kept_and_html_is_not(one):
    run = one.run_cell("""
class Both:
    def _repr_png_(self): return bytes.fromhex("89504e470d0a1a0a") + b"data"
    def _repr_html_(self): return "<script>alert(1)</script>"
    def __repr__(self): return "both"
Both()
""")
    data = run.outputs[0]["data"]
    assert set(data) == {"text/plain", "image/png"} and "script" not in str(data)
    run = one.run_cell("class Bad:\n    def _repr_png_(self): return b'<svg onload=alert(1)>'\nBad()")
    assert set(run.outputs[0]["data"]) == {"text/plain"}


def test_unseeded_generators_start_alike_in_every_session(session):
    """A regrade must repeat what a student's unseeded code does."""
    code = "import random, numpy as np\n(random.random(), np.random.rand())"
    with sandbox("auto").session() as other:
        assert shown(session.run_cell(code)) == shown(other.run_cell(code))


# ----- Calls

def test_a_call_brings_the_value_and_the_arguments_as_they_are_afterwards(session):
    session.run_cell("def f(x, k):\n    x[0] = 7\n    k.append(1)\n    return x.sum(), (x, 'a')")
    x = np.arange(3.0)
    value, after = session.call("f", (x, []))
    assert value[0] == 10.0 and type(value[0]) is np.float64 and value[1][1] == "a"
    assert after[1] == [1] and after[0][0] == 7 and x[0] == 0


def test_a_call_that_raises_tells_type_and_the_student_s_line_but_no_value(session):
    """The inputs are hidden: an exception's text may hold them."""
    session.run_cell("import numpy as np\n\ndef f(x):\n    if x[0]:\n        raise ValueError(f'secret {x}')  # mine\n"
                     "", name="rnn-step")
    with pytest.raises(StudentError) as e:
        session.call("f", (np.arange(1.0, 4),))
    assert (e.value.ename, e.value.number, e.value.text) == ("ValueError", 5, "")
    assert e.value.line == "raise ValueError(f'secret {x}')  # mine"
    session.run_cell("def g(x):\n    return np.linalg.inv(x)")
    with pytest.raises(StudentError) as e:
        session.call("g", (np.zeros((2, 2)),))
    assert (e.value.ename, e.value.line, e.value.number) == ("LinAlgError", "return np.linalg.inv(x)", 2)


def test_names_and_types_that_a_student_makes_up_cannot_carry_an_input_out(one):
    """type(str(x))() would put the drawn array into the feedback."""
    one.run_cell("def f(x):\n    raise type('E' + str(x[0]), (ValueError,), {})\ndef g(x):\n"
                 "    return type('T' + str(x[0]), (), {})()")
    with pytest.raises(StudentError) as e:
        one.call("f", (np.ones(1),))
    assert e.value.ename == "ValueError"
    with pytest.raises(Untransferable) as u:
        one.call("g", (np.ones(1),))
    assert u.value.type_name == "object"


def test_prints_of_a_call_are_dropped_and_warnings_too(session):
    session.run_cell("import warnings, os\ndef f():\n    print('x'); warnings.warn('y'); os.write(1, b'z')")
    assert session.call("f", ()) == (None, ())
    assert session.run_cell("1").outputs[0]["data"] == {"text/plain": "1"}


def test_a_stashed_input_is_never_shown(session):
    """The process whose output a student reads has seen no hidden input: calls go to a twin."""
    session.run_cell("seen = []\ndef f(x):\n    seen.append(x.copy())\n    open('seen', 'w').write(str(x))\n"
                     "    return x")
    session.call("f", (np.ones(3),))
    run = session.run_cell("import os\nprint(seen, os.listdir('.'))")
    assert shown(run) == "[] []\n"


@pytest.mark.parametrize("body, error", [
    ("class A(np.ndarray): pass\ndef f(): return np.ones(2).view(A)", Untransferable), ("def f(): return f",
    Untransferable),
    ("def f(): return np.array([None])", Untransferable), ("def f(): return (i for i in [])", Untransferable),
    ("def f():\n    a = []\n    a.append(a)\n    return a", Untransferable), ("def f(): return np.zeros(10 << 20)",
    Untransferable),
    ("f = 3", MissingName), ("pass", MissingName), ("def f(): raise SystemExit", StudentError),
    ("def f(): return f()", StudentError), ("def f(x): pass", StudentError),
], ids=range(11))
def test_what_a_call_can_bring_instead_of_a_value(one, body, error):
    one.run_cell("import numpy as np\n" + body)
    with pytest.raises(error):
        one.call("f", ())
    assert one.restarts == 0


def test_an_argument_that_is_no_data_is_the_check_s_fault_and_harms_nothing(one):
    one.run_cell("def f(x): return 1")
    with pytest.raises(wire.NotData):
        one.call("f", (object(),))
    assert one.call("f", (1,)) == (1, (1,))


# ----- Death, time and replay

def test_a_call_that_kills_costs_itself_alone(session):
    """The stage lives on; the probe comes back with the cells that were kept, and without those that were not."""
    session.run_cell("n = 1\ndef die():\n    import os\n    os._exit(3)\ndef get(): return n")
    session.run_cell("n = 2", keep=False)
    assert session.call("get", ()) == (1, ())
    with pytest.raises(StudentDied, match="exit code 3"):
        session.call("die", ())
    assert session.call("get", ()) == (1, ())
    assert shown(session.run_cell("n")) == "2" and session.restarts == 1


def test_a_cell_that_kills_is_not_run_again_and_the_ones_before_are(session):
    session.run_cell("n = 1")
    with pytest.raises(StudentDied):
        session.run_cell("n = 5; import os; os._exit(1)")
    assert shown(session.run_cell("n")) == "1"
    with pytest.raises(StudentTimeout, match="longer than 1 s"):
        session.run_cell("n = 6\nwhile True: pass")
    assert shown(session.run_cell("n")) == "1"


def test_a_cell_that_cannot_be_run_twice_is_left_out_after_one_failure(one):
    """Its replay in the probe would otherwise end every later call."""
    one.run_cell("import os, glob\ndef f(): return 4")
    one.run_cell("import numpy as np, time\nif np.random.rand() < 2 and 'probe' in globals(): pass")
    one._kept.append(one._cell("import os; os._exit(9)", None))
    one._stage.process.done = 3
    with pytest.raises(StudentDied):
        one.call("f", ())
    assert one.call("f", ()) == (4, ())


def test_time_is_the_grader_s_and_the_submission_s_budget_ends_everything():
    with sandbox("auto", Limits(draw=0.2, cell=0.3, submission=0.7)).session() as s:
        for _ in range(2):
            with pytest.raises(StudentTimeout, match=r"0\.3 s"):
                s.run_cell("while True: pass")
        with pytest.raises(StudentTimeout, match=r"0\.7 s of the submission"):
            s.run_cell("while True: pass")
        began = time.monotonic()
        with pytest.raises(StudentTimeout, match="used up"):
            s.run_cell("x = 1")
        assert time.monotonic() - began < 0.05 and s.seconds_used >= 0.7


def test_a_call_s_own_time_limit_holds(one):
    one.run_cell("import time\ndef f(): time.sleep(0.3)")
    with pytest.raises(StudentTimeout, match=r"f had not answered after 0\.1 s"):
        one.call("f", (), timeout=0.1)
    assert one.call("f", (), timeout=0.45) == (None, ())


# ----- The machinery

def test_without_any_layer_the_grader_refuses_and_says_what_to_install(monkeypatch):
    """Never a silent fall to no protection."""
    def fails(*args):
        raise SandboxError("broken")

    monkeypatch.setattr(module, "Worker", fails)
    with pytest.raises(NoSandbox, match="apt install bubblewrap"):
        Sandbox()
    with pytest.raises(NoSandbox):
        Sandbox("none")
    assert available_layers() == []
    with pytest.raises(NoSandbox, match="no sandbox layer 'chroot'"):
        Sandbox("chroot")


def test_where_bubblewrap_cannot_run_landlock_alone_is_taken(monkeypatch, tmp_path):
    """Containers and hub pods close user namespaces: bwrap is there and fails."""
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    sandbox("landlock")
    with Sandbox(limits=LIMITS) as s:
        assert s.layer == "landlock" and s.layers == ["landlock", "seccomp", "rlimits"]
    with pytest.raises(NoSandbox, match="No permissions"):
        Sandbox("bwrap")


def test_nothing_is_left_of_a_session_or_a_sandbox(tmp_path):
    """No process, no folder, no descriptor."""
    before = set(os.listdir("/proc/self/fd"))
    s = Sandbox("auto", LIMITS)
    worker = s._worker
    folder, pid = worker._scratch, worker._process.pid
    for _ in range(5):
        with s.session() as session:
            session.run_cell("open('x', 'w').write('y')")
    assert len(worker._free) == module.CHILDREN_MAX
    assert all(not os.listdir(f) for f in worker._free)
    s.close()
    assert not folder.exists() and not Path(f"/proc/{pid}").exists()
    assert set(os.listdir("/proc/self/fd")) <= before          # an earlier test's may go meanwhile
    with pytest.raises(SandboxError):
        s.session()


def test_a_worker_that_was_killed_is_replaced():
    sandbox("landlock")         # there the process that is started is the worker itself, not bubblewrap
    with Sandbox("landlock", LIMITS) as s:
        session = s.session()
        s._worker._process.kill()
        s._worker._process.wait()
        with pytest.raises((StudentDied, SandboxError)):
            for _ in range(50):
                session.run_cell("1")
                time.sleep(0.02)
        session.close()
        with s.session() as fresh:
            assert fresh.run_cell("1").ok


def test_an_interrupt_between_a_command_and_its_answer_leaves_no_answer_to_the_next(monkeypatch):
    """Ctrl-C while a process is forked: closing the session took the fork's answer for that of its kill."""
    with Sandbox("auto", LIMITS) as s:
        session = s.session()

        def interrupted(deadline):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(s._worker, "_answer", interrupted)
            with pytest.raises(KeyboardInterrupt):
                s.session()
        session.close()
        with s.session() as fresh:
            assert fresh.run_cell("1").ok


@pytest.mark.parametrize("layer", ["bwrap+landlock", "landlock"])
def test_the_processes_die_with_a_grader_that_is_killed(layer):
    """SIGKILL leaves no time to clean up: a loop left running would take a processor until the next reboot."""
    sandbox(layer)
    code = ("import sys, time; from autograder.sandbox import Sandbox, Limits\n"
            f"s = Sandbox({layer!r}, Limits(cell=60)).session()\n"
            "print(s._stage.process.worker._process.pid, flush=True)\n"
            "s.run_cell('while True: pass  # ' + sys.argv[1])")
    grader = subprocess.Popen([sys.executable, "-c", code, "x"], stdout=subprocess.PIPE, text=True,
                              cwd=Path(module.__file__).parents[1])
    worker = int(grader.stdout.readline())
    time.sleep(0.2)
    ours = family(worker)
    assert len(ours) >= 2
    grader.kill()
    grader.wait()
    until = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in ours) and time.monotonic() < until:
        time.sleep(0.02)
    assert not [pid for pid in ours if Path(f"/proc/{pid}").exists()]


def family(pid):
    """A process and its descendants."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {p for p, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def test_sessions_of_several_threads_do_not_mix():
    """The control socket is shared: answers must reach those who asked."""
    failures = []

    def work(i):
        try:
            for _ in range(5):
                with sandbox("auto").session() as s:
                    s.run_cell(f"def f(): return {i}")
                    assert s.call("f", ()) == (i, ())
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_another_process_cannot_use_a_sandbox_by_inheritance():
    """Two processes on one control socket would read each other's answers."""
    s = sandbox("auto")
    pid = os.fork()
    if pid == 0:
        try:
            s.session()
        except SandboxError as e:
            os._exit(0 if "make one in each process" in str(e) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_too_many_sessions_are_an_error_and_not_a_hang(monkeypatch):
    with Sandbox("auto", LIMITS) as s:
        s._worker._free = s._worker._free[:2]
        a, b = s.session(), s.session()
        with pytest.raises(SandboxError, match="close a session first"):
            s.session()
        a.close()
        with s.session() as c:
            assert c.run_cell("1").ok
        b.close()


def test_the_view_is_built_once_and_holds_no_part_of_the_grader(tmp_path):
    first = view.build(tmp_path)
    assert view.build(tmp_path) == first and len(list(tmp_path.iterdir())) == 1
    assert sorted(p.name for p in (first / "site" / "minigrad").glob("*.py")) == ["__init__.py", "course.py"]
    assert {p.name for p in (first / "boot").glob("*.py")} == set(view.BOOT)
    assert not [p for p in first.rglob("*") if p.is_symlink()]


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert (view.build(blocked) / "boot" / "worker.py").is_file()


def test_a_student_pays_once_for_a_cell_though_two_processes_run_it():
    with sandbox("auto", Limits(draw=0.5, cell=1.0, submission=2.5)).session() as s:
        s.run_cell("import time; time.sleep(0.8)\ndef f(): return 1")
        assert s.call("f", ()) == (1, ())
        assert 0.75 <= s.seconds_used < 1.2


def test_what_is_run_again_counts_for_the_submission():
    """A notebook that has its processes killed and its cells run again and again would never end."""
    with sandbox("auto", Limits(draw=0.5, cell=1.0, submission=1.5)).session() as s:
        s.run_cell("import os, time; time.sleep(0.8)\ndef die(): os._exit(1)")
        began = time.monotonic()
        with pytest.raises(StudentTimeout, match=r"the 1\.5 s of the submission are used up"):
            s.call("die", ())
        assert time.monotonic() - began < 1.5 and 1.5 <= s.spent < 2
