"""The two-way check between this crate and real NumPy.

    python tests/numpy/roundtrip.py write DIR   # NumPy writes, the Rust test reads
    python tests/numpy/roundtrip.py check DIR   # the Rust test wrote, NumPy reads
    python tests/numpy/roundtrip.py change DIR  # NumPy changes it, the Rust test reads again

Files are named and filled by the rule in tests/data/make_data.py. Needs NumPy
1.25 or later (before that its headers were padded differently).

write  makes DIR/save (np.save), DIR/open_memmap (the same files written through
       a map), DIR/memmap (files of other elements, changed through a map) and
       DIR/strided (np.save of arrays with gaps, so in C order). DIR/raw has the
       elements alone, by np.memmap, from the byte on that NAME_atBYTE.raw names.
check  loads and maps every .npy file under DIR, compares element type, shape,
       order and content, and then each byte with what np.save writes for the
       same array. Maps every .raw file likewise, which begins with zeros. Ends
       with 1 and the file's name at the first difference, and also when there
       is no file at all.
change brings the elements of every .npy and .raw file under DIR into reverse
       order, in place, through a map (mode r+).
"""

import io
import pathlib
import sys

sys.dont_write_bytecode = True  # no __pycache__ among the test data
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "data"))

import numpy as np
from numpy.lib.format import open_memmap

from make_data import golden_array, golden_cases


def write(base):
    names = ("save", "open_memmap", "memmap", "strided")
    save, mapped, changed, strided = (base / name for name in names)
    raw = base / "raw"
    for folder in (save, mapped, changed, strided, raw):
        folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, kind, end, order, rank in golden_cases():
        array = golden_array(kind, end, order, rank)
        np.save(save / f"{name}.npy", array)

        target = open_memmap(
            mapped / f"{name}.npy", "w+", array.dtype, array.shape, fortran_order=order == "f"
        )
        target[...] = array
        target.flush()
        del target

        np.save(changed / f"{name}.npy", backwards(array))
        store(changed / f"{name}.npy", array)
        offset = 13 if rank % 2 else 24
        path = raw / f"{name}_at{offset}.raw"
        target = np.memmap(path, array.dtype, "w+", offset, array.shape, order.upper())
        target[...] = array
        target.flush()
        del target
        count += 4

        if rank >= 1 and order == "c":
            gaps = np.zeros([2 * length for length in array.shape], dtype=array.dtype)
            gaps = gaps[(slice(None, None, 2),) * rank]
            gaps[...] = array
            np.save(strided / f"{name}.npy", gaps)
            count += 1
    print(f"{count} files written")


def backwards(array):
    """The elements in reverse, in the same storage order."""
    order = "C" if array.flags.c_contiguous else "F"
    return np.array(array[(slice(None, None, -1),) * array.ndim], array.dtype, order=order)


def store(path, array):
    """Changes a file's elements in place."""
    target = open_raw(path, "r+") if path.suffix == ".raw" else np.load(path, mmap_mode="r+")
    target[...] = array
    target.flush()


def raw_case(path):
    """The golden array that a .raw file is named after, and the byte it starts at."""
    stem, offset = path.stem.split("_at")
    cases = {name: case for name, *case in golden_cases()}
    return golden_array(*cases[stem]), int(offset), cases[stem][2].upper()


def open_raw(path, mode):
    array, offset, order = raw_case(path)
    return np.memmap(path, array.dtype, mode, offset, array.shape, order)


def change(base):
    paths = sorted(base.rglob("*.npy"))
    for path in paths:
        store(path, backwards(np.load(path)))
    for path in (raw := sorted(base.rglob("*.raw"))):
        store(path, backwards(raw_case(path)[0]))
    paths += raw
    print(f"{len(paths)} files changed")


def difference(path, cases):
    """What is wrong with one file, or None."""
    if path.stem not in cases:
        return "not a name of the golden matrix"
    wanted = golden_array(*cases[path.stem])
    loads = {"np.load": np.load(path)}
    if wanted.size > 0:
        loads["np.load(mmap_mode='r')"] = np.load(path, mmap_mode="r")
    for how, found in loads.items():
        for what, a, b in (
            ("dtype", found.dtype.str, wanted.dtype.str),
            ("shape", found.shape, wanted.shape),
            ("C order", found.flags.c_contiguous, wanted.flags.c_contiguous),
            ("Fortran order", found.flags.f_contiguous, wanted.flags.f_contiguous),
        ):
            if a != b:
                return f"{how}: {what} is {a}, expected {b}"
        if found.tobytes() != wanted.tobytes():
            return f"{how}: found {found.tolist()}, expected {wanted.tolist()}"
    return different_bytes(path.read_bytes(), wanted)


def different_bytes(found, array):
    file = io.BytesIO()
    np.save(file, array)
    wanted = file.getvalue()
    if len(found) != len(wanted):
        return f"{len(found)} bytes, np.save writes {len(wanted)}"
    for position, (a, b) in enumerate(zip(found, wanted)):
        if a != b:
            return f"byte {position} is {a:#04x}, np.save writes {b:#04x}"
    return None


def different_raw(path):
    """What is wrong with one file of elements alone, or None."""
    wanted, offset, order = raw_case(path)
    found = open_raw(path, "r")
    if found.tobytes() != wanted.tobytes():
        return f"np.memmap: found {found.tolist()}, expected {wanted.tolist()}"
    if path.read_bytes() != bytes(offset) + wanted.tobytes(order):
        return "other bytes than zeros and the elements"
    return None


def check(base):
    cases = {name: case for name, *case in golden_cases()}
    paths = sorted(base.rglob("*.npy"))
    raw = sorted(base.rglob("*.raw"))
    for kind, found in ((".npy", paths), (".raw", raw)):
        if not found:
            sys.exit(f"no {kind} file under {base}")
    paths += raw
    for path in paths:
        try:
            wrong = different_raw(path) if path.suffix == ".raw" else difference(path, cases)
        except Exception as error:  # whatever NumPy says, name the file
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            sys.exit(f"{path}: {wrong}")
    print(f"{len(paths)} files ok")


if __name__ == "__main__":
    commands = {"write": write, "check": check, "change": change}
    if len(sys.argv) != 3 or sys.argv[1] not in commands:
        sys.exit("usage: roundtrip.py write|check|change DIR")
    commands[sys.argv[1]](pathlib.Path(sys.argv[2]))
