"""Report on a run: `content` gathers `sections` of figures and tables, `page` writes them as HTML."""
