"""The commands: arguments in, exit code out. What is slow to import is imported where a command needs it."""

import json
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from mmcli import __version__
from mmcli.errors import ConfigError, DataError, MmcliError, StoppedError, UsageError
from mmcli.stopping import SIGNALS, stop_requests


@dataclass
class Session:
    """What holds for any command."""

    debug: bool = False


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Compose probabilistic modules into models that learn from several senses at once."""
    context.ensure_object(Session).debug = debug


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="Run directory [next runs/CONFIG-sSEED-NNN]."
)
@click.option("--seed", type=int, help="Seed of all random draws, instead of the config's.")
@click.option("--rounds", type=int, help="Number of rounds, instead of the config's.")
@click.option(
    "--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Any value of the config: modules.vae.epochs=20."
)
@click.option("--resume", is_flag=True, help="Go on with the run at DIR, if there is one that has not finished.")
@click.option("--force", is_flag=True, help="Set aside a run that is at DIR already.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads to compute with [all cores].")
def train(
    config: Path,
    output: Path | None,
    seed: int | None,
    rounds: int | None,
    overrides: tuple[str, ...],
    resume: bool,
    force: bool,
    threads: int | None,
) -> None:
    """Train the model in CONFIG and print the run directory."""
    from mmcli import experiment, progress

    for option, is_given in (("--force", force), ("--resume", resume)):
        if is_given and output is None:
            raise UsageError(f"{option} needs -o DIR: without it every run has a directory of its own")
    if force and resume:
        raise UsageError("--force begins anew and --resume goes on; choose one")
    checked = experiment.check(config, overrides, seed=seed, rounds=rounds)
    with stop_requests() as stop, progress.display() as watcher:
        run = experiment.train(checked, watcher, stop, output=output, force=force, resume=resume, threads=threads)
    click.echo(run)


@cli.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(run_dir: Path, as_json: bool) -> None:
    """Compare the classes that a run found with the labels.

    Writes evaluation.json to RUN_DIR, and confusion.png to the folder of each module that names labels.
    """
    from mmcli import experiment, tables

    evaluation = experiment.evaluate(run_dir)
    click.echo(json.dumps(evaluation.record) if as_json else tables.evaluation(evaluation.metrics))


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
def check(config: Path) -> None:
    """Check CONFIG and its data without computing anything."""
    from mmcli import experiment, tables

    click.echo(tables.graph(experiment.check(config)))


@cli.command()
@click.argument("type_name", metavar="[TYPE]", required=False)
def modules(type_name: str | None) -> None:
    """List the types of modules, or the options of one TYPE."""
    from mmcli import tables
    from mmcli.modules import MODULES
    from mmcli.wording import suggestion

    if type_name is not None and type_name not in MODULES:
        raise UsageError(f"no module type {type_name}{suggestion(type_name, MODULES)}; `mmcli modules` lists them")
    click.echo(tables.module_types() if type_name is None else tables.module_type(type_name))


def main() -> None:
    """Run the command line and exit: 0 done, 1 fault of mmcli, 128 + n after signal n, else the error's own code."""
    for number in SIGNALS:
        if number != signal.SIGINT:
            signal.signal(number, _terminate)
    session = Session()
    try:
        # Not standalone: click would print a usage error on three lines and let all others through.
        code = cli.main(prog_name="mmcli", standalone_mode=False, obj=session)
    except StoppedError as stopped:
        click.echo(f"mmcli: {stopped}", err=True)
        # At once, although modules may still compile in a thread that Python would wait for.
        os._exit(stopped.exit_code)
    except Exception as error:
        if session.debug:
            traceback.print_exc()
        code = _explain(error)
    sys.exit(code)


def _terminate(number: int, _frame: FrameType | None) -> None:
    """Leave as an error would, so that a run that is being written says how it ended."""
    raise SystemExit(128 + number)


def _explain(error: Exception) -> int:
    """Say on stderr what went wrong, a line for each problem; the exit code."""
    match error:
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return error.exit_code
        case click.ClickException():
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "mmcli"
            _say(f"{error.format_message()} (see `{command} --help`)")
            return error.exit_code
        case click.Abort():
            _say("interrupted")
            return 128 + signal.SIGINT
        case ConfigError() | DataError():  # a line per problem, each with its place
            click.echo(str(error), err=True)
            return error.exit_code
        case MmcliError():
            _say(str(error))
            return error.exit_code
    _say(f"a fault of mmcli: {type(error).__name__}: {error} (`mmcli --debug` before the command shows where)")
    return 1


def _say(message: str) -> None:
    click.echo(f"mmcli: error: {' '.join(message.split())}", err=True)
