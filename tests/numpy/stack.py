"""The two-way check of npy-stacks between this crate and real Dask.

    python tests/numpy/stack.py write DIR  # Dask writes, the Rust test reads
    python tests/numpy/stack.py check DIR  # the Rust test wrote, Dask reads

Beside each npy-stack DIR/NAME stands DIR/NAME.npy with the whole array.

write  makes stacks with da.to_npy_stack, along every axis, of several element
       types and chunkings, and writes each one's info again in every pickle
       protocol, also with lists for tuples and the dtype as a string.
check  opens each with da.from_npy_stack and compares element type, chunks,
       sum and content. Ends with 1 and the name at the first difference, and
       also when there is no stack at all.
"""

import pathlib
import pickle
import shutil
import sys

import dask.array as da
import numpy as np

CHUNKINGS = {"even": (3, 2, 2), "odd": ((1, 6), (2, 2, 1), (4,)), "one": (7, 5, 4)}


def write(base):
    base.mkdir(parents=True, exist_ok=True)
    count = 0
    for dtype in ("<f4", ">f4", "<f8", "<i2", ">i2", "|u1"):
        array = np.arange(140).reshape(7, 5, 4).astype(dtype)
        for axis in (0, 1, 2, -1):
            for chunking, chunks in CHUNKINGS.items():
                name = f"{dtype[1:]}{'be' if dtype[0] == '>' else ''}_{axis}_{chunking}"
                da.to_npy_stack(base / name, da.from_array(array, chunks=chunks), axis=axis)
                np.save(base / f"{name}.npy", array)
                count += 1 + again(base / name, array)
    print(f"{count} npy-stacks written")


def again(first, array):
    """The same stack with its info pickled in other ways."""
    info = pickle.loads((first / "info").read_bytes())
    plain = {
        "chunks": [list(chunk) for chunk in info["chunks"]],
        "dtype": info["dtype"].str,
        "axis": info["axis"],
    }
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for how, content in (("dtype", info), ("plain", plain)):
            copy = first.with_name(f"{first.name}_{how}{protocol}")
            shutil.copytree(first, copy)
            (copy / "info").write_bytes(pickle.dumps(content, protocol))
            np.save(copy.with_name(f"{copy.name}.npy"), array)
    return 2 * (pickle.HIGHEST_PROTOCOL + 1)


def difference(path):
    """What is wrong with one stack, or None."""
    wanted = np.load(path.with_name(f"{path.name}.npy"))
    axis, rows = map(int, path.name.split("_")[1:])
    chunks = tuple((length,) for length in wanted.shape)
    full, rest = divmod(wanted.shape[axis], rows)
    lengths = (rows,) * full + ((rest,) if rest else ())
    chunks = chunks[:axis] + (lengths,) + chunks[axis + 1 :]
    found = da.from_npy_stack(str(path))
    for what, a, b in (
        ("dtype", found.dtype, wanted.dtype),
        ("chunks", found.chunks, chunks),
        ("sum", found.sum().compute(), wanted.sum()),
        ("type", found.compute().dtype.str, wanted.dtype.str),
    ):
        if a != b:
            return f"{what} is {a}, expected {b}"
    if not np.array_equal(found.compute(), wanted):
        return "the content differs"
    return None


def check(base):
    paths = sorted(path for path in base.iterdir() if path.is_dir())
    if not paths:
        sys.exit(f"no npy-stack under {base}")
    for path in paths:
        try:
            wrong = difference(path)
        except Exception as error:  # whatever Dask says, name the stack
            wrong = f"{type(error).__name__}: {error}"
        if wrong:
            sys.exit(f"{path}: {wrong}")
    print(f"{len(paths)} npy-stacks ok")


if __name__ == "__main__":
    commands = {"write": write, "check": check}
    if len(sys.argv) != 3 or sys.argv[1] not in commands:
        sys.exit("usage: stack.py write|check DIR")
    commands[sys.argv[1]](pathlib.Path(sys.argv[2]))
