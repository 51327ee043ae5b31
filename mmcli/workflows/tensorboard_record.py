"""Record of a run as event files of TensorBoard, in a folder of its own."""

import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from mmcli.errors import UsageError
from mmcli.util.atomic import unwritable
from mmcli.util.text import shown
from mmcli.workflows.trackers import Scalar, Step, missing_package

_HEAD, _TAIL = 12, 4  # bytes of an entry before and after its content: length and checksum, checksum
_SETTINGS, _TAGS = "settings", "tags"
_BAR = "&#124;"  # in a cell of a table in Markdown
_SUFFIX = "/text_summary"  # tensorboardX adds it to the name of a text


class TensorboardRecord:
    """Event files of one run.

    Args:
        place: folder of all records, `--logdir` of TensorBoard.
        known: name of the record's folder there; None where there is none yet.
        name: of the run, for a new record.

    Raises:
        UsageError: tensorboardX is not installed, or the folder cannot be made or read.
    """

    def __init__(self, place: Path, known: str | None, name: str) -> None:
        try:
            from tensorboardX import summary
            from tensorboardX.event_file_writer import EventsWriter  # SummaryWriter's flush leaves events in a queue
            from tensorboardX.proto.event_pb2 import Event
        except ImportError:
            raise UsageError(missing_package("tensorboard", "tensorboardX", "track")) from None
        self._writer_type, self._event_type, self._summary = EventsWriter, Event, summary
        self._writer: Any = None
        self.id = known or _new_folder(place, name)
        self._folder = place / self.id

    @property
    def shown(self) -> str:
        """Path of the folder."""
        return str(self._folder)

    def written(self) -> set[Step]:
        """Names and steps of all entries."""
        return {(value.tag, event.step) for event in self._events() for value in event.summary.value}

    def describe(self, settings: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Write settings and tags as two tables of text, once."""
        held = {name for name, _ in self.written()}
        events = []
        for name, facts in ((_SETTINGS, settings), (_TAGS, tags)):
            if name + _SUFFIX not in held:
                rows = [f"| {key} | {value.replace('|', _BAR)} |" for key, value in facts.items()]
                text = self._summary.text(name, "\n".join(["| | |", "| --- | --- |", *rows]))
                events.append(self._event_type(wall_time=time.time(), summary=text))
        self._append(events)

    def write(self, scalars: Sequence[Scalar]) -> None:
        """Append scalars."""
        self._append(
            [
                self._event_type(wall_time=end, step=step, summary=self._summary.scalar(name, value))
                for name, step, value, end in scalars
            ]
        )

    def set_status(self, status: str) -> None:
        """Write nothing: TensorBoard has no status of a run."""

    def close(self) -> None:
        """Close the file of this process."""
        if self._writer is not None:
            self._writer.close()

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("events.out.tfevents.*"))

    def _append(self, events: Sequence[Any]) -> None:
        """Append entries to a file of this process, made where there is something to write."""
        if not events:
            return
        try:
            if self._writer is None:
                self._folder.mkdir(parents=True, exist_ok=True)  # where it was deleted
                # Names hold whole seconds: a second file of the same one would replace the first.
                suffix = f".{len(self._files()):04d}"
                self._writer = self._writer_type(str(self._folder / "events"), filename_suffix=suffix)
            for event in events:
                self._writer.write_event(event)
            self._writer.flush()
        except OSError as error:
            raise unwritable(self._folder, error) from None

    def _events(self) -> Iterator[Any]:
        """Entries of all files. A last one that was cut off is left out, as TensorBoard does."""
        for path in self._files():
            try:
                content = path.read_bytes()
                start = 0
                while start + _HEAD <= len(content):
                    (length,) = struct.unpack_from("<Q", content, start)
                    end = start + _HEAD + length
                    if end + _TAIL > len(content):
                        break
                    yield self._event_type.FromString(content[start + _HEAD : end])
                    start = end + _TAIL
            except OSError as error:
                raise unwritable(path, error) from None
            except ValueError:  # of protobuf: the content is no entry
                raise UsageError(f"{shown(str(path))}: no events of TensorBoard; remove the file") from None


def _new_folder(place: Path, name: str) -> str:
    """Make the first free of place/name, place/name-2, ...; its name."""
    for number in count(1):
        folder = place / (name if number == 1 else f"{name}-{number}")
        try:
            place.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except FileExistsError:
            if not place.is_dir():
                raise UsageError(f"{shown(str(place))}: no folder; name another with -o") from None
            continue
        except OSError as error:
            raise unwritable(folder, error) from None
        break
    return folder.name
