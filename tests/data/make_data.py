"""Writes the NPY files that the tests read: golden/, forms/ and forms/EXPECTED.txt.

    python -m pip install numpy==2.4.6
    python tests/data/make_data.py            # writes beside this script
    python tests/data/make_data.py DIR        # the same under DIR, to compare

Deterministic: every run gives the same bytes (on x86-64 Linux, for the one
long double file). Change this script and run it again; never edit its output.

golden/   every element type x byte order x storage order x rank 0 to 6, as
          {type}_{le|be|na}_{c|f}_r{rank}.npy; `na`: the type has no byte order,
          `f`: only from rank 2 on. The shape is the first `rank` of SHAPE.
          The element at index k, counted in C (row-major) order, is

    i* u*   base * 0x0807060504030201, cut to the low bytes that the type has,
            with base = (k * 37 + 11) % 120, negated if signed and k is odd
            (low byte of u*: base, the next 2 * base, ..: no element equals its
            byte-swapped self, which the script checks)
    f*      k * 0.5 - 3.25
    b1      k % 3 == 0
    S3      the first k % 4 bytes of b"abc"
    V5      the bytes k, k + 1, k + 2, k + 3, k + 4

forms/    one file for each other form that NumPy has written or reads. Every
          file is read back with NumPy before the script ends well.
"""

import math
import pathlib
import sys
import warnings

import numpy as np
from numpy.lib import _format_impl, format as npy

NUMPY = "2.4.6"
SHAPE = (2, 3, 1, 2, 2, 2)
WITH_BYTE_ORDER = ("i2", "i4", "i8", "u2", "u4", "u8", "f4", "f8")
WITHOUT = ("i1", "u1", "b1", "S3", "V5")
ENDS = {"le": "<", "be": ">", "na": "|"}
SPREAD = 0x0807060504030201


# ---- golden -----------------------------------------------------------------


def elements(kind, count):
    """The first `count` elements of the rule above, 1-d, in native byte order."""
    indices = range(count)
    if kind[0] in "iu":
        size = int(kind[1:])
        values = []
        for k in indices:
            value = (k * 37 + 11) % 120 * SPREAD
            if kind[0] == "i" and k % 2 == 1:
                value = -value
            values.append(value % 256**size)
        return np.array(values, dtype=f"u{size}").view(kind)
    if kind[0] == "f":
        return np.array([k * 0.5 - 3.25 for k in indices], dtype=kind)
    if kind == "b1":
        return np.array([k % 3 == 0 for k in indices], dtype=kind)
    if kind == "S3":
        return np.array([b"abc"[: k % 4] for k in indices], dtype=kind)
    if kind == "V5":
        return np.frombuffer(b"".join(bytes(range(k, k + 5)) for k in indices), dtype=kind)
    raise ValueError(f"unknown element type {kind}")


def golden_array(kind, end, order, rank):
    """The array of one golden file, in the byte order and storage order of its name."""
    shape = SHAPE[:rank]
    dtype = np.dtype(ENDS[end] + kind)
    array = elements(kind, math.prod(shape)).astype(dtype).reshape(shape)
    return np.asfortranarray(array) if order == "f" else array


def golden_cases():
    """(name without .npy, type, byte order, storage order, rank) of every golden file."""
    kinds = [(kind, end) for kind in WITH_BYTE_ORDER for end in ("le", "be")]
    kinds += [(kind, "na") for kind in WITHOUT]
    for kind, end in kinds:
        for rank in range(len(SHAPE) + 1):
            for order in "cf" if rank >= 2 else "c":
                yield f"{kind}_{end}_{order}_r{rank}", kind, end, order, rank


def write_golden(folder):
    for name, kind, end, order, rank in golden_cases():
        array = golden_array(kind, end, order, rank)
        if end != "na":
            assert (array != array.byteswap()).all(), name
        np.save(folder / f"{name}.npy", array)
        check(folder / f"{name}.npy", array)


# ---- forms ------------------------------------------------------------------

I4 = np.arange(6, dtype="<i4").reshape(2, 3)
F8 = np.arange(6, dtype="<f8").reshape(2, 3)


