"""Reference worlds: corpora whose true distribution is known, so a row can be checked."""
