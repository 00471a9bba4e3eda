"""The workloads of the benches with NumPy: medians, in microseconds.

`open` is `np.load(mmap_mode="r")` with its `del`; windows are copied out of the map into a buffer
that is used again (`np.copyto`), or written into the map; filling is `open_memmap("w+")` and
slices of 4 MiB. As in the benches, files are in the page cache, hold 256 MiB and are not flushed.

Those of `mapped.rs` come last, with a file of 1 GiB: its sum through a new map, and 10,000 pieces
of 64 bytes stored at random places and flushed.

    cargo bench
    python benches/numpy_memmap.py          # files of 4 x side x side bytes: --side 32768
    python benches/numpy_memmap.py --mapped --gib 8     # those of `mapped.rs` alone
    python benches/numpy_memmap.py --batch --gib 8      # those of `batch.rs`
"""

import argparse
import os
import random
import statistics
import tempfile
import time

import numpy as np

BLOCK = 4 << 20


def measure(name, call):
    """Prints the median of 5 to 201 rounds, each of some 0.3 ms."""
    once = timed(call, 1)
    batch = int(min(max(3e-4 / once, 1), 1e5))
    rounds = int(min(max(2 / once, 5), 201))
    times = [timed(call, batch) for _ in range(rounds)]
    print(f"{name:<28} {statistics.median(times) * 1e6:>11.3f}")


def timed(call, calls):
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


def write_file(path, dtype, shape, fortran):
    """Writes a file in large pieces."""
    block = np.arange(BLOCK // dtype.itemsize, dtype=np.uint16).astype(dtype).tobytes()
    header = {"descr": dtype.str, "fortran_order": fortran, "shape": shape}
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(shape[0] * shape[1] * dtype.itemsize // BLOCK):
            file.write(block)


def windows(name, array, rows, columns, write=False):
    """Copies windows at random places, out of the array or into it."""
    random.seed(1)
    ends = [array.shape[0] - rows, array.shape[1] - columns]
    places = [[random.randint(0, end) for end in ends] for _ in range(4096)]
    buffer = np.ones((rows, columns), array.dtype.newbyteorder("="))
    turn = 0

    def call():
        nonlocal turn
        i, j = places[turn % len(places)]
        turn += 1
        window = array[i : i + rows, j : j + columns]
        np.copyto(*((window, buffer) if write else (buffer, window)))

    measure(name, call)


def blocks(name, array):
    """Copies whole rows, 4 MiB at a time, one block after the other."""
    rows = BLOCK // array.dtype.itemsize // array.shape[1]
    buffer = np.zeros((rows, array.shape[1]), array.dtype.newbyteorder("="))
    turn = 0

    def call():
        nonlocal turn
        start = turn * rows % array.shape[0]
        turn += 1
        np.copyto(buffer, array[start : start + rows])

    measure(name, call)


def fill(path, side):
    """Creates a file, fills it 4 MiB at a time, and removes it again."""
    rows = BLOCK // 4 // side
    block = np.ones((rows, side), np.float32)

    def call():
        array = np.lib.format.open_memmap(path, "w+", np.float32, (side, side))
        for start in range(0, side, rows):
            array[start : start + rows] = block
        del array
        os.remove(path)

    measure("fill, open_memmap", call)


def mapped(path, gib):
    """The first pass over a map, and small stores with a flush."""
    columns = 1024
    rows = gib << 18
    write_file(path, np.dtype("<f4"), (rows, columns), False)
    measure("first pass, sum", lambda: np.load(path, mmap_mode="r").sum())

    array = np.load(path, mmap_mode="r+")
    random.seed(1)
    places = [(random.randrange(rows), random.randrange(columns - 16)) for _ in range(10_000)]

    def store_and_flush():
        for i, j in places:
            array[i, j : j + 16] = 1.5
        array.flush()

    array.flush()
    measure("10,000 writes, flush", store_and_flush)


def median_after(name, before, call, rounds):
    """Prints the median of some rounds; what comes before each is not timed."""
    times = []
    for _ in range(rounds):
        before()
        times.append(timed(call, 1))
    print(f"{name:<28} {statistics.median(times) * 1e6:>11.3f}", flush=True)


def batch(path, gib):
    """Random rows of 64 KiB, cold and warm; columns; single elements."""
    rows, columns = gib << 14, 1 << 14
    write_file(path, np.dtype("<f4"), (rows, columns), False)
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    generator = np.random.default_rng(1)
    indices = None
    array = None
    out = np.ones((1000, columns), np.float32)

    def prepare(cold):
        nonlocal indices, array
        indices = generator.permutation(rows)[:1000]
        if cold:
            # What is mapped stays in the cache.
            array = None
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            array = np.load(path, mmap_mode="r")

    def loop():
        for i, j in enumerate(indices):
            out[i] = array[j]

    def take():
        np.take(array, indices, axis=0, out=out, mode="clip")

    for cold, name, rounds in [(True, "cold", 7), (False, "warm", 51)]:
        if not cold:
            array = np.load(path, mmap_mode="r")
            array.sum()
        for call, how in [(loop, "loop"), (take, "np.take")]:
            median_after(f"{name} rows of 64 KiB, {how}", lambda: prepare(cold), call, rounds)

    def dense(name, shape, order, axis, count):
        array = np.memmap(path, np.float32, "r", 128, shape, order)
        some = generator.integers(0, shape[axis], count)
        result_shape = [count if other == axis else len for other, len in enumerate(shape)]
        result = np.ones(result_shape, np.float32)
        measure(name, lambda: np.take(array, some, axis, result, "clip"))

    elements = rows * columns
    dense("100 of 1000 columns", (elements // 1000, 1000), "C", 1, 100)
    dense("Fortran, 100 of 1000 rows", (1000, elements // 1000), "F", 0, 100)
    dense("Fortran, 100 columns", (100_000, elements // 100_000), "F", 1, 100)
    dense("10 columns of wide rows", (elements // 512_000, 512_000), "C", 1, 10)
    dense("10^6 elements", (elements,), "C", 0, 1_000_000)
    os.close(descriptor)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=8192, help="a multiple of 1024")
    parser.add_argument("--mapped", action="store_true", help="the workloads of mapped.rs alone")
    parser.add_argument("--batch", action="store_true", help="the workloads of batch.rs alone")
    parser.add_argument("--gib", type=int, default=1, help="the size of their file")
    arguments = parser.parse_args()
    side = arguments.side
    print("workload                       median us")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.npy")
        if arguments.mapped:
            return mapped(path, arguments.gib)
        if arguments.batch:
            return batch(path, arguments.gib)
        np.save(path, np.zeros((365, 73, 144), np.float32))
        measure("open", lambda: np.load(path, mmap_mode="r"))

        write_file(path, np.dtype("<f4"), (side, side), False)
        array = np.load(path, mmap_mode="r+")
        windows("one element", array, 1, 1)
        windows("row of 4 KiB", array, 1, 1024)
        windows("64 x 64", array, 64, 64)
        windows("write one element", array, 1, 1, write=True)
        windows("write 64 x 64", array, 64, 64, write=True)
        blocks("4 MiB", array)
        del array

        write_file(path, np.dtype(">f4"), (side, side), False)
        blocks("4 MiB, big-endian", np.load(path, mmap_mode="r"))
        write_file(path, np.dtype("<f8"), (side // 2, side), True)
        array = np.load(path, mmap_mode="r")
        windows("Fortran 512 x 512", array, 512, 512)
        windows("Fortran, whole file", array, side // 2, side)
        del array
        os.remove(path)
        fill(path, side)
        mapped(path, arguments.gib)


if __name__ == "__main__":
    main()
