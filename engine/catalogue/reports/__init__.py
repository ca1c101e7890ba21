"""A patient's report: what it says, and how that is set as a page and on paper."""

from __future__ import annotations

from engine.catalogue.reports.content import PatientReport
from engine.catalogue.reports.pages import report_html
from engine.catalogue.reports.prints import report_pdf

__all__ = ["PatientReport", "report_html", "report_pdf"]
