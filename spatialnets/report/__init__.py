"""Figures, scorecard and one page."""
