"""Description of a module type before it is built: options, ports, reports and costs.

No jax here: a config is checked against it, and `mmcli modules` prints it, before anything is compiled.

N items, K classes, D features, M inputs.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_COUNT = 2**31 - 1  # modules count in 32 bits
FLOAT32 = (1.1754944e-38, 3.4028234e38)  # smallest and largest positive numbers of full precision


def _in_32_bits(number: int) -> int:
    if number > MAX_COUNT:
        raise ValueError(f"must be below 2^31, it is counted in 32 bits (got {number})")
    return number


def _in_float32(number: float) -> float:
    if not FLOAT32[0] <= number <= FLOAT32[1]:
        raise ValueError(f"must be a number that float32 holds, 1.2e-38 to 3.4e+38 (got {number})")
    return number


PositiveInt = Annotated[int, Field(ge=1), AfterValidator(_in_32_bits)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_in_float32)]

Rule: TypeAlias = Literal["cavity", "serket"]  # content that a backward message leaves out
ParentPrior: TypeAlias = Literal["shares", "uniform"]  # class probabilities that a parent's messages contain
# The option it lies in, or the path of a key in that, None for the module as a whole; the text.
Problem: TypeAlias = tuple[str | tuple[str | int, ...] | None, str]

# Stems of files that mmcli itself writes into a module's folder.
RESERVED_NAMES = frozenset({"acc", "confusion", "name", "params"})
EACH_INPUT = "{input}"  # in the name of a report: one array for each input, numbered from 0

_FILE_STEM = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Kind(StrEnum):
    """Kind of the rows of a message."""

    POINTS = "points"
    CATEGORICAL = "categorical"
    COUNTS = "counts"


class Role(StrEnum):
    """Meaning of a reported array for measures, figures and predictions."""

    CLASS = "class"  # (N,) integers: the class of each item, a column of the probabilities
    PROBABILITIES = "probabilities"  # (N, K), of each class
    LATENT = "latent"  # (N, D), where the module places each item
    RECONSTRUCTION = "reconstruction"  # (N, width of the first input), in its units
    CENTRES = "centres"  # (K, width of the first input), in its units
    PAIRS = "pairs"  # (M, M), a figure of each input (row) and another (column)
    OTHER = "other"

    @property
    def is_of_items(self) -> bool:
        """Whether its arrays have a row an item, and there is at most one."""
        return self not in (Role.CENTRES, Role.PAIRS, Role.OTHER)


class Port(NamedTuple):
    """Kind and width of the messages of an edge, in both directions."""

    kind: Kind
    width: int | None  # columns; None until the data are read

    @property
    def columns(self) -> int:
        """The width, once the data are read; ValueError before."""
        if self.width is None:
            raise ValueError("the width of a port is not known before the data are read")
        return self.width


class Trace(NamedTuple):
    """The value that an update records at each inner iteration."""

    name: str  # stem of its file in the run directory
    unit: str
    direction: Literal["up", "down"]  # which way is better
    title: str = ""  # in words; the name where it is empty


class Objective(NamedTuple):
    """The value by which a person judges an update; higher is better."""

    name: str
    unit: str
    loss: str = ""  # title of its negative per item, where the field looks at that; empty where it does not


class ClassReports(NamedTuple):
    """Names of the arrays in which a type that finds classes reports them."""

    classes: str
    probabilities: str


class Load(NamedTuple):
    """The data that a module computes on.

    Attributes:
        num_items: N.
        widths: columns of each input.
        stored: numbers kept of each input: all N times its width, or fewer where it is sparse.
        packed: whether each input is packed, one or two bytes a value; none is where it is left out.
    """

    num_items: int
    widths: tuple[int, ...]
    stored: tuple[int, ...]
    packed: tuple[bool, ...] = ()


class Origin(NamedTuple):
    """The package that a type comes from."""

    package: str
    version: str | None  # None for code that is not installed as a package

    def __str__(self) -> str:
        return f"{self.package} {self.version or '(not installed)'}"


class Options(BaseModel):
    """Base of a module type's options: unknown keys are errors, values do not change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _unbounded(_options: Any) -> None:
    return None


