"""In the place of `mmcli` in the jobs of a sweep: writes a run as `mmcli train` does, in a moment, and obeys orders.

The file orders.json of the working directory gives an order for a seed: "fail" ends with exit code 3 before the run
begins, "fail after 000" as soon as that point of the sweep has a round, "diverge" after its first round, "wait" goes on
once the file `go` is there, "sleep" never, and "other data" pretends that its data have changed.
"""

import json
import re
import signal
import sys
import time
from pathlib import Path

from mmcli.runs.writer import RunDirectory
from mmcli.util import atomic


def train(config: Path, output: Path) -> int:
    """Exit code of a run: ACC grows with the seed, and the objective falls."""
    text = config.read_text()
    seed = int(re.search(r"^seed: (\d+)$", text, re.MULTILINE)[1])
    classes = int(re.search(r"num_classes: (\d+)", text)[1])
    orders = Path("orders.json")
    order = json.loads(orders.read_text()).get(str(seed)) if orders.exists() else None
    with Path("attempts.txt").open("a") as attempts:
        attempts.write(f"{output.name}\n")
    if order is not None and order.startswith("fail"):
        _, _, other = order.partition(" after ")
        while other and not (output.parent / other / "history.jsonl").exists():
            time.sleep(0.02)
        sys.stderr.write("mmcli: error: no luck\n")
        return 3
    run = RunDirectory.open_or_create(output)
    with run.lock():
        if run.is_finished:
            return 0
        signal.signal(signal.SIGTERM, lambda *_: (run.stop(), sys.exit(143)))
        file = re.search(r"file: (\S+points.npy)", text)[1]
        run.start(
            text, {"seed": seed, "data": {file: "0" * 64 if order == "other data" else atomic.digest(Path(file))}}
        )
        line = {"acc": 0.5 + seed / 10, "ari": 0.25, "nmi": 0.5, "bound": 100.0 * classes - seed}
        run.append_history({"round": 1, "module": "gmm", **line, "seconds": 2.0, "compile_seconds": 1.0})
        if order == "diverge":
            run.fail("gmm: a number became NaN")
            sys.stderr.write("mmcli: error: gmm: a number became NaN\n")
            return 3
        while order == "sleep" or (order == "wait" and not Path("go").exists()):
            time.sleep(0.02)
        run.finish()
    return 0


if __name__ == "__main__":
    sys.exit(train(Path(sys.argv[2]), Path(sys.argv[4])))
