"""Data files: what is read from them, and every way in which they can be wrong."""

import gzip
import hashlib
import io
import os
import pickle
import zipfile
from pathlib import Path

import bad_files
import numpy as np
import pytest
from bad_files import DIGITS, IMAGES, SPEECH, UNKNOWN, N
from scipy.sparse import csr_array

from mmcli.config.graph import build_graph
from mmcli.config.reader import load_config
from mmcli.data.dataset import Datasets, load_datasets
from mmcli.data.formats import read_array
from mmcli.data.rows.streamed import StreamedRows
from mmcli.errors import DataError

CONFIG = bad_files.CONFIG.replace("good.npz", "a.npz")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path(os.path.realpath(tmp_path))


def arrays(**changes):
    """Good arrays, some of them changed; None takes one away."""
    good = {"images": IMAGES, "speech": SPEECH, "digits": DIGITS}
    return {name: array for name, array in (good | changes).items() if array is not None}


def load(config=CONFIG):
    Path("x.yaml").write_text(config)
    read = load_config("x.yaml")
    return load_datasets(read, build_graph(read))


def problems_of(config=CONFIG):
    with pytest.raises(DataError) as caught:
        load(config)
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


def changed(array, index, value):
    array = np.array(array, dtype=float)
    array[index] = value
    return array


def test_arrays_and_labels_come_by_the_name_of_their_module(folder):
    np.savez_compressed("a.npz", **arrays())

    datasets = load()

    assert list(datasets.observations) == ["image", "speech"]
    np.testing.assert_array_equal(datasets.observations["image"], IMAGES.astype(np.float32))
    np.testing.assert_array_equal(datasets.observations["speech"], SPEECH)
    np.testing.assert_array_equal(datasets.labels["gmm"].numbers, DIGITS)
    assert datasets.labels["gmm"].numbers.dtype == np.int64
    assert datasets.num_items == N
    assert datasets.digests == {str(folder / "a.npz"): hashlib.sha256((folder / "a.npz").read_bytes()).hexdigest()}


@pytest.mark.parametrize("dtype", ["bool", "u1", "i2", ">i4", "u8", "f2", ">f4", "f8", "longdouble"])
def test_numbers_of_any_type_become_float32_in_c_order(dtype):
    np.savez("a.npz", **arrays(images=np.asfortranarray(np.eye(N, 3).astype(dtype))))

    found = load().observations["image"]

    assert found.dtype == np.float32
    assert found.dtype.isnative
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, np.eye(N, 3))


def test_a_npy_holds_one_array_without_a_key(folder):
    np.savez("a.npz", **arrays())
    np.save("images.npy", IMAGES)

    datasets = load(CONFIG.replace("{file: a.npz, key: images}", "{file: images.npy}"))

    np.testing.assert_array_equal(datasets.observations["image"], IMAGES.astype(np.float32))
    assert set(datasets.digests) == {str(folder / "a.npz"), str(folder / "images.npy")}


def test_tables_of_text_are_read_by_their_columns(folder):
    Path("items.csv").write_text("# made by hand\na,b,kind\n0,1,3\n0.5,0.25,7\n")
    np.savetxt("speech.txt", SPEECH[:2])
    config = (
        CONFIG.replace("{file: a.npz, key: images}", "{file: items.csv, key: a}")
        .replace("{file: a.npz, key: speech}", "{file: speech.txt}")
        .replace("{file: a.npz, key: digits}", "{file: items.csv, key: kind}")
    )

    datasets = load(config)

    np.testing.assert_array_equal(datasets.observations["image"], [[0], [0.5]])
    np.testing.assert_array_equal(datasets.observations["speech"], SPEECH[:2])
    np.testing.assert_array_equal(datasets.labels["gmm"].numbers, [3, 7])
    assert set(datasets.digests) == {str(folder / "items.csv"), str(folder / "speech.txt")}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            "1 2\n\n3 -4\n5 6\n7 8\n",
            "3: -4 at row 1, column 1 (from 0); modules.mlda takes counts, which are 0 or more",
        ),
        ("1 2\n3 4\n5 six\n", "3: six at column 1 (from 0) is no number; write numbers (nan where one is missing)"),
    ],
)
def test_a_fault_in_a_text_is_told_by_its_line(folder, lines, said):
    np.savez("a.npz", **arrays())
    Path("speech.txt").write_text(lines)

    assert problems_of(CONFIG.replace("{file: a.npz, key: speech}", "{file: speech.txt}")) == [
        f"x.yaml:3:11: data.speech: {folder}/speech.txt:{said}"
    ]


