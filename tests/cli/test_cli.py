"""The command line from outside: what is printed where, exit codes, and the run directory that comes of it."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmcli import __version__
from mmcli.engine import schedule
from mmcli.errors import DivergedError
from mmcli.modules.registry import find_spec, type_names
from mmcli.modules.spec import Options


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let learning end by an error."""

    def fail(*_arguments, **_options):
        raise error

    monkeypatch.setattr(schedule, "train_rounds", fail)


# help, version, modules, check


def test_version(command):
    assert command("--version") == (0, f"mmcli {__version__}\n", "")


def test_no_command_shows_the_help(command):
    done = command()

    assert (done.code, done.out) == (2, "")
    assert "Commands:" in done.err


def test_modules_lists_every_type(command):
    done = command("modules")

    assert (done.code, done.err) == (0, "")
    heading, *lines = done.out.splitlines()
    assert heading.split() == ["type", "from", "receives", "sends", "summary"]
    assert [line.split()[:2] for line in lines] == [[name, "mmcli"] for name in type_names()]
    assert all(line.endswith(find_spec(name).summary) for line, name in zip(lines, type_names(), strict=True))


def test_modules_of_a_type_tells_each_option(command):
    done = command("modules", "gmm")

    assert done.code == 0
    heading, neighbours, _, _, *options = done.out.splitlines()
    assert heading.startswith("gmm: Gaussian mixture")
    assert neighbours == "from mmcli; receives points (any number of inputs); sends categorical"
    assert re.split(r" {2,}", options[0]) == [
        "num_classes",
        "required",
        "a whole number, at least 1 or auto or {max: a whole number, at least 2}",
        "components of the mixture; auto, or {max: 30}: as many as it shares with its child",
    ]
    assert options[1].split()[:2] == ["covariance", "auto"]


def test_a_source_has_no_inputs(command):
    _, neighbours, *_, kind = command("modules", "observation").out.splitlines()

    assert neighbours == "from mmcli; a source: has no inputs; sends points, counts"
    assert kind.split()[:2] == ["kind", "none"]


def test_a_type_without_options(command, register):
    register(dataclasses.replace(find_spec("observation"), name="bare", options=Options))

    assert command("modules", "bare").out.splitlines()[2:] == ["", "no options"]


def test_unknown_type(command):
    assert command("modules", "gm") == (
        2,
        "",
        "mmcli: error: no module type gm (did you mean gmm?); `mmcli modules` lists them\n",
    )


def test_check_shows_what_each_module_receives(command, tiny_config):
    assert command("check", tiny_config).out == (
        f"{tiny_config}: sound; 60 items, 2 rounds, seed 0\n"
        "\n"
        "module  type         receives\n"
        "image   observation  data images, 12 columns\n"
        "word    observation  data words, 12 columns\n"
        "vae     vae          image (points, 12 columns)\n"
        "gmm     gmm          vae (points, 2 columns)\n"
        "mlda    mlda         word (counts, 12 columns), gmm (categorical, 3 columns)\n"
    )


# errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "mmcli: error: Missing argument 'CONFIG'. (see `mmcli train --help`)\n"),
        (["fly"], "mmcli: error: No such command 'fly'. (see `mmcli --help`)\n"),
        (
            ["train", "x.yaml", "--threads", "0"],
            (
                "mmcli: error: Invalid value for '--threads': 0 is not in the range 1<=x<=1024. "
                "(see `mmcli train --help`)\n"
            ),
        ),
        (
            ["train", "x.yaml", "--force"],
            "mmcli: error: --force needs -o DIR: without it every run has a directory of its own\n",
        ),
        (["train", "x.yaml"], "x.yaml: no such file\n"),
        (["compare"], "mmcli: error: Missing argument 'RUN_DIR...'. (see `mmcli compare --help`)\n"),
        (["compare", "x"], "mmcli: error: x: no such directory; name one that `mmcli train` printed\n"),
        (["compare", "x", "--json", "--csv"], "mmcli: error: --json and --csv: ask for one of them\n"),
        (
            ["compare", "x", "--plot", "acc.pdf"],
            "mmcli: error: --plot acc.pdf: draws .png and .svg; name a file that ends so\n",
        ),
        (["evaluate", "x"], "mmcli: error: x: no such directory; name one that `mmcli train` printed\n"),
    ],
)
def test_a_wrong_command_line_gets_one_line_and_exit_code_2(command, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)

    assert command(*arguments) == (2, "", message)


