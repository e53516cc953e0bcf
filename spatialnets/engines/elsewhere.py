"""Whether another process can do a job."""

from __future__ import annotations

import pickle
import pickletools
import sys
from typing import Any

__all__ = ["importable_elsewhere"]


def importable_elsewhere(job: Any) -> bool:
    """Tell whether another process can do a job: nothing in it is defined in a script, notebook or function."""
    try:
        pickled = pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    # what is pickled by name has its module among the words, and so has a part that holds "module:function"
    words = {word.partition(":")[0] for _, word, _ in pickletools.genops(pickled) if isinstance(word, str)}
    # a script, a notebook and a module made at run time have no specification to import them by
    return "__main__" not in words and all(sys.modules[word].__spec__ is not None for word in words & {*sys.modules})
