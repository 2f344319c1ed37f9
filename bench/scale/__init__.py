"""Many jobs, with simulated pods, on a real API server and a real Airflow on PostgreSQL."""
