"""What is kept between requests: the interface of the store, and the seals of earlier answers."""
