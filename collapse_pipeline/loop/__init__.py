"""Pure verbs over tables, one a file: what the loop does, with no store, clock or Dagster."""
