"""A log that cannot be written is done without; a result that cannot be printed is one plain error."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

MMCLI = f"{sys.executable} -m mmcli"
GMM = """\
rounds: 1
data:
  images: {file: tiny.npz, key: images}
modules:
  image: {type: observation, data: images}
  gmm:   {type: gmm, inputs: [image], num_classes: 3, sweeps: 2, chains: 1}
"""
GONE = [("2>&-", "closed"), ("2>/dev/full", "full"), ("2> >(true)", "without a reader")]
NO_OUTPUT = [(">/dev/full", "No space left on device"), (">&-", "it is closed")]


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command line of bash, which closes and redirects what a test cannot."""
    return subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("redirected", [redirected for redirected, _ in GONE], ids=[name for _, name in GONE])
def test_training_goes_on_without_a_log(tiny_config, redirected):
    tiny_config.write_text(GMM)

    done = shell(f"{MMCLI} train tiny.yaml -o run {redirected}", tiny_config.parent)

    assert (done.returncode, done.stdout) == (0, "run\n")
    assert shell("sha256sum --quiet -c SHA256SUMS", tiny_config.parent / "run").returncode == 0


@pytest.mark.parametrize(
    ("redirected", "reason"),
    [(">/dev/full", "No space left on device"), (">&-", "it is closed")],
    ids=["full", "closed"],
)
def test_a_run_whose_name_cannot_be_printed_is_whole(tiny_config, redirected, reason):
    tiny_config.write_text(GMM)

    done = shell(f"{MMCLI} train tiny.yaml -o run {redirected}", tiny_config.parent)

    last = done.stderr.splitlines()[-1]
    assert (done.returncode, last) == (
        2,
        f"mmcli: error: stdout: cannot be written ({reason}); the run is whole, in run",
    )
    assert shell("sha256sum --quiet -c SHA256SUMS", tiny_config.parent / "run").returncode == 0


@pytest.mark.parametrize("arguments", ["--help", "--version", "modules gmm", "check tiny.yaml"])
@pytest.mark.parametrize(
    ("redirected", "reason"),
    [(">/dev/full", "No space left on device"), (">&-", "it is closed")],
    ids=["full", "closed"],
)
def test_a_result_that_cannot_be_printed_is_one_plain_error(tiny_config, arguments, redirected, reason):
    done = shell(f"{MMCLI} {arguments} {redirected}", tiny_config.parent)

    assert (done.returncode, done.stderr) == (2, f"mmcli: error: stdout: cannot be written ({reason})\n")


@pytest.mark.parametrize("redirected", [redirected for redirected, _ in GONE], ids=[name for _, name in GONE])
@pytest.mark.parametrize(
    ("arguments", "code"), [("modules", 0), ("modules nothing", 2), ("evaluate nowhere", 2), ("check tiny.yaml", 0)]
)
def test_the_exit_code_does_not_depend_on_the_log(tiny_config, arguments, code, redirected):
    assert shell(f"{MMCLI} {arguments} {redirected}", tiny_config.parent).returncode == code


def test_all_three_streams_may_be_closed(tiny_config):
    done = shell(f"{MMCLI} check tiny.yaml <&- >&- 2>&-", tiny_config.parent)

    assert done.returncode == 2  # what was asked for could not be printed


def test_a_file_never_gets_the_number_of_a_closed_stream(tmp_path):
    program = (
        "import os\n"
        "from mmcli.cli.streams import standard_streams\n"
        "with standard_streams():\n"
        "    descriptor = os.open('file', os.O_WRONLY | os.O_CREAT)\n"
        "    os.write(2, b'of a library')\n"
        "    os.write(descriptor, b'of mmcli')\n"
    )

    done = shell(f'{sys.executable} -c "{program}" <&- >&- 2>&-', tmp_path)

    assert done.returncode == 0
    assert (tmp_path / "file").read_bytes() == b"of mmcli"


def test_a_reader_of_results_that_leaves_ends_a_command_as_sigpipe_does():
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run([*MMCLI.split(), "modules"], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)

    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")