def test_only_the_arrays_that_are_used_are_read():
    np.savez("a.npz", **arrays(), broken=np.array([{}], dtype=object))
    config = CONFIG.replace("modules:", "  unused: {file: no.npz, key: x}\nmodules:")

    assert load(config).num_items == N


def test_one_array_can_be_observed_twice():
    np.savez("a.npz", **arrays())
    config = (
        CONFIG + "  again: {type: observation, data: images}\n  other: {type: gmm, inputs: [again], num_classes: 2}\n"
    )

    datasets = load(config)

    np.testing.assert_array_equal(datasets.observations["image"], np.asarray(IMAGES, np.float32))
    np.testing.assert_allclose(datasets.as_observed("again"), IMAGES, atol=1e-6)


@pytest.mark.parametrize("labels", [DIGITS.astype(float), DIGITS.astype("u1"), DIGITS - 7, DIGITS > 1, DIGITS[:, None]])
def test_labels_are_any_whole_numbers(labels):
    np.savez("a.npz", **arrays(digits=labels))

    np.testing.assert_array_equal(load().labels["gmm"].numbers, labels.ravel())


RANGE = "modules.vae takes 0 to 1: scale the array, or change the module's options"
ROWS = "row t of every array must be item t"

# What is changed in the arrays, and what is said of which of them.
CHANGES = [
    ("no such array", {"speech": None}, "speech", "no array speech; it holds images, digits"),
    (
        "NaN",
        {"images": changed(IMAGES, (1, 2), np.nan)},
        "images",
        "nan at row 1, column 2 (from 0); fill it, drop the item, or set missing: nan (whole rows)",
    ),
    (
        "infinity",
        {"speech": changed(SPEECH, (3, 0), -np.inf)},
        "speech",
        "-inf at row 3, column 0 (from 0); too large for float32; scale the array",
    ),
    (
        "too large for float32",
        {"speech": changed(SPEECH, (0, 1), 1e39)},
        "speech",
        "1e+39 at row 0, column 1 (from 0); too large for float32; scale the array",
    ),
    (
        "negative counts",
        {"speech": SPEECH - 2},
        "speech",
        "-2 at row 0, column 0 (from 0) and 1 more; modules.mlda takes counts, which are 0 or more",
    ),
    (
        "above the range",
        {"images": IMAGES * 255},
        "images",
        f"23.1818 at row 0, column 1 (from 0) and 10 more; {RANGE}",
    ),
    ("below the range", {"images": IMAGES - 1e-3}, "images", f"-0.001 at row 0, column 0 (from 0); {RANGE}"),
    (
        "one dimension",
        {"images": IMAGES[:, 0]},
        "images",
        "1 dimension (4,); an observation has 2, items by columns: array.reshape(-1, 1)",
    ),
    (
        "three dimensions",
        {"images": IMAGES[None]},
        "images",
        "3 dimensions (1, 4, 3); an observation has 2, items by columns: array.reshape(len(array), -1)",
    ),
    (
        "no dimension",
        {"images": np.array(3.0)},
        "images",
        "0 dimensions (); an observation has 2, items by columns: array.reshape(-1, 1)",
    ),
    ("no items", {"images": IMAGES[:0]}, "images", "empty: 0 rows of 3 columns"),
    ("no columns", {"images": IMAGES[:, :0]}, "images", "empty: 4 rows of 0 columns"),
    ("fewer rows", {"speech": SPEECH[:3]}, "speech", f"3 rows, but data.images has 4; {ROWS}"),
    ("fewer labels", {"digits": DIGITS[:3]}, "digits", f"3 rows, but data.images has 4; {ROWS}"),
    ("more labels", {"digits": np.arange(5)}, "digits", f"5 rows, but data.images has 4; {ROWS}"),
    ("labels in a row", {"digits": DIGITS[None]}, "digits", "2 dimensions (1, 4); labels have 1: array.ravel()"),
    (
        "labels with fractions",
        {"digits": DIGITS / 2},
        "digits",
        "0.5 at row 1 (from 0) and 1 more; labels are whole numbers; number the classes",
    ),
    (
        "labels too large",
        {"digits": np.array([0, 1, 2, 2**64 - 1], dtype=np.uint64)},
        "digits",
        "18446744073709551615 at row 3 (from 0); labels are below 2^63; number the classes, or save an .npz of text",
    ),
    ("complex numbers", {"images": IMAGES + 0j}, "images", "holds values of type complex128; save numbers"),
    ("dates", {"images": IMAGES.astype("M8[s]")}, "images", "holds values of type datetime64[s]; save numbers"),
    (
        "named fields",
        {"images": np.zeros(N, dtype=[("x", "f4")])},
        "images",
        "holds values of type [('x', '<f4')]; save numbers",
    ),
]
LINE = {"images": 2, "speech": 3, "digits": 4}


