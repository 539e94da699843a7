"""A lock on an open file. It ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
import sys
from typing import Optional

_LOCKED_BYTE = 1000  # beyond the content of such files, because Windows lets nobody else read a locked byte

if sys.platform == "win32":
    import msvcrt

    def try_lock(descriptor: int) -> Optional[bool]:
        """Return False if another process holds the file, None if its drive knows no locks."""
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        except OSError:
            return None
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def try_lock(descriptor: int) -> Optional[bool]:
        """Return False if another process holds the file, None if its drive knows no locks."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return None
        return True
