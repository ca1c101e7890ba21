"""Counts with intervals, sizes in µm, and the downloads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from html import escape
from typing import Final

import streamlit as st

from engine.catalogue.cell_pictures import ExportKind
from engine.cells.differential import differential, more_to_count
from engine.cells.measuring import measures_of, spread_of
from engine.store.records import CellAnnotation, Image
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.cells.kinds import TABLE
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_counts", "draw_downloads", "draw_sizes"]

_FILES: Final[tuple[tuple[ExportKind, str, str], ...]] = (
    ("csv", "Table (CSV)", "text/csv"),
    ("coco", "COCO", "application/json"),
    ("geojson", "GeoJSON (QuPath)", "application/geo+json"),
    ("report", "Report (HTML)", "text/html"),
)


def draw_counts(cells: Sequence[CellAnnotation]) -> None:
    """Draw the differential and how many more to count; white cells by themselves too."""
    counts = Counter(cell.cell_type for cell in cells)
    if not counts:
        st.caption("Nothing is counted yet.")
        return
    rows = "".join(
        f"<tr><td>{escape(one.name)}</td><td>{one.count:,}</td>"
        f"<td>{100 * one.share.value:.1f} %</td>"
        f"<td>{100 * one.share.low:.1f} to {100 * one.share.high:.1f} %</td></tr>"
        for one in differential(counts)
    )
    st.html(
        f"{TABLE}<thead><tr><th>Kind</th><th>Count</th><th>Share</th><th>95 % interval</th></tr>"
        f"</thead><tbody>{rows}</tbody></table>"
    )
    more = more_to_count(counts)
    total = sum(counts.values())
    if more:
        st.markdown(f"{total:,} cells. **Count {more:,} more for ±5 %** on every share.")
    else:
        st.markdown(f"{total:,} cells: every share is known to ±5 %.")


def draw_sizes(here: Visit, image: Image, cells: Sequence[CellAnnotation]) -> None:
    """Draw the field for the pixel's size, and diameters by kind where it is known."""
    if here.may("cells.annotate"):
        _draw_pixel(here, image)
    if image.pixel_size_um is None:
        st.caption("The size of a pixel is not known, so nothing is measured in µm.")
        return
    rows = []
    for kind in sorted({cell.cell_type for cell in cells}):
        boxes = [cell.cell_coordinates for cell in cells if cell.cell_type == kind]
        measured = [measures_of(box.width, box.height, image.pixel_size_um) for box in boxes]
        found = spread_of(one.diameter_um for one in measured if one.diameter_um is not None)
        if found is not None:
            rows.append(
                f"<tr><td>{escape(kind)}</td><td>{found.mean:.1f} ± {found.deviation:.1f}</td>"
                f"<td>{found.smallest:.1f} to {found.largest:.1f}</td></tr>"
            )
    if rows:
        st.html(
            f"{TABLE}<thead><tr><th>Kind</th><th>Diameter in µm, mean ± deviation</th><th>Range"
            f"</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
        )


def _draw_pixel(here: Visit, image: Image) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        edge = st.number_input(
            "Edge of a pixel in µm (0: not known)",
            min_value=0.0,
            max_value=1000.0,
            value=float(image.pixel_size_um or 0.0),
            step=0.01,
            format="%.4f",
            key=f"cells-pixel-{image.id}",
            width=260,
        )
        if st.button("Set it", key=f"cells-set-pixel-{image.id}", icon=":material/straighten:"):
            with attempt():
                here.workbench.cells.pictures.set_pixel_size(here.actor, image.id, edge)
                tell("The size of a pixel was set.")
                st.rerun()


def draw_downloads(here: Visit, image: Image) -> None:
    """Draw a button for each form; the file is made when it is asked for."""
    pictures = here.workbench.cells.pictures
    with st.container(horizontal=True):
        for kind, title, media_type in _FILES:
            st.download_button(
                title,
                partial(_file, here, image.id, kind),
                file_name=pictures.file_name(image, kind),
                mime=media_type,
                key=f"cells-file-{kind}-{image.id}",
                on_click="ignore",
                icon=":material/download:",
            )


def _file(here: Visit, image_id: str, kind: ExportKind) -> bytes:
    return here.workbench.cells.pictures.export(here.actor, image_id, kind)
