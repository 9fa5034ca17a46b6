"""Canonical stores: store.json says what is there, HDF5 volumes hold it."""
import collections.abc
import hashlib
import json
import math
import pathlib
import re

try:
    import h5py
    import hdf5plugin  # noqa: F401 - registers the zstd filter
    import numpy as np
except ImportError as error:
    raise ImportError(f"{error}; reading stores needs numpy, h5py and hdf5plugin: pip install 'weighbridge[store]'") from error
try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

# Elements that numpy has.
PLAIN = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8",
    "F16": "<f2", "F32": "<f4", "F64": "<f8", "C64": "<c8",
}  # fmt: skip
# Elements that ml_dtypes has, and what holds their bits.
SMALL_FLOATS = {
    "BF16": ("bfloat16", "<u2"), "F8_E4M3": ("float8_e4m3fn", "u1"), "F8_E5M2": ("float8_e5m2", "u1"), "F8_E8M0": ("float8_e8m0fnu", "u1"),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", "u1"), "F8_E5M2FNUZ": ("float8_e5m2fnuz", "u1"),
}  # fmt: skip
VOLUME = re.compile(r"weights-[0-9]{5,}\.h5")


class StoreError(Exception):
    """A store that can't be read: not one, damaged, or of a later version."""


class Store(collections.abc.Mapping):
    """A read-only mapping of tensor names to numpy arrays, in the store's order; see `weighbridge.open_store`.

    Attributes:
        path: the store's directory.
        manifest: store.json as it is; its members are described by share/weighbridge/schemas/store.v1.schema.json of a release.
    """

    def __init__(self, path, *, check=False, raw=False):
        self.path, self._check, self._raw, self._volumes = pathlib.Path(path), check, raw, {}
        place = self.path / "store.json"
        try:
            self.manifest = json.loads(place.read_bytes())
            version = self.manifest["schema"]
            if version != "store/v1":
                raise StoreError(f"{place}: the store has the version {version!r}, which this package can't read: install a later one")
            if self.manifest["base"] is not None:
                raise StoreError(f"{place}: the store is a difference to another, which this package can't read: install a later one")
            self._tensors = {entry["name"]: entry for entry in self.manifest["tensors"]}
            for entry in self._tensors.values():
                if not VOLUME.fullmatch(entry["volume"]) or not entry["dataset"].startswith("/tensors/"):
                    raise StoreError(f"{place}: tensor {entry['name']!r} lies at an unknown place")
                tuple(map(int, entry["shape"])), str(entry["dtype"]), str(entry["digest"])
        except OSError as error:
            raise StoreError(f"{place}: {error.strerror}; a store is a directory that `weighbridge convert MODEL MODEL.store` writes") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoreError(f"{place}: not the manifest of a store: {error!r}") from error

    def __iter__(self):
        return iter(self._tensors)

    def __len__(self):
        return len(self._tensors)

    def __contains__(self, name):
        return name in self._tensors

    def __getitem__(self, name):
        """Reads a tensor into an array of its own."""
        entry = self._tensors[name]
        try:
            array = self._read(entry)
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise StoreError(f"{self.path / entry['volume']}: tensor {name!r} can't be read: {error}") from error
        if self._check and "sha256:" + hashlib.sha256(array.reshape(-1).view("u1")).hexdigest() != entry["digest"]:
            raise StoreError(f"{self.path / entry['volume']}: tensor {name!r} is not what was stored: its SHA-256 differs from store.json's")
        return self._typed(entry["dtype"], array)

    def dtype(self, name):
        """The tensor's dtype as the store names it, such as "BF16"."""
        return self._tensors[name]["dtype"]

    def shape(self, name):
        """The tensor's shape, without reading it."""
        return tuple(self._tensors[name]["shape"])

    def close(self):
        """Closes the volumes. Arrays stay valid."""
        for volume in self._volumes.values():
            volume.close()
        self._volumes = {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __repr__(self):
        return f"<weighbridge.Store {str(self.path)!r}: {len(self)} tensors>"

    def _read(self, entry):
        """The tensor's elements, or packed bytes, as bits of the file: HDF5 would widen BF16, slowly and with other NaN."""
        dtype, shape = entry["dtype"], tuple(entry["shape"])
        volume = self._volumes.get(entry["volume"])
        if volume is None:
            volume = self._volumes[entry["volume"]] = h5py.File(self.path / entry["volume"], "r")
        # Nothing leads out of the volume: a dataset may name other files.
        if not isinstance(volume.get(entry["dataset"], getlink=True), h5py.HardLink):
            raise ValueError("it is a link")
        dataset = volume[entry["dataset"]]
        if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
            raise ValueError("its data lie in another file")
        kind = dataset.id.get_type()
        bits = PLAIN.get(dtype) or SMALL_FLOATS.get(dtype, (None, "u1"))[1]
        if kind.get_size() != np.dtype(bits).itemsize:
            raise ValueError(f"{dtype} has elements of {kind.get_size()} bytes")
        if (dtype in PLAIN or dtype in SMALL_FLOATS) and dataset.shape != shape:
            raise ValueError(f"its shape is {dataset.shape}, not {shape}")
        array = np.empty(dataset.shape, "u1" if bits == "?" else bits)
        if math.prod(dataset.shape):
            # The type in memory is the file's, so nothing is converted.
            dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, array, kind)
        return array

    def _typed(self, dtype, array):
        if dtype == "BOOL":
            return array.astype("?")
        name = SMALL_FLOATS.get(dtype, (None, None))[0]
        # Earlier releases of ml_dtypes lack some.
        if name is None or self._raw or not hasattr(ml_dtypes, name):
            return array
        return array.view(getattr(ml_dtypes, name))
