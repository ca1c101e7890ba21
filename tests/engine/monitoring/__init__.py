"""Figures, health and their documents."""
