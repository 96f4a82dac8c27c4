"""The report: tables, plots, curves and pictures of results in one page that needs no network."""
