"""Pictures over HTTP: generated, edited and varied, by every kind of provider."""
