"""The operator alone, on a real API server, against an Airflow that answers at once: the ceiling is its own."""