def _unknown(_options: Any, _load: Load) -> int:
    return 0


def _no_picture(_options: Any) -> None:
    return None


def _keeps_all(_options: Any) -> bool:
    return False


def _no_problems(_options: Any, _ports: Sequence[Port]) -> tuple[Problem, ...]:
    return ()


@dataclass(frozen=True)
class InputSpec:
    """Inputs that a type takes.

    Attributes:
        kinds: kinds of message accepted from a parent, the preferred one first; empty for a source.
        minimum: fewest inputs.
        maximum: most inputs; None is any number.
        bounds: options -> lowest and highest value of an observed input, 0 among them, or None where any will do.
        scale_option: option that, where it is not None, scales rows of counts to a weight of their own; "" where there
            is none.
        asks_kind: whether an observation of which it takes several kinds has to name one, by its option `kind`;
            otherwise it is of the preferred kind.
        packed: whether rows of observations may come packed, as `modules.packed.PackedRows`.
    """

    kinds: tuple[Kind, ...] = ()
    minimum: int = 1
    maximum: int | None = None
    bounds: Callable[[Any], tuple[float, float] | None] = _unbounded
    scale_option: str = ""
    asks_kind: bool = False
    packed: bool = False

    def scales_counts(self, options: Any) -> bool:
        """Whether rows of counts are scaled to a weight of their own."""
        return bool(self.scale_option) and getattr(options, self.scale_option) is not None


