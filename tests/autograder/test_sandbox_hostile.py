"""What a hostile notebook tries, run for real in every layer of this machine.

Two things must hold after each: the attack got nothing, and the grader went on at once.
"""

import dataclasses
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from autograder import wire
from autograder.sandbox import Sandbox
from autograder.session import OUTPUTS as CELLS_SHOWN
from autograder.student import StudentDied, StudentError, StudentFailure, StudentTimeout
from tests.autograder.sandbox_help import LIMITS, STRONG, sandbox


@pytest.fixture(params=STRONG)
def session(request):
    with sandbox(request.param).session() as s:
        yield s


@pytest.fixture
def one():
    with sandbox("auto").session() as s:
        yield s


def still_works(session):
    """The grader asks the next question and gets its answer."""
    session.run_cell("def alive(x): return x + 1")
    assert session.call("alive", (1,)) == (2, (1,))
    assert session.run_cell("'alive'").outputs[-1]["data"]["text/plain"] == "'alive'"


def shown(run):
    return "".join(o.get("text", "") + o.get("data", {}).get("text/plain", "") for o in run.outputs)


# ----- It ends, and only it

DEATHS = {
    "exit": "import os; os._exit(0)",
    "abort": "import os; os.abort()",
    "segfault": "import ctypes; ctypes.string_at(0)",
    "stack": "import sys; sys.setrecursionlimit(10**9)\ndef f(x): return sorted([0], key=f)\nf(0)",
    "closes descriptors": "import os; os.closerange(0, 4096)",
    "closes the socket": "import gc, socket\nfor o in gc.get_objects():\n"
                         "    if isinstance(o, socket.socket): o.close()",
}
HANGS = {
    "catches all": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "stops itself": "import signal; signal.raise_signal(signal.SIGSTOP)",
    "ignores signals": "import signal\nfor s in range(1, 32):\n    try: signal.signal(s, signal.SIG_IGN)\n"
                       "    except (OSError, ValueError): pass\nwhile True: pass",
    "sleeps": "import time; time.sleep(60)",
    "one long call": "(9**9**8) % 7",
    "regex": "import re; re.match('(a+)+$', 'a' * 40 + 'b')",
    "repr": "class A:\n    def __repr__(self):\n        while True: pass\nA()",
    "str": "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
    "alarms": "import signal; signal.signal(signal.SIGALRM, lambda *a: None)\n"
              "signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)\nwhile True: pass",
}


@pytest.mark.parametrize("code", DEATHS.values(), ids=DEATHS)
def test_a_cell_that_dies_costs_itself_alone(session, code):
    with pytest.raises(StudentDied):
        session.run_cell(code)
    still_works(session)


@pytest.mark.parametrize("code", HANGS.values(), ids=HANGS)
def test_a_cell_that_hangs_ends_in_time_and_costs_itself_alone(one, code):
    with pytest.raises(StudentTimeout):
        one.run_cell(code)
    assert one.spent < LIMITS.cell + 0.7        # its own seconds: what it waits for a processor is not its fault
    still_works(one)


def test_threads_that_run_on_are_gone_with_their_process(session):
    """A daemon thread must not outlive the submission on the grader's processor."""
    session.run_cell("import threading\ndef spin():\n    while True: pass\n"
                     "threading.Thread(target=spin, daemon=True).start()")      # again in each process that follows
    status = session._stage.process.end()
    assert os.WTERMSIG(status) == 9
    session._stage.process = None
    still_works(session)


def test_a_fork_bomb_makes_no_process(session):
    run = session.run_cell("import os, subprocess, multiprocessing\ngot = []\nfor i in range(50):\n"
                           "    for make in (os.fork, os.forkpty, lambda: subprocess.run(['true']),\n"
                           "                 lambda: multiprocessing.Process(target=print).start()):\n"
                           "        try: make(); got.append(make)\n        except OSError: pass\ngot")
    assert shown(run) == "[]", run.error
    still_works(session)