def test_config_problems_come_all_at_once_each_with_its_place(command, tiny_config):
    text = tiny_config.read_text()
    tiny_config.write_text(text.replace("rounds: 2", "rounds: many").replace("sweeps: 10, chains", "sweep: 10, chains"))

    for name in ("train", "check"):
        done = command(name, tiny_config)

        first, second = done.err.splitlines()
        assert (done.code, done.out) == (2, "")
        assert first.startswith(f"{tiny_config}:2:9: rounds: must be a whole number")
        assert second.startswith(f"{tiny_config}:12:53: modules.gmm.sweep: unknown key (did you mean sweeps?)")
    assert not (tiny_config.parent / "runs").exists()


def test_data_problems_get_exit_code_2_and_no_run_directory(command, monkeypatch, tiny_config):
    monkeypatch.chdir(tiny_config.parent)
    (tiny_config.parent / "tiny.npz").unlink()

    done = command("train", tiny_config)

    assert (done.code, done.out) == (2, "")
    assert all(line.startswith(f"{tiny_config}:") and "no such file" in line for line in done.err.splitlines())
    assert not Path("runs").exists()


def test_a_fault_of_mmcli_is_one_line_and_a_traceback_only_on_request(command, monkeypatch, tiny_config):
    monkeypatch.chdir(tiny_config.parent)
    fail_with(monkeypatch, ZeroDivisionError("by\nzero"))
    line = "mmcli: error: a fault of mmcli: ZeroDivisionError: by zero (`mmcli --debug` before the command shows where)"

    plain = command("train", tiny_config)
    debug = command("--debug", "train", tiny_config)

    assert (plain.code, plain.out) == (debug.code, debug.out) == (1, "")
    assert plain.err.splitlines() == ["run directory runs/tiny-s0-001", line]
    assert "Traceback (most recent call last)" in debug.err
    assert debug.err.splitlines()[-1] == line
    assert json.loads(Path("runs/tiny-s0-001/meta.json").read_text())["error"] == "ZeroDivisionError: by\nzero"


def test_numbers_that_diverge_give_exit_code_3_and_a_failed_run(command, monkeypatch, tiny_config):
    monkeypatch.chdir(tiny_config.parent)
    fail_with(monkeypatch, DivergedError("gmm: the evidence is NaN in round 1"))

    done = command("train", tiny_config)
    after = command("evaluate", "runs/tiny-s0-001")

    assert (done.code, done.err.splitlines()[-1]) == (3, "mmcli: error: gmm: the evidence is NaN in round 1")
    assert (after.code, after.err) == (
        2,
        "mmcli: error: runs/tiny-s0-001: this run failed (gmm: the evidence is NaN in round 1); train again\n",
    )


def test_an_interrupt_gives_exit_code_130_and_a_failed_run(command, monkeypatch, tiny_config):
    monkeypatch.chdir(tiny_config.parent)
    fail_with(monkeypatch, KeyboardInterrupt())

    done = command("train", tiny_config)

    assert (done.code, done.err.splitlines()[-1]) == (130, "mmcli: error: interrupted")
    assert json.loads(Path("runs/tiny-s0-001/meta.json").read_text())["error"] == "interrupted"


def test_a_terminated_run_gives_exit_code_143_and_says_how_to_go_on(tiny_config):
    line = [sys.executable, "-m", "mmcli", "train", tiny_config, "--rounds", "1000000"]
    with subprocess.Popen(line, cwd=tiny_config.parent, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        process.stderr.readline()  # the run directory is there
        process.send_signal(signal.SIGTERM)
        *_, last = process.stderr

    meta = json.loads((tiny_config.parent / "runs/tiny-s0-001/meta.json").read_text())
    assert process.returncode == 128 + signal.SIGTERM
    assert meta["status"] == "stopped"
    assert last == (
        "mmcli: stopped by SIGTERM in round 1, module vae; all is saved; resume with: "
        "mmcli train runs/tiny-s0-001/config.yaml -o runs/tiny-s0-001 --resume\n"
    )


def test_a_reader_that_leaves_is_no_error(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "mmcli", "modules"], stdout=writing, stderr=subprocess.PIPE, cwd=tmp_path, check=False
    )
    os.close(writing)

    assert done.stderr == b""


def test_reading_a_long_text_is_told(command, tiny_config, monkeypatch):
    monkeypatch.chdir(tiny_config.parent)
    monkeypatch.setattr("mmcli.util.progress.LONG", 0)
    monkeypatch.setattr("mmcli.util.progress.SECONDS_A_LINE", 0)
    np.savetxt("words.txt", np.load("tiny.npz")["words"])
    tiny_config.write_text(tiny_config.read_text().replace("{file: tiny.npz, key: words}", "{file: words.txt}"))

    done = command("check", "tiny.yaml")

    assert done.code == 0
    assert "reading words.txt: 0 of 0 MB\n" in done.err
    assert "\r" not in done.err
    assert "\x1b" not in done.err
