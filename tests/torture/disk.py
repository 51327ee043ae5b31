"""The n-th call of the file system fails, for every n: it is reported, and the run resumes from its checkpoint."""

import errno
import os
import shutil
import tempfile
import time
from pathlib import Path

from lab import Done, call, explain, is_one_line, lay_out, options, report, results, spread, watched_calls

from mmcli.errors import MmcliError
from mmcli.runs.writer import RunDirectory

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS)


class Faulty:
    """The disk of a run whose `number`-th call fails."""

    def __init__(self, number: int | None = None, code: int = 0) -> None:
        self.number, self.code, self.num_calls = number, code, 0

    def before(self, number: int) -> None:
        self.num_calls = number + 1
        if number == self.number:
            raise OSError(self.code, os.strerror(self.code))


def attempt(run: Path, disk: Faulty) -> tuple[Done, bool]:
    """Train with a fault in the disk; what was said, and whether a run is there that is whole."""
    shutil.rmtree(run, ignore_errors=True)
    with watched_calls(run, disk.before, lambda _: None):
        done = call("train", "chain.yaml", "-o", run, "--resume")
    try:
        RunDirectory.open(run)
    except MmcliError:
        return done, False
    return done, True


def main() -> None:
    asked = options(__doc__, points=10**6)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        lay_out(folder)
        os.chdir(folder)
        run, good, sound = folder / "run", 0, Faulty()
        assert attempt(run, sound)[1]
        expected = results(run)
        trials = [(number, code) for number in spread(asked.points, sound.num_calls) for code in ERRORS]
        for number, code in trials:
            done, is_whole = attempt(run, Faulty(number, code))
            is_told = done.code in (2, 4) and is_one_line(done) if done.code else is_whole
            again = call("train", "chain.yaml", "-o", run, "--resume")
            if is_told and again.code == 0 and results(run) == expected:
                good += 1
            else:
                print(f"call {number}, {errno.errorcode[code]}: whole {is_whole}, {explain(done)} / {explain(again)}")
        print(f"{sound.num_calls} calls in a run")
        report("failures reported, and the run finished from its checkpoint", good, len(trials), begun)


if __name__ == "__main__":
    main()
