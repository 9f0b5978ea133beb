"""What IMS needs of the world, as small protocols with their guarantees, and the values that pass through them."""
