"""Weighbridge's command for Python environments, and canonical stores as numpy arrays.

The package brings the `weighbridge` executable: on the PATH of the environment, by `python -m weighbridge`, and by `find_executable()`.
`open_store(path)` reads a canonical store (`weighbridge convert MODEL MODEL.store`); that needs `pip install 'weighbridge[store]'`.
"""
from ._executable import find_executable

__all__ = ["Store", "StoreError", "find_executable", "open_store"]


def open_store(path, *, check=False, raw=False):
    """Opens a canonical store as a read-only mapping of tensor names to numpy arrays.

    Each look-up reads one tensor, so that a store may be larger than memory:

        with weighbridge.open_store("gpt-j-6b.store") as store:
            weight = store["transformer.wte.weight"]      # an array of its own, in the store's dtype
            store.dtype("transformer.wte.weight")         # "BF16"
            store.shape("transformer.wte.weight")         # (50400, 4096), without reading the tensor

    Args:
        path: the store's directory.
        check: compare every tensor that is read with its SHA-256 in store.json. A StoreError says where they differ.
        raw: give BF16 and small floats as bit patterns (uint16, uint8) even where ml_dtypes is installed.

    Dtypes that numpy has not: BF16 is ml_dtypes.bfloat16 where ml_dtypes is installed, else its bits as uint16; F8_E4M3, F8_E5M2,
    F8_E8M0 and the FNUZ forms likewise, else uint8. What is packed, F4, F6 and the block types of GGUF (Q8_0, Q4_K, …), is always a
    uint8 array of the stored bytes; `shape` gives the tensor's own shape.

    Raises:
        StoreError: not a store, a damaged one, or one of a later version.
        ImportError: numpy, h5py or hdf5plugin is missing.
    """
    from ._store import Store

    return Store(path, check=check, raw=raw)


def __getattr__(name):
    # These need numpy and h5py, which those who only want the command don't have.
    if name in ("Store", "StoreError"):
        from . import _store

        return getattr(_store, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("weighbridge")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
