"""Tests of engine.segmentation."""
