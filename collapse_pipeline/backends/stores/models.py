"""Models as folders named by their content: `<folder>/<hash>/{language,task,manifest.json}`.

The hash covers the manifest, the manifest covers every file, so a changed byte shows on load.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.ports import Student
from collapse_pipeline.records import Frozen, canonical_json, content_hash

MANIFEST = "manifest.json"


class Manifest(Frozen):
    """What a model consists of."""

    files: dict[str, str]  # path within the folder, with slashes: SHA-256 of the file, hex
    kinds: dict[str, str]  # part (language, task): the kind that loads it

    @property
    def hash(self) -> str:
        """The model's name."""
        return content_hash(canonical_json(self.model_dump()))


class ModelFolders:
    """Models by their hash under one local folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save_model(self, student: Student, kinds: Mapping[str, str]) -> str:
        """Writes a student to a folder named by its content hash; returns the hash.

        The same content gives the same hash and is written once. A writer killed on the way
        leaves a folder that no hash names; the next writer removes it.

        Raises:
            StoreError: The home is missing, full or read-only.
        """
        with self._faults():
            if not self.folder.parent.is_dir():
                raise FileNotFoundError(f"no folder {self.folder.parent}")
            self.folder.mkdir(exist_ok=True)
            # One writer at a time, so whatever lies in the draft's place is nobody's any more.
            with FileLock(self.folder / ".lock"):
                draft = self.folder / ".draft"
                shutil.rmtree(draft, ignore_errors=True)
                try:
                    return self._written(draft, student, kinds)
                finally:
                    shutil.rmtree(draft, ignore_errors=True)

    def model_folder(self, model: str) -> Path:
        """The folder of a model after its manifest and every file's hash were checked.

        Raises:
            BadInputError: `model` is not a hash.
            StoreError: No such model, or a file is missing, changed or too many; names the file.
        """
        if not re.fullmatch(r"[0-9a-f]{32}", model):
            raise BadInputError("a model's hash, 32 hex digits", repr(model), "see the release")
        folder = self.folder / model
        fault = f"model {model} in {self.folder}"
        again = "restore it from a backup or run its generation again"
        if not folder.is_dir():
            raise StoreError(fault, "no such folder", again)
        with self._faults():
            try:
                manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
            except (FileNotFoundError, ValidationError) as error:
                raise StoreError(fault, f"no readable {MANIFEST}", again) from error
            if manifest.hash != model:
                raise StoreError(fault, f"a changed {MANIFEST}", again)
            found = _file_hashes(folder)
        for name in sorted(manifest.files.keys() | found.keys()):
            if name not in found:
                raise StoreError(fault, f"no file {name}", again)
            if found[name] != manifest.files.get(name):
                state = "a changed" if name in manifest.files else "an unknown"
                raise StoreError(fault, f"{state} file {name}", again)
        return folder

    def _written(self, draft: Path, student: Student, kinds: Mapping[str, str]) -> str:
        parts = {"language": student.language, "task": student.task}
        for name, part in parts.items():
            if part is not None:
                (draft / name).mkdir(parents=True)
                part.save(draft / name)
        manifest = Manifest(files=_file_hashes(draft), kinds=dict(kinds))
        text = json.dumps(manifest.model_dump(), sort_keys=True, indent=2) + "\n"
        (draft / MANIFEST).write_text(text, encoding="utf-8")
        target = self.folder / manifest.hash
        if target.exists():
            try:
                self.model_folder(manifest.hash)
                return manifest.hash
            except StoreError:
                shutil.rmtree(target)  # damaged since; the draft is the same model, whole
        draft.rename(target)
        return manifest.hash

    @contextmanager
    def _faults(self) -> Iterator[None]:
        from safetensors import SafetensorError  # what a full disk is called by the arrays' writer

        try:
            yield
        except (OSError, SafetensorError) as error:
            raise StoreError(
                f"the models in {self.folder}",
                str(error),
                "make the folder there, writable and with free space, or choose another home",
            ) from error


def _file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a model's folder but the manifest, by path with slashes."""
    hashes: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST:
            with path.open("rb") as file:
                hashes[name] = file_digest(file, "sha256").hexdigest()
    return hashes
