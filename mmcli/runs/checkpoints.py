"""The folder of a run's last checkpoints. Each is named by the moment that it holds."""

import errno
import re
from pathlib import Path

from mmcli.errors import DamagedRunError
from mmcli.runs.checkpoint import Checkpoint, pack, unpack
from mmcli.util import atomic

NUM_KEPT = 2

_NAME = re.compile(r"(\d{6,})-(\d{6,})\.safetensors", re.ASCII)  # updates, iterations of the next


class Shelf:
    """The checkpoints in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and read it back; then delete all but the last two.

        Raises:
            SaveError: it cannot be written, or is read back otherwise; those before it are kept.
        """
        atomic.make_folder(self._folder)
        path = self._folder / _name(checkpoint)
        content = pack(checkpoint)
        atomic.write(path, content)
        with atomic.saving(path):
            if atomic.read(path) != content:
                raise OSError(errno.EIO, "it does not come back as it was written")
        self._drop_old()

    def load(self) -> tuple[Checkpoint | None, list[str]]:
        """Load the last undamaged checkpoint, None where there is none; and a line for each damaged one after it.

        Raises:
            DamagedRunError: all are damaged.
        """
        problems = []
        for _, path in reversed(self._all()):
            try:
                checkpoint = unpack(atomic.read(path))
                if _name(checkpoint) != path.name:
                    raise ValueError("it holds another moment than its name gives")
            except (OSError, ValueError, MemoryError) as error:
                problems.append(f"{path}: damaged ({error})")
            else:
                return checkpoint, problems
        if problems:
            raise DamagedRunError(f"{problems[0]}, and there is no other; --force sets the run aside and begins again")
        return None, []

    def delete_after(self, checkpoint: Checkpoint) -> None:
        """Delete those of later moments, and any but the last two.

        Raises:
            SaveError: one cannot be deleted.
        """
        for position, path in self._all():
            if position > (checkpoint.updates, checkpoint.iterations):
                atomic.remove(path)
        self._drop_old()

    def _drop_old(self) -> None:
        for _, old in self._all()[:-NUM_KEPT]:
            atomic.remove(old)

    def _all(self) -> list[tuple[tuple[int, int], Path]]:
        """Updates done, iterations of the next, and the file, of each; the earliest first."""
        if not self._folder.exists():
            return []
        found = [(match, path) for path in self._folder.iterdir() if (match := _NAME.fullmatch(path.name))]
        return sorted(((int(match[1]), int(match[2])), path) for match, path in found)


def _name(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.updates:06d}-{checkpoint.iterations:06d}.safetensors"
