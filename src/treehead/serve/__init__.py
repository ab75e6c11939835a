"""A trained network as a page in the browser, and as a JSON endpoint."""