@pytest.mark.parametrize(("changes", "name", "text"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_one_fault_in_an_array_gives_one_line(folder, changes, name, text):
    np.savez("a.npz", **arrays(**changes))

    assert problems_of() == [f"x.yaml:{LINE[name]}:11: data.{name}: {folder}/a.npz: {text}"]


def test_a_range_binds_only_the_module_that_has_it():
    np.savez("a.npz", **arrays(images=IMAGES * 255 - 3))

    assert load(CONFIG.replace("latent_dim: 2", "latent_dim: 2, likelihood: gaussian")).num_items == N


def test_all_faults_come_at_once(folder):
    np.savez("a.npz", **arrays(images=IMAGES - 1e-3, speech=SPEECH[:3], digits=DIGITS[:2]))

    assert problems_of() == [
        f"x.yaml:2:11: data.images: {folder}/a.npz: -0.001 at row 0, column 0 (from 0); {RANGE}",
        f"x.yaml:4:11: data.digits: {folder}/a.npz: 2 rows, but data.speech has 3; {ROWS}",
    ]


def test_what_the_command_line_set_is_named_as_it_was_set(folder):
    np.savez("a.npz", **arrays())
    Path("x.yaml").write_text(CONFIG)
    config = load_config("x.yaml", ["data.speech={file: b.npz}"])

    with pytest.raises(DataError) as caught:
        load_datasets(config, build_graph(config))

    assert str(caught.value) == (
        f"--set data.speech={{file: b.npz}}: {folder}/b.npz: no such file; data paths are relative to the config file"
    )


def npy_bytes(array, allow_pickle=False):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), allow_pickle=allow_pickle)
    return stream.getvalue()


