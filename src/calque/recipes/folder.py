"""The run folder as a store of steps: finished ones under their names, earlier versions and unfinished ones aside.

A step is written under `partial/`, then takes its place by one rename. What stood there moves to `earlier/`, from
where it comes back if a setting is changed back.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calque.corpora.writing import fsync_folder, open_to_all, write_json
from calque.errors import Problem, RunError
from calque.recipes.hashes import Hashes
from calque.recipes.record import FILE, Inputs, Record, outputs_of, read_record, versions

REQUESTS = "requests.sqlite"
OURS = {
    REQUESTS, f"{REQUESTS}-wal", f"{REQUESTS}-shm", "recipe.yaml", "manifest.json", "scores.jsonl", "report.html", "log.jsonl", "steps", "partial", "earlier", ".lock",
}  # fmt: skip


class RunFolder:
    """One run's folder. Open it with `opened`, which keeps a second process out.

    What stands in `others`, folders of other runs, is taken over where it was made from the same. `taken` says from where.
    """

    def __init__(self, root: Path, others: Sequence[Path] = ()) -> None:
        self.root = root
        self.others = tuple(others)
        self.taken: dict[str, Path] = {}
        self.hashes = Hashes(root / "partial" / "hashes.json")

    def place(self, name: str) -> Path:
        """Where a finished step stands."""
        return self.root / "steps" / name

    def finished(self, name: str, inputs: Inputs) -> Record | None:
        """The step's record if it stands there, made from just these inputs, with its files unchanged.

        An earlier version, or one whose last rename was cut off, is brought back first.
        """
        record = read_record(self.place(name))
        if record is not None and record.inputs == inputs and self._intact(self.place(name), record):
            return record
        for aside in (self._aside("partial", name, inputs), self._aside("earlier", name, inputs)):
            found = read_record(aside)
            if found is not None and found.inputs == inputs and self._intact(aside, found):
                self._put(aside, name)
                return found
        return self._take_over(name, inputs)

    def _take_over(self, name: str, inputs: Inputs) -> Record | None:
        for other in map(RunFolder, self.others):
            for there in (other.place(name), other._aside("earlier", name, inputs)):
                found = read_record(there)
                if found is not None and found.inputs == inputs and self._intact(there, found):
                    target = self._aside("partial", name, inputs)
                    shutil.rmtree(target, ignore_errors=True)
                    shutil.copytree(there, target, copy_function=_link)
                    self._put(target, name)
                    self.taken[name] = other.root
                    return found
        return None

    def before(self, name: str) -> Record | None:
        """What stands under the name now, whatever it was made from."""
        return read_record(self.place(name))

    def begin(self, name: str, inputs: Inputs, *, resumes: bool) -> Path:
        """An empty folder to write the step into; with `resumes`, what a stopped attempt left there stays."""
        folder = self._aside("partial", name, inputs)
        if not resumes:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.parent.glob(f"{name}@*"):
            if other != folder:
                shutil.rmtree(other)
        return folder

    def finish(self, name: str, inputs: Inputs, counts: dict[str, Any]) -> Record:
        """Flush the step's files to disk, write its record and give the folder its name."""
        folder = self._aside("partial", name, inputs)
        open_to_all(folder)
        for path in sorted(folder.rglob("*")):
            _flush(path)
        record = Record(name, inputs, outputs_of(folder, self.hashes, settled=True), counts, versions())
        write_json(folder / FILE, record.to_row())
        self._put(folder, name)
        return record

    def retire(self, names: set[str]) -> list[str]:
        """Move finished steps that are not among `names` aside; return which."""
        retired = []
        for path in sorted((self.root / "steps").glob("*")):
            record = read_record(path)
            if path.name not in names and record is not None:
                self._set_aside(path, record)
                retired.append(path.name)
        return retired

    def log(self, event: str, **details: Any) -> None:
        """Append to `log.jsonl`, the only file with the time of day in it."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        row = {"time": stamp, "event": event, **details}
        with (self.root / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _aside(self, where: str, name: str, inputs: Inputs) -> Path:
        return self.root / where / f"{name}@{inputs.key[:12]}"

    def _intact(self, folder: Path, record: Record) -> bool:
        return outputs_of(folder, self.hashes) == record.outputs

    def _put(self, folder: Path, name: str) -> None:
        target = self.place(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            old = read_record(target)
            if old is None or not self._intact(target, old):
                shutil.rmtree(target)
            else:
                self._set_aside(target, old)
        folder.rename(target)
        fsync_folder(target.parent)

    def _set_aside(self, path: Path, record: Record) -> None:
        aside = self._aside("earlier", path.name, record.inputs)
        aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)


def _link(source: str, target: str) -> None:
    """One file under two names where the disk can do it: finished files are replaced, never changed."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@contextmanager
def opened(root: Path, others: Sequence[Path] = ()) -> Iterator[RunFolder]:
    """The run folder, made if need be, with a lock on it. Refuses a folder that holds other things, and others that are no runs."""
    for other in others:
        if not (other / "steps").is_dir():
            remedy = "reuse= takes folders of runs, with commas between them"
            raise RunError(Problem("there is no run in this folder", str(other), remedy=remedy))
    if root.exists() and not root.is_dir():
        raise RunError(Problem("is a file; a run needs a folder", str(root), remedy="say out=FOLDER"))
    if root.is_dir():
        foreign = sorted(path.name for path in root.iterdir() if path.name not in OURS)
        if foreign and not (root / "recipe.yaml").is_file():
            raise RunError(
                Problem(
                    f"the folder holds other things ({', '.join(foreign[:3])}), so it is no run's",
                    str(root),
                    remedy="say out=FOLDER with a new or empty folder",
                )
            )
    try:
        (root / "partial").mkdir(parents=True, exist_ok=True)
        lock = (root / ".lock").open("w")
    except OSError as error:
        raise RunError(Problem(f"cannot be written to: {error.strerror}", str(root))) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            remedy = "wait for it, or stop it, or say out= with another folder"
            raise RunError(Problem("another process works in this run", str(root), remedy=remedy)) from None
        folder = RunFolder(root, others)
        try:
            yield folder
        finally:
            folder.hashes.save()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
