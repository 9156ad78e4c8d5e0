"""Small files that are either there and whole, or not there."""

import os
from pathlib import Path

from collapse_pipeline.errors import StoreError


def write_whole(path: Path, text: str) -> None:
    """Writes a file in one rename: a kill leaves the one before, or none.

    Raises:
        StoreError: The disk is full or read-only, or the folder is gone.
    """
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        try:
            temporary.write_text(text, "utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as fault:
        raise StoreError(
            wanted=f"to write {path}",
            got=fault.strerror or str(fault),
            do="make the home writable, free space, and run the same command again",
        ) from fault
