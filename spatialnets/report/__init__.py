"""Report of a run: figures, scorecard and an HTML page."""
