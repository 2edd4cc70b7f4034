"""Files made to do harm, each harmless here: elman refuses them by the name of what is wrong."""

from __future__ import annotations

import base64
import io
import json
import marshal
import os
import pickle
import random
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import elman
from elman import ElmanError, FileError, Sequential
from elman.layers import GRU, Dense, Embedding

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of a file as elman writes it."""
    elman.set_random_seed(3)
    model = Sequential([elman.Input((5,)), Embedding(7, 3), GRU(4), Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", metrics=[elman.metrics.AUC()])
    model.fit(np.ones((4, 5), int), np.ones(4), verbose=0)
    path = tmp_path_factory.mktemp("good") / "m.keras"
    model.save(path)
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture
def packed(good: dict[str, bytes], tmp_path: Path) -> Callable[..., Path]:
    """Packs the good members, some of them replaced, into a file."""

    def pack(compression: int = zipfile.ZIP_STORED, **changed: bytes) -> Path:
        named = {k.replace("__", "."): v for k, v in changed.items()}
        path = tmp_path / "m.keras"
        with zipfile.ZipFile(path, "w", compression) as file:
            for name, content in {**good, **named}.items():
                file.writestr(name, content)
        return path

    return pack


def changed(good: dict[str, bytes], change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The good config after a change."""
    config = json.loads(good[CONFIG])
    change(config)
    return json.dumps(config).encode()


def layer(config: dict[str, Any], index: int = 2) -> dict[str, Any]:
    """The entry of a layer; 2 is the GRU."""
    return config["config"]["layers"][index]


def refused(path: Path, words: str, error: type[ElmanError] = FileError) -> None:
    """Loading says no with these words, builds nothing and leaves no file behind."""
    before = sorted(os.listdir(path.parent))
    with pytest.raises(error) as raised:
        elman.load(path)
    message = str(raised.value)
    for word in words.split("|"):
        assert word in message, message
    assert str(path) in message and len(message) < 1500
    assert sorted(os.listdir(path.parent)) == before


def test_the_good_file_opens(packed):
    assert len(elman.load(packed()).layers) == 3
    assert len(elman.load(packed(zipfile.ZIP_DEFLATED)).layers) == 3


# -- code and names: the published attacks on Keras ------------------------------------------------

CODE = base64.b64encode(marshal.dumps(compile("ran = True", "harmless", "exec"))).decode()
LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {
        "name": "lambda",
        "function": {
            "class_name": "__lambda__",
            "config": {"code": CODE, "defaults": None, "closure": None},
        },
    },
    "registered_name": None,
}


def function(module: str, name: str) -> dict[str, Any]:
    """A function as Keras writes it."""
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


