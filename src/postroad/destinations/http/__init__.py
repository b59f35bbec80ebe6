"""What destinations that speak HTTP have in common."""
