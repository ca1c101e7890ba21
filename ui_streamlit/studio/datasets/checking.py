"""What the checks of a dataset found, in figures and sentences."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import streamlit as st

from engine.catalogue.datasets import CheckedDataset
from engine.datasets.checks import Finding
from ui_streamlit.studio import wording
from ui_streamlit.studio.datasets.words import FINDINGS
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_checks"]

_SHOWN: Final = 20
_SIZES: Final = 12


def draw_checks(here: Visit, dataset_id: str) -> None:
    """Draw findings by kind, the balance of classes, and the sizes of the pictures."""
    found = here.workbench.datasets.check(here.actor, dataset_id)
    if not found.findings:
        st.success("No twins, no leaks, no empty masks were found.", icon=":material/check_circle:")
    for kind, findings in _by_kind(found.findings).items():
        with st.expander(f"{FINDINGS[kind]}: {len(findings):,}", expanded=kind == "leakage"):
            st.markdown("\n".join(f"- {wording.plain(f.sentence)}" for f in findings[:_SHOWN]))
            if len(findings) > _SHOWN:
                st.caption(f"and {len(findings) - _SHOWN:,} more")
    if found.unhashed:
        st.caption(
            f"{wording.count(found.unhashed, 'picture')} could not be compared for likeness: they "
            "were never opened. The gallery opens them."
        )
    if found.unmarked:
        st.caption(f"{wording.count(found.unmarked, 'picture')} without a mask.")
    _draw_balance(found)
    _draw_sizes(found)


def _by_kind(findings: tuple[Finding, ...]) -> dict[str, list[Finding]]:
    kinds: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        kinds[finding.kind].append(finding)
    return kinds


def _draw_balance(found: CheckedDataset) -> None:
    st.subheader("Balance of classes", anchor=False)
    if not any(found.balance.values()):
        st.caption("Nobody has marked a pixel yet.")
        return
    st.caption("Share of the pixels that somebody has looked at.")
    for name, share in found.balance.items():
        st.progress(share, text=f"{wording.plain(name)}: {100 * share:.1f} %")


def _draw_sizes(found: CheckedDataset) -> None:
    st.subheader("Sizes", anchor=False)
    for width, height, number in found.sizes[:_SIZES]:
        share = number / max(1, found.pictures)
        st.progress(share, text=f"{width:,} × {height:,} px: {wording.count(number, 'picture')}")
    if len(found.sizes) > _SIZES:
        st.caption(f"and {len(found.sizes) - _SIZES:,} other sizes")
