"""Splits by group, and the frozen versions of a dataset."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from engine.catalogue.datasets import Overview
from engine.datasets.entries import Split
from ui_streamlit.studio import addresses, wording
from ui_streamlit.studio.attempts import attempt
from ui_streamlit.studio.datasets.words import SPLITS
from ui_streamlit.studio.dialogs import tell
from ui_streamlit.studio.jobs.people import name_of
from ui_streamlit.studio.pieces import card
from ui_streamlit.studio.visits import Visit

__all__ = ["draw_versions"]


def draw_versions(here: Visit, one: Overview) -> None:
    """Draw how the pictures are divided, and the versions, the newest first."""
    _draw_split(here, one)
    st.subheader("Versions", anchor=False)
    st.caption(
        "A version is named by the hash of everything in it: the same name, the same pictures, "
        "masks and splits. Training refers to versions."
    )
    if here.may("datasets.manage") and st.button(
        "Freeze a version", icon=":material/ac_unit:", disabled=not one.pictures
    ):
        with attempt():
            made = here.workbench.datasets.freeze(here.actor, one.dataset.id)
            tell(f"This is version {made.version}.")
            st.rerun()
    versions = here.workbench.datasets.versions(one.dataset)
    if not versions:
        st.caption("None yet.")
    for version in reversed(versions):
        with card(f"version-{version.version}"):
            st.markdown(f"**Version {version.version}**")
            who, when = name_of(here, version.by), datetime.fromisoformat(version.at)
            st.caption(
                f"{wording.count(version.pictures, 'picture')} · {wording.plain(who)} · "
                f"{wording.moment(when)}"
            )
            st.code(version.manifest_sha256, language=None, wrap_lines=True)
            root = here.workbench.settings.root_path
            name = f"version-{version.version}.json"
            address = f"{root}/files/{version.manifest_sha256}?name={name}"
            st.html(addresses.link("Download its list of files", address))


def _draw_split(here: Visit, one: Overview) -> None:
    st.subheader("Splits", anchor=False)
    images = here.workbench.store.images.read()
    counts = {part: len(images.where(dataset_id=one.dataset.id, split=part)) for part in SPLITS}
    told = ", ".join(f"{number:,} {SPLITS[part]}" for part, number in counts.items() if number)
    st.caption(f"Now: {told or 'no picture'}. A patient or group is never divided.")
    if not here.may("datasets.manage"):
        return
    with st.form("split"), st.container(horizontal=True, vertical_alignment="bottom"):
        validation = st.number_input("Validation, %", 0, 90, 15, 5, key="split-validation")
        test = st.number_input("Test, %", 0, 90, 15, 5, key="split-test")
        seed = st.number_input("Seed", 0, 1_000_000, 0, key="split-seed")
        asked = st.form_submit_button("Divide", icon=":material/call_split:")
    if not asked:
        return
    shares: dict[Split, float] = {
        "train": 1 - (validation + test) / 100,
        "validation": validation / 100,
        "test": test / 100,
    }
    with attempt():
        made = here.workbench.datasets.divide(here.actor, one.dataset.id, shares, seed=int(seed))
        parts = ", ".join(f"{number:,} {SPLITS[part]}" for part, number in made.items())
        tell(f"Divided: {parts}.")
        st.rerun()
