"""Datasets: pictures with labels, read from and written to the forms that people use."""
