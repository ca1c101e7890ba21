"""Tests of engine.training.evaluating."""
