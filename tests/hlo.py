"""What compiled programs say of the calls that wait for other threads."""

import re
from typing import NamedTuple

# Operations of XLA on a CPU that keep their thread until other threads of the same pool have done their share. Of
# calls into libraries all count that are not known to give their thread back meanwhile.
BLOCKING = {"custom-call", "fft", "convolution", "cholesky", "triangular-solve"}
GIVE_BACK = {"cpu_csr_sparse_dense_ffi"}  # returns a future

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.-]+) = (.*)$")
_OPERATION = re.compile(r"(?:^|\s)([a-z][a-z\d-]*)\(")
_TARGET = re.compile(r'custom_call_target="([^"]*)"')
_CALLED = re.compile(r"(?:calls|to_apply|body|condition|\w+_computation|branch_computations|called_computations)=")
_NAME = re.compile(r"%([\w.-]+)")


class Instruction(NamedTuple):
    """A line of a computation."""

    name: str
    blocks: bool  # itself
    calls: frozenset[str]  # computations
    needs: frozenset[str]  # instructions


def computations(text: str) -> dict[str, list[Instruction]]:
    """The instructions of each computation of a program, every one after those that it needs."""
    found: dict[str, list[Instruction]] = {}
    for line in text.splitlines():
        if match := _COMPUTATION.match(line):
            current = found.setdefault(match[1], [])
        elif match := _INSTRUCTION.match(line):
            name, rest = match.groups()
            operation, target = _OPERATION.search(rest), _TARGET.search(rest)
            rest = re.sub(r"metadata=\{.*", "", rest)
            called = {
                name
                for place in _CALLED.finditer(rest)
                for name in _NAME.findall(re.match(r"\{[^}]*\}|%[\w.-]+", rest[place.end() :])[0])
            }
            blocks = operation[1] in BLOCKING and (target is None or target[1] not in GIVE_BACK)
            needs = frozenset(_NAME.findall(rest)) - called
            current.append(Instruction(name, blocks, frozenset(called), needs))
    return found


def num_blocking(text: str) -> int:
    return sum(instruction.blocks for lines in computations(text).values() for instruction in lines)


def unordered(text: str) -> list[tuple[str, str]]:
    """Pairs of instructions that block, or call what does, and could run at the same time: neither needs the other."""
    program = computations(text)

    def blocks(instruction: Instruction) -> bool:
        return instruction.blocks or any(map(blocks, (line for name in instruction.calls for line in program[name])))

    pairs = []
    for lines in program.values():
        before: dict[str, frozenset[str]] = {}  # of each instruction those that block and that it needs
        blocking: list[str] = []
        for line in lines:
            before[line.name] = frozenset().union(*(before.get(name, frozenset()) for name in line.needs))
            if blocks(line):
                pairs += [(other, line.name) for other in blocking if other not in before[line.name]]
                blocking.append(line.name)
                before[line.name] |= {line.name}
    return pairs
