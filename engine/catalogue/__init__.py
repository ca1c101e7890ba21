"""What people do with records: areas joined with store, files, permissions and audit log.

Each function takes who asks and requires the permission itself.
"""

from __future__ import annotations

__all__: list[str] = []
