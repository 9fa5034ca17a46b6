"""Keras's HDF5 against h5py, in every layout at random; models of Keras and Flax, converted, in transformers."""
import numpy as np

from harness import FIXTURES, Failure, convert, document, expect, workdir
from stored import digest

TOLERANCE = 2e-5  # from the logits of the framework that made the weights, and from transformers'
RANDOM = 40
MODELS = ["keras/gptj", "keras/gpt2_sharded", "keras/gpt2_gzip_shuffle", "flax/gpt2", "flax/gpt_neo_sharded", "flax/gptj_chunked_bf16"]


def check(report):
    for path in sorted((FIXTURES / "keras/variants").glob("*.h5")):
        report.row(path.name, lambda: same_values(path))
    random = np.random.default_rng(17)
    report.row(f"{RANDOM} random files", lambda: random_files(random))
    for model in MODELS:
        report.row(model, lambda: same_logits(FIXTURES / model))


def listed(group, name):
    """A list of names, in parts where it is long."""
    if name in group.attrs:
        texts = list(group.attrs[name])
    else:
        texts, part = [], 0
        while f"{name}{part}" in group.attrs:
            texts += list(group.attrs[f"{name}{part}"])
            part += 1
    return [text.decode() if isinstance(text, bytes) else text for text in texts]


def weights(path):
    """{name: dataset} as Keras finds them."""
    import h5py

    file = h5py.File(path)
    found = {}
    for layer in listed(file, "layer_names"):
        if isinstance(file[layer], h5py.Dataset):
            found[layer] = file[layer]
        else:
            found |= {weight: file[layer][weight] for weight in listed(file[layer], "weight_names")}
    return found


def same_values(path):
    """h5py's values, whose little-endian bytes are digested; bfloat16, which numpy lacks, as its bits."""
    import h5py

    report = document("inspect", path, "--digests")
    mine, theirs = {t["name"]: t["digest"] for t in report["tensors"]}, weights(path)
    expect(set(mine) == set(theirs), f"other names: {sorted(set(mine) ^ set(theirs))[:3]}")
    for name, dataset in theirs.items():
        if next(t["dtype"] for t in report["tensors"] if t["name"] == name) == "BF16":
            array = np.empty(dataset.shape, "<u2")
            dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, array, dataset.id.get_type())
        else:
            array = dataset[()]
        expect(digest(np.asarray(array)) == mine[name], f"other values of {name}")
    return f"{len(theirs)} weights"


def random_files(random):
    """Shapes, chunks, filters, byte orders, superblocks and user blocks at random."""
    import h5py

    count = 0
    for number in range(RANDOM):
        with workdir() as work:
            path = work / "tf_model.h5"
            options = {"libver": ("v110", "v110")} if random.random() < 0.4 else {}
            if random.random() < 0.3:
                options["userblock_size"] = 512 << int(random.integers(0, 4))
            with h5py.File(path, "w", **options) as file:
                names = []
                for place in range(int(random.integers(1, 6))):
                    shape = tuple(int(extent) for extent in random.integers(1, 40, int(random.integers(1, 4))))
                    value = random.normal(size=shape).astype(random.choice(["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]))
                    layout = {}
                    if random.random() < 0.75:
                        layout = {"chunks": tuple(int(random.integers(1, extent + 1)) for extent in shape), "shuffle": bool(random.random() < 0.5),
                                  "fletcher32": bool(random.random() < 0.5)}
                        if random.random() < 0.6:
                            layout |= {"compression": "gzip", "compression_opts": int(random.integers(1, 10))}
                    names.append(f"a/w{place}:0")
                    file.create_dataset(names[-1], data=value, **layout)
                file.attrs["layer_names"] = np.array([name.encode() for name in names])
            try:
                same_values(path)
            except Failure as failure:
                raise Failure(f"file {number}: {failure}")
            count += len(names)
    return f"{count} weights, bit for bit"


def same_logits(case):
    """transformers' logits from what we convert, beside those of the framework that made the weights."""
    import torch
    from transformers import AutoModelForCausalLM

    with workdir() as work:
        convert(case, work / "out")
        model, loading = AutoModelForCausalLM.from_pretrained(work / "out", dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
        expect(not loading["unexpected_keys"], f"unexpected {sorted(loading['unexpected_keys'])[:3]}")
        expect(not [k for k in loading["missing_keys"] if not k.startswith("lm_head")], f"missing {sorted(loading['missing_keys'])[:3]}")
        tokens = torch.from_numpy(np.load(case / "tokens.npy").astype("i8")).reshape(1, -1)
        with torch.no_grad():
            logits = model.eval()(tokens).logits[0].numpy()
    apart = float(np.abs(logits - np.load(case / "logits.npy")).max())
    expect(apart <= TOLERANCE, f"{apart:.2e} from the framework's logits")
    return f"logits within {apart:.1e}"
