"""The doctor says what holds, and can say no."""

import pytest

from autograder import doctor, sandbox
from autograder.attacks import ATTACKS
from autograder.doctor import AVAILABLE, Finding
from autograder.sandbox import NoSandbox
from tests.autograder.sandbox_help import STRONG
from tests.autograder.sandbox_help import sandbox as working


@pytest.mark.parametrize("layer", STRONG)
def test_every_attack_is_held_off_in_a_layer_that_works(layer):
    """All but one: Landlock does not hide whether a file exists, and the doctor does not claim it."""
    working(layer)
    findings = doctor.doctor([layer])
    assert [f.protection for f in findings] == [AVAILABLE, *(a.protection for a in ATTACKS), "output is bounded"]
    still_open = {f.protection for f in findings if not f.holds}
    assert still_open == ({"whether a file exists is not told"} if layer == "landlock" else set())


def test_the_doctor_says_no_where_nothing_protects():
    """A checker that never fails proves nothing: with no layer the same attacks get through."""
    findings = {f.protection: f for f in doctor.doctor(["none"])}
    for protection in ("no TCP", "no UDP", "the course folder cannot be read", "no new process", "no other program",
                       "no signal to others", "nothing can be written outside the scratch folder",
                       "no mode, time or length of another file can be changed",
                       "home, /etc, /tmp and the root cannot be read", "whether a file exists is not told"):
        assert not findings[protection].holds, protection
    assert findings["the course folder cannot be read"].detail.startswith("read ")
    assert findings["an endless loop ends, whatever it catches"].holds       # the clock needs no layer


def test_a_missing_layer_is_a_finding_with_what_to_install(monkeypatch):
    def missing(layer, limits):
        raise NoSandbox("bubblewrap is not installed")

    monkeypatch.setattr(doctor, "Sandbox", missing)
    monkeypatch.setattr(sandbox.platform, "system", lambda: "Linux")
    findings = doctor.doctor()
    assert [(f.layer, f.holds) for f in findings] == [(layer, False) for layer in STRONG]
    text = doctor.format(findings)
    assert "bwrap: not available\n    bubblewrap is not installed" in text and "apt install bubblewrap" in text
    assert "5.13" in text and "Docker" in text


@pytest.mark.parametrize("system, says", [("Windows", "WSL2"), ("Darwin", "macOS")])
def test_other_systems_get_advice_and_no_traceback(monkeypatch, system, says):
    monkeypatch.setattr(sandbox.platform, "system", lambda: system)
    monkeypatch.setattr(sandbox, "Worker", lambda *args: (_ for _ in ()).throw(sandbox.SandboxError("no bubblewrap")))
    text = doctor.format(doctor.doctor())
    assert says in text and "--sandbox none" in text and "container" in text


def test_the_text_has_a_row_a_protection_names_the_default_and_says_what_is_open():
    findings = [Finding("bwrap+landlock", AVAILABLE, True, "bwrap, landlock"),
                Finding("bwrap+landlock", "no TCP", True, "PermissionError"),
                Finding("bwrap+landlock", "no files", True, "nothing got through"),
                Finding("landlock", AVAILABLE, True, "landlock, seccomp, rlimits"),
                Finding("landlock", "no TCP", True, "PermissionError"),
                Finding("landlock", "no files", False, "read abc...")]
    text = doctor.format(findings)
    assert text.splitlines() == [
        "bwrap+landlock (bwrap, landlock): 2 of 2 protections hold  <- used by default",
        "landlock (landlock, seccomp, rlimits): 1 of 2 protections hold", "",
        "bwrap+landlock  landlock  protection", "holds           holds     no TCP",
        "holds           OPEN      no files", "    landlock: read abc..."]
    told = doctor.format(findings, verbose=True).splitlines()
    assert "    bwrap+landlock: nothing got through" in told and "    landlock: PermissionError" in told
