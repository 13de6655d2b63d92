"""What counts as a like, at all three doors: Kafka, HTTP, and files."""
