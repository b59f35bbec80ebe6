"""What our own warehouses have in common."""
