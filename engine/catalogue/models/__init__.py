"""Trained models: which there are, which one is used, and how they come and go."""

from __future__ import annotations

from engine.catalogue.models.bundles import BUNDLE_FORMS, BundleForm
from engine.catalogue.models.registry import Models

__all__ = ["BUNDLE_FORMS", "BundleForm", "Models"]