def npz_bytes(content, name="x.npy", compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


class Bomb:
    """Says so if it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("unpickled",))


GOOD_NPY = npy_bytes(np.ones((2, 2)))
FLIPPED_NPZ = npz_bytes(GOOD_NPY).replace(np.ones(1).tobytes(), np.full(1, 2.0).tobytes(), 1)


@pytest.mark.parametrize(
    ("content", "key", "text"),
    [
        (b"", None, "is empty; write it again"),
        (pickle.dumps(Bomb()), None, UNKNOWN),
        (b"\x89PNG\r\n\x1a\n", None, UNKNOWN),
        (
            gzip.compress(GOOD_NPY, mtime=0),
            None,
            "a gzip file of neither IDX nor text; write it with numpy.savez or numpy.save",
        ),
        (GOOD_NPY, "x", "a .npy file holds one array without a name; remove the key"),
        (npz_bytes(GOOD_NPY), None, "name one of its arrays by key: x"),
        (npz_bytes(GOOD_NPY), "y", "no array y; it holds x"),
        (npz_bytes(GOOD_NPY), "../x", "no array ../x; it holds x"),
        (npz_bytes(b"", "readme.txt"), "x", "no array x; it holds none"),
        (
            npy_bytes(np.array([Bomb()]), allow_pickle=True),
            None,
            "holds Python objects, which mmcli never unpickles; save numbers",
        ),
        (
            npz_bytes(npy_bytes(np.array([Bomb()]), allow_pickle=True)),
            "x",
            "holds Python objects, which mmcli never unpickles; save numbers",
        ),
        (GOOD_NPY[:-8], None, "damaged: its header promises 32 bytes of data, 24 are there; make it again"),
        (GOOD_NPY + b"12345678", None, "damaged: its header promises 32 bytes of data, 40 are there; make it again"),
        (GOOD_NPY[:20], None, "cannot be read: EOF: reading array header, expected 118 bytes got 10"),
        (
            GOOD_NPY.replace(b"(2, 2)", b"(-1,2)"),
            None,
            "damaged: its header promises -16 bytes of data, 32 are there; make it again",
        ),
        (GOOD_NPY.replace(b"(2, 2)", b"[2, 2]"), None, "cannot be read: shape is not valid: [2, 2]"),
        (
            GOOD_NPY.replace(b"\x01\x00", b"\x03\x00", 1),
            None,
            "format 3.0 of numpy is not read; save a plain array of numbers",
        ),
        (npz_bytes(GOOD_NPY)[:-30], "x", "cannot be read: File is not a zip file"),
        (
            npz_bytes(GOOD_NPY, compression=zipfile.ZIP_BZIP2),
            "x",
            "compressed in a way that numpy does not write; write it with numpy.savez_compressed",
        ),
        (
            npz_bytes(npy_bytes(np.zeros(1 << 28, np.uint8)), compression=zipfile.ZIP_DEFLATED),
            "x",
            (
                "unpacks to 268 MB or more, more than 250 times its size, as a bomb does; if it is none, "
                "save it uncompressed, by numpy.savez"
            ),
        ),
        (FLIPPED_NPZ, "x", "cannot be read: Bad CRC-32 for file 'x.npy'"),
    ],
)
def test_a_damaged_or_hostile_file_gives_one_line(folder, content, key, text):
    Path("f").write_bytes(content)

    with pytest.raises(DataError) as caught:
        read_array(folder / "f", key)

    assert str(caught.value) == text
    assert not Path("unpickled").exists()


@pytest.mark.parametrize("wrap", [lambda content: content, npz_bytes], ids=["npy", "npz"])
def test_a_header_that_promises_too_much_is_not_believed(folder, wrap):
    """80 TB, allocated, would end in MemoryError instead of this line."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999, 999), }\n"
    Path("f").write_bytes(wrap(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)))

    with pytest.raises(DataError) as caught:
        read_array(folder / "f", None if wrap is not npz_bytes else "x")

    assert str(caught.value) == (
        "damaged: its header promises 79919999992008 bytes of data, 16 are there; make it again"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no.npz", "no such file; data paths are relative to the config file"),
        ("", "is a directory; name a file that holds an array"),
        ("pipe", "is not a regular file; name a file that holds an array"),
        ("loop", "cannot be read: Too many levels of symbolic links"),
        ("a.npz/b.npz", "cannot be read: Not a directory"),
    ],
)
def test_what_is_no_file_gives_one_line(folder, name, text):
    Path("a.npz").touch()
    Path("loop").symlink_to("loop")
    os.mkfifo("pipe")

    with pytest.raises(DataError) as caught:
        read_array(folder / name, None)

    assert str(caught.value) == text


def masked(images="", speech=""):
    return CONFIG.replace("key: images}", f"key: images{images}}}").replace("key: speech}", f"key: speech{speech}}}")


def test_rows_can_be_missing_by_a_mask_of_another_array():
    config = masked(", known: seen").replace("  digits:", "  seen: {file: a.npz, key: seen}\n  digits:")
    np.savez("a.npz", **arrays(images=changed(IMAGES, 1, np.nan)), seen=np.array([1, 0, 1, 1]))

    datasets = load(config)

    np.testing.assert_array_equal(datasets.known["image"], [True, False, True, True])
    np.testing.assert_array_equal(datasets.observations["image"], changed(IMAGES, 1, 0).astype(np.float32))
    assert datasets.known["speech"].all()