def test_a_thread_bomb_ends_with_its_cell(session):
    try:
        session.run_cell("import threading, time\nthreading.stack_size(1 << 16)\nmade = 0\nwhile True:\n"
                         "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n    made += 1")
    except StudentFailure:
        pass
    with sandbox(session._worker.layer).session() as neighbour:
        still_works(neighbour)


# ----- It is bounded

@pytest.mark.parametrize("code", [
    "x = []\nwhile True: x.append(bytes(1 << 20))", "import numpy as np; np.ones(1 << 28)", "'x' * (1 << 30)",
    "import mmap; mmap.mmap(-1, 1 << 30)", "x = 'a'\nwhile True: x += x",
])
def test_memory_ends_at_its_limit(session, code):
    session._limits = dataclasses.replace(session._limits, cell=20.0)       # filling it takes a second, or more
    run = session.run_cell(code)
    assert run.error["ename"] in ("MemoryError", "OSError")
    still_works(session)


def test_a_flood_of_output_is_cut_and_cannot_hold_the_grader(session):
    """Nothing of the student's is a pipe that the grader must empty."""
    with pytest.raises(StudentTimeout):
        session.run_cell("while True: print('x' * 10_000)")
    run = session.run_cell("for i in range(2000): print('x' * 1000)")
    assert run.ok and len(shown(run)) <= LIMITS.output
    run = session.run_cell("import os\nfor i in range(5000):\n    try: os.write(1, b'y' * 1000)\n"
                           "    except OSError: break")
    assert len(shown(run)) <= LIMITS.output
    run = session.run_cell("import sys\nfor i in range(5000): print('a'); print('b', file=sys.stderr)")
    assert len(run.outputs) <= 400 and len(shown(run)) <= LIMITS.output
    run = session.run_cell("['z' * 100] * 100_000")
    assert len(shown(run)) <= 2 * LIMITS.output
    run = session.run_cell("raise ValueError('v' * 10**7)")
    assert len(run.error["evalue"]) <= 2000 and len("".join(run.error["traceback"])) < 20_000
    still_works(session)


def test_a_thread_of_the_stage_cannot_fill_the_disk_while_the_probe_is_asked(one):
    """It wrote 300 MB a second, for as long as the functions of the notebook took."""
    one.run_cell(FILL)
    one.run_cell("begin()", keep=False)             # on the stage alone
    folder = one._stage.process.scratch
    assert one.call("slow", ()) == (None, ())
    assert one._stage.process is None and one.restarts == 1 and os.listdir(folder) == []
    still_works(one)


FILL = """
import threading, time

def fill():
    for n in range(100):
        time.sleep(0.01)
        with open(f"fill{n}", "wb", buffering=0) as f:
            f.write(bytes(1_000_000))

def begin():
    threading.Thread(target=fill, daemon=True).start()

def slow():
    time.sleep(0.45)
"""


