"""Runs that may only be read, whose files are links, and paths that may not be looked into."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The superuser passes every permission bit; a process without two capabilities does not.
LAUNCHER = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(24, capability, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
        sys.exit("no right to give up rights")
os.execv(sys.executable, [sys.executable, "-m", "mmcli", *sys.argv[1:]])
"""
NOT_WRITTEN = "run: may only be read (Permission denied): results are printed, not written\n"


@pytest.fixture
def plain_user() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`mmcli` in a process that permission bits hold for."""
    if os.geteuid() == 0 and "linux" not in sys.platform:
        pytest.skip("the superuser passes every permission bit")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", LAUNCHER, *map(str, arguments)]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def run(train) -> Path:
    train("-o", "run")
    return Path("run")


@pytest.fixture
def read_only(run) -> Path:
    """A run that nothing can be written to."""
    places = [run, *(path for path in run.rglob("*") if path.is_dir())]
    for place in places:
        place.chmod(0o555)
    yield run
    for place in places:
        place.chmod(0o755)


@pytest.mark.usefixtures("read_only")
def test_a_run_that_may_only_be_read_is_evaluated(plain_user):
    done = plain_user("evaluate", "run")

    assert (done.returncode, done.stderr) == (0, NOT_WRITTEN)
    assert done.stdout.startswith("gmm  ACC 0.750")
    assert not Path("run/evaluation.json").exists()


@pytest.mark.usefixtures("read_only")
def test_a_run_that_may_only_be_read_is_compared_and_reported_elsewhere(plain_user):
    assert plain_user("compare", "run").returncode == 0
    assert plain_user("report", "run", "-o", "page").stdout == "page/report.html\n"
    inside = plain_user("report", "run")
    assert (inside.returncode, inside.stderr.count("\n")) == (2, 1)
    assert inside.stderr.endswith("name another folder with -o\n")


def test_new_items_of_a_run_that_may_only_be_read(plain_user, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained.run, "run")
    places = [Path("run"), *(path for path in Path("run").rglob("*") if path.is_dir())]
    for place in places:
        place.chmod(0o555)
    data = trained.run.parents[1] / "tiny.npz"

    measured = plain_user("evaluate", "run", "--data", data)
    unlabelled = plain_user("evaluate", "run", "--data", f"images={data}")
    elsewhere = plain_user("evaluate", "run", "--data", data, "-o", "out")
    for place in places:
        place.chmod(0o755)

    assert (measured.returncode, measured.stderr.splitlines()[-1]) == (0, NOT_WRITTEN.strip())
    assert "ACC" in measured.stdout
    assert (unlabelled.returncode, unlabelled.stderr.splitlines()[-1]) == (
        2,  # there would be nothing to show for it
        "mmcli: error: run: may only be read (Permission denied); name a place to write to with -o",
    )
    assert elsewhere.returncode == 0
    assert Path("out/evaluation_recog.json").exists()


# paths that may not be looked into


@pytest.fixture
def shut(train, tiny_config) -> Path:
    """A folder with a run and its data that may not be looked into."""
    folder = tiny_config.parent / "shut"
    folder.mkdir()
    train("-o", "shut/run")
    for name in ("tiny.npz", "tiny.yaml"):
        shutil.copy(name, folder)
    folder.chmod(0)
    yield folder
    folder.chmod(0o755)


@pytest.mark.slow
@pytest.mark.usefixtures("shut")
def test_a_path_that_may_not_be_looked_into_is_one_line_in_every_command(plain_user):
    lines = [
        "evaluate shut/run",
        "report shut/run",
        "compare shut/run",
        "generate shut/run --to images --class 1 -o made.npz",
        "check shut/tiny.yaml",
        "train shut/tiny.yaml",
        "train tiny.yaml -o shut/other",
        "train tiny.yaml -o shut/run --resume",
        "train tiny.yaml -o shut/run --force",
        "train tiny.yaml -o new --resume --data-root shut/run",
        "data show shut/tiny.npz",
        "data pair shut/tiny.npz tiny.npz -o pairs.npz",
        "data images shut/run -o images.npz",
        "data images tiny.png -o shut/images.npz",
        "data hac shut/run -o speech.npz",
        "data fetch mnist-arabic --mnist-dir shut/mnist",
        "data fetch mnist-arabic -o shut/fetched",
    ]
    for line in lines:
        done = plain_user(*line.split())

        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), (line, done.stderr)
        assert "Permission denied" in done.stderr, line
        assert "a fault of mmcli" not in done.stderr


@pytest.mark.parametrize("path", ["n" * 300, "tiny.npz/x", "loop", "pipe", "/dev/zero", "folder"])
def test_what_is_no_such_file_is_one_line_in_every_command(command, monkeypatch, tiny_config, path):
    monkeypatch.chdir(tiny_config.parent)
    Path("loop").symlink_to("loop")
    Path("folder").mkdir()
    os.mkfifo("pipe")
    lines = [
        "evaluate PATH",
        "report PATH",
        "compare PATH",
        "compare PATH other",
        "generate PATH --to images --class 1 -o made.npz",
        "check PATH",
        "train PATH",
        "train tiny.yaml --set data.images.file=PATH",
        "data show PATH",
        "data pair PATH tiny.npz -o pairs.npz",
        "data images PATH.png -o images.npz",
        "data fetch mnist-arabic --mnist-dir PATH -o PATH/fetched",
    ]
    for line in lines:
        done = command(*line.replace("PATH", path).split())

        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), (line, done.err)


def test_an_empty_argument_is_refused(command):
    assert command("evaluate", "") == (2, "", "mmcli: error: an argument is empty; is a variable of the shell unset?\n")


# runs whose files are links


@pytest.fixture
def linked(run) -> Path:
    """A run as git-annex leaves it: every file is a link to content that lies elsewhere and may only be read."""
    store = Path("objects").absolute()
    store.mkdir()
    for number, path in enumerate(sorted(path for path in run.rglob("*") if path.is_file())):
        content = store / str(number)
        path.rename(content)
        content.chmod(0o444)
        path.symlink_to(content)
    return run


def contents(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.iterdir()}


@pytest.mark.usefixtures("linked")
def test_a_run_of_links_is_read(command):
    before = contents(Path("objects"))

    assert command("evaluate", "run").code == 0
    assert command("report", "run").code == 0
    assert command("compare", "run").code == 0
    assert contents(Path("objects")) == before
    assert Path("run/meta.json").is_symlink()


def test_content_that_is_not_what_was_written_is_found_behind_a_link(linked, command):
    content = (linked / "module003_gmm/class_learn.txt").readlink()
    content.chmod(0o644)
    content.write_bytes(b"0\n")

    done = command("evaluate", "run")

    assert done.code == 4
    assert "its SHA-256 differs from the recorded one" in done.err


@pytest.mark.parametrize("name", ["meta.json", "SHA256SUMS", "module003_gmm/class_learn.txt"])
def test_a_link_whose_content_is_elsewhere_is_no_damage(linked, command, name):
    content = (linked / name).readlink()
    content.unlink()

    done = command("evaluate", "run")

    line = f"mmcli: error: run/{name}: a link to {content}, which is missing; fetch it (git annex get, dvc pull)\n"
    assert (done.code, done.out, done.err) == (2, "", line)


@pytest.mark.usefixtures("linked")
def test_a_run_of_links_resumes_and_never_writes_through_them(train):
    before = contents(Path("objects"))

    done = train("-o", "run", "--resume", "--rounds", "3")

    assert (done.code, done.out) == (0, "run\n")
    assert "files of this run are links: new files replace them, and their targets stay as they are\n" in done.err
    assert contents(Path("objects")) == before
    assert not Path("run/meta.json").is_symlink()


def test_a_folder_that_is_a_link_is_not_written_to(run, command):
    (run / "module003_gmm").rename("elsewhere")
    (run / "module003_gmm").symlink_to(Path("elsewhere").absolute())

    done = command("evaluate", "run")

    assert (done.code, done.err) == (0, "run: may only be read (a link): results are printed, not written\n")
    assert not Path("elsewhere/confusion.png").exists()


# what may lie where a run goes, or beside runs


@pytest.mark.parametrize("name", ["log", "slurm-17.out", "train.log.1"])
def test_a_log_may_lie_where_a_run_begins(train, name):
    Path("run").mkdir()
    Path("run", name).write_text("begun\n")

    assert train("-o", "run", "--resume").code == 0
    assert Path("run", name).read_text() == "begun\n"


def test_what_is_no_log_bars_a_run(train):
    Path("run").mkdir()
    Path("run/thesis.tex").write_text("mine")

    done = train("-o", "run", "--resume")

    assert (done.code, done.out) == (2, "")
    assert done.err == "mmcli: error: run: no run directory, so --resume leaves it alone; name another with -o\n"


def test_the_streams_may_go_to_any_file_where_a_run_begins(train, monkeypatch):
    Path("run").mkdir()
    with Path("run/course.txt").open("w") as file:
        monkeypatch.setattr("mmcli.runs.layout._OUTPUTS", (file.fileno(),))

        assert train("-o", "run", "--resume").code == 0


@pytest.mark.usefixtures("run")
def test_compare_leaves_out_what_lies_beside_runs(command):
    Path("log").write_text("")
    Path("plots").mkdir()

    done = command("compare", "log", "plots", "run")

    assert (done.code, done.err) == (0, "left out, no run directories: log, plots\n")
    assert done.out.splitlines()[-1].startswith("run  ")
    assert command("compare", "log", "plots").code == 2
    assert command("compare", "run", "typo").code == 2
