"""Bad configs: exit code 2, one line with file:line:col, under half a second, jax not imported."""

import importlib.util
import statistics
import sys
import tempfile
import time
from pathlib import Path

from lab import finish, lay_out, report, start

LIMIT = 0.5  # seconds

# Prints whether jax was imported, when the command has ended.
RUN = """
import sys
from mmcli.cli import main
try:
    main()
finally:
    print("jax" in sys.modules)
"""


def main() -> None:
    here = Path(__file__).resolve().parents[1] / "test_config_errors.py"
    spec = importlib.util.spec_from_file_location("test_config_errors", here)
    assert spec is not None
    assert spec.loader is not None
    known = importlib.util.module_from_spec(spec)
    sys.modules["test_config_errors"] = known
    spec.loader.exec_module(known)
    begun, good, times = time.perf_counter(), 0, []
    bad = [known.GOOD.replace(old, new) for old, changes in known.CHANGES.items() for new, _ in changes]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        lay_out(folder)
        for text in bad:
            (folder / "x.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
            started = time.perf_counter()
            done = finish(start("-c", RUN, "check", "x.yaml", cwd=folder))
            times.append(time.perf_counter() - started)
            is_placed = done.err.startswith("x.yaml:") and done.err.count("\n") == 1
            if done.code == 2 and done.out == "False\n" and is_placed and times[-1] < LIMIT:
                good += 1
            else:
                print(f"{text[:200]!r}: {times[-1]:.2f} s, exit code {done.code}, jax {done.out.strip()}, {done.err}")
    print(f"median {statistics.median(times):.2f} s, slowest {max(times):.2f} s")
    report("bad configs told in one line", good, len(bad), begun)


if __name__ == "__main__":
    main()
