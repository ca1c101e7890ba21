"""Settings: what is in force and where it was set. Nothing can be changed here."""

from __future__ import annotations

from ui_streamlit.studio import heading, visit
from ui_streamlit.studio.settings_view import draw_filters, draw_settings

_here = visit("settings.view")
heading(
    "Settings",
    "What is in force, and where it was set. Settings are environment variables: "
    "change them where the server is started, and start it again.",
)
draw_settings(_here, draw_filters())