def numpy_arrays():
    """Other element types and shapes: {name: array}, to be written by np.save."""
    ticks = np.array([0, 1, -1, 1_500_000_000_000_000_000, -(2**63)], dtype="<i8")
    arrays = {
        "datetime_ns": ticks.view("<M8[ns]"),  # the last one is NaT
        "datetime_25s": ticks.view("<M8[25s]"),
        "datetime_generic": ticks.view("<M8"),
        "timedelta_ms": ticks.view("<m8[ms]"),
        "timedelta_generic": ticks.view("<m8"),
        "unicode_10": np.array(["", "plain", "größer", "温度", "\U0001f30d"], dtype="<U10"),
        "complex64": (I4 + 0.5j).astype("<c8"),
        "complex128_be": (I4 - 0.5j).astype(">c16"),
        "float16": F8.astype("<f2"),
        "longdouble": F8.astype(np.longdouble),
        "object": np.array([None, 1, "text"], dtype=object),
        "empty_0": np.zeros((0,), dtype="<f8"),
        "empty_3_0": np.zeros((3, 0), dtype="<i4"),
        "ones_f": np.asfortranarray(I4.reshape(2, 1, 3, 1)),
        "bool_raw_bytes": np.array([0, 1, 2, 255], dtype="u1").view("?"),
        # 13 leading ones: with growth padding this header needs 192 bytes
        "growth_padding": I4.reshape((1,) * 13 + (2, 3)),
    }
    # bytes 10 to 15 of an x86 long double are never set by arithmetic
    arrays["longdouble"].view("u1").reshape(6, 16)[:, 10:] = 0
    arrays.update(struct_arrays())
    return arrays


def struct_arrays():
    """Records: {name: array}. Record i holds 10 * i + 1, 10 * i + 2, ..; padding is zero."""
    point = [("x", "<f4"), ("y", "<f4")]
    dtypes = {
        "struct_plain": [("id", "<i4"), ("value", ">f8"), ("tag", "S3")],
        "struct_sub_array": [("a", "<i2"), ("b", "<f4", (2, 2)), ("c", "u1", (3,))],
        "struct_title": [(("the title", "a"), "<i4"), ("b", "<f8")],
        "struct_padding": np.dtype([("a", "i1"), ("b", "<i4"), ("c", "i1")], align=True),
        "struct_nested": [("id", "<i4"), ("at", point), ("path", point, (2,))],
        "struct_quotes": [("it's", "<i4"), ('say "hi"', "<i4"), ("back\\slash", "<i4")],
        "struct_latin1": [("größe", "<i4")],
        "struct_v3_names": [("温度", "<f4"), ("đo", "<i2")],  # np.save takes version 3.0
    }
    arrays = {}
    for name, dtype in dtypes.items():
        array = np.zeros(3, dtype=dtype)
        for i in range(3):
            fill(array[i : i + 1], 10 * i + 1)
        arrays[name] = array
    return arrays


def fill(array, first):
    """Sets each field, nested ones too, to first, first + 1, .. and returns the next value."""
    for field in array.dtype.names:
        if array[field].dtype.names:
            first = fill(array[field], first)
        else:
            array[field] = first
            first += 1
    return first


def header_text(shape, descr="<i4", fortran=False):
    """The dictionary as NumPy spells it, without padding."""
    return f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape!r}, }}"


