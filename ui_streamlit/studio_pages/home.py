"""Home: what is here, what waits for you, first steps."""

from __future__ import annotations

from ui_streamlit.studio import heading, visit

visit("studio.open")
heading("Studio", "Annotate, train and predict as a team, on this machine.")
