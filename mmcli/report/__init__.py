"""The report on a run: `content` says what it shows, `drawing` and its neighbours draw it, `page` writes it as HTML."""
