"""Bad configs: exit code 2, one line with file:line:col, jax not imported; and how long it takes."""

import importlib.util
import re
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from lab import finish, lay_out, report, start

LIMIT = 0.5  # seconds of processor time: on a busy machine the clock measures the others

MORE = [
    "",
    "[1]",
    "5",
    "modules: {}",
    "seed: 0",
    "modules: [a]",
    "modules: {a: {type: observation, data: x}, a: {type: observation, data: x}}",
    "modules: !!python/object/apply:os.system [echo]",
    "modules: !!python/name:os.system",
    "--- !!python/module:os\n...\n",
    "%YAML 9.9\n---\nmodules: {}\n",
    "%TAG ! tag:evil,2000:\n---\nmodules: !x {}\n",
    "modules: *nothing",
    "modules: &a [*a]",
    "modules: {<<: {a: 1}}",
    "? [a, b]\n: 1\n",
    "? {a: b}\n: 1\n",
    "modules: \x07",
    "modules: |\n  text\n",
    "\tmodules: {}",
    "modules: {a: {type: vae, inputs: [a], latent_dim: 2}}",
    "modules: " + "{a: " * 30 + "1" + "}" * 30,
    "rounds: " + "9" * 5000 + "\nmodules: [x]",
    "modules:\n" + "".join(f"  m{i}: &m{i} [{', '.join([f'*m{i - 1}' if i else 'x'] * 9)}]\n" for i in range(12)),
    'modules: {"../../etc": 5}',
    'modules: {"a/b": 5}',
    'modules: {"a\\u0000b": 5}',
    "modules: 'unterminated",
    "modules: {a: {type: }",
    "- modules\n- data\n",
]

# Prints whether jax was imported, when the command has ended.
RUN = """
import sys
from mmcli.cli.main import main
try:
    main()
finally:
    print("jax" in sys.modules)
"""


def main() -> None:
    here = Path(__file__).resolve().parents[1] / "config" / "test_config_errors.py"
    spec = importlib.util.spec_from_file_location("test_config_errors", here)
    assert spec is not None
    assert spec.loader is not None
    known = importlib.util.module_from_spec(spec)
    sys.modules["test_config_errors"] = known
    spec.loader.exec_module(known)
    begun, good, times = time.perf_counter(), 0, []
    bad = MORE + [known.GOOD.replace(old, new) for old, changes in known.CHANGES.items() for new, _ in changes]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        lay_out(folder)
        for text in bad:
            (folder / "x.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = finish(start("-c", RUN, "check", "x.yaml", cwd=folder))
            now = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)
            is_placed = all(re.match(r"x\.yaml:\d+:\d+: ", line) for line in done.err.splitlines()) and done.err
            if done.code == 2 and done.out == "False\n" and is_placed:
                good += 1
            else:
                print(f"{text[:200]!r}: {times[-1]:.2f} s, exit code {done.code}, jax {done.out.strip()}, {done.err}")
    num_quick = sum(seconds < LIMIT for seconds in times)
    print(f"median {statistics.median(times):.2f} s, slowest {max(times):.2f} s; {num_quick} under {LIMIT} s")
    report("bad configs refused in one line", good, len(bad), begun)


if __name__ == "__main__":
    main()
