"""Files by content hash: pictures, volumes, masks, weights and exports; in a folder or in S3.

Records keep a :class:`FileRef`; the bytes are here. Put first, then write the record: what no
record names is garbage after a while.
"""

from __future__ import annotations

from engine.store.files.files import Files
from engine.store.files.opening import are_remote, open_files
from engine.store.files.results import Checked, FileRef, Garbage, StoredFile

__all__ = ["Checked", "FileRef", "Files", "Garbage", "StoredFile", "are_remote", "open_files"]
