"""h5py and hdf5plugin read every dataset of a store, with no code of ours, to the values that went in."""
import json
import pathlib

import numpy as np

import mesh
from harness import HUGGING_FACE, MESH, convert, document, expect, run, workdir
from json_documents import valid
from stored import NUMPY, digest, read_checkpoint, read_file, write_safetensors


def check(report):
    for compression in ("zstd", "zstd:9", "none"):
        with workdir() as work:
            source = every_dtype(work / "all.safetensors")
            report.row(f"every dtype, {compression}", lambda: compare(work / "all.safetensors", source, work / "all.store", compression))
    for case in HUGGING_FACE:
        with workdir() as work:
            report.row(f"{case.name} to a store", lambda: compare(case, read_checkpoint(case), work / "case.store", "zstd"))
            report.row(f"{case.name} and back", lambda: back(case, work))
    for case in MESH:
        with workdir() as work:
            report.row(f"{case.name} through a store", lambda: mesh_logits(case, work))
    with workdir() as work:
        report.row("raw bfloat16 by the recipe of the documentation", lambda: recipe(work))
    with workdir() as work:
        report.row("a tensor of 4.4 GB", lambda: large(work))
    with workdir() as work:
        report.row("10,000 tensors", lambda: many(work))


def every_dtype(path):
    rng, tensors = np.random.default_rng(5), {}
    for dtype, numpy in NUMPY.items():
        raw = rng.integers(0, 256, (37, 50, np.dtype(numpy).itemsize), np.uint8)
        tensors[f"t.{dtype}"] = (dtype, (raw & 1 if dtype == "BOOL" else raw).reshape(37, -1).view(numpy))
    tensors["large"] = ("BF16", (rng.standard_normal((3000, 1500), "<f4") * np.float32(0.02)).view("<u4").__rshift__(16).astype("<u2"))
    tensors["deep"] = ("F32", rng.standard_normal((3, 2, 700, 600), "<f4"))
    tensors["scalar"], tensors["empty"] = ("F32", np.float32(-0.0).reshape(())), ("I64", np.zeros((0, 7), "<i8"))
    for name in ("a", "a/b", ".", "/leading", "100%", "new\nline", "äöü 重み"):
        tensors[name] = ("I16", np.array([len(name), 7], "<i2"))
    write_safetensors(path, tensors)
    return tensors


def compare(source, tensors, store, compression):
    """Every dataset by its volume and by the link file; attributes; chunks where the table says."""
    import h5py
    import hdf5plugin  # registers the zstd filter

    assert hdf5plugin
    convert_to_store(source, store, "--compression", compression)
    manifest = json.loads((store / "store.json").read_text())
    valid((store / "store.json").read_text(), store)
    table = json.loads((store / "chunks.json").read_text())
    places = {entry["name"]: entry["chunks"] for entry in table["tensors"]}
    expect({entry["name"] for entry in manifest["tensors"]} == set(tensors), "other names than the source's")
    chunk_count = 0
    with h5py.File(store / "weights.h5") as links:
        for entry in manifest["tensors"]:
            name, (dtype, array) = entry["name"], tensors[entry["name"]]
            with h5py.File(store / entry["volume"]) as volume:
                dataset = volume[entry["dataset"]]
                expect(dataset.shape == array.shape, f"{name!r}: shape {dataset.shape}, expected {array.shape}")
                expect((dataset.attrs["name"].decode(), dataset.attrs["dtype"].decode()) == (name, dtype), f"{name!r}: attributes {dict(dataset.attrs)}")
                expect(same(dtype, dataset[...], array), f"{name!r} ({dtype}): h5py reads other values")
                expect(np.array_equal(raw(dataset), raw(links[entry["dataset"]])), f"{name!r}: weights.h5 leads elsewhere")
                chunk_count += chunks_agree(dataset, places[name])
            expect(entry["digest"] == digest(array), f"{name!r}: digest")
    expect(run("verify", store, "--skip", "values").returncode == 0, "verify finds something")
    size = sum(path.stat().st_size for path in store.glob("weights-*.h5"))
    return f"{len(tensors)} datasets, {chunk_count} chunks, {size / max(1, sum(a.nbytes for _, a in tensors.values())):.3f} of the size"


def convert_to_store(source, store, *options):
    run("convert", source, store, "--to", "store", "--quiet", *options, check=0)


def same(dtype, values, array):
    if dtype == "BF16":
        wide = (array.astype("<u4") << 16).view("<f4")
        nan = np.isnan(wide)
        return np.array_equal(nan, np.isnan(values)) and np.array_equal(wide[~nan].view("<u4"), values.astype("<f4")[~nan].view("<u4"))
    return np.ascontiguousarray(values).tobytes() == np.ascontiguousarray(array).tobytes()


def raw(dataset):
    """The stored bits: reading with the file's own type as memory type converts nothing."""
    import h5py

    if dataset.size == 0:
        return np.zeros(0)
    out = np.empty(dataset.shape, f"<V{dataset.id.get_type().get_size()}")
    dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, out, dataset.id.get_type())
    return np.frombuffer(out.tobytes(), "u1")


