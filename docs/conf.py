"""Sphinx builds this folder: `make docs`."""

project = "speechclean"
copyright = ""
html_title = "speechclean"
extensions = ["myst_nb"]
root_doc = "index"
html_theme = "furo"
html_show_copyright = False
#: Links into a page: to headings as deep as this.
myst_heading_anchors = 3
#: The notebook is executed by a test, not by every build.
nb_execution_mode = "off"
