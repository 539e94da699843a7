"""A reader of HDF5 that a stranger may have written: only plain values of the expected type and size in the file."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

_LARGEST_ATTRIBUTE = 1_000_000  # bytes
_LARGEST_CHUNK = 256_000_000  # bytes
_DENSEST = 1100
"""Most bytes that one stored byte may unpack to: deflate's bound is 1032, https://zlib.net/zlib_tech.html."""
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
"""Filters that are part of HDF5 itself; others are loaded from libraries that the file names."""


class HostileFile(ValueError):
    """The error raised when a file holds something other than it should; the message tells what."""


class SafeGroup:
    """A group whose members are checked before they are opened."""

    def __init__(self, group: h5py.Group) -> None:
        self._group = group

    def has(self, name: str) -> bool:
        """Check whether there is an attribute of that name."""
        return bool(h5py.h5a.exists(self._group.id, name.encode()))

    def attribute_names(self) -> list[str]:
        return [self._readable(str(name), "a name") for name in self._group.attrs]

    def member_names(self) -> list[str]:
        return [str(name) for name in self._group]

    def text(self, name: str) -> str:
        value = self._attribute(name, ())
        if not isinstance(value, str):
            raise HostileFile(f"{self._place(name)} is not text")
        return self._readable(value, name)

    def texts(self, name: str) -> tuple[str, ...]:
        values = self._attribute(name, (None,))
        if not isinstance(values, np.ndarray) or not all(isinstance(value, str) for value in values.tolist()):
            raise HostileFile(f"{self._place(name)} is not a list of texts")
        return tuple(self._readable(value, name) for value in values.tolist())

    def integer(self, name: str) -> int:
        value = self._attribute(name, ())
        if not isinstance(value, (int, np.integer)):
            raise HostileFile(f"{self._place(name)} is not a whole number")
        return int(value)

    def numbers(self, name: str, kind: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        """Read numbers of a `kind`, `i` whole or `f` floating-point and never NaN; None in `shape` is any length."""
        values = self._attribute(name, shape)
        if not isinstance(values, np.ndarray) or values.dtype.kind != kind or np.isnan(values).any():
            raise HostileFile(f"{self._place(name)} holds no numbers of the right kind")
        return np.asarray(values)

    def group(self, name: str) -> SafeGroup:
        member = self._member(name)
        if not isinstance(member, h5py.Group):
            raise HostileFile(f"{self._place(name)} is not a group")
        return SafeGroup(member)

    def array(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        """Read all of a data set, as `dtype` in the machine's byte order."""
        return np.asarray(self.dataset(name, dtype, shape)[()], dtype)

    def dataset(self, name: str, dtype: str, shape: tuple[int | None, ...]) -> h5py.Dataset:
        """Return a data set of this type and shape with its values in this file; None in `shape` is any length > 0."""
        data = self._member(name)
        if not isinstance(data, h5py.Dataset):
            raise HostileFile(f"{self._place(name)} is not a data set")
        if data.dtype.newbyteorder("=") != np.dtype(dtype) or not _fits(data.shape, shape):
            raise HostileFile(f"{self._place(name)} is {data.shape} of {data.dtype}, not {shape} of {dtype}")
        plan = data.id.get_create_plist()
        if data.is_virtual or plan.get_external_count():
            raise HostileFile(f"{self._place(name)} points to other files")
        filters = {plan.get_filter(index)[0] for index in range(plan.get_nfilters())}
        if not filters <= _FILTERS:
            raise HostileFile(f"{self._place(name)} is packed with an unknown filter ({filters - _FILTERS})")
        size, stored = math.prod(data.shape) * data.dtype.itemsize, data.id.get_storage_size()
        chunk = math.prod(data.chunks) * data.dtype.itemsize if data.chunks else 0
        if size > stored * _DENSEST or chunk > _LARGEST_CHUNK or 0 in data.shape:
            raise HostileFile(f"{self._place(name)} claims {size} bytes of values, but {stored} bytes are stored")
        return data

    def _member(self, name: str) -> Any:
        link = self._group.get(name, getlink=True)
        if link is None:
            raise HostileFile(f"{self._place(name)} is missing")
        if not isinstance(link, h5py.HardLink):
            raise HostileFile(f"{self._place(name)} is a link to somewhere else")
        return self._group[name]

    def _attribute(self, name: str, shape: tuple[int | None, ...]) -> Any:
        if not self.has(name):
            raise HostileFile(f"{self._place(name)} is missing")
        attribute = h5py.h5a.open(self._group.id, name.encode())
        size = math.prod(attribute.shape) * attribute.dtype.itemsize
        if size > _LARGEST_ATTRIBUTE or not _fits(attribute.shape, shape):
            raise HostileFile(f"{self._place(name)} has the shape {attribute.shape}, not {shape}")
        if attribute.dtype.kind not in "iufSO" or (attribute.dtype.kind == "O" and not _is_text(attribute.dtype)):
            raise HostileFile(f"{self._place(name)} is of the type {attribute.dtype}")
        return self._group.attrs[name]

    def _readable(self, text: str, name: str) -> str:
        """Return a text that can be written: h5py keeps bytes that are not text as lone surrogates, which cannot."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise HostileFile(f"{self._place(name)} is not text: {text[:80]!r}") from error
        return text

    def _place(self, name: str) -> str:
        return f"{self._group.name.rstrip('/')}/{name}"


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(want is None or size == want for size, want in zip(shape, wanted))


def _is_text(dtype: np.dtype[Any]) -> bool:
    return h5py.check_string_dtype(dtype) is not None
