"""Tests of engine.segmentation.scoring."""
