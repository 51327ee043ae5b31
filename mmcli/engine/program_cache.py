"""Compiled programs kept on disk, so that the next process does not compile them again.

jax has such a cache, with a place for another one inside it. Its own is not safe to share by default: it writes in
place, so that a full disk or a killed process leaves a part of a program, which it never replaces; its bound on the
size (jax 0.10) fails for good after such an end; and by its keys a program for two threads is one for eight, although
XLA divides the work of a program for its CPU among the threads when it compiles it.
"""

import hashlib
import os
import platform
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import jax

from mmcli.util.user_cache import cache_folder

MOST_BYTES = 256 << 20  # of all programs together
SUFFIX = ".program"
_FOLDER = "compiled"
PLACE = "_cache"  # where jax keeps its cache, once it has one; there is no public name
_NAMED = "JAX_COMPILATION_CACHE_DIR"
_THRESHOLD = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
_DIGEST_BYTES = hashlib.sha256().digest_size
# Lines of /proc/cpuinfo that tell kinds of processors apart, on x86 and on ARM.
_KIND = ("vendor_id", "cpu family", "model", "model name", "flags", "CPU implementer", "CPU part", "Features")


def keep_programs() -> None:
    """Have jax keep what it compiles in JAX_COMPILATION_CACHE_DIR, or in mmcli's own folder.

    Nothing is kept where there is no such place, or where jax has no room for another cache; remote places are jax's.
    """
    named, own = os.environ.get(_NAMED, ""), cache_folder()
    folder = Path(named) if named else own and own / _FOLDER
    if folder is None or "://" in named:
        return
    with suppress(ImportError):
        jax_cache = import_module("jax._src.compilation_cache")
        if hasattr(jax_cache, PLACE):
            setattr(jax_cache, PLACE, ProgramCache(folder, host()))
            # It would be a part of the keys, and have XLA keep more, in its own way.
            jax.config.update("jax_compilation_cache_dir", None)
            if _THRESHOLD not in os.environ:
                jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


class ProgramCache:
    """What jax asks of a cache: values by keys, here as files with a SHA-256 that appear whole.

    Processes share the folder without a lock: entries are equal whoever writes them, one that disappears is compiled
    again, and none is awaited. Errors of the file system leave a program out.
    """

    def __init__(self, folder: Path, host: str) -> None:
        """Nothing is made before there is something to keep.

        Args:
            folder: of the entries; other files in it are left alone.
            host: all that a compiled program depends on and the keys of jax do not have.
        """
        self._path = folder  # jax names it in its log
        self._host = host
        self._writing = threading.Lock()  # two threads may compile the same program
        self._is_trimmed = False

    def get(self, key: str) -> bytes | None:
        """Value of a key; None where there is none or it is damaged."""
        path = self._entry(key)
        with suppress(OSError):
            content = path.read_bytes()
            value = content[_DIGEST_BYTES:]
            if hashlib.sha256(value).digest() == content[:_DIGEST_BYTES]:
                with suppress(OSError):  # a read-only folder
                    os.utime(path)
                return value
        return None

    def put(self, key: str, value: bytes) -> None:
        """Keep a value, in place of a damaged one."""
        path = self._entry(key)
        part = path.with_name(f".{os.getpid()}-{path.name}")
        with self._writing, suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._is_trimmed:
                self._is_trimmed = True
                trim(path.parent, MOST_BYTES)
            try:
                # Without fsync: what a crash of the machine tears has another SHA-256.
                part.write_bytes(hashlib.sha256(value).digest() + value)
                part.replace(path)
            except OSError:
                part.unlink(missing_ok=True)

    def _entry(self, key: str) -> Path:
        return self._path / f"{hashlib.sha256(f'{key} {self._host}'.encode()).hexdigest()}{SUFFIX}"


def trim(folder: Path, most_bytes: int) -> None:
    """Delete the entries used longest ago until the rest has at most so many bytes.

    Parts of entries that a killed process left count as entries.
    """
    ages = []
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError):  # another process trims, too
            status = path.stat()
            ages.append((status.st_mtime_ns, path, status.st_size))
    excess = sum(size for _, _, size in ages) - most_bytes
    for _, path, size in sorted(ages):
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size


def host() -> str:
    """Kind of processor, threads that jax computes with, and cores for which XLA divides a program."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("PJRT_NPROC") or os.environ.get("NPROC") or cores
    return f"{_processor()} threads {threads} cores {cores}"


def _processor() -> str:
    """Description of the first processor; the name of the host where the system gives none."""
    try:
        first, *_ = Path("/proc/cpuinfo").read_text().split("\n\n")
    except OSError:
        return f"{platform.machine()} {platform.node()}"
    return "\n".join(line for line in first.splitlines() if line.partition(":")[0].strip() in _KIND)
