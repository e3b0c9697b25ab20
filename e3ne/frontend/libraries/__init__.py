"""What the neurons of each library compute: one file a library, none imported before it is used.

A file registers its classes by their dotted names and describes them (`registry.NeuronModel`); it
reads attributes of the user's modules, and imports torch and nothing of the library.
"""

from . import norse, rockpool, sinabs, snntorch, spikingjelly

__all__ = ["norse", "rockpool", "sinabs", "snntorch", "spikingjelly"]
