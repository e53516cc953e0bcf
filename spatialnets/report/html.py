"""Pages: templates that escape what is put into them, and one script for all scenes."""

from __future__ import annotations

import jinja2

__all__ = ["plotly_script", "template"]


def template(name: str) -> jinja2.Template:
    """Return a page of this folder, which escapes what is put into it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spatialnets.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(name)


def plotly_script() -> str:
    """Return plotly's script, once for a page and all scenes in it."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
