"""How often NumPy reads a part of a header while a writer commits rows. Run by hand:

    python tests/numpy/torn.py FOLDER [SECONDS]

A writer process rewrites the bytes in which the headers of 99 and 100 rows differ, each with one
`pwrite`, as this crate does, and as fast as it can: thousands of times faster than a writer that
waits for the disk. NumPy opens the file on and on. Prints how often it saw each length, something
else, or an error.
"""

import collections
import multiprocessing
import os
import sys
import time

import numpy as np


def header(path, rows):
    np.save(path, np.zeros((rows, 3), "<i4"))
    with open(path, "rb") as file:
        return file.read(128)


def flip(path, ready, pause):
    both = [header(path + f".{rows}.npy", rows) for rows in (99, 100)]
    differs = [at for at in range(128) if both[0][at] != both[1][at]]
    first, end = differs[0], differs[-1] + 1
    descriptor = os.open(path, os.O_WRONLY)
    ready.set()
    while True:
        for one in both:
            os.pwrite(descriptor, one[first:end], first)
            if pause:
                time.sleep(pause)


def look(path, seconds):
    seen = collections.Counter()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            seen[np.load(path, mmap_mode="r").shape] += 1
        except Exception as error:
            seen[f"{type(error).__name__}: {str(error)[:60]}"] += 1
    return seen


def main():
    folder, seconds = sys.argv[1], float((sys.argv + ["20"])[2])
    path = os.path.join(folder, "torn.npy")
    for pause in (0, 0.001):
        np.save(path, np.zeros((100, 3), "<i4"))
        ready = multiprocessing.Event()
        writer = multiprocessing.Process(target=flip, args=(path, ready, pause), daemon=True)
        writer.start()
        ready.wait()
        seen = look(path, seconds)
        writer.kill()
        writer.join()
        right = seen[(99, 3)] + seen[(100, 3)]
        opens = sum(seen.values())
        print(f"a commit each {pause * 1000:g} ms: {opens - right} of {opens} opens went wrong")
        for what, times in seen.most_common():
            print(f"  {times:8}  {what}")
    for name in ("torn.npy", "torn.npy.99.npy", "torn.npy.100.npy"):
        os.remove(os.path.join(folder, name))


if __name__ == "__main__":
    main()
