"""SIGTERM during each module's update: a checkpoint within 10 s, exit code 143, and on to the same bytes."""

import argparse
import shutil
import signal
import tempfile
import time
from pathlib import Path

from lab import explain, finish, lay_out, report, results, start

LIMIT = 10  # seconds from the signal to the end of the process
DELAYS = (1, 2, 4, 8, 16, 32)  # seconds to wait for a process to import and compile, until it is in its update


def ending(run: Path) -> dict[str, str]:
    """All results, and of the checkpoints the last: the one before it may be of where the run was stopped."""
    found = results(run)
    for name in sorted(name for name in found if name.startswith("checkpoint/"))[:-1]:
        del found[name]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", nargs="?", type=Path, help="[a small graph with long updates]")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of mmcli train")
    asked = parser.parse_args()
    begun, good, slowest = time.perf_counter(), 0, 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        lay_out(folder)
        long = ("rounds=1", "modules.vae.epochs=50000", "modules.gmm.sweeps=200000", "modules.mlda.sweeps=200000")
        overrides = asked.set if asked.config else long
        line = ["-m", "mmcli", "train", asked.config.resolve() if asked.config else "chain.yaml", "--threads", "1"]
        line += [word for override in overrides for word in ("--set", override)]
        whole = finish(start(*line, "-o", folder / "whole", cwd=folder))
        assert whole.code == 0, whole.err
        expected = ending(folder / "whole")
        updates = [line.split()[2] for line in whole.err.splitlines() if line.startswith("round 1/")]
        for place, module in enumerate(updates):
            run = folder / module
            for delay in DELAYS:
                shutil.rmtree(run, ignore_errors=True)
                process = start(*line, "-o", run, "--resume", cwd=folder)
                assert process.stderr is not None
                for _ in range(1 + place):
                    process.stderr.readline()  # the run directory, and a line for each update before
                time.sleep(delay)
                process.send_signal(signal.SIGTERM)
                sent = time.perf_counter()
                stopped = finish(process)
                seconds = time.perf_counter() - sent
                checkpoints = sorted(path.stem for path in (run / "checkpoint").iterdir())
                print(f"{module}: ended after {seconds:.2f} s, checkpoints {', '.join(checkpoints)}", flush=True)
                if not checkpoints[-1].endswith("-000000"):
                    break  # in the middle of the update, not before it
            slowest = max(slowest, seconds)
            again = finish(start(*line, "-o", run, "--resume", cwd=folder))
            said = f"stopped by SIGTERM in round 1, module {module};"
            if stopped.code == 143 and said in stopped.err and seconds < LIMIT and ending(run) == expected:
                good += 1
            else:
                print(f"{module}: {explain(stopped)} / {explain(again)}")
    print(f"the slowest took {slowest:.2f} s")
    report("stopped by SIGTERM within 10 s, exit code 143, finished to the same bytes", good, len(updates), begun)


if __name__ == "__main__":
    main()