#: name: what is done to the config, and words of the error
ATTACKS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "CVE-2024-3660: a Lambda of marshalled code": (
        lambda c: c["config"]["layers"].append(LAMBDA),
        "Python code in a Lambda|never runs code",
    ),
    "CVE-2025-1550: a class of any module": (
        lambda c: layer(c).update(module="subprocess", class_name="Popen", config={"args": "true"}),
        "the class subprocess.Popen|builds its own classes only",
    ),
    "CVE-2025-1550: any function as an option": (
        lambda c: layer(c)["config"].update(activation=function("os", "system")),
        "the function os.system|GRU 'gru'",
    ),
    "CVE-2025-8747: get_file as the function of a Lambda": (
        lambda c: c["config"]["layers"].append(
            {**LAMBDA, "config": {"function": function("keras.utils", "get_file")}}
        ),
        "Lambda",
    ),
    "CVE-2025-8747: get_file by itself": (
        lambda c: layer(c)["config"].update(activation=function("keras.utils", "get_file")),
        "the function keras.utils.get_file",
    ),
    "CVE-2025-9906: the unsafe mode switched on by the file": (
        lambda c: layer(c)["config"].update(
            kernel_initializer=function("keras.config", "enable_unsafe_deserialization")
        ),
        "the function keras.config.enable_unsafe_deserialization",
    ),
    "CVE-2025-49655: a pickle in a TorchModuleWrapper": (
        lambda c: layer(c).update(class_name="TorchModuleWrapper", config={"module": CODE}),
        "keras.layers.TorchModuleWrapper|does not have this class",
    ),
    "CVE-2025-12058: a vocabulary read from any file": (
        lambda c: layer(c).update(
            class_name="StringLookup", config={"vocabulary": "/etc/passwd", "name": "lookup"}
        ),
        "keras.layers.StringLookup",
    ),
    "a class of the user's with elman's name": (
        lambda c: layer(c).update(module="my_package", registered_name="my>GRU"),
        "the class my>GRU",
    ),
    "a builtin": (
        lambda c: layer(c)["config"].update(bias_initializer=function("builtins", "exec")),
        "the function builtins.exec",
    ),
    "a loss": (
        lambda c: c["compile_config"].update(loss=function("builtins", "eval")),
        "the function builtins.eval",
    ),
    "a metric": (
        lambda c: c["compile_config"].update(
            metrics=[{"module": "os", "class_name": "stat", "config": {}}]
        ),
        "the class os.stat",
    ),
    "an optimizer": (
        lambda c: c["compile_config"]["optimizer"].update(module="evil", class_name="Adam"),
        "the class evil.Adam",
    ),
    "a class name that is no text": (
        lambda c: layer(c).update(class_name=["GRU"]),
        "['GRU']",
    ),
    "a graph without calls": (
        lambda c: c.update(class_name="Functional"),
        "layer without a name, or without calls",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_file_that_names_what_is_not_elmans_is_refused_by_that_name(name, good, packed):
    change, words = ATTACKS[name]
    refused(packed(config__json=changed(good, change)), words)


def test_code_in_an_older_file_is_not_run_either(tmp_path):
    # CVE-2025-9905: Keras opened .h5 files without its safe mode.
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": [LAMBDA]})
    refused(path, "Python code in a Lambda|never runs code")


def test_nothing_is_imported_that_a_file_names(good, packed):
    import sys

    def change(config: dict[str, Any]) -> None:
        layer(config).update(module="this", class_name="GRU")  # importing `this` prints a poem

    refused(packed(config__json=changed(good, change)), "this.GRU")
    assert "this" not in sys.modules


# -- options that make no sense, or that elman lacks -----------------------------------------------

OPTIONS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "an option elman lacks": (
        lambda c: layer(c)["config"].update(time_major=True),
        "GRU 'gru'|time_major|use it with Keras",
    ),
    "an option nobody has": (lambda c: layer(c)["config"].update(weights=[1]), "GRU 'gru'|weights"),
    "negative units": (lambda c: layer(c)["config"].update(units=-4), "GRU 'gru'|units|-4"),
    "units of another type": (lambda c: layer(c)["config"].update(units="4"), "units|'4'"),
    "huge units": (lambda c: layer(c)["config"].update(units=2**60), "instead of"),
    "a huge table": (lambda c: layer(c, 1)["config"].update(input_dim=10**30), "instead of"),
    "other units": (lambda c: layer(c)["config"].update(units=5), "(3, 12) instead of (3, 15)"),
    "no options": (lambda c: layer(c).pop("config"), "GRU without options"),
    "options that are a list": (lambda c: layer(c).update(config=[]), "GRU without options"),
    "a strange activation": (
        lambda c: layer(c)["config"].update(activation={"a": [1]}), "GRU 'gru'|activation",
    ),
    "a strange initializer": (
        lambda c: layer(c)["config"].update(
            kernel_initializer={"class_name": "Zeros", "config": [1, 2]}
        ),
        "GRU 'gru'|make no sense",
    ),
    "a strange trainable": (lambda c: layer(c)["config"].update(trainable="no"), "'trainable'"),
    "a layer that is none": (lambda c: c["config"]["layers"].append(7), "7 where a layer stands"),
    "an input in the middle": (
        lambda c: c["config"]["layers"].append(layer(c, 0)), "'InputLayer' where a layer stands",
    ),
    "layers that are no list": (lambda c: c["config"].update(layers={}), "no list of layers"),
    "a negative extent": (
        lambda c: layer(c, 0)["config"].update(batch_shape=[None, -5]), "input shape [None, -5]",
    ),
    "an input of six axes": (
        lambda c: layer(c, 0)["config"].update(batch_shape=[None] * 6), "input shape",
    ),
    "a huge metric": (
        lambda c: c["compile_config"]["metrics"][0]["config"].update(num_thresholds=10**12),
        "num_thresholds=1000000000000|compile=False",
    ),
    "an unknown loss": (
        lambda c: c["compile_config"].update(loss="hinge_of_doom"), "hinge_of_doom|compile=False",
    ),
    "weights of losses": (
        lambda c: c["compile_config"].update(loss_weights=[1, 2]), "loss_weights|compile=False",
    ),
    "a strange compile": (lambda c: c.update(compile_config=[1]), "compile=False"),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_that_makes_no_sense_is_named(name, good, packed):
    change, words = OPTIONS[name]
    refused(packed(config__json=changed(good, change)), words, ElmanError)


def test_a_model_of_shapes_that_do_not_meet_is_refused(good, packed):
    def change(config: dict[str, Any]) -> None:
        entries = config["config"]["layers"]
        entries[2], entries[3] = entries[3], entries[2]
        entries.insert(3, entries[1])

    with pytest.raises(ElmanError):
        elman.load(packed(config__json=changed(good, change)))


# -- text ------------------------------------------------------------------------------------------


def test_text_nested_too_deep_is_refused(good, packed):
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    nested = changed(good, lambda c: layer(c)["config"].update(seed=deep))
    refused(packed(config__json=nested), "nested too deep")
    refused(packed(config__json=b"[" * 200_000 + b"]" * 200_000), "nested too deep")


def test_text_longer_than_any_model_is_refused_before_it_is_parsed(packed):
    refused(packed(config__json=b" " * (5 * 2**20)), "bytes of text")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b'{"a": ' + b"9" * 5000 + b"}"])
