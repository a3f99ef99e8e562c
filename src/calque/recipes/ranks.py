"""Several processes under torchrun: the first leads and does all steps, the others join it where a step is for all.

Without torchrun there is one process, and nothing of torch is imported here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

PATIENCE = timedelta(days=14)  # the others wait while the first works on data or evaluates


@dataclass
class Ranks:
    """The processes of this run."""

    rank: int
    size: int
    _group: Any = field(default=None, repr=False)

    @property
    def leads(self) -> bool:
        """Whether this is the first process: the one that writes."""
        return self.rank == 0

    def tell(self, message: Any) -> Any:
        """From the first process: hand `message` to the others. From another: wait for it, and return it."""
        if self.size == 1:
            return message
        import torch.distributed

        if self._group is None:
            self._group = _control_group()
        box = [message]
        torch.distributed.broadcast_object_list(box, src=0, group=self._group)
        return box[0]

    def part(self) -> None:
        """End together: without it, a process that ends first leaves the others with a broken connection."""
        if self._group is not None:
            import torch.distributed

            torch.distributed.destroy_process_group()
            self._group = None


def ranks() -> Ranks:
    """What torchrun says in the environment."""
    return Ranks(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def _control_group() -> Any:
    """A group beside that of the gradients, patient enough for the steps between two tunings."""
    import torch.distributed
    from accelerate import PartialState

    from calque.engines.device import best_device

    PartialState(cpu=best_device().type == "cpu")  # sets up the processes as tuning will use them
    return torch.distributed.new_group(backend="gloo", timeout=PATIENCE)
