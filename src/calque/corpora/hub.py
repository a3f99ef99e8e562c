"""Files of data sets on the hub, by address: `hf://datasets/OWNER/NAME/PATH`, or `…/NAME@REVISION/PATH`."""

from __future__ import annotations

import re
from pathlib import Path

from calque.errors import DataError, Problem

HUB = "hf://"
_ADDRESS = re.compile(r"hf://datasets/([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)")


def is_on_hub(name: str) -> bool:
    """Whether a name is an address on the hub, and no path."""
    return name.startswith(HUB)


def fetch(address: str) -> Path:
    """The file in the hub's cache, fetched where it is not there. A `DataError` says what is in the way."""
    found = _ADDRESS.fullmatch(address)
    if found is None or any(c in address for c in "*?["):
        remedy = "say hf://datasets/OWNER/NAME/PATH of one file; @REVISION may stand behind NAME"
        raise DataError(Problem("is no address of a file of a data set on the hub", address, remedy=remedy))
    import huggingface_hub
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        RevisionResolutionError,
    )

    repository, revision, path = found.groups()
    try:
        return Path(huggingface_hub.hf_hub_download(repository, path, repo_type="dataset", revision=revision))
    except (HfHubHTTPError, HFValidationError, EntryNotFoundError, RevisionResolutionError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        message = f"the hub does not give this file ({reason})"
        remedy = (
            "give a file of this machine, or look whether the address is right and the hub can be reached"
        )
        raise DataError(Problem(message, address, remedy=remedy)) from None