def test_text_that_is_no_json_is_refused(text, packed):
    refused(packed(config__json=text), "no JSON in 'config.json'")


@pytest.mark.parametrize(
    "history",
    [7, {"epoch": 3}, {"epoch": [0], "values": {"loss": [{}]}}, {"epoch": ["x"], "values": {}},
     {"epoch": [0], "values": {"loss": ["eval"]}}, {"epoch": [float("inf")], "values": {}}],
)  # fmt: skip
def test_a_history_of_anything_but_numbers_is_refused(history, packed):
    text = json.dumps({"elman": {"history": history}}).encode()
    refused(packed(metadata__json=text), "history")


#: What `Preparation.to_dict` writes of some measurements, and of texts.
MEASURED = {
    "version": 1, "kind": "table", "names": ["no", "yes"], "feature_names": ["a", "b"],
    "units": ["", "mV"], "rate": 360.0, "columns": {"target": "y", "features": ["a", "b"]},
    "steps": [{"kind": "scale", "center": [0.5, 2], "scale": [1.0, 3.0]},
              {"kind": "fill", "marked": [1]}],
}  # fmt: skip
TOKENS = {"kind": "tokens", "unit": "words", "vocabulary": ["", "[UNK]", "a"]}


def prepared(packed: Callable[..., Path], **other: Any) -> Path:
    """A file whose preparation says something else."""
    told = {"prepared": {**MEASURED, **other}}
    return packed(metadata__json=json.dumps({"elman": told}).encode())


