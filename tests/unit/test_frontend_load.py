"""Finding a model and its weights; files that could run code are refused."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from e3ne.frontend import load_model
from e3ne.ir import BadInput

SOURCE = """
from torch import nn
from neighbour import SIZE

def make():
    return nn.Sequential(nn.Linear(SIZE, 2), nn.BatchNorm1d(2))

def wide():
    return nn.Sequential(nn.Linear(SIZE + 1, 2), nn.BatchNorm1d(2))

def needs(size):
    return nn.Linear(size, 2)

def wrong():
    return 7

value = 3
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    folder = tmp_path / "with space"
    folder.mkdir()
    (folder / "net.py").write_text(SOURCE)
    (folder / "neighbour.py").write_text("SIZE = 4\n")
    return str(folder / "net.py")


def message(spec: str, weights: Path | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        load_model(spec, weights)
    return str(caught.value)


def test_a_factory_in_a_file(source: str) -> None:
    model = load_model(f"{source}:make")
    assert isinstance(model, nn.Sequential)
    assert not model.training


def test_neighbours_of_one_model_are_not_those_of_the_next(source: str, tmp_path: Path) -> None:
    known = set(sys.modules), list(sys.path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "net.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Size:\n"
        "    inputs: int\n"
        "def make():\n"
        "    import neighbour\n"
        "    from torch import nn\n"
        "    return nn.Linear(Size(neighbour.SIZE).inputs, 1)\n"
    )
    (other / "neighbour.py").write_text("SIZE = 9\n")
    assert load_model(f"{source}:make")[0].in_features == 4
    assert load_model(f"{other / 'net.py'}:make").in_features == 9
    assert load_model(f"{source}:make")[0].in_features == 4
    assert (set(sys.modules), sys.path) == known


def test_a_factory_in_a_package() -> None:
    assert isinstance(load_model("torch.nn:ReLU"), nn.ReLU)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_weights(source: str, tmp_path: Path, suffix: str) -> None:
    trained = load_model(f"{source}:make")
    with torch.no_grad():
        trained[0].weight.fill_(0.25)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(trained.state_dict(), path)
    else:
        torch.save(trained.state_dict(), path)
    assert load_model(f"{source}:make", path)[0].weight.tolist() == [[0.25] * 4] * 2


def test_keys_and_shapes_that_differ_are_all_listed(source: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    state = load_model(f"{source}:wide").state_dict()
    del state["1.running_var"]
    state["2.weight"] = torch.zeros(3)
    torch.save(state, path)
    assert message(f"{source}:make", path).splitlines() == [
        f"{path}: found no 1.running_var; save it with the model's state_dict()",
        f"{path}: found 2.weight, which the model lacks; check that file and factory belong "
        "together",
        f"{path}: found 0.weight of shape (2, 5), accepted (2, 4); check the sizes that the "
        "factory uses",
    ]


def test_whole_modules_are_refused(source: str, tmp_path: Path) -> None:
    path = tmp_path / "module.pt"
    torch.save(nn.Linear(2, 2), path)
    assert message(f"{source}:make", path).startswith(
        f"weights {path}: found Python objects beside tensors (torch.nn.modules.linear.Linear), who"
    )


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.zeros(2)], {"model": {"w": 1}}])
def test_checkpoints_of_other_things_are_refused(
    source: str, tmp_path: Path, content: object
) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save(content, path)
    assert "with other things than tensors by name, accepted a state dict" in message(
        f"{source}:make", path
    )


def test_weights_that_are_no_weights(source: str, tmp_path: Path) -> None:
    spec = f"{source}:make"
    assert "found no such file" in message(spec, tmp_path / "absent.pt")
    for name, found in (("a.onnx", "found .onnx"), ("a", "found no suffix")):
        (tmp_path / name).write_bytes(b"x")
        assert f"{found}, accepted .pt or .safetensors" in message(spec, tmp_path / name)
    (tmp_path / "a.pt").write_bytes(b"not a pickle")
    assert "found a file that is cut off or damaged, or no torch file" in message(
        spec, tmp_path / "a.pt"
    )
    (tmp_path / "a.safetensors").write_bytes(b"not tensors")
    assert "found a damaged file" in message(spec, tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("net.py", "model 'net.py': found no factory, accepted file.py:factory or"),
        (":make", "model ':make': found no factory"),
        ("absent.py:make", "model absent.py: found no such file"),
        ("no_such_package.net:make", "model no_such_package.net: found ModuleNotFoundError on imp"),
    ],
)
def test_places_without_a_model(spec: str, found: str) -> None:
    assert message(spec).startswith(found)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("absent", "found no function of that name"),
        ("value", "found no function of that name"),
        ("needs", "found TypeError when calling the factory"),
        ("wrong", "found a factory that returns int, accepted a torch.nn.Module"),
    ],
)
def test_factories_that_make_no_model(source: str, name: str, found: str) -> None:
    assert message(f"{source}:{name}").startswith(f"model {source}:{name}: {found}")


def test_a_file_that_fails_on_import(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("1 / 0\n")
    assert message(f"{path}:make").startswith(f"model {path}: found ZeroDivisionError on import")


class RunsWhenLoaded:
    """Pickled, it makes a folder as soon as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle 2", "pickle 5", "among tensors"])
def test_a_malicious_pickle_is_refused_and_runs_nothing(
    source: str, tmp_path: Path, form: str
) -> None:
    path, made = tmp_path / "evil.pt", tmp_path / "made"
    evil = RunsWhenLoaded(made)
    if form.startswith("pickle"):
        path.write_bytes(pickle.dumps(evil, protocol=int(form[-1])))
    else:
        state = {"0.weight": torch.zeros(2, 4) if form == "among tensors" else evil, "x": evil}
        torch.save(state, path, _use_new_zipfile_serialization=form != "legacy")
    found = f"found Python objects beside tensors ({os.name}.mkdir), whose loading may run any code"
    if form == "pickle 5":
        found = "found a file that is cut off or damaged, or no torch file (UnpicklingError)"
    assert found in message(f"{source}:make", path)
    assert not made.exists()
    pickle.loads(pickle.dumps(evil))  # the twin: it does act when somebody unpickles it
    assert made.exists()


def test_torchscript_archives_are_refused(source: str, tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.script(nn.Linear(2, 2)).save(str(path))
    assert "found Python objects beside tensors (a TorchScript archive)" in message(
        f"{source}:make", path
    )


@pytest.mark.parametrize("form", [".pt", "legacy.pt", ".safetensors"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_files_that_are_cut_off(source: str, tmp_path: Path, form: str, part: float) -> None:
    path = tmp_path / f"cut{form}"
    state = load_model(f"{source}:make").state_dict()
    if path.suffix == ".pt":
        torch.save(state, path, _use_new_zipfile_serialization="legacy" not in form)
    else:
        save_file(state, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    assert "damaged" in message(f"{source}:make", path)


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors", "folder/net.pth", "net.ckpt"])
def test_weights_in_the_place_of_a_model(name: str) -> None:
    assert message(name).startswith(f"model {name!r}: found a file of weights, accepted file.py:")
