"""Early enough to open the connection: malibu's part in ``python3 -m gadgetron PORT gadgets.… TARGET``.

gadgetron-python opens its connection before it imports the gadget. But it imports ismrmrd first, and that xsdata,
which loads the plugins of ``xsdata.plugins.class_types``; setup.cfg names this module as one. In any other process
than that of a gadget of malibu it does nothing.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# gadgetron imports this next after its connection: from here on, that can be replaced.
_NEXT = "gadgetron.external.listen"


SLICE_GADGET = "SliceGadget"
"""What a Gadgetron behind ``<distributed>`` means that names no target: the serialised configuration has lost it."""


class _Watch(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name == _NEXT and self in sys.meta_path:
            sys.meta_path.remove(self)
            from gadgets.mrd.wire.opening import take_over

            take_over()
        return None


def runs_a_gadget_of_malibu(arguments: Sequence[str]) -> bool:
    """Tell by the command line of the process, as Python got it.

    Parameters
    ----------
    arguments : sequence of str
        ``sys.orig_argv``.
    """
    for place, word in enumerate(arguments[:-1]):
        if word == "-m" and arguments[place + 1] == "gadgetron":
            return len(arguments) > place + 3 and arguments[place + 3].partition(".")[0] == "gadgets"
    return False


def lacks_its_target(arguments: Sequence[str]) -> bool:
    """Whether the command line of a gadget of malibu ends with its module."""
    return arguments[-1].partition(".")[0] == "gadgets"


if runs_a_gadget_of_malibu(sys.orig_argv) and _NEXT not in sys.modules:
    if lacks_its_target(sys.orig_argv):
        sys.argv.append(SLICE_GADGET)
    sys.meta_path.insert(0, _Watch())
