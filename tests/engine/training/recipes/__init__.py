"""Tests of engine.training.recipes."""