def chunks_agree(dataset, rows):
    if dataset.chunks is None:
        expect(not rows or dataset.id.get_offset() == rows[0][0], f"{dataset.name}: offset {dataset.id.get_offset()}, table {rows}")
        expect(not rows or dataset.id.get_offset() % 64 == 0, f"{dataset.name}: not aligned")
        return 0
    found = [dataset.id.get_chunk_info(k) for k in range(dataset.id.get_num_chunks())]
    theirs = sorted((info.chunk_offset, info.byte_offset, info.size, info.filter_mask) for info in found)
    expect([list(row[1:]) for row in theirs] == [row[:3] for row in rows], f"{dataset.name}: chunks elsewhere than the table says")
    expect(dataset.nbytes < 4 << 20 or 1 << 19 <= np.prod(dataset.chunks) * dataset.dtype.itemsize <= 4 << 20, f"{dataset.name}: chunks of {dataset.chunks}")
    return len(rows)


def back(case, work):
    store = work / "case.store"
    convert(store, work / "back")
    ours, source = read_checkpoint(work / "back"), read_checkpoint(case)
    expect(set(ours) == set(source), "other names")
    different = [name for name in source if ours[name][0] != source[name][0] or ours[name][1].tobytes() != source[name][1].tobytes()]
    expect(not different, f"tensors differ: {different[:4]}")
    expect((work / "back/config.json").read_bytes() == (case / "config.json").read_bytes(), "config.json changed")
    roots = {document("inspect", place, "--digests")["root"] for place in (case, store, work / "back")}
    expect(len(roots) == 1, f"roots {roots}")
    return f"{len(source)} tensors bit for bit, one root"


def mesh_logits(case, work):
    """Mesh to a store, which rounds nothing, to Hugging Face: the logits of the original repository."""
    convert_to_store(case / "step.tar.zstd", work / "m.store", "--config", case / "config.json")
    convert(work / "m.store", work / "out", "--dtype", "f32")
    written = read_checkpoint(work / "out")
    expected = mesh.evaluate(mesh.read_step(mesh.unpack(case / "step.tar.zstd", work / "unpacked")), mesh.layers_of(case))
    different = [name for name in expected if written[name][1].tobytes() != expected[name].astype("<f4").tobytes()]
    expect(not different, f"differ from numpy's f32 evaluation: {different[:4]}")
    recorded = np.load(case / "logits.npy")
    logits = mesh.transformers_logits(work / "out", np.load(case / "tokens.npy"))[:, :recorded.shape[-1]]
    difference = float(np.abs(logits - recorded.reshape(logits.shape)).max())
    expect(difference < mesh.TOLERANCE, f"logits differ by {difference:.2g}")
    kept = [entry["dtype"] for entry in json.loads((work / "m.store/store.json").read_text())["tensors"]]
    return f"{len(written)} tensors exact ({kept.count('F32')} kept in F32); largest logit difference {difference:.2g} of {mesh.TOLERANCE:.0e}"


def recipe(work):
    """Bits of every bfloat16, NaN payloads too, as README says to read them."""
    import h5py
    import hdf5plugin

    assert hdf5plugin
    every = np.arange(65536, dtype="<u2").reshape(256, 256)
    write_safetensors(work / "w.safetensors", {"w": ("BF16", every)})
    for compression in ("zstd", "none"):
        store = work / f"{compression}.store"
        convert_to_store(work / "w.safetensors", store, "--compression", compression)
        with h5py.File(store / "weights.h5") as file:
            dataset = file["tensors/w"]
            out = np.empty(dataset.shape, np.uint16)
            dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, out, dataset.id.get_type())
            expect(np.array_equal(out, every), f"{compression}: other bits")
            if compression == "none":
                mapped = np.memmap(dataset.file.filename, np.uint16, "r", dataset.id.get_offset(), dataset.shape)
                expect(np.array_equal(mapped, every), "mapped: other bits")
    return "65,536 patterns, read and mapped"


def large(work):
    """Sparse zeros: more than 32 bits of bytes."""
    rows, columns = 70_000, 32_768
    header = json.dumps({"w": {"dtype": "BF16", "shape": [rows, columns], "data_offsets": [0, rows * columns * 2]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(work / "large.safetensors", "wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + rows * columns * 2)
        file.seek(-2, 2)
        file.write(b"\x80\x3f")
    convert_to_store(work / "large.safetensors", work / "large.store")
    expect(run("verify", work / "large.store").returncode == 0, "verify finds something")
    convert(work / "large.store", work / "back.safetensors")
    with open(work / "back.safetensors", "rb") as ours, open(work / "large.safetensors", "rb") as theirs:
        ours.seek(-(1 << 20), 2), theirs.seek(-(1 << 20), 2)
        expect(ours.read() == theirs.read(), "the end differs")
    return f"{rows * columns * 2:,} bytes in {sum(path.stat().st_size for path in (work / 'large.store').rglob('*') if path.is_file()):,}"


def many(work):
    tensors = {f"layer.{i}.bias": ("F32", np.full(3, i, "<f4")) for i in range(10_000)}
    write_safetensors(work / "many.safetensors", tensors)
    convert_to_store(work / "many.safetensors", work / "many.store")
    expect(run("verify", work / "many.store").returncode == 0, "verify finds something")
    convert(work / "many.store", work / "back.safetensors")
    ours = read_file(work / "back.safetensors")
    expect(all(ours[name][1].tobytes() == array.tobytes() for name, (_, array) in tensors.items()), "values differ")
    return f"{(work / 'many.store/store.json').stat().st_size:,} bytes of manifest"