@dataclass(frozen=True)
class ModuleSpec:
    """Description of a module type.

    `output` and `check` are called while a config is read, with ports whose width may be None, and again with all
    widths known; both times before jax is imported. They get the ports of the inputs in the order of the config.

    Attributes:
        name: of the type in a config.
        summary: one line for `mmcli modules`.
        options: model of the options it takes from a config.
        inputs: kinds and number of its inputs.
        sends: kinds of message that it can send forward, all that `output` may give.
        offers: options -> those of `sends` that a source with these options can send; None where it is all.
        output: (options, ports) -> port of its forward messages.
        build: "package.module:function", (options, ports, rule) -> `mmcli.modules.api.Module`, imported when used.
        check: (options, ports) -> problems, each with the option it lies in, or the path of a key in that.
        reports: role of each array shown in a run directory, by name; `{input}` in a name stands for each input's
            number. Of CLASS, PROBABILITIES, LATENT and RECONSTRUCTION there is at most one each.
        memory: (options, load) -> bytes at the peak of an update, about; 0 where that is not known.
        trace: value recorded at each inner iteration; None where nothing is recorded.
        objective: value by which an update is judged; None where there is none.
        items: "independent" where no row reads another, "sequence" where rows are steps of sequences.
        keeps_cavity: whether, under the cavity rule, the message to a parent leaves out that parent's own.
        targets: kinds of the messages that a supervised type is given besides its inputs.
        restartable: whether the search over a graph may start it anew several times: an update costs little beside
            those of other types, and where it ends depends on its start.
        finer: options -> options with more classes, for the beginning of a start; None where that helps no child.
        prunes: options -> whether it finds how many classes it needs, so that others without an item are no fault.
        picture: options -> height and width, and colors where there are several, of the pictures that the rows of its
            first input are; None where it reads them as columns.
        remedy: advice when its numbers diverge.
        memory_remedy: advice when it needs too much memory.
        origin: set by the registry; None for mmcli's own.

    Raises:
        ValueError: the description contradicts itself or uses a reserved name.
    """

    name: str
    summary: str
    options: type[Options]
    inputs: InputSpec
    sends: tuple[Kind, ...]
    output: Callable[[Any, Sequence[Port]], Port]
    build: str = ""
    offers: Callable[[Any], tuple[Kind, ...]] | None = None
    check: Callable[[Any, Sequence[Port]], Iterable[Problem]] = _no_problems
    reports: Mapping[str, Role] = field(default_factory=dict)
    memory: Callable[[Any, Load], int] = _unknown
    trace: Trace | None = None
    objective: Objective | None = None
    items: Literal["independent", "sequence"] = "independent"
    keeps_cavity: bool = True
    targets: tuple[Kind, ...] = ()
    restartable: bool = False
    finer: Callable[[Any], Any] | None = None
    prunes: Callable[[Any], bool] = _keeps_all
    picture: Callable[[Any], tuple[int, ...] | None] = _no_picture
    remedy: str = "try other options"
    memory_remedy: str = "give it fewer items or columns"
    origin: Origin | None = None

    def __post_init__(self) -> None:
        problem = next(self._problems(), None)
        if problem is not None:
            raise ValueError(f"module type {self.name}: {problem}")

    @property
    def is_source(self) -> bool:
        """Whether it has no inputs and stands for data."""
        return not self.inputs.kinds

    def has_own_width(self, options: Any, ports: Sequence[Port]) -> bool:
        """Whether the width of its messages depends on its options alone, not on the widths of its inputs."""
        return self.output(options, [port._replace(width=None) for port in ports]).width is not None

    def offered(self, options: Any) -> tuple[Kind, ...]:
        """Kinds of message that it can send with these options."""
        return self.sends if self.offers is None else self.offers(options)

    @property
    def classes(self) -> ClassReports | None:
        """Names of the arrays of its classes; None where it finds none."""
        classes, probabilities = self.name_of(Role.CLASS), self.name_of(Role.PROBABILITIES)
        return None if classes is None or probabilities is None else ClassReports(classes, probabilities)

    @property
    def in_input_units(self) -> tuple[str, ...]:
        """Names of the arrays that are in the units of the first input."""
        return tuple(name for name, role in self.reports.items() if role in (Role.RECONSTRUCTION, Role.CENTRES))

    def name_of(self, role: Role) -> str | None:
        """Name of the array with a role; None where the type reports none."""
        return next((name for name, found in self.reports.items() if found == role), None)

    def reported(self, num_inputs: int) -> dict[str, Role]:
        """Role of every array in the run directory, by name, for a module of so many inputs."""
        return {
            name.replace(EACH_INPUT, str(place)): role
            for name, role in self.reports.items()
            for place in range(num_inputs if EACH_INPUT in name else 1)
        }

    def _problems(self) -> Iterator[str]:
        if not (isinstance(self.options, type) and issubclass(self.options, Options)):
            yield "options is not a subclass of mmcli.modules.spec.Options"
        elif self.inputs.scale_option and self.inputs.scale_option not in self.options.model_fields:
            yield f"scale_option is {self.inputs.scale_option!r}, and there is no such option"
        if not self.is_source and ":" not in self.build:
            yield f"build is {self.build!r} where package.module:function is expected"
        names = [*self.reported(1), *([self.trace.name] if self.trace is not None else [])]
        for name in names:
            if name in RESERVED_NAMES:
                yield f"{name} cannot be reported: mmcli writes a file of that name; rename it"
            if not _FILE_STEM.fullmatch(name):
                yield f"{name!r} cannot be reported: a name has ASCII letters, digits and _, a letter first"
            if names.count(name) > 1:
                yield f"{name} is both reported and the trace; rename one"
        yield from self._role_problems(list(self.reports.values()))

    def _role_problems(self, roles: list[Role]) -> Iterator[str]:
        for role in Role:
            if role.is_of_items and roles.count(role) > 1:
                yield f"{roles.count(role)} arrays have the role {role}; give all but one the role {Role.OTHER}"
        for name, role in self.reports.items():
            if role != Role.OTHER and EACH_INPUT in name:
                yield f"the role {role} is of one array, not of one for each input"
        if (Role.CLASS in roles) != (Role.PROBABILITIES in roles):
            yield f"{Role.CLASS} and {Role.PROBABILITIES} are reported together or not at all"
        if Role.CLASS in roles and Kind.CATEGORICAL not in self.sends:
            yield f"it reports classes, so it must be able to send {Kind.CATEGORICAL} messages over them"
