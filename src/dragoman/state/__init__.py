"""Data that is kept between requests: the interface of the store, and the vault of seals."""