def test_a_preparation_as_it_is_written_opens(packed):
    assert elman.load(prepared(packed)).prepared.to_dict() == MEASURED


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"version": 2}, "expected version 1, got 2"),
        ({"version": "9" * 10_000}, "newer elman"),
        ({"kind": None}, "kind"),
        ({"rate": -1}, "a rate of -1"),
        ({"rate": 10**400}, "a rate that is no finite number"),
        ({"rate": float("nan")}, "a rate that is no finite number"),
        ({"names": "no"}, "names that are no list"),
        ({"names": [["no"]]}, "names that is no word"),
        ({"names": ["x" * 20_000]}, "names that is no word"),
        ({"code": "import os"}, "'code'"),
        ({"columns": [["target", "y"]]}, "columns that are no dict"),
        ({"columns": {"target": {"class_name": "Lambda"}}}, "columns"),
        ({"columns": {"slice": 1e300}}, "columns"),
        ({"steps": {"kind": "fill"}}, "steps that are no list"),
        ({"steps": ["fill"]}, "a step without a kind"),
        ({"steps": [{"kind": "pickle", "data": "gASV"}]}, "expected a known step, got 'pickle'"),
        ({"steps": [{"kind": "x" * 9_000}]}, "expected a known step"),
        ({"steps": [{"kind": "fill"}]}, "nothing for 'marked'"),
        ({"steps": [{"kind": "fill", "marked": [10**9]}]}, "no places"),
        ({"steps": [{"kind": "fill", "marked": [True]}]}, "no places"),
        ({"steps": [{"kind": "fill", "marked": [], "apply": "os.system"}]}, "'apply'"),
        ({"steps": [{"kind": "scale", "center": [0.0], "scale": [0.0]}]}, "not above 0"),
        ({"steps": [{"kind": "scale", "center": [0.0], "scale": [1, 1]}]}, "do not fit"),
        ({"steps": [{"kind": "scale", "center": [0.0], "scale": [1e999]}]}, "no finite number"),
        ({"steps": [{**TOKENS, "unit": ["words"] * 9_000}]}, "the unit"),
        ({"steps": [{**TOKENS, "vocabulary": ["a", "b"]}]}, "does not begin with padding"),
        ({"steps": [{**TOKENS, "vocabulary": ["", "[UNK]", "a", "a"]}]}, "a word twice"),
        ({"steps": [{**TOKENS, "vocabulary": ["", "[UNK]", 7]}]}, "no word"),
    ],
)  # fmt: skip
def test_a_preparation_that_elman_does_not_write_is_refused(other, words, packed):
    refused(prepared(packed, **other), f"load of|Preparation|{words}")


@pytest.mark.parametrize("given", [7, "text", ["table"], True])
def test_a_preparation_that_is_no_object_is_refused(given, packed):
    refused(packed(metadata__json=json.dumps({"elman": {"prepared": given}}).encode()), "a dict")


def test_a_preparation_nested_too_deep_is_refused(packed):
    deep = b'{"elman": {"prepared": ' + b'{"steps": ' * 100_000 + b"1" + b"}" * 100_002
    refused(packed(metadata__json=deep), "nested too deep in 'metadata.json'")


def test_a_preparation_longer_than_its_weights_allow_is_refused_before_it_is_parsed(packed):
    names = json.dumps({"elman": {"prepared": {**MEASURED, "names": ["x" * 9_000] * 600}}})
    refused(packed(metadata__json=names.encode()), "bytes of text in 'metadata.json'")


