"""Compiled programs are kept between processes, whatever happens to their files, and no result depends on that."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src import compilation_cache

from mmcli.engine import devices, program_cache
from mmcli.engine.program_cache import PLACE, SUFFIX, ProgramCache, host, keep_programs, trim

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut short": lambda content: content[: len(content) // 2],
    "a bit flipped": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "something else": lambda content: bytes(len(content)),
}


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


@pytest.fixture
def compile_kept(monkeypatch, tmp_path) -> Iterator[Callable[[], bool]]:
    """Compile a program as a process of its own does; whether it came from `tmp_path`."""
    monkeypatch.setattr(compilation_cache, PLACE, None)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    folder = jax.config.values["jax_compilation_cache_dir"]
    keep_programs()
    found: list[bool] = []
    get = ProgramCache.get
    monkeypatch.setattr(ProgramCache, "get", lambda *key: (value := get(*key), found.append(value is not None))[0])

    def compile_again() -> bool:
        found.clear()
        points = np.ones((3, 5), np.float32)
        result = jax.jit(lambda x: jnp.tanh(x) @ x.T).lower(points).compile()(points)
        np.testing.assert_allclose(result, np.tanh(points) @ points.T, rtol=1e-6)
        return all(found)

    yield compile_again
    jax.config.update("jax_compilation_cache_dir", folder)


def test_a_program_is_compiled_once(compile_kept, tmp_path):
    assert not compile_kept()
    assert compile_kept()
    assert entries(tmp_path) == sorted(tmp_path.iterdir()) != []


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_program_is_compiled_again_and_mended(compile_kept, tmp_path, damage):
    compile_kept()
    for path in entries(tmp_path):
        path.write_bytes(damage(path.read_bytes()))

    assert not compile_kept()  # without a warning, which would be an error here
    assert compile_kept()


def test_a_sound_file_that_is_no_program_is_compiled_again_in_silence(compile_kept, monkeypatch):
    compile_kept()
    monkeypatch.setattr(compilation_cache, "decompress_executable", lambda _: b"from another jax")

    devices.start()
    assert compile_kept()


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def write_half(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:4])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    cache = ProgramCache(tmp_path, "host")

    cache.put("f", b"program")

    assert (cache.get("f"), list(tmp_path.iterdir())) == (None, [])


def test_a_place_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").touch()
    cache = ProgramCache(tmp_path / "file" / "compiled", "host")

    cache.put("f", b"program")

    assert cache.get("f") is None


def test_no_file_is_made_before_there_is_a_program(tmp_path):
    assert ProgramCache(tmp_path / "new", "host").get("f") is None
    assert not (tmp_path / "new").exists()


def test_another_host_has_its_own_programs(tmp_path):
    one, other = ProgramCache(tmp_path, "one"), ProgramCache(tmp_path, "other")
    one.put("f", b"for one")
    other.put("f", b"for other")

    assert (one.get("f"), other.get("f")) == (b"for one", b"for other")


def test_threads_and_processor_make_the_host(monkeypatch):
    def host_with(threads: str) -> str:
        monkeypatch.setenv("PJRT_NPROC", threads)
        return host()

    assert host_with("1") == host_with("1") != host_with("2")
    monkeypatch.setattr(program_cache, "_KIND", ())
    assert host_with("1").startswith(" threads 1 cores ")


def test_programs_used_longest_ago_are_deleted(tmp_path):
    cache = ProgramCache(tmp_path, "host")
    for age, key in enumerate("abc"):
        before = entries(tmp_path)
        cache.put(key, bytes(68))  # 100 with the digest
        (path,) = set(entries(tmp_path)) - {*before}
        os.utime(path, (age, age))
    (tmp_path / f".1-part{SUFFIX}").write_bytes(bytes(50))
    os.utime(tmp_path / f".1-part{SUFFIX}", (0, 0))
    (tmp_path / "other").write_bytes(bytes(1000))

    assert cache.get("a") is not None  # used now
    trim(tmp_path, 200)

    assert {key for key in "abc" if cache.get(key)} == {"a", "c"}
    assert len(list(tmp_path.iterdir())) == 3


def test_a_process_keeps_within_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(program_cache, "MOST_BYTES", 0)
    for key in "ab":  # in a process each
        ProgramCache(tmp_path, "host").put(key, b"program")

    assert len(entries(tmp_path)) == 1


def test_the_python_interface_leaves_the_cache_alone(monkeypatch):
    monkeypatch.setattr(compilation_cache, PLACE, None)

    devices.start()

    assert getattr(compilation_cache, PLACE) is None


def test_a_run_is_the_same_with_damaged_programs(trained, tmp_path):
    folder = tmp_path / "mmcli" / "compiled"
    shutil.copytree(os.environ["JAX_COMPILATION_CACHE_DIR"], folder)
    before = entries(folder)
    for number, path in enumerate(before):
        if number % 3 == 0:
            path.write_bytes([*DAMAGE.values()][number % len(DAMAGE)](path.read_bytes()))
    environ = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}

    done = subprocess.run(
        [sys.executable, "-m", "mmcli", "train", trained.run / "../../tiny.yaml", "-o", tmp_path / "run"],
        env={**environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "cache" not in done.stderr
    assert entries(folder) == before != []
    for path in sorted(trained.run.glob("module*/*")):
        assert (tmp_path / "run" / path.parent.name / path.name).read_bytes() == path.read_bytes(), path
