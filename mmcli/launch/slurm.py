"""Jobs as tasks of a Slurm array: a script to submit, and nothing to install."""

import shlex
import sys
from importlib.resources import files
from pathlib import Path
from string import Template

from mmcli.launch.sweep import CONFIGS, LOGS, POINTS, Sweep
from mmcli.util import atomic

SCRIPT = "slurm.sh"


def write_script(sweep: Sweep, slots: int | None, threads: int) -> Path:
    """Write the script of a sweep into its directory, in place of an older one.

    Args:
        sweep: whose points become tasks; a task of a finished point ends at once.
        slots: tasks at a time; None leaves that to Slurm.
        threads: CPU threads of a task.

    Raises:
        SaveError: it cannot be written.
    """
    path = sweep.path.absolute()
    width = len(sweep.points[0].name)
    template = Template(files("mmcli.launch").joinpath("slurm.sh.in").read_text(encoding="utf-8"))
    text = template.substitute(
        threads=threads,
        last=len(sweep.points) - 1,
        throttle="" if slots is None else f"%{slots}",
        sweep=shlex.quote(str(path)),
        binaries=shlex.quote(str(Path(sys.executable).parent)),
        name=f"%0{width}d",
        configs=CONFIGS,
        points=POINTS,
        logs=LOGS,
        options=" --trust-code" if sweep.trust_code else "",
    )
    script = sweep.path / SCRIPT
    atomic.write(script, text.encode())
    script.chmod(0o755)
    return script
