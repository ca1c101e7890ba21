"""Tests of engine.gradcam."""
