"""Load page templates, which escape inserted text, and the Plotly script."""

from __future__ import annotations

import jinja2

__all__ = ["plotly_script", "template"]


def template(name: str) -> jinja2.Template:
    """Return a page template of this folder; inserted text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spatialnets.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(name)


def plotly_script() -> str:
    """Return the Plotly script, which a page includes once for all of its scenes."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
