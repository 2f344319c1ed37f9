"""A package, so that pytest's package scope ends here: what follows finds the development Airflow again."""
