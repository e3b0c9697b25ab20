"""Tensors of a module under names with dots, which torch does not allow for its own."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from torch import Tensor, nn


class NamedTensors(nn.Module, MutableMapping[str, Tensor]):
    """A dict of parameters or buffers that moves with its module and is saved with it.

    In `state_dict` the dots of a name are slashes; plain tensors that are not `persistent` are not
    there. A parameter is trained, a plain tensor is not.
    """

    def __init__(self, persistent: bool = True) -> None:
        super().__init__()
        self._persistent = persistent
        self._names: dict[str, str] = {}

    def __getitem__(self, name: str) -> Tensor:
        found: Tensor = getattr(self, self._names[name])
        return found

    def __setitem__(self, name: str, value: Tensor) -> None:
        held = f"/{name}".replace(".", "/")
        if name in self._names:
            if isinstance(value, nn.Parameter) != isinstance(self[name], nn.Parameter):
                del self[name]
            elif not isinstance(value, nn.Parameter):
                value = value.to(self[name].device)
        self._names[name] = held
        if isinstance(value, nn.Parameter):
            self.register_parameter(held, value)
        else:
            self.register_buffer(held, value, self._persistent)

    def __delitem__(self, name: str) -> None:
        delattr(self, self._names.pop(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other
