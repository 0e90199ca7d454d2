"""The module in its process: the command, Ctrl-C, forks, other threads, and errors."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import huracan
import numpy
import pytest
from conftest import command


def test_the_command_is_there():
    assert command("--version").stdout.strip() == f"huracan {huracan.__version__}"
    assert "boost" in command("--help").stdout
    assert command("no-such-command", check=False).returncode == 2
    done = subprocess.run([sys.executable, "-m", "huracan", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == command("--version").stdout


def test_a_night_runs_from_the_wheel(tmp_path):
    done = command("run", "--workdir", tmp_path, "--set", "market.simulated.symbols=8", "--set", "universe.top_n=4",
                   "--set", "market.lookback_days=160", "--set", "universe.min_daily_volume_usd=1")
    assert "SIMULATED" in done.stdout + done.stderr
    assert list((tmp_path / "models").rglob("*.pkl"))


def test_ctrl_c_stops_a_command_at_once(tmp_path):
    program = [sys.executable, "-m", "huracan", "audit", "--only", "noise", "--full"]
    with subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        time.sleep(2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        process.communicate(timeout=20)
        assert time.monotonic() - begun < 2
        assert process.returncode in (-signal.SIGINT, 130)


def test_ctrl_c_stops_a_fit_within_a_second_and_leaves_python_usable():
    script = textwrap.dedent("""
        import os, signal, threading, time
        import huracan, numpy
        X = numpy.random.default_rng(0).normal(size=(200_000, 40)).astype("float32")
        y = numpy.random.default_rng(1).integers(0, 2, len(X))
        asked = []
        def interrupt():
            time.sleep(2)
            asked.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            huracan.HuracanClassifier(n_estimators=100_000).fit(X, y)
            print("no interruption")
        except KeyboardInterrupt:
            print("stopped", time.monotonic() - asked[0])
        print("usable", huracan.HuracanClassifier(n_estimators=2).fit(X[:500], y[:500]).score(X[:500], y[:500]) > 0.5)
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    lines = dict(line.split() for line in done.stdout.splitlines())
    assert float(lines["stopped"]) < 1.0 and lines["usable"] == "True", done.stdout + done.stderr


def test_other_threads_run_meanwhile(shops):
    X, y, _ = shops
    ticks = []
    over = threading.Event()

    def tick():
        while not over.wait(0.005):
            ticks.append(time.monotonic())

    ticking = threading.Thread(target=tick)
    ticking.start()
    begun = time.monotonic()
    huracan.HuracanClassifier(n_estimators=400, max_depth=8).fit(numpy.tile(X, (5, 1)), numpy.tile(y, 5))
    ended = time.monotonic()
    over.set()
    ticking.join()
    inside = sum(begun < at < ended for at in ticks)
    assert inside > 0.2 * (ended - begun) / 0.005, "the interpreter was held"


@pytest.mark.parametrize("instructions", ["plain", "nothing like it"])
def test_the_environment_chooses_the_instructions_and_not_the_bits(shops, instructions, tmp_path):
    X, y, _ = shops
    numpy.savez(tmp_path / "rows.npz", X=X, y=y)
    script = textwrap.dedent("""
        import sys, numpy, huracan
        rows = numpy.load(sys.argv[1])
        print(huracan.HuracanClassifier(n_estimators=5).fit(rows["X"], rows["y"]).booster_.digest)
    """)
    environment = {**os.environ, "HURACAN_INSTRUCTIONS": instructions}
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "rows.npz"], env=environment, capture_output=True, text=True, check=False)
    if instructions == "plain":
        assert done.stdout.strip() == huracan.HuracanClassifier(n_estimators=5).fit(X, y).booster_.digest
    else:
        assert done.returncode == 1 and "HURACAN_INSTRUCTIONS" in done.stderr


def in_child(X, y, wanted, folder, answers):
    """Runs in a forked child."""
    try:
        model = huracan.HuracanClassifier(n_estimators=5).fit(X, y)
        answers.put(("fit", model.booster_.digest == wanted))
    except Exception as error:  # noqa: BLE001
        answers.put(("fit", repr(error)))
    try:
        models = huracan.load(folder / "parent.jsonl")
        models.save(folder / "child.jsonl")
        answers.put(("files", (folder / "child.jsonl").read_text() != ""))
    except Exception as error:  # noqa: BLE001
        answers.put(("files", repr(error)))
    try:
        huracan.features("/nowhere")
        answers.put(("features", "no error"))
    except huracan.HuracanError as error:
        answers.put(("features", "forked" in str(error)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_fits_and_refuses_what_it_cannot_do(shops, tmp_path):
    X, y, _ = shops
    model = huracan.HuracanClassifier(n_estimators=5).fit(X, y)
    model.models_.save(tmp_path / "parent.jsonl")
    wanted = model.booster_.digest
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=in_child, args=(X, y, wanted, tmp_path, answers))
    child.start()
    told = dict(answers.get(timeout=60) for _ in range(3))
    child.join(60)
    assert told == {"fit": True, "files": True, "features": True} and child.exitcode == 0


def test_everything_public_says_what_it_is():
    for name in huracan.__all__:
        if name not in ("__version__", "commit"):
            assert len(getattr(huracan, name).__doc__ or "") > 30, name
    assert set(huracan.__all__) <= set(dir(huracan))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        huracan.nothing
