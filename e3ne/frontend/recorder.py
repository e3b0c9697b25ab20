"""One real forward, watched: every call becomes a population, or the reason why it cannot.

A `TorchFunctionMode` sees every torch function that the forward calls, and module hooks say in
which module that happens; neuron modules are leaves. Repeats over the time loop fold into one
step by themselves, because equal calls on equal populations are one population (`sketch.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ..ir import TraceMismatch
from .arrays import ArrayCache
from .calls import Bound, Call, NotSupported, Traced
from .encoders import EncoderModule, is_encoder
from .libraries import brevitas
from .nesting import flat, mapped
from .quantizers import QuantizerModule
from .registry import find_neuron
from .sketch import Origin, Sketch
from .spiking import SpikingModule
from .table import CASTS, CONSTANTS, HANDLERS, IN_PLACE, READS, unsupported
from .tensors import Tensors
from .values import Value, unknown


class Recorder(TorchFunctionMode):
    """Watches one model (a copy of the user's) while it computes in `dtype`.

    `values` says what each tensor stands for, `observed` what torch computed for each value,
    `problems` which parts of the forward cannot be followed whatever comes of them, `calls` how
    often each neuron module was called.
    """

    def __init__(self, model: nn.Module, dtype: torch.dtype, sketch: Sketch) -> None:
        super().__init__()
        self.dtype = dtype
        self.sketch = sketch
        self.arrays = ArrayCache()
        self.tensors = Tensors(sketch)
        self.values, self.observed = self.tensors.values, self.tensors.observed
        self.problems: dict[str, None] = dict.fromkeys(brevitas.layer_problems(model))
        self.populations: dict[str, SpikingModule | EncoderModule | QuantizerModule] = {}
        self.stack: list[tuple[str, nn.Module]] = []
        self._inside_neuron = False  # or in our own arithmetic
        self._outer: nn.Module | None = None  # the neuron module that is running
        for path, module in model.named_modules():
            self._watch(path, module)

    @property
    def calls(self) -> dict[str, int]:
        """How often each neuron module was called, by path."""
        return {path: module.count for path, module in self.populations.items() if module.count}

    @property
    def refused(self) -> set[str]:
        """Why neuron modules cannot be computed, whatever the forward does with them."""
        return {reason for module in self.populations.values() for reason in module.refused}

    def bind(self, tensor: torch.Tensor, value: Bound) -> None:
        """From now on `tensor` stands for `value`."""
        if not self.tensors.bind(tensor, value, copy=self._inside_neuron):
            raise TraceMismatch(
                f"{self.where()}: found numbers that change where e3ne reads none that do, "
                "accepted the same numbers; report this model to e3ne"
            )

    def forget(self) -> None:
        """Lets go of all tensors; what the forward was seen to do stays known."""
        self.tensors.forget()

    def meaning(self, tensor: object) -> Traced | None:
        """What a tensor stands for; NotSupported where no population sends it as it lies."""
        origin = Origin("", False, "output")
        call = Call(self.sketch, self.arrays, self.values, origin, tensor)
        value = call.in_order(tensor) or call.value(tensor)
        return call.unflattened(value) if isinstance(value, Value) else value

    # ------------------------------------------------------------------------------ functions

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Runs the function and notes what its result stands for."""
        given = dict(kwargs or {})
        name = function_name(func)
        plain, named = brevitas.plain(args), brevitas.plain(given)
        traced = [] if self._inside_neuron else self._traced((*plain, *named.values()))
        if not traced or name in CONSTANTS:
            return func(*args, **given)
        if name in READS:
            self._value_read(name)
            return func(*args, **given)
        if name in CASTS and isinstance(args[0], torch.Tensor):
            return self._cast(func, args, given)
        before = self._before_in_place(name, plain, named)
        result = func(*args, **given)
        if name == "__setitem__":
            result = args[0]
        shown = brevitas.plain(result)
        if not any(isinstance(item, torch.Tensor) for item in flat(shown)):
            return result
        origin = self._origin(name)
        call = Call(self.sketch, self.arrays, self.values, origin, shown, func)
        self._note(call, self._meaning(call, name, before, named, traced))
        return None if name == "__setitem__" else result

    def _meaning(
        self,
        call: Call,
        name: str,
        args: tuple[Any, ...],
        named: dict[str, Any],
        traced: list[Bound],
    ) -> Any:
        handler = HANDLERS.get(name)
        where = self.where()
        try:
            if handler is None or "out" in named:
                raise NotSupported(unsupported(name))
            meaning = handler(call, *args, **named)
            if meaning is None:
                raise NotSupported(unsupported(name))
            self._check_shape(call, meaning)
        except NotSupported as problem:
            return unknown(*traced, f"{where}: {problem}")
        except TypeError as problem:
            return unknown(*traced, f"{where}: {unsupported(name)} ({problem})")
        return meaning

    def _note(self, call: Call, meaning: Any) -> None:
        tensors = list(flat(call.result))
        meanings = meaning if isinstance(meaning, tuple) else (meaning,) * len(tensors)
        for tensor, value in zip(tensors, meanings, strict=True):
            if isinstance(tensor, torch.Tensor) and value is not None:
                self.bind(tensor, value)

    def _check_shape(self, call: Call, meaning: Any) -> None:
        if not isinstance(meaning, Value) or not isinstance(call.result, torch.Tensor):
            return
        wanted = self.sketch.drafts[meaning.source].shape
        found = call.result_shape(meaning)
        if found != wanted:
            raise NotSupported(
                f"found a result of shape {found} without its frames, accepted {wanted}; leave out "
                "ceil_mode, broadcasting and work across frames"
            )

    def _before_in_place(
        self, name: str, args: tuple[Any, ...], named: Mapping[str, Any]
    ) -> tuple[Any, ...]:
        """The arguments, the first as it is before the function overwrites it."""
        in_place = name in IN_PLACE or (name.endswith("_") and not name.endswith("__"))
        in_place = in_place or named.get("inplace") is True
        if not in_place or not isinstance(args[0], torch.Tensor):
            return args
        copy = args[0].detach().clone()
        self.tensors.keep(copy)
        self.tensors.overwritten(args[0], self.where())
        if id(args[0]) in self.values:
            self.values[id(copy)] = self.values[id(args[0])]
        return (copy, *args[1:])

    def _cast(self, func: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        result = func(*args, **named)
        value = self.values.get(id(args[0]))
        if isinstance(result, torch.Tensor) and value is not None:
            if result.dtype.is_floating_point and args[0].dtype.is_floating_point:
                return args[0]
            self.bind(result, unknown(value, f"{self.where()}: {unsupported('cast to integers')}"))
        return result

    def _value_read(self, name: str) -> None:
        self.problems[
            f"{self.where()}: found {name} of an activation{user_line()}, accepted control flow "
            "that is the same for every input; compute without looking at values"
        ] = None

    def _traced(self, items: Iterable[Any]) -> list[Bound]:
        return [
            self.values[id(item)]
            for item in flat(items)
            if isinstance(item, torch.Tensor) and id(item) in self.values
        ]

    # -------------------------------------------------------------------------------- modules

    def where(self) -> str:
        """The innermost module that is running, for messages: `path (Class)`."""
        path, module = self.stack[-1] if self.stack else ("", None)
        name = type(module).__name__ if module is not None else "model"
        return f"{path} ({name})" if path else f"forward of {name}"

    def _origin(self, function: str) -> Origin:
        path, module = self.stack[-1] if self.stack else ("", None)
        leaf = module is not None and next(module.children(), None) is None
        whole = leaf or (module is not None and brevitas.is_layer(module))
        return Origin(path, whole, function.strip("_"))

    def _watch(self, path: str, module: nn.Module) -> None:
        neuron = find_neuron(module)
        if neuron is not None:
            self.populations[path] = SpikingModule(module, neuron.describe)
        elif is_encoder(module):
            self.populations[path] = EncoderModule(module)
        elif brevitas.is_quantizer(module):
            self.populations[path] = QuantizerModule(module)
        leaf = path in self.populations

        def enter(module: nn.Module, args: Any) -> None:
            self.stack.append((path, module))
            if leaf and self._outer is None:
                self._inside_neuron, self._outer = True, module

        def leave(module: nn.Module, args: Any, named: Any, output: Any) -> Any:
            if self._outer is module:
                output = self._neuron_called(path, args, named, output)
                self._inside_neuron, self._outer = False, None
            elif not self._inside_neuron:
                self._check_followed((*args, *named.values()), output)
            self.stack.pop()
            return output

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave, with_kwargs=True)

    def _check_followed(self, inputs: Iterable[Any], output: Any) -> None:
        """Marks tensors that a module computed from activations in a way that nobody saw."""
        makes_constants = bool(self.stack) and brevitas.quantizes_parameters(self.stack[-1][1])
        if makes_constants or not self._traced(brevitas.plain(tuple(inputs))):
            return
        for tensor in flat(brevitas.plain(output)):
            if isinstance(tensor, torch.Tensor) and id(tensor) not in self.values and tensor.any():
                reason = (
                    f"{self.where()}: found a computation that e3ne cannot follow (a custom "
                    "autograd.Function, or another library), accepted torch functions; if it is a "
                    "neuron, describe it with @e3ne.register_neuron"
                )
                self.bind(tensor, unknown(reason))

    # -------------------------------------------------------------------------------- neurons

    def _neuron_called(self, path: str, args: Any, named: Any, output: Any) -> Any:
        """The module's output in our type, bound to what its tensors stand for."""
        output = mapped(output, self._in_our_type)
        shown = flat(brevitas.plain(output))
        tensors = [item for item in shown if isinstance(item, torch.Tensor)]
        call = Call(self.sketch, self.arrays, self.values, self._origin("spikes"), output)
        try:
            meanings = self.populations[path].called(self.where(), call, args, named, output)
        except NotSupported as problem:
            meanings = [(item, unknown(f"{self.where()}: {problem}")) for item in tensors]
        for tensor, meaning in meanings:
            self.bind(tensor, meaning)
        return output

    def _in_our_type(self, item: Any) -> Any:
        real = isinstance(item, torch.Tensor) and item.dtype.is_floating_point
        return item.to(self.dtype) if real else item


def function_name(func: Any) -> str:
    """`add` for torch.Tensor.add, `data` for the property torch.Tensor.data."""
    name = str(getattr(func, "__name__", func))
    return str(func.__self__.__name__) if name == "__get__" else name


def user_line() -> str:
    """` (model.py:12)`: the innermost line that belongs neither to torch nor to e3ne."""
    ours = (str(Path(__file__).parent), str(Path(torch.__file__).parent))
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if not frame.f_code.co_filename.startswith((*ours, "<frozen")):
            return f" ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
    return ""
