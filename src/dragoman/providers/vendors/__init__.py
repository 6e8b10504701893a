"""The rows of the known vendors, by kind. `providers.catalog` joins them."""
