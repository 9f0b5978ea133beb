"""The event log of the production profile: Kafka through kafka-python."""