def header(text, version=1, data_at=None):
    """A header made by hand; with `data_at` padded with blanks and a newline to that size."""
    start = 10 if version == 1 else 12
    if data_at is not None:
        text += " " * (data_at - start - len(text) - 1) + "\n"
    length = len(text).to_bytes(start - 8, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode("latin-1")


def handmade_files():
    """Headers that NumPy reads but no longer writes so: {name: (header, array)}."""
    plain = header_text((2, 3))
    longs = header_text((2, 3)).replace("2, 3", "2L, 3L")
    lines = "{{'descr': '<i4',{0} 'fortran_order': False,{0} 'shape': (2,{0}  3),{0}}}{0}"
    blanks = "  { 'descr' : '<i4' ,'fortran_order':False,\t'shape':( 2 , 3 , ) } "
    compact = "{'descr':'<f8','fortran_order':False,'shape':(2,3)}"
    many_ones = I4.reshape((1,) * 13 + (2, 3))
    return {
        # NumPy before 1.14 aligned to 16
        "old_align_16": (header(plain, data_at=80), I4),
        # 1.9 to 1.13 padded version 2.0 with the sum of version 1.0: 2 bytes off
        "old_v2_offset_82": (header(plain, version=2, data_at=82), I4),
        # Python 2 on Windows
        "python2_long": (header(longs, data_at=80), I4),
        "python2_long_v2": (header(longs, version=2, data_at=128), I4),
        # NumPy 1.14 to 1.24: 64 bytes aligned, no room for a longer shape
        "no_growth_padding": (header(header_text(many_ones.shape), data_at=128), many_ones),
        "double_quotes": (header(plain.replace("'", '"'), data_at=128), I4),
        "key_order": (
            header("{'shape': (2, 3), 'fortran_order': False, 'descr': '<i4'}", data_at=128),
            I4,
        ),
        "blanks": (header(blanks, data_at=128), I4),
        "many_lines": (header(lines.format("\n")), I4),
        "many_lines_crlf": (header(lines.format("\r\n")), I4),
        # neither newline nor padding, and an odd offset: f8 that is not aligned
        "bare_unaligned": (header(compact), F8),
        "data_at_4096": (header(header_text((2, 3), "<f8"), data_at=4096), F8),
        # open_memmap writes `True` wherever it is told to, np.save only where it matters
        "vector_f": (header(header_text((6,), fortran=True), data_at=128), I4.reshape(6)),
        "ones_only_f": (
            header(header_text((1, 6, 1), fortran=True), data_at=128),
            I4.reshape(1, 6, 1),
        ),
        "empty_0_3_f": (
            header(header_text((0, 3), "<f8", fortran=True), data_at=128),
            np.zeros((0, 3), dtype="<f8"),
        ),
    }


def write_forms(folder):
    for name, array in numpy_arrays().items():
        np.save(folder / f"{name}.npy", array, allow_pickle=True)
        check(folder / f"{name}.npy", array)

    for major in (2, 3):
        with open(folder / f"version_{major}.npy", "wb") as file:
            npy.write_array(file, I4, version=(major, 0))
        check(folder / f"version_{major}.npy", I4)

    with open(folder / "two_arrays.npy", "wb") as file:
        np.save(file, I4)
        np.save(file, F8)
    check(folder / "two_arrays.npy", I4)  # NumPy, too, sees the first only

    files = handmade_files()
    for name, (head, array) in files.items():
        (folder / f"{name}.npy").write_bytes(head + array.tobytes())
        check(folder / f"{name}.npy", array)
    assert len(files["old_v2_offset_82"][0]) % 16 == 2
    assert len(files["bare_unaligned"][0]) % 2 == 1

    lines = ["# name\tversion\tdescr\torder\tshape\tdata offset\tbytes of file"]
    lines += [expected(path) for path in sorted(folder.glob("*.npy"))]
    (folder / "EXPECTED.txt").write_bytes(("\n".join(lines) + "\n").encode())


# ---- reading back -----------------------------------------------------------


def check(path, array):
    """Fails unless NumPy loads and maps `path` and finds exactly `array`."""
    if array.dtype.hasobject:
        loads = [np.load(path, allow_pickle=True)]
        assert loads[0].tolist() == array.tolist(), path
    else:
        loads = [np.load(path), np.load(path, mmap_mode="r")]
        # bytes, not values: NaT and padding count as well
        assert all(found.tobytes() == array.tobytes() for found in loads), path
    for found in loads:
        assert npy.dtype_to_descr(found.dtype) == npy.dtype_to_descr(array.dtype), path
        assert found.shape == array.shape, path
        assert found.strides == array.strides or 1 in array.shape or array.size == 0, path


def expected(path):
    """One line of EXPECTED.txt, from what NumPy reads in the header."""
    with open(path, "rb") as file:
        version = npy.read_magic(file)
        # private, but the public functions stop at version 2.0
        shape, fortran, dtype = _format_impl._read_array_header(file, version)
        offset = file.tell()
    fields = (
        path.name,
        f"{version[0]}.{version[1]}",
        npy.dtype_to_descr(dtype),
        "F" if fortran else "C",
        shape,
        offset,
        path.stat().st_size,
    )
    return "\t".join(str(field) for field in fields)


def main():
    if np.__version__ != NUMPY:
        sys.exit(f"needs numpy {NUMPY}, found {np.__version__}")
    # versions 2.0 and 3.0 and the `L` of Python 2 are meant
    warnings.simplefilter("ignore", UserWarning)
    base = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    base = base.parent if base.is_file() else base
    for name, write in (("golden", write_golden), ("forms", write_forms)):
        folder = base / name
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.npy"):
            old.unlink()
        write(folder)
        print(f"{name}: {len(list(folder.glob('*.npy')))} files")


if __name__ == "__main__":
    main()
