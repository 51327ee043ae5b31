"""The report on a run: `content` gathers its `sections` of figures and tables, `page` writes them as HTML."""
