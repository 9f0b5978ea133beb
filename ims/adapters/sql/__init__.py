"""Records in SQL, written once in SQLAlchemy Core for every database."""