def test_rows_of_nan_are_missing_where_the_config_says_so():
    np.savez("a.npz", **arrays(images=changed(IMAGES, 2, np.nan)))

    datasets = load(masked(", missing: nan"))

    np.testing.assert_array_equal(datasets.known["image"], [True, True, False, True])
    np.testing.assert_array_equal(datasets.observations["image"], changed(IMAGES, 2, 0).astype(np.float32))


def test_a_row_of_which_a_part_is_nan_is_a_fault_all_the_same(folder):
    np.savez("a.npz", **arrays(images=changed(IMAGES, (1, 2), np.nan)))

    (problem,) = problems_of(masked(", missing: nan"))

    assert problem == (
        f"x.yaml:2:11: data.images: {folder}/a.npz: nan at row 1, column 2 (from 0); "
        "fill it, or drop the item; missing: nan takes whole rows"
    )


def test_an_item_with_no_sense_at_all_is_refused(folder):
    np.savez("a.npz", **arrays(images=changed(IMAGES, 2, np.nan), speech=changed(SPEECH, 2, np.nan)))

    assert problems_of(masked(", missing: nan", ", missing: nan")) == [
        f"x.yaml:2:11: data.images: {folder}/a.npz: item 2 (from 0) has none of its senses; leave it out of every array"
    ]


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (np.ones((1, N)), "2 dimensions (1, 4); a mask has 1: array.ravel()"),
        (np.array([1, 2, 0, 1]), "2 at row 1 (from 0); a mask holds 1 for an observed row, 0 for a missing one"),
        (
            np.eye(N),
            "2 dimensions (4, 4); a mask has 1: a value an item, as array.all(axis=1) gives",
        ),
    ],
)
def test_a_mask_holds_a_yes_or_no_an_item(folder, seen, text):
    config = masked(", known: seen").replace("  digits:", "  seen: {file: a.npz, key: seen}\n  digits:")
    np.savez("a.npz", **arrays(), seen=seen)

    assert problems_of(config) == [f"x.yaml:4:9: data.seen: {folder}/a.npz: {text}"]


def test_a_mask_of_other_length_is_refused(folder):
    config = masked(", known: seen").replace("  digits:", "  seen: {file: a.npz, key: seen}\n  digits:")
    np.savez("a.npz", **arrays(), seen=np.ones(N + 1))

    assert problems_of(config) == [f"x.yaml:2:11: data.images: {folder}/a.npz: {N} rows, but seen has {N + 1}"]


def test_labels_can_be_masked_and_left_out_by_nan():
    np.savez("a.npz", **arrays(digits=changed(DIGITS, 0, np.nan)), there=np.arange(N) != 2)
    config = CONFIG.replace("key: digits}", "key: digits, known: there}").replace(
        "modules:", "  there: {file: a.npz, key: there}\nmodules:"
    )

    assert load().labels["gmm"].given.tolist() == [False, True, True, True]
    assert load(config).labels["gmm"].given.tolist() == [False, True, False, True]
    np.savez("a.npz", **arrays(), there=np.zeros(N, bool))
    (line,) = problems_of(config)
    assert line.endswith("no item has a label; label some, or measure no module against these")
    np.savez("a.npz", **arrays(), there=np.full(N, 2))
    assert len(problems_of(config)) == 1


def test_check_counts_the_items_without_a_label(command):
    np.savez("a.npz", **arrays(digits=changed(DIGITS, 0, np.nan)))
    Path("x.yaml").write_text(CONFIG)

    assert "\nlabels digits: 1 item without a label, left out of measures\n" in command("check", "x.yaml").out


@pytest.mark.parametrize("step", [1, 3, 700])
def test_every_so_many_rows_whether_held_or_in_a_file(step):
    rows = np.arange(2 * 1234, dtype=np.float32).reshape(1234, 2)

    def blocks(size):
        return (rows[first : first + size] for first in range(0, len(rows), size))

    streamed = StreamedRows(rows.shape, rows.dtype, blocks)
    for held in (rows, csr_array(rows), streamed):
        found = Datasets({"image": held}, {}, {}, len(rows), {}, {}).every(step, "image", standard=False)
        found = found if isinstance(found, np.ndarray) else found.toarray()
        np.testing.assert_array_equal(found, rows[::step])
