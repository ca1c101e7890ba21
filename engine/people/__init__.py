"""Who uses Lightbox, what each may do, how they sign in, and the record of what was done.

The layer knows no web framework: it takes an e-mail, a password or a token and answers with an
:class:`~engine.people.actors.Actor`. Import the modules by name; this file loads nothing.
"""

from __future__ import annotations

__all__: list[str] = []