def test_a_file_without_metadata_opens(good, tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as file:
        for name in (CONFIG, WEIGHTS):
            file.writestr(name, good[name])
    assert elman.load(path).history is None


# -- the archive -----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(packed):
    path = packed()
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(CONFIG, b"{}")
    refused(path, "two members called 'config.json'")


@pytest.mark.parametrize(
    "name", ["../out.txt", "/etc/out", "assets/../../out", "..\\out", "C:/out", "\\\\host\\out"]
)
def test_a_member_that_leads_out_is_refused_and_never_written(name, packed, tmp_path):
    path = packed()
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(name, b"out")
    refused(path, "leads out of the archive")
    assert not list(tmp_path.parent.glob("out*"))


@pytest.mark.parametrize("member", [CONFIG, WEIGHTS, "assets/other"])
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(member, packed):
    path = packed(zipfile.ZIP_DEFLATED, **{member.replace(".", "__"): b"\0" * 2**24})
    assert path.stat().st_size < 2**17
    refused(path, "decompression bomb|16,777,216 bytes")


def test_too_many_members_are_refused(packed):
    path = packed()
    with zipfile.ZipFile(path, "a") as file:
        for i in range(1001):
            file.writestr(f"assets/{i}", b"")
    refused(path, "1004 members")


def test_an_encrypted_or_oddly_packed_member_is_refused(packed):
    refused(packed(zipfile.ZIP_LZMA), "unusual compression")
    path = packed()
    content = bytearray(path.read_bytes())
    for at in range(len(content) - 4):  # the flags of every central entry
        if content[at : at + 4] == b"PK\x01\x02":
            content[at + 8] |= 1
    path.write_bytes(content)
    refused(path, "encrypted")


def test_a_member_with_a_wrong_checksum_is_refused(good, packed):
    path = packed()
    content = path.read_bytes()
    at = content.index(b"binary_crossentropy")
    path.write_bytes(content[:at] + b"B" + content[at + 1 :])
    refused(path, "damaged 'config.json'")


def test_missing_members_are_named(good, tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(CONFIG, good[CONFIG])
    refused(path, "without 'model.weights.h5'")
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("model.weights.npz", b"")
    refused(path, "model.weights.npz|weights_format='h5'")


# -- HDF5 ------------------------------------------------------------------------------------------

KERNEL = "layers/gru/cell/vars/0"


def tampered(good: dict[str, bytes], change: Callable[[h5py.File], Any]) -> bytes:
    """The good weights after a change."""
    content = io.BytesIO(good[WEIGHTS])
    with h5py.File(content, "a") as file:
        change(file)
    return content.getvalue()


def instead(**options: Any) -> Callable[[h5py.File], Any]:
    """Another dataset in the place of the kernel [3, 12]."""

    def change(file: h5py.File) -> None:
        del file[KERNEL]
        if "data" not in options:
            options.setdefault("shape", (3, 12))
            options.setdefault("dtype", "f4")
        file.create_dataset(KERNEL, **options)

    return change


def virtual(file: h5py.File) -> None:
    del file[KERNEL]
    layout = h5py.VirtualLayout((3, 12), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3, 12))
    file.create_virtual_dataset(KERNEL, layout)


def linked(link: Any) -> Callable[[h5py.File], Any]:
    def change(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = link

    return change


def in_circles(file: h5py.File) -> None:
    del file["layers/gru/cell"]
    file["layers/gru/cell"] = file["layers"]


TAMPERED: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "an external link": (linked(h5py.ExternalLink("/etc/passwd", "x")), "an external link"),
    "a soft link": (linked(h5py.SoftLink("/layers/dense/vars/0")), "a soft link"),
    "a virtual dataset": (virtual, "a virtual dataset"),
    "external storage": (
        instead(external=[("/etc/passwd", 0, 144)]), "external storage, which reads other files",
    ),
    "a filter": (instead(data=np.zeros((3, 12), "f4"), compression="gzip"), "behind a filter"),
    "a shape without numbers": (instead(), "a shape bomb"),
    "a huge shape": (instead(shape=(2**40, 12)), "(1099511627776, 12) instead of (3, 12)"),
    "one axis less": (instead(data=np.zeros(36, "f4")), "(36,) instead of (3, 12)"),
    "whole numbers": (instead(data=np.zeros((3, 12), "i4")), "numbers of type int32"),
    "text": (instead(data=np.full((3, 12), b"abc")), "numbers of type |S3"),
    "records": (instead(data=np.zeros((3, 12), [("a", "f4")])), "numbers of type"),
    "texts of any length": (instead(dtype=h5py.string_dtype()), "numbers of type object"),
    "a group": (lambda f: (f.pop(KERNEL), f.create_group(KERNEL)), "a group at"),
    "nothing": (lambda f: f.pop(KERNEL), "nothing at"),
    "nothing at all": (lambda f: f.pop("layers"), "nothing at"),
    "a circle": (in_circles, "nothing at"),
    "steps below zero": (
        lambda f: f["optimizer/vars/0"].write_direct(np.array(-1, "i4")), "how many steps",
    ),
    "a moment of another shape": (
        lambda f: (f.pop("optimizer/vars/2"), f.create_dataset("optimizer/vars/2", data=[1.0])),
        "optimizer/vars/2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_an_array_that_is_not_plain_is_refused_by_what_it_is(name, good, packed):
    change, words = TAMPERED[name]
    refused(packed(model__weights__h5=tampered(good, change)), words)


def test_one_array_under_many_names_takes_no_more_memory_than_the_file_has(good, packed):
    # A thousand layers whose weights are all the same dataset.
    def change(config: dict[str, Any]) -> None:
        entries = config["config"]["layers"]
        entries[1:] = [
            {"class_name": "Dense", "config": {"units": 64, "name": f"d{i}"}} for i in range(1000)
        ]
        entries[0]["config"]["batch_shape"] = [None, 64]
        config["compile_config"] = None

    def link(file: h5py.File) -> None:
        kernel = file.create_dataset("k", data=np.zeros((64, 64), "f4"))
        bias = file.create_dataset("b", data=np.zeros(64, "f4"))
        for i in range(1000):
            group = file.create_group(f"layers/dense{f'_{i}' if i else ''}/vars")
            group["0"], group["1"] = kernel, bias

    content = tampered(good, lambda f: (f.pop("layers"), link(f)))
    refused(packed(config__json=changed(good, change), model__weights__h5=content), "a shape bomb")


# -- other kinds of file ---------------------------------------------------------------------------


def other(kind: str, path: Path) -> None:
    """A file or folder of another kind."""
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"weights": 1}))
    elif kind == "torch":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/data.pkl", pickle.dumps(1))
    elif kind == "npz":
        with open(path, "wb") as file:
            np.savez(file, a=np.zeros(2))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("readme.txt", "")
    elif kind == "folder":
        path.mkdir()
    elif kind == "SavedModel":
        path.mkdir()
        (path / "saved_model.pb").touch()
    elif kind == "unpacked":
        path.mkdir()
        (path / CONFIG).touch()
    elif kind == "cut":
        path.write_bytes(b"PK\x03\x04 and no more")
    elif kind == "safetensors":
        path.write_bytes((2).to_bytes(8, "little") + b"{}")
    elif kind == "tflite":
        path.write_bytes(b"\x1c\0\0\0TFL3")
    elif kind == "text":
        path.write_text("Four score and seven years ago")
    elif kind == "empty":
        path.touch()