def test_many_cells_show_no_more_than_a_few(one):
    """A notebook of 900 cells, 140 kB large, became one of 900 MB, and the grader took 4 GB to write it."""
    runs = [one.run_cell("print('x' * (1 << 20))") for _ in range(20)]
    assert sum(run.shown for run in runs) < (CELLS_SHOWN + 1) * LIMITS.output
    assert [len(shown(run)) > LIMITS.output // 2 for run in runs] == [True] * CELLS_SHOWN + [False] * 12
    assert runs[-1].ok and shown(runs[-1]) == "not shown: the cells before this one had shown 0.5 MB\n"
    run = one.run_cell("def f(n): return f(n - 1) if n else 1 / 0\nf(9)")
    assert run.error["traceback"] == run.outputs[1]["traceback"] == ["ZeroDivisionError: division by zero"]
    assert one.run_cell("quiet = 1").outputs == []


def test_a_flood_of_files_is_ended_and_removed(session):
    """The limit on one file leaves the number of files: the grader watches the folder."""
    scratch = Path(session._stage.process.scratch)
    with pytest.raises(StudentDied, match="more files"):
        session.run_cell("for i in range(10**6): open(f'f{i}', 'wb').write(bytes(1 << 18))")
    with pytest.raises(StudentDied, match="more files"):
        session.run_cell("for i in range(1000): open(f'f{i}', 'wb')")
    assert not list(scratch.iterdir())
    run = session.run_cell("f = open('big', 'wb')\nfor i in range(64): f.write(bytes(1 << 20)); f.flush()")
    assert run.error["ename"] == "OSError"
    still_works(session)


def test_files_that_are_deleted_while_open_are_few(session):
    """Their space counts nowhere; the limit of open files bounds them."""
    run = session.run_cell("import os\nfds = []\nfor i in range(200):\n"
                           "    fds.append(os.open('f', os.O_CREAT | os.O_RDWR))\n"
                           "    os.unlink('f')")
    assert run.error["ename"] == "OSError" and "Too many open files" in run.error["evalue"]


def test_a_deep_or_linked_scratch_folder_cannot_be_made(session):
    """Removing it must be one listing: no folder a thousand deep, no link to follow."""
    for code in ("import os; os.mkdir('d')", "import os; os.symlink('/etc', 's')", "import os; os.mkfifo('p')",
                 "import os; open('a', 'w'); os.link('a', 'b')"):
        assert session.run_cell(code).error["ename"] == "PermissionError", code


# ----- It sees nothing

def test_no_file_of_the_grader_or_the_user_can_be_read(session, tmp_path):
    secret = tmp_path / "gradebook.db"
    secret.write_text("points")
    for path in (secret, "/etc/passwd", wire.__file__, "/proc/self/environ", "/proc/1/cmdline", "/sys/kernel",
                 "/dev/shm",
                 Path.home() / ".bashrc", "/var", "/usr/bin/env", "/usr/share"):
        run = session.run_cell(f"import os\np = {str(path)!r}\nos.listdir(p) if os.path.isdir(p) else open(p).read()")
        assert run.error["ename"] in ("PermissionError", "FileNotFoundError"), path


def test_listing_the_root_shows_no_more_than_the_loader_needs(session):
    run = session.run_cell("import os\nos.listdir('/')")
    seen = [] if run.error else eval(shown(run))
    assert not {"proc", "sys", "var", "boot", "work", "srv", "opt", "mnt", "media"} & set(seen)


def test_the_neighbours_folders_are_closed(session):
    """The twin process has seen the hidden inputs: not even it may leave a note."""
    twin = sandbox(session._worker.layer).session()
    with twin:
        twin.run_cell("open('note', 'w').write('hidden input')")
        other = twin._stage.process.scratch
        run = session.run_cell("import os\ntry: print(len(os.listdir('..')))\nexcept OSError as e: print('closed')")
        assert shown(run) == "closed\n"
        if "landlock" in session._worker.parts:
            assert session.run_cell(f"open({other + '/note'!r})").error["ename"] == "PermissionError"


def test_no_socket_no_signal_no_other_process(session):
    for code in ("import socket; socket.socket()", "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
                 "import socket; socket.socket(socket.AF_UNIX)", "import socket; socket.socketpair()",
                 "import os; os.kill(os.getppid(), 9)", "import os; os.kill(-1, 9)", "import os; os.setsid()",
                 "import os; os.execv('/bin/sh', ['sh'])", "import os; os.posix_spawn('/bin/sh', ['sh'], {})",
                 "import os; os.memfd_create('x')", "import os; os.pidfd_open(os.getppid())",
                 "import os; os.setpriority(os.PRIO_PROCESS, 0, -20)", "import os; os.chmod('.', 0o777)",
                 "import os; os.open('/dev/null', os.O_RDONLY | os.O_TRUNC)",
                 "import fcntl, os; fcntl.flock(os.open('/dev/null', 0), fcntl.LOCK_EX)",
                 "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSTI, b'x')"):
        assert session.run_cell(code).error["ename"] == "PermissionError", code
    still_works(session)


def test_the_limits_and_the_death_signal_cannot_be_taken_back(session):
    run = session.run_cell("import ctypes, resource\nlibc = ctypes.CDLL(None, use_errno=True)\n"
                           "new = (ctypes.c_uint64 * 2)(1 << 40, 1 << 40)\n"
                           "print(libc.prctl(1, 0), libc.prlimit64(0, 9, new, None), libc.sethostname(b'x', 1))\n"
                           "print(resource.getrlimit(resource.RLIMIT_AS)[1] < 1 << 40)")
    assert shown(run) == "-1 -1 -1\nTrue\n"


def test_the_worker_s_memory_is_closed(session):
    """The worker forks the next student's process: who writes to it, grades everyone."""
    run = session.run_cell("import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
                           "class V(ctypes.Structure): _fields_ = [('at', ctypes.c_void_p), ('n', ctypes.c_size_t)]\n"
                           "b = ctypes.create_string_buffer(b'before!!'); v = V(ctypes.addressof(b), 8)\n"
                           "print(libc.process_vm_writev(os.getppid(), ctypes.byref(v), 1, ctypes.byref(v), 1, 0),\n"
                           "      libc.ptrace(16, os.getppid(), 0, 0))\nopen(f'/proc/{os.getppid()}/mem', 'r+b')")
    assert shown(run).startswith("-1 -1\n") and run.error["ename"] in ("PermissionError", "FileNotFoundError")


def test_numpy_of_the_environment_cannot_be_changed_through_the_view(session):
    """The view links to the user's own NumPy."""
    run = session.run_cell("import numpy, os\nprint(os.access(numpy.__file__, os.R_OK))\nopen(numpy.__file__, 'a')")
    assert shown(run).startswith("True") and run.error["ename"] in ("PermissionError", "OSError")
    assert session.run_cell("import numpy, os; os.unlink(numpy.__file__)").error


# ----- It lies

JUNK = {
    "noise": "os.urandom(1 << 16)",
    "a gigabyte announced": "struct.pack('<II', 1 << 20, 1 << 30)",
    "brackets": "struct.pack('<II', 1 << 20, 0) + b'[' * (1 << 20)",
    "many digits": "struct.pack('<II', 100_000, 0) + b'9' * 100_000",
    "an early answer": "wire.dumps({'id': 1, 'value': 0, 'args': ()})",
    "ready again": "wire.dumps({'ready': True})",
    "a list": "wire.dumps([1, 2])",
    "nothing": "wire.dumps(None)",
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_junk_on_the_session_s_socket_costs_the_liar_alone(one, junk):
    one.run_cell(f"import os, struct, wire\ndef f():\n    os.write(3, {junk})\n    return 1")
    with pytest.raises(StudentDied, match="no answer"):
        one.call("f", ())
    still_works(one)


FORGED = ["'id': np.zeros(3), 'value': 1", "'id': np.zeros(0), 'value': 1, 'args': (1,)", "'value': 1",
          "'value': 1, 'args': (1, 2)", "'value': 1, 'args': [1]", "'missing': True, 'x': 1",
          "'raised': ['ValueError']",
          "'raised': 'x', 'file': '', 'line': 0", "'raised': [], 'file': 3, 'line': 0", "'ok': True, 'outputs': []",
          "'nodata': {'a': 1}", "'nodata': [1]"]


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_answer_of_another_form_is_refused(one, forged):
    """With the right number even: the process may read it off its own memory."""
    one.run_cell("import sys, wire\nimport numpy as np\ndef f(x):\n    frame = sys._getframe()\n"
                 "    while 'request' not in frame.f_locals:\n"
                 "        frame = frame.f_back\n    number = frame.f_locals['request']['id']\n"
                 f"    wire.send(frame.f_locals['session'], {{'id': number, {forged}}})\n"
                 f"    import time; time.sleep(9)")
    with pytest.raises(StudentFailure) as e:
        one.call("f", (0,))
    assert isinstance(e.value, StudentDied) and "no answer" in str(e.value) or "raised" in forged or "nodata" in forged
    still_works(one)


OUTPUTS = ["3", "[['stdout', 3]]", "[['html', '<b>']]", "[['display', {'text/html': 'x'}]]",
           "[['stdout', 'x' * 10**6]]",
           "[['stdout']]", "[['stdout', 'x', 'y']]", "[['stdout', '']] * 2000", "['ab']", "{}"]


@pytest.mark.parametrize("outputs", OUTPUTS)
def test_forged_outputs_of_another_form_are_refused(one, outputs):
    one.run_cell(f"import sys, wire, cells\n"
                 f"cells.Notebook.run = lambda *a: {{'ok': True, 'outputs': {outputs}, 'error': None,"
                 " 'dropped': 0}")
    with pytest.raises(StudentDied, match="no answer"):
        one.run_cell("1")
    assert one.restarts == 1


@pytest.mark.parametrize("error", ["np.zeros(3)", "'text'", "{'ename': 'E'}", "[1]",
                                   "{'ename': 'E', 'evalue': '', 'traceback': np.zeros(3)}"])
def test_a_forged_error_of_another_form_is_refused(one, error):
    """Indexing an array by a text raises what indexing a dict never does: it stopped the grader once."""
    one.run_cell(f"import cells\nimport numpy as np\ncells.Notebook.run = lambda *a: {{'ok': False, 'outputs': [], "
                 f"'error': {error}, 'dropped': 0}}")
    with pytest.raises(StudentDied, match="no answer"):
        one.run_cell("1")


def test_a_line_number_that_lies_quotes_only_the_student_s_own_text(one):
    """The quoted line is looked up out here: the child cannot put an input's digits into it."""
    one.run_cell("import cells\ncells.student_line = lambda e: ('<cell 1>', 10**6)\ndef f(x): raise ValueError")
    with pytest.raises(StudentError) as e:
        one.call("f", (3,))
    assert (e.value.line, e.value.number) == ("", 0)


def test_a_dripping_answer_ends_at_the_deadline(one):
    one.run_cell("import os, time\ndef f():\n    os.write(3, b'\\xff\\0\\0\\0\\0\\0\\0\\0')\n    while True:\n"
                 "        os.write(3, b' '); time.sleep(0.003)")
    began = time.monotonic()
    with pytest.raises((StudentTimeout, StudentDied)):
        one.call("f", ())
    assert time.monotonic() - began < LIMITS.draw + 0.5
    still_works(one)


def test_a_process_that_reads_no_more_does_not_hold_the_grader(one):
    """Sending arguments has the same deadline as waiting for the answer."""
    one.run_cell("import signal\ndef stop(): signal.raise_signal(signal.SIGSTOP)\ndef f(x): return 1")
    with pytest.raises(StudentTimeout):
        one.call("stop", ())
    one.run_cell("import threading, signal, time\n"
                 "def later(): time.sleep(0.2); signal.raise_signal(signal.SIGSTOP)\n"
                 "threading.Thread(target=later, daemon=True).start()")
    began = time.monotonic()
    with pytest.raises(StudentFailure):
        for _ in range(100):
            one.call("f", (np.zeros(1 << 20),))
    assert time.monotonic() - began < 3


def test_builtins_that_were_replaced_harm_only_their_owner(one):
    try:
        one.run_cell("import builtins, json, sys\nbuiltins.len = lambda x: 0\njson.dumps = None\nsys.stdout = None\n"
                     "np = __import__('numpy'); np.allclose = lambda *a, **k: True\n"
                     "builtins.isinstance = lambda *a: True")
        one.run_cell("1")
    except StudentFailure:
        pass
    with sandbox("auto").session() as neighbour:
        still_works(neighbour)
        assert shown(neighbour.run_cell("import numpy as np; np.allclose(1, 2), len([1])")) == "(False, 1)"


def test_nothing_of_one_session_reaches_the_next(session):
    session.run_cell("import numpy, builtins, sys, os, random\nnumpy.pwned = builtins.pwned = sys.pwned = 1\n"
                     "os.environ['PWNED'] = '1'; open('pwned', 'w').write('1')")
    with sandbox(session._worker.layer).session() as other:
        run = other.run_cell("import numpy, builtins, sys, os\n[hasattr(m, 'pwned') for m in (numpy, builtins, sys)], "
                             "'PWNED' in os.environ, os.listdir('.')")
        assert shown(run) == "([False, False, False], False, [])"


def test_no_process_finds_the_folder_of_another_in_its_memory(session):
    """Under bubblewrap alone the folders are closed by their names: the probe, which has seen the hidden inputs, could
    leave them in the folder of the stage, whose output is shown."""
    from autograder.attacks import ATTACKS

    search = next(a.code for a in ATTACKS if a.protection.startswith("no name of another"))
    lines = "\n".join("    " + line for line in search.strip("\n").splitlines())
    session._limits = dataclasses.replace(session._limits, draw=10.0)
    session.run_cell("def search(bait):\n    if True:\n" + lines)
    assert session.call("search", (0,))[0] == ""
    assert session._stage.process.scratch != session._probe.process.scratch


def test_the_witness_has_seen_no_draw(session):
    """A function that knew what a later one has answered could make that answer right."""
    session.run_cell("SEEN = []\ndef f(x): SEEN.append(x); return list(SEEN)")
    assert session.call("f", (1,))[0] == [1] and session.call("f", (2,))[0] == [1, 2]
    assert session.apart("f", (3,))[0] == [3]
    assert len({p.pid for p in (session._stage.process, session._probe.process, session._witness.process)}) == 3


def test_a_witness_knows_no_cell_after_the_functions_test(session):
    """A later cell could make an earlier function such that the next one is easy: it is asked as it was graded."""
    session.run_cell("LATER = []\ndef f(x): return x + len(LATER)")
    session.tested("f")
    session.run_cell("LATER.append(1)\ndef g(x): return f(x)")
    assert session.call("f", (1,))[0] == 2 and session.apart("f", (1,))[0] == 1
    assert session.apart("g", (1,))[0] == 2         # it has had no test yet
    session.tested("g")
    assert session.apart("g", (1,))[0] == 2 and session.apart("f", (1,))[0] == 1


def test_a_result_that_shares_memory_with_an_argument_is_seen(session):
    session.run_cell("def same(x): return {'y': [x[1:]]}\ndef new(x): return x.copy()")
    x = np.arange(3.0)
    assert session.spoiled("same", (x,))[0].tolist() == [0, 2, 3]
    assert session.spoiled("new", (x,))[0].tolist() == [0, 1, 2]


def test_a_worker_that_can_start_no_process_is_asked_again(one, monkeypatch):
    """Another submission's threads may hold the last process numbers of a container, until it is ended."""
    worker, answers = one._worker, iter([{"failed": "Resource temporarily unavailable"}] * 2)
    answer = worker._command_answer
    monkeypatch.setattr(worker, "_command_answer", lambda command, fds=None: (
        next(answers, None) if "fork" in command else None) or answer(command, fds))
    one.run_cell("def f(): return 1")
    assert one.call("f", ())[0] == 1


def test_the_environment_holds_a_few_fixed_values_alone(session, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    with Sandbox(session._worker.layer, LIMITS) as s, s.session() as fresh:
        names = set(eval(shown(fresh.run_cell("import os\nsorted(os.environ)"))))
    assert names <= {"HOME", "TMPDIR", "LC_ALL", "PWD", "NBGRADER_EXECUTION", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
                     "MKL_NUM_THREADS", "LD_LIBRARY_PATH"}


def test_the_graders_own_threads_and_memory_do_not_grow_with_hostile_answers(one):
    import resource

    before, threads = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, set(threading.enumerate())
    one.run_cell("import numpy as np\ndef f(): return [[] for i in range(300_000)]\n"
                 "def g(): return np.zeros(1_900_000)")
    for name in ("f", "g") * 5:
        try:
            one.call(name, ())
        except StudentFailure:
            pass
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10      # kB
    assert len(set(threading.enumerate()) - threads) <= 1        # one that reads; other tests' threads do not count
