"""What counts as a like, wherever it comes in: Kafka, HTTP, and files."""
