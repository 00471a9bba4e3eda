"""Writes raw/: arrays inside files of other formats, which the tests open with `Raw`.

    python -m pip install numpy==2.4.6
    python tests/data/make_raw.py            # writes raw/ beside this script
    python tests/data/make_raw.py DIR        # the same under DIR, to compare

Deterministic: every run gives the same bytes. Change this script and run it again; never edit its
output.

air.nc    NetCDF-3 classic (CDF-1), packed here by hand after the format's specification: a header,
          the big-endian coordinates `lat` and `lon` (f4), `weight` (f8, at an
          offset that is no multiple of 8), and `air`, the one record variable (i2; time, lat, lon),
          whose records follow each other without padding up to the end of the file.
tone.wav  PCM sound, written by Python's `wave`: little-endian i2, (frame, channel), and a `LIST`
          chunk behind them.

Beside each array lies what `np.memmap` sees there, as FILE.VARIABLE.npy in little-endian order, and
ARRAYS.txt lists file, variable, dtype, byte offset and shape.
"""

import math
import pathlib
import struct
import sys
import wave

import numpy as np

NUMPY = "2.4.6"
TIMES, LATS, LONS = 5, 3, 7

# ---- NetCDF-3 -----------------------------------------------------------------------------------

NC_DIMENSION, NC_VARIABLE, NC_ATTRIBUTE = 10, 11, 12
NC_CHAR, NC_SHORT, NC_FLOAT, NC_DOUBLE = 2, 3, 5, 6


def name(text):
    data = text.encode()
    return struct.pack(">i", len(data)) + data + bytes(-len(data) % 4)


def attributes(pairs):
    if not pairs:
        return bytes(8)
    out = struct.pack(">ii", NC_ATTRIBUTE, len(pairs))
    for key, value in pairs:
        out += name(key) + struct.pack(">i", NC_CHAR) + name(value)
    return out


def variable(key, dimensions, notes, kind, size, begin):
    out = name(key) + struct.pack(f">i{len(dimensions)}i", len(dimensions), *dimensions)
    return out + attributes(notes) + struct.pack(">iii", kind, size, begin)


def netcdf_header(begins):
    out = b"CDF\x01" + struct.pack(">i", TIMES)
    dimensions = (("time", 0), ("lat", LATS), ("lon", LONS))
    out += struct.pack(">ii", NC_DIMENSION, len(dimensions))
    out += b"".join(name(key) + struct.pack(">i", length) for key, length in dimensions)
    out += attributes([("title", "one cold week"), ("Conventions", "CF-1.8")])
    record = 2 * LATS * LONS
    variables = (
        ("lat", (1,), [("units", "degrees_north")], NC_FLOAT, 4 * LATS),
        ("lon", (2,), [("units", "degrees_east")], NC_FLOAT, 4 * LONS),
        ("weight", (2, 1), [], NC_DOUBLE, 8 * LATS * LONS),
        ("air", (0, 1, 2), [("units", "0.01 degC")], NC_SHORT, record + -record % 4),
    )
    out += struct.pack(">ii", NC_VARIABLE, len(variables))
    return out + b"".join(variable(*entry, begins[entry[0]]) for entry in variables)


def write_netcdf(path):
    lat = np.linspace(70, 50, LATS).astype(">f4")
    lon = np.linspace(-10, 20, LONS).astype(">f4")
    weight = (np.arange(LONS * LATS).reshape(LONS, LATS) / 3 - 2).astype(">f8")
    air = (np.arange(TIMES * LATS * LONS).reshape(TIMES, LATS, LONS) * 321 - 12345).astype(">i2")
    arrays = {"lat": lat, "lon": lon, "weight": weight, "air": air}
    begins = dict.fromkeys(arrays, 0)
    at = len(netcdf_header(begins))
    for key, array in arrays.items():
        begins[key] = at
        at += array.nbytes
    assert begins["weight"] % 8 == 4
    path.write_bytes(netcdf_header(begins) + b"".join(a.tobytes() for a in arrays.values()))
    return [(key, array.dtype.str, begins[key], array.shape) for key, array in arrays.items()]


# ---- WAV ----------------------------------------------------------------------------------------


def write_wav(path):
    frames = np.array([[k * 97 - 3000, 3000 - k * 31] for k in range(100)], dtype="<i2")
    with wave.open(str(path), "wb") as sound:
        sound.setparams((2, 2, 8000, 0, "NONE", "not compressed"))
        sound.writeframes(frames.tobytes())
    data = bytearray(path.read_bytes())
    assert data[36:40] == b"data" and len(data) == 44 + frames.nbytes
    data += b"LIST" + struct.pack("<I", 4) + b"INFO"
    data[4:8] = struct.pack("<I", len(data) - 8)
    path.write_bytes(data)
    with wave.open(str(path)) as sound:
        assert sound.readframes(sound.getnframes()) == frames.tobytes()
    return [("samples", "<i2", 44, frames.shape)]


# ---- both ---------------------------------------------------------------------------------------


def main():
    if np.__version__ != NUMPY:
        sys.exit(f"needs numpy {NUMPY}, found {np.__version__}")
    base = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    folder = (base.parent if base.is_file() else base) / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    lines = ["# file\tvariable\tdtype\toffset\tshape"]
    for file, write in (("air.nc", write_netcdf), ("tone.wav", write_wav)):
        for key, dtype, offset, shape in write(folder / file):
            seen = np.memmap(folder / file, dtype, "r", offset, shape)
            assert seen.size == math.prod(shape) and (seen != seen.byteswap()).any()
            np.save(folder / f"{file}.{key}.npy", seen.astype("<" + dtype[1:]))
            lines.append(f"{file}\t{key}\t{dtype}\t{offset}\t{shape}")
    (folder / "ARRAYS.txt").write_bytes(("\n".join(lines) + "\n").encode())
    print(f"raw: {len(list(folder.iterdir()))} files")


if __name__ == "__main__":
    main()
