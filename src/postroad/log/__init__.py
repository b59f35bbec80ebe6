"""The durable, ordered store of accepted events."""
