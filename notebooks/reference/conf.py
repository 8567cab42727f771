"""How the documents are built: ``python3 notebooks --docs``.

Their sources are the tutorials, this folder, and the docstrings.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from ipython_pygments_lexers import IPython3Lexer
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import public  # noqa: E402  (found only now)
import states  # noqa: E402

from nbflow.cli import parser  # noqa: E402

project = "nbflow"
author = "The nbflow developers"
copyright = author
release = importlib.metadata.version("nbflow")

extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode", "myst_nb"]
root_doc = "reference/index"
exclude_patterns = ["reference/build", "scratch*", "report*", ".nbflow*", "**.ipynb_checkpoints", "**/__pycache__"]
nb_execution_mode = "off"  # the tutorials carry their outputs, and the tests compare them
nb_render_markdown_format = "myst"
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_heading_slug_func = "public.anchor_of"
suppress_warnings = ["mystnb.unknown_mime_type"]  # a widget is shown by the picture that stands beside it

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"
highlight_language = "python"

html_theme = "furo"
html_title = f"nbflow {release}"
html_static_path = ["_static"]
html_css_files = ["nbflow.css"]
html_copy_source = False
html_show_sphinx = False


class Drawn(SphinxDirective):
    """Puts what ``states`` draws into a page: ``picture runs``, ``whole nodes``."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Return the picture or the table as raw HTML."""
        kind, name = self.arguments
        made = {"picture": states.picture, "whole": states.whole}[kind](name)
        return [nodes.raw("", f"<style>{states.style()}</style>{made}", format="html")]


class Inlined(SphinxDirective):
    """Puts an SVG file into a page as a part of it, so that it takes the colours of the page."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the file as raw HTML."""
        path = HERE / self.arguments[0]
        self.env.note_dependency(str(path))
        return [nodes.raw("", f"<style>{states.style()}</style>{path.read_text(encoding='utf-8')}", format="html")]


class Public(SphinxDirective):
    """Documents the public names of a page, see ``public``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return what autodoc makes of the names."""
        lines = [line for name in public.names_on(self.arguments[0]) for line in public.directive_of(name)]
        return self.parse_text_to_nodes("\n".join(lines))


class CommandHelp(SphinxDirective):
    """Puts the help of the command line into a page, of each command under its own heading."""

    def run(self) -> list[nodes.Node]:
        """Return a section for the command and one for each of its commands."""
        return [*self._sections()]

    def _sections(self) -> Iterator[nodes.Node]:
        os.environ["COLUMNS"] = "92"
        top = parser.parser()
        yield _said(top)
        commands = next(each for each in top._actions if isinstance(each, argparse._SubParsersAction))
        for name, command in commands.choices.items():
            section = nodes.section(ids=[f"nbflow-{name}"])
            section += nodes.title("", f"nbflow {name}")
            section += _said(command)
            yield section


def _said(command: argparse.ArgumentParser) -> nodes.Node:
    text = command.format_help()
    return nodes.literal_block(text, text, language="text")


def setup(app: Sphinx) -> None:
    """Give Sphinx the directives of this folder."""
    app.add_lexer("python", IPython3Lexer)  # a tutorial may have a line that begins with "!"
    app.add_directive("drawn", Drawn)
    app.add_directive("inlined", Inlined)
    app.add_directive("public", Public)
    app.add_directive("command-help", CommandHelp)