KINDS = {
    "pickle": "a pickle|runs whatever code it holds|model.save",
    "torch": "a PyTorch file|set_weights",
    "npz": "NumPy arrays|numpy.load",
    "zip": "without a config.json",
    "folder": "a folder. Name a file",
    "SavedModel": "a TensorFlow SavedModel|model.save",
    "unpacked": "an unpacked Keras model|python -m zipfile",
    "cut": "damaged or cut",
    "safetensors": "safetensors",
    "tflite": "TensorFlow Lite",
    "text": "no zip archive",
    "empty": "which is empty",
    "missing": "a file that exists|Check the name",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_another_kind_says_what_it_is_and_what_to_do(kind, tmp_path):
    path = tmp_path / "model"
    other(kind, path)
    if kind == "missing":
        with pytest.raises(FileError, match=r"a file that exists.*Check the name"):
            elman.load(path)
        return
    refused(path, KINDS[kind])


def test_weights_in_another_kind_of_file_say_what_it_is(tmp_path):
    model = Sequential([elman.Input((3,)), Dense(1)])
    for kind in ("pickle", "SavedModel", "text"):
        path = tmp_path / f"{kind}.weights.h5"
        other(kind, path)
        with pytest.raises(FileError, match=KINDS[kind].split("|")[0]):
            model.load_weights(path)
    (tmp_path / "h.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    with pytest.raises(FileError, match="damaged HDF5"):
        model.load_weights(tmp_path / "h.weights.h5")


# -- fuzzing ---------------------------------------------------------------------------------------


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Bytes with some of them changed, cut out, doubled or swapped for edge values."""
    made = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        if len(made) < 2:
            break
        at = rng.randrange(len(made))
        kind = rng.randrange(6)
        if kind == 0:
            made[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            made[at] = rng.randrange(256)
        elif kind == 2:
            made[at : at + 8] = rng.choice([b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7])
        elif kind == 3:
            del made[at : at + rng.randrange(1, 64)]
        elif kind == 4:
            made[at:at] = made[at : at + rng.randrange(1, 64)]
        else:
            made = made[: max(at, 1)]
    return bytes(made)


def mutated_value(value: Any, rng: random.Random) -> Any:
    """JSON in which some values, at any depth, became others."""
    strange = [None, -1, 0, 2**63, 1e308, "", "x" * 99, [], {}, [[]], True, {"class_name": "GRU"}]
    if rng.random() < 0.02:
        return rng.choice(strange)
    if isinstance(value, dict):
        kept = {k: mutated_value(v, rng) for k, v in value.items() if rng.random() > 0.01}
        return kept
    if isinstance(value, list):
        return [mutated_value(v, rng) for v in value]
    return value


def fuzz(good: dict[str, bytes], path: Path, seconds: float, seed: int) -> dict[str, int]:
    """Open mutants for a while; how many opened and how many were refused."""
    rng = random.Random(seed)
    found = {"opened": 0, "refused": 0}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        members = dict(good)
        way = rng.randrange(4)
        if way == 0:
            members[WEIGHTS] = mutated(members[WEIGHTS], rng)
        elif way == 1:
            config = mutated_value(json.loads(members[CONFIG]), rng)
            members[CONFIG] = json.dumps(config).encode()
        elif way == 2:
            name = rng.choice([CONFIG, METADATA])
            members[name] = mutated(members[name], rng)
        with zipfile.ZipFile(path, "w") as file:
            for name, content in members.items():
                file.writestr(name, content)
        if way == 3:
            path.write_bytes(mutated(path.read_bytes(), rng))
        attempt(path, found)
    return found


def attempt(path: Path, found: dict[str, int]) -> None:
    """Open a mutant, and count it among those that opened or were refused: briefly, and soon."""
    began = time.monotonic()
    try:
        elman.load(path)
        found["opened"] += 1
    except ElmanError as error:
        found["refused"] += 1
        assert len(str(error)) < 5000
    assert time.monotonic() - began < 20, "a file that hangs"


@pytest.mark.parametrize("option, value", [("activation", "x" * 20_000), ("units", [0.5] * 9_000)])
def test_an_error_is_brief_however_much_a_file_says(good, packed, option, value):
    path = packed(config__json=changed(good, lambda c: layer(c)["config"].update({option: value})))
    with pytest.raises(FileError) as raised:
        elman.load(path)
    assert len(str(raised.value)) < 2000


def test_an_error_is_brief_where_the_zip_is_damaged(packed):
    path = packed()
    content = bytearray(path.read_bytes())
    at = content.index(b"config.json")
    content[at - 4 : at - 2] = b"\xff\x7f"  # the length of its name in its own header
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"damaged 'config\.json'") as raised:
        elman.load(path)
    assert len(str(raised.value)) < 2000


@pytest.mark.filterwarnings("ignore")
def test_mutants_of_a_file_raise_nothing_but_errors_of_elman(good, tmp_path):
    found = fuzz(good, tmp_path / "m.keras", 3, seed=1990)
    assert found["opened"] and found["refused"] > found["opened"], found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mutants_of_a_file_for_an_hour(good, tmp_path):
    seconds = float(os.environ.get("ELMAN_FUZZ_SECONDS", 3600))
    fuzz(good, tmp_path / "m.keras", seconds, seed=random.randrange(2**32))
