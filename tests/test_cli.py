"""The command line: what it prints where, which exit code, and that every slip gets one line and the nearest word."""
from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys

import pytest

from minigrad import cli, doctor, exercises
from minigrad.backend import cuda_status


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """A folder of release notebooks in the place of the checkout's."""
    home = tmp_path / "release"
    for name in ("03_rnn", "05_lstm"):
        (home / name).mkdir(parents=True)
        (home / name / f"{name}.ipynb").write_text(f'{{"{name}": 1}}')
    (home / "03_rnn" / ".ipynb_checkpoints").mkdir()
    (home / "03_rnn" / ".ipynb_checkpoints" / "x.ipynb").write_text("{}")
    monkeypatch.setattr(exercises, "source", lambda: home)
    return home


@pytest.mark.parametrize("verb", [[], *([v] for v in cli.VERBS)], ids=str)
def test_help_fits_a_terminal(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([*verb, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert stop.value.code == 0 and len(lines) <= 24 and max(map(len, lines)) <= 80


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_example_in_the_help_can_be_typed(verb):
    examples = re.findall(r"^ +minigrad (.+)$", cli.VERBS[verb].__doc__, re.M)
    assert examples
    for example in examples:
        assert cli._parse(shlex.split(example)).verb == verb


@pytest.mark.parametrize("typed, line", [
    ("rnu forecasting", "no command 'rnu'. Did you mean 'run'? (minigrad --help)"),
    ("xyz", "no command 'xyz'. (minigrad --help)"),
    ("run forcasting", "no experiment 'forcasting'. Did you mean 'forecasting'? (minigrad list shows all)"),
    ("run forecasting --quik", "'--quik' means nothing to minigrad run. Did you mean '--quick'? (minigrad run --help)"),
    ("run forecasting extra", "'extra' means nothing to minigrad run. (minigrad run --help)"),
    ("run", "the following arguments are required: NAME (minigrad run --help)"),
    ("run forecasting --seed -1",
     "argument --seed: a seed is a whole number from 0 up, not '-1' (minigrad run --help)"),
    ("run forecasting --seeds 0 1.5",
     "argument --seeds: a seed is a whole number from 0 up, not '1.5' (minigrad run --help)"),
    ("run forecasting --seed 0 --seeds 1",
     "argument --seeds: not allowed with argument --seed (minigrad run --help)"),
    ("run hello --text FILE", "'--text' means nothing to minigrad run. (minigrad run --help)"),
    ("run charlm --txt FILE", "'--txt' means nothing to minigrad run. Did you mean '--text'? (minigrad run --help)"),
    ("sample runs/no", "no model 'runs/no'. 'minigrad run charlm' trains one"),
    ("sample . --temperature -1", "argument --temperature: a number from 0 up, not '-1' (minigrad sample --help)"),
    ("sample . --top-k 1.5", "argument --top-k: a whole number from 0 up, not '1.5' (minigrad sample --help)"),
    ("sample . --top-p 0", "argument --top-p: a number above 0, up to 1, not '0' (minigrad sample --help)"),
    ("sample . --beam 0", "argument --beam: a whole number from 1 up, not '0' (minigrad sample --help)"),
    ("exercises", "the following arguments are required: DIR (minigrad exercises --help)"),
    ("exercises out 03_rn", "no assignment '03_rn'. Did you mean '03_rnn'? There are: 03_rnn, 05_lstm"),
])
def test_a_slip_gets_one_line_on_stderr_and_exit_code_2(typed, line, capsys, notebooks):
    assert cli.main(typed.split()) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err == f"minigrad: {line}\n"


def test_an_unknown_device_is_refused_and_a_missing_gpu_says_why(capsys):
    assert cli.main("run forecasting --device gpu".split()) == 2
    assert "'gpu'" in capsys.readouterr().err
    if not cuda_status()[0]:
        assert cli.main("run forecasting --device cuda".split()) == 2
        said = capsys.readouterr().err
        assert said.startswith("minigrad: device 'cuda' cannot be used. reason: ") and said.count("\n") == 1


def test_nothing_typed_shows_the_help_on_stderr():
    done = subprocess.run([sys.executable, "-m", "minigrad"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == "" and "VERB" in done.stderr


def test_list_names_each_experiment_with_its_slide(capsys):
    assert cli.main(["list"]) == 0
    assert "forecasting" in (shown := capsys.readouterr().out) and "KTH, *RNN in TensorFlow*" in shown
    assert re.search(r"^  forecasting +\d+ s +KTH, ", shown, re.M)        # what is wide comes last: a terminal is not
    assert cli.main(["list", "--json"]) == 0
    assert {"name", "slide", "ids", "seconds", "targets"} == set(json.loads(capsys.readouterr().out)[0])


def test_run_writes_to_the_folder_and_gives_json_alone_on_stdout(tmp_path, capsys):
    assert cli.main(["run", "forecasting", "--quick", "--seeds", "0", "1", "1", "--json", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr()
    record = json.loads(said.out)
    assert record["seeds"] == [0, 1] and record["quick"] and "Deep RNN 20-20-1" in said.err
    assert (tmp_path / "forecasting/quick-seeds-0-1/numbers.json").exists()


@pytest.mark.parametrize("met, code", [(True, 0), (None, 0), (False, 1)])
def test_a_missed_target_is_exit_code_1(met, code, monkeypatch, capsys):
    from minigrad.experiments import Experiment
    monkeypatch.setattr(Experiment, "execute", lambda self, *a, **k: {"targets": [{"met": True}, {"met": met}]})
    assert cli.main(["run", "forecasting"]) == code


def test_a_run_that_goes_wrong_is_one_line_and_exit_code_1(monkeypatch, capsys):
    from minigrad.experiments import Experiment, ExperimentError

    def wrong(*a, **k):
        raise ExperimentError("loss at step 3 is nan")
    monkeypatch.setattr(Experiment, "execute", wrong)
    assert cli.main(["run", "forecasting"]) == 1
    assert capsys.readouterr().err == "minigrad: loss at step 3 is nan\n"


def test_an_interrupted_run_says_how_to_go_on(monkeypatch, capsys):
    from minigrad.experiments import Experiment

    def stop(*a, **k):
        raise KeyboardInterrupt
    monkeypatch.setattr(Experiment, "execute", stop)
    assert cli.main(["run", "forecasting"]) == 130
    assert "--resume" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["run", "forecasting", "--quick", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == f"minigrad: Not a directory: '{tmp_path}/file/forecasting/quick-seed-0'\n"


# ----- options of one experiment, and sample

def test_an_experiments_own_options_are_in_its_help_and_reach_it(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "charlm", "--help"])
    shown = capsys.readouterr().out
    assert "--corpus topics|notes" in shown and "--text FILE" in shown
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    assert "--corpus" not in capsys.readouterr().out
    from minigrad.experiments import Experiment
    given = []
    monkeypatch.setattr(Experiment, "execute", lambda self, *a, **k: given.append(k["options"]) or {"targets": []})
    for typed in ("run charlm", "run --corpus notes charlm", "run charlm --text a.txt", "run hello"):
        assert cli.main(typed.split()) == 0
    assert given == [{}, {"corpus": "notes"}, {"text": "a.txt"}, {}]
    assert cli.main("run charlm --corpus note".split()) == 2 and "'note'" in capsys.readouterr().err


def test_a_text_that_is_not_there_is_one_line(tmp_path, capsys):
    assert cli.main(["run", "charlm", "--text", "no/file", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "minigrad: No such file or directory: 'no/file'\n"


@pytest.fixture
def trained(tmp_path):
    """A folder as a run of charlm leaves it."""
    from minigrad.models.text_model import TextModel
    (tmp_path / "charlm/seed-0").mkdir(parents=True)
    TextModel("ab c\n", hidden=4).save(tmp_path / "charlm/seed-0/model.npz")
    return tmp_path / "charlm"


def test_sample_writes_the_prompt_and_so_many_characters_more_on_stdout(trained, capsys):
    for model in ("seed-0", "seed-0/model.npz"):
        assert cli.main(["sample", str(trained / model), "--prompt", "ab ", "--length", "20"]) == 0
        said = capsys.readouterr()
        assert said.err == "" and said.out.startswith("ab ") and len(said.out) == 24
    options = ["--length", "9", "--temperature", "0.5", "--top-k", "3", "--top-p", "0.9"]
    texts = []
    for seed in ("0", "0", "1"):
        assert cli.main(["sample", str(trained / "seed-0"), *options, "--seed", seed, "--json"]) == 0
        texts.append(json.loads(capsys.readouterr().out)["text"])
    assert texts[0] == texts[1] != texts[2] and len(texts[0]) == 9
    assert cli.main(["sample", str(trained / "seed-0"), "--beam", "3", "--length", "5"]) == 0
    assert len(capsys.readouterr().out) == 6


def test_what_sample_cannot_do_is_one_line(trained, capsys):
    folder = trained / "seed-0"
    for typed, says in (([str(trained)], f"Did you mean '{folder}'?"),
                        ([str(folder), "--prompt", "x"], "knows no character 'x'"),
                        ([str(folder), "--beam", "2", "--top-k", "3"], "leave one of both out"),
                        ([str(folder / "model.npz"), "--length", "0"], "from 1 up, not '0'")):
        assert cli.main(["sample", *typed]) == 2
        said = capsys.readouterr()
        assert said.out == "" and says in said.err and said.err.count("\n") == 1
    (folder / "model.npz").write_bytes(b"no model")
    assert cli.main(["sample", str(folder)]) == 2
    assert "model.npz is no .npz file that can be read" in capsys.readouterr().err


# ----- exercises

def test_exercises_are_copied_as_they_are(notebooks, tmp_path, capsys):
    assert cli.main(["exercises", str(tmp_path / "my work")]) == 0
    copied = sorted(p.relative_to(tmp_path / "my work").as_posix() for p in (tmp_path / "my work").rglob("*.ipynb"))
    assert copied == ["03_rnn/03_rnn.ipynb", "05_lstm/05_lstm.ipynb"]
    said = capsys.readouterr()
    assert said.out.count("\n") == 2
    assert said.err == f"copied 2 files to {tmp_path}/my work. Next: jupyter lab '{tmp_path}/my work'\n"


def test_a_students_work_is_never_overwritten_without_force(notebooks, tmp_path, capsys):
    mine = tmp_path / "work/03_rnn/03_rnn.ipynb"
    cli.main(["exercises", str(tmp_path / "work")])
    mine.write_text("my work")
    (tmp_path / "work/05_lstm/05_lstm.ipynb").unlink()
    capsys.readouterr()
    assert cli.main(["exercises", str(tmp_path / "work")]) == 2
    assert f"'{mine}' holds other content, perhaps your work: nothing was copied." in capsys.readouterr().err
    assert mine.read_text() == "my work" and not (tmp_path / "work/05_lstm/05_lstm.ipynb").exists()
    assert cli.main(["exercises", str(tmp_path / "work"), "05_lstm"]) == 0
    assert (tmp_path / "work/05_lstm/05_lstm.ipynb").exists()
    assert cli.main(["exercises", str(tmp_path / "work"), "--force", "--json"]) == 0
    assert mine.read_text() == '{"03_rnn": 1}'


def test_copying_twice_changes_nothing(notebooks, tmp_path, capsys):
    for expected in (2, 0):
        assert cli.main(["exercises", str(tmp_path / "work"), "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)["written"]) == expected


def test_an_installation_without_notebooks_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(exercises, "source", lambda: None)
    assert cli.main(["exercises", str(tmp_path / "work")]) == 2
    assert exercises.install_line("course") in capsys.readouterr().err


def test_a_file_where_the_folder_should_be_is_refused(notebooks, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["exercises", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err == f"minigrad: '{tmp_path}/file' is a file; name a folder\n"


# ----- doctor

def test_doctor_says_what_is_there_and_why_there_is_no_gpu(capsys, monkeypatch):
    """tests/gpu/test_doctor.py has every reason and its repair."""
    monkeypatch.setattr(cli.mg, "cuda_status", lambda: (False, "no CUDA driver or device"))
    monkeypatch.setattr(doctor, "driver", lambda: None)
    monkeypatch.setattr(doctor, "wheels", lambda: {})
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert cli.main(["doctor"]) == 0
    said = capsys.readouterr()
    assert "not usable: no CUDA driver or device" in said.out and cli.install_line("cuda13") in said.err
    assert f"missing: no figures.  {cli.install_line('viz')}" in said.out
    assert cli.main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["gpu"] is False and report["matplotlib"] is False and report["python"].startswith("3.")


def test_a_reader_that_closes_the_pipe_is_no_error():
    done = subprocess.run(f"{shlex.quote(sys.executable)} -m minigrad list | true", shell=True, capture_output=True,
                          text=True)
    assert done.stderr == ""
