"""The documentation site: Sphinx with MyST and Furo. `make docs` builds it in build/docs."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

from hubcheck import __version__  # noqa: E402

project = "hubcheck"
author = "The hubcheck authors"
copyright = "the hubcheck authors, Apache-2.0"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "command_pages",
    "rule_pages",
    "schema_pages",
]
exclude_patterns = ["_*", "**/_*"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
root_doc = "index"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

# Options keep their two hyphens.
smartquotes = False
# Docstrings and the help of commands put code between single backticks, as Markdown does.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
nitpicky = True
# Types of Python, of libraries and of internal files have no page here; links between pages are all checked.
nitpick_ignore_regex = [("py:(class|obj|data|exc|attr|meth|func)", ".*")]

copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"

html_theme = "furo"
html_title = f"hubcheck {__version__}"
html_static_path = ["_static", "images"]
html_css_files = ["site.css"]
# The page that checks modules, which `python -m tools.check_page` completes.
html_extra_path = ["extra"]
html_copy_source = False
html_show_sourcelink = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
