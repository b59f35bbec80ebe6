"""What an event looks like when it leaves: transforms and privacy."""
