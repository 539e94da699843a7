"""What ends a job, in the user's words: memory or disk that ran out, removed files, broken libraries."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from soil_cnn_plugin.contract.jobs import Job, JobError, part
from soil_cnn_plugin.contract.language import any_of, tr
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.memory import (
    address_limit,
    gibibytes,
    is_memory_of_gpu,
    is_perhaps_memory_of_gpu,
    read_memory,
)
from soil_cnn_plugin.engine.outputs import was_removed

_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_LITTLE = 2**24  # bytes
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_DISK_FULL_WORDS = re.compile(r"no space left on device|errno = 28|not enough space on the disk|quota exceeded", re.I)
_NOT_WRITTEN_WORDS = re.compile(
    r"TIFF(Write|Rewrite|Append|Flush)|\.part\.tif: TIFFReadDirectory|error writing|write failed|write error"
    r"|database or disk is full|disk I/O error|could not add feature|failed to commit transaction"
    r"|required GeoPackage tables",
    re.I,
)
"""Words of GDAL, which seldom says why: mostly the disk is full."""
_MEMORY_WORDS = re.compile(
    r"can't allocate memory|not enough memory|bad_alloc|cannot allocate memory|failed to map segment"
    r"|can't start new thread",
    re.I,
)
_BROKEN_DLL = {126, 127, 182, 193, 1114}  # Windows: a library or one it needs was not found or did not start
_ASKED_FOR = re.compile(r"(?:tried to allocate|unable to allocate) (?:(\d+) bytes|([\d.]+ ?[KMGT]?i?B))", re.I)


def error_in_words(error: Exception, job: Job | None) -> str:
    """The sentence that a user reads. It names an unforeseen error and asks for a report of it."""
    if isinstance(error, (EngineError, JobError)):
        return str(error)
    chain = list(_chain(error))
    for link in chain:
        sentence = _disk_sentence(link, job) or _removal_sentence(link, job) or _memory_sentence(link)
        if sentence := sentence or _library_sentence(link):
            return sentence
    return tr(
        "An unexpected error stopped the engine ({}: {}). This is a fault of the plugin, not yours: please"
        " report it together with the log."
    ).format(type(error).__name__, error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and those that led to it."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _disk_sentence(error: BaseException, job: Job | None) -> str | None:
    number = error.errno if isinstance(error, OSError) else None
    filename = error.filename if isinstance(error, OSError) else None
    if number in _DISK_FULL or _DISK_FULL_WORDS.search(str(error)):
        return tr(
            "The disk is full: nothing more could be written to {}. Free some space or choose another"
            " folder (TMPDIR names the temporary one)."
        ).format(_place(filename, job))
    if _NOT_WRITTEN_WORDS.search(str(error)):
        return tr(
            "Nothing more could be written to {}; most likely the disk is full. Free some space or choose"
            " another folder (TMPDIR names the temporary one)."
        ).format(_place(filename, job))
    if number in _FORBIDDEN and filename:
        return tr(
            "{} may not be opened: {}. Check its permissions; if it is loaded in QGIS or open in another"
            " program, remove it there or choose another file name."
        ).format(os.fsdecode(filename), os.strerror(number or 0))
    return None


def _place(filename: str | bytes | None, job: Job | None) -> str:
    """The file, or else the folders that are full, or else all that a job writes to, the temporary one among them."""
    if filename:
        return os.fsdecode(filename)
    folders = sorted({str(Path(path).parent) for path in job.output_paths().values()}) if job else []
    folders.append(tempfile.gettempdir())
    return any_of(filter(_is_full, folders)) or any_of(folders)


def _is_full(folder: str) -> bool:
    try:
        return shutil.disk_usage(folder).free < _LITTLE
    except OSError:
        return False


def _removal_sentence(error: BaseException, job: Job | None) -> str | None:
    """A sentence for a half-written file that somebody else removed: the job only sees that it is not there."""
    filename = os.fsdecode(error.filename or b"") if isinstance(error, FileNotFoundError) else ""
    paths = job.output_paths().values() if job else []
    return next((was_removed(path, filename) for path in paths if filename.startswith(part(path))), None)


def _memory_sentence(error: BaseException) -> str | None:
    text = str(error)
    found = _ASKED_FOR.search(text)
    asked = tr(" when {} more were asked for").format(found[2] or gibibytes(int(found[1]))) if found else ""
    if is_memory_of_gpu(error):
        what = tr("The GPU's memory ran out{}.").format(asked)
        if is_perhaps_memory_of_gpu(error):
            what = tr(
                "A library of the GPU failed ({}): its memory ran out, or else its driver does not fit the"
                " compute environment."
            ).format(text.splitlines()[0])
        return tr(
            "{} Run again with the device set to cpu, or with a smaller batch size (training) or block size"
            " (prediction), or close other programs that use the GPU."
        ).format(what)
    is_in_words = isinstance(error, (RuntimeError, OSError, ImportError)) and _MEMORY_WORDS.search(text)
    if isinstance(error, MemoryError) or is_in_words:
        free, limit = read_memory().free, address_limit()
        left = tr("; {} are free now").format(gibibytes(free)) if free is not None else ""
        if limit is not None:
            return tr(
                "Memory ran out{}{}: this process may have {} of addresses in all (ulimit -v). Libraries alone take"
                " 2 GiB of them. Raise the limit, or use fewer members or covariates."
            ).format(asked, left, gibibytes(limit))
        return tr(
            "The computer's memory ran out{}{}. Close other programs, or use a smaller batch size or fewer"
            " members (training), a smaller block size or extent (prediction), or fewer covariates."
        ).format(asked, left)
    return None


def _library_sentence(error: BaseException) -> str | None:
    is_foreign_import = isinstance(error, ImportError) and not (error.name or "").startswith("soil_cnn_plugin")
    if not is_foreign_import and getattr(error, "winerror", None) not in _BROKEN_DLL:
        return None
    return tr(
        "The compute environment is incomplete or broken: {}. Run 'Set up the compute environment' in the"
        " Processing toolbox, then 'Check the compute environment'."
    ).format(error)
