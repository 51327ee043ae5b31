"""The commands: arguments in, exit code out. What is slow to import is imported where a command needs it."""

import functools
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

import click

from mmcli import __version__
from mmcli.cli import environment
from mmcli.cli.data import data
from mmcli.cli.signals import heeded, leave, stop_requests
from mmcli.cli.streams import standard_streams
from mmcli.errors import (
    ConfigError,
    DataError,
    MemoryShortError,
    MmcliError,
    OutputError,
    StoppedError,
    UsageError,
)
from mmcli.util.progress import following, looks_on
from mmcli.util.workers import are_busy

if TYPE_CHECKING:
    from mmcli.data.selection import Request


@dataclass
class Session:
    """What holds for any command."""

    debug: bool = False
    ignored: Sequence[str] = ()  # variables of the environment, NAME=VALUE

    def tell_ignored(self) -> None:
        """Name the variables that would have changed what a command computes."""
        from mmcli.util.text import listed

        if self.ignored:
            click.echo(f"mmcli: ignored, so that they change nothing: {listed(self.ignored)}", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Compose probabilistic modules into models that learn from several senses at once."""
    context.ensure_object(Session).debug = debug


cli.add_command(data)


def data_options(command: Callable[..., None]) -> Callable[..., None]:
    """What names the data that a trained graph is asked about: one argument, `request`, of a command."""

    @click.option(
        "--data",
        metavar="[NAME=]FILE",
        multiple=True,
        help="An .npz of arrays by the keys of the config, or the array of one sense.",
    )
    @click.option("--test", is_flag=True, help="The held-out data that the config names under test:.")
    @click.option(
        "--known", metavar="NAME=FILE", multiple=True, help="Which rows of a sense are there: 1 for yes, 0 for no."
    )
    @click.option("--missing", type=click.Choice(["nan"]), help="Rows that hold nothing but NaN are not there.")
    @functools.wraps(command)
    def with_request(
        data: tuple[str, ...], test: bool, known: tuple[str, ...], missing: Literal["nan"] | None, **others: Any
    ) -> None:
        from mmcli.data.selection import Request

        command(request=Request(data, test, known, missing), **others)

    return with_request


data_root_option = click.option(
    "--data-root",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where the run's data files are if they were moved: each by the end of its path, and its SHA-256.",
)


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
@data_root_option
@click.option("--force", is_flag=True, help="Set aside a run that is at DIR already.")
@click.option("--threads", type=click.IntRange(1, 1024), help="CPU threads to compute with [all cores].")
@click.pass_obj
def train(
    session: Session,
    config: Path,
    output: Path | None,
    seed: int | None,
    rounds: int | None,
    overrides: tuple[str, ...],
    resume: bool,
    data_root: Path | None,
    force: bool,
    threads: int | None,
) -> None:
    """Train the model in CONFIG and print the run directory."""
    from mmcli.workflows import check as checking

    for option, is_given in (("--force", force), ("--resume", resume)):
        if is_given and output is None:
            raise UsageError(f"{option} needs -o DIR: without it every run has a directory of its own")
    if force and resume:
        raise UsageError("--force begins anew and --resume goes on; choose one")
    if data_root is not None and not resume:
        raise UsageError("--data-root needs --resume; a new run reads the files that its config names")
    resumed = output if resume else None
    checked = checking.check(config, overrides, seed=seed, rounds=rounds, resumed=resumed, data_root=data_root)
    session.tell_ignored()
    from mmcli.cli import display
    from mmcli.workflows import train as experiment

    with stop_requests() as stop, display.display() as watcher:
        run = experiment.train(checked, watcher, stop, output=output, force=force, resume=resume, threads=threads)
    try:
        click.echo(run)
    except OutputError as lost:
        raise OutputError(lost.error, f"the run is whole, in {run}") from None


@cli.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@data_options
@click.option("--without", metavar="NAME", multiple=True, help="Hide a sense, by its name in the config's data.")
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="Where *_recog files go [RUN_DIR]."
)
@data_root_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def evaluate(
    session: Session,
    run_dir: Path,
    request: "Request",
    without: tuple[str, ...],
    output: Path | None,
    data_root: Path | None,
    as_json: bool,
) -> None:
    """Find classes, and compare them with labels.

    Of what the run learned: writes evaluation.json to RUN_DIR, and confusion.png to the folder of each module that
    names labels. Of the data that --data, --test, --known, --missing or --without name: finds classes with all
    parameters frozen, writes them to *_recog files, and compares them where there are labels. Classes keep the names
    that training gave them, and labels are compared by name; ACC with the classes matched anew stands beside.
    """
    from mmcli.cli import tables
    from mmcli.data.selection import Request
    from mmcli.workflows import evaluate as evaluation

    if without or request != Request():
        session.tell_ignored()
        with following("finding classes") as watch:
            found = evaluation.recognize(
                run_dir, request, without=without, output=output, data_root=data_root, watch=watch
            )
    elif output is not None:
        raise UsageError("-o needs other data: --data, --test or --without; what was learned is in RUN_DIR")
    else:
        found = evaluation.evaluate(run_dir, data_root)
    if found.unwritten is not None:
        click.echo(f"{found.written}: may only be read ({found.unwritten}): results are printed, not written", err=True)
    click.echo(json.dumps(found.record) if as_json else tables.evaluation(found))


@cli.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--to", metavar="SENSE", required=True, help="The sense to make, by its name in the config's data.")
@data_options
@click.option("--from", "senses", metavar="SENSE", multiple=True, help="Use this sense [all there are].")
@click.option(
    "--class", "of_class", metavar="K", help="Make it of class K, a number or a name, instead of from other senses."
)
@click.option(
    "-n",
    "num_items",
    metavar="N",
    type=click.IntRange(1, 2**31 - 1),
    help="How many items [all of the data, one of a class].",
)
@click.option("--sample", is_flag=True, help="Draw class and latent variable, instead of taking what is expected.")
@click.option("--seed", metavar="SEED", type=click.IntRange(0, 2**32 - 1), help="Seed of --sample [0].")
@click.option(
    "-o", "--output", metavar="OUT.npz", required=True, type=click.Path(path_type=Path), help="Where the arrays go."
)
@click.pass_obj
@data_root_option
def generate(
    session: Session,
    run_dir: Path,
    to: str,
    request: "Request",
    senses: tuple[str, ...],
    of_class: str | None,
    num_items: int | None,
    sample: bool,
    seed: int | None,
    output: Path,
    data_root: Path | None,
) -> None:
    """Make one sense from others, or of a class.

    With --data, --test or --from (alone: of the data that the run learned from), SENSE of every item is made from its
    other senses: images from speech. With --class K, N items of class K; with none of these, N of each class.
    OUT.npz holds the array SENSE (N, width), and where classes were asked for class (and class_name, if they have
    names); counts come as shares of an item's words. Images go to OUT.png too.
    """
    from mmcli.workflows import generate as generation

    if seed is not None and not sample:
        raise UsageError("--seed changes nothing without --sample; add it, or leave --seed out")
    session.tell_ignored()
    source = generation.Source(request, senses, of_class, num_items, (seed or 0) if sample else None)
    with following(f"making {to}") as watch:
        click.echo(generation.generate(run_dir, to, source, output, data_root=data_root, watch=watch))


@cli.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--open", "in_browser", is_flag=True, help="Show the page in the browser.")
@click.option(
    "-o", "--output", metavar="DIR", type=click.Path(path_type=Path), help="Folder of the page [report/ in RUN_DIR]."
)
@data_root_option
def report(run_dir: Path, in_browser: bool, output: Path | None, data_root: Path | None) -> None:
    """Write a page about a run, finished or not, and print its path.

    The page needs nothing else to be shown; its figures lie beside it as PNG and SVG, in figures/.
    """
    import webbrowser

    from mmcli.workflows import report as reporting

    page = reporting.report(run_dir, output, data_root)
    click.echo(page)
    if in_browser and not webbrowser.open(page.resolve().as_uri()):
        raise UsageError(f"{page}: there is no browser to show it in; open it by hand")


@cli.command()
@click.argument("run_dirs", metavar="RUN_DIR...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, a run a line.")
@click.option(
    "--plot", metavar="FILE", type=click.Path(path_type=Path), help="Draw ACC over the rounds to a .png or .svg."
)
def compare(run_dirs: tuple[Path, ...], as_json: bool, as_csv: bool, plot: Path | None) -> None:
    """Put runs side by side.

    A run a line: the settings that differ, ACC, ARI, NMI, seconds of learning, status. Finished runs that differ in
    nothing but the seed are summed up by mean, minimum, maximum and standard deviation.
    """
    from mmcli.cli import tables
    from mmcli.util.text import listed
    from mmcli.workflows import train as experiment

    if as_json and as_csv:
        raise UsageError("--json and --csv: ask for one of them")
    comparison = experiment.compare(run_dirs, plot)
    if comparison.left_out:
        click.echo(f"left out, no run directories: {listed(map(str, comparison.left_out))}", err=True)
    if as_json:
        click.echo(json.dumps(comparison.record()))
    else:
        click.echo(tables.comparison_csv(comparison) if as_csv else tables.comparison(comparison))


@cli.command()
@click.argument("config", type=click.Path(path_type=Path))
def check(config: Path) -> None:
    """Check CONFIG and its data without computing anything."""
    from mmcli.cli import tables
    from mmcli.workflows import check as checking

    checked = checking.check(config)
    click.echo(tables.graph(checked))
    for note in checked.datasets.notes:
        click.echo(note, err=True)


@cli.command()
@click.argument("type_name", metavar="[TYPE]", required=False)
def modules(type_name: str | None) -> None:
    """List the types of modules, or the options of one TYPE."""
    from mmcli.cli import tables
    from mmcli.modules.registry import MODULES
    from mmcli.util.text import suggestion

    if type_name is not None and type_name not in MODULES:
        raise UsageError(f"no module type {type_name}{suggestion(type_name, MODULES)}; `mmcli modules` lists them")
    click.echo(tables.module_types() if type_name is None else tables.module_type(type_name))


def main() -> None:
    """Run the command line and exit: 0 done, 1 fault of mmcli, 128 + n after signal n, else the error's own code."""
    for number in heeded():
        if number != signal.SIGINT:
            signal.signal(number, _terminate)
    session = Session(ignored=environment.settle(os.environ))
    looks_on.set(True)
    with standard_streams():
        try:
            if "" in sys.argv[1:]:  # as a path it would be the working directory
                raise UsageError("an argument is empty; is a variable of the shell unset?")
            # Not standalone: click would print a usage error on three lines and let all others through.
            code = cli.main(prog_name="mmcli", standalone_mode=False, obj=session)
        except StoppedError as stopped:
            click.echo(f"mmcli: {stopped}", err=True)
            leave(stopped.exit_code)
        except _TerminatedError as terminated:
            code = terminated.code
        except Exception as error:
            if session.debug:
                click.echo(traceback.format_exc(), err=True, nl=False)  # print_exc colours it where FORCE_COLOR is set
            code = _explain(error)
        if are_busy():
            leave(code)
    sys.exit(code)


class _TerminatedError(SystemExit):
    """A signal ends a command that has nothing to save; `code` is the exit code."""

    code: int


def _terminate(number: int, _frame: FrameType | None) -> None:
    """Leave as an error would, so that a run that is being written says how it ended."""
    raise _TerminatedError(128 + number)


def _explain(error: Exception) -> int:
    """Say on stderr what went wrong, a line for each problem; the exit code."""
    if isinstance(error, MemoryError):  # of what numpy or Python allocates; `devices.memory_told` names modules
        reason = f" ({error})" if str(error) else ""
        error = MemoryShortError(f"out of memory; give it less data, or ask for less at a time{reason}")
    code = error.exit_code if isinstance(error, MmcliError | click.ClickException) else 1
    match error:
        case click.exceptions.NoArgsIsHelpError():
            error.show()
        case click.ClickException():
            command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "mmcli"
            _say(f"{error.format_message()} (see `{command} --help`)")
        case click.Abort():
            _say("interrupted")
            code = 128 + signal.SIGINT
        case ConfigError() | DataError():  # a line per problem, each with its place
            click.echo(str(error), err=True)
        case OutputError(has_reader=False):
            pass
        case MmcliError():
            _say(str(error))
        case OSError(errno=int()):  # the file system refuses; without a number it is a library's own error
            from mmcli.util.atomic import refusal

            _say(refusal(error))
            code = UsageError.exit_code
        case _:
            where = "(`mmcli --debug` before the command shows where)"
            _say(f"a fault of mmcli: {type(error).__name__}: {error} {where}")
    return code


def _say(message: str) -> None:
    click.echo(f"mmcli: error: {' '.join(message.split())}", err=True)
